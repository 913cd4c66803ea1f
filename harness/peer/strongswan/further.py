"""Extensions of RFC 7296 in strongSwan's words: what a connection says of them.

Pure. `SPEAKS` holds the fields of `Features` that this file has words for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ikelab.harness.model import Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.strongswan import credentials
from ikelab.layers.iana import CfgAttr

SPEAKS = frozenset(
    {
        *("more", "more_trust", "mobike", "childless", "follow_redirects", "attributes"),
        *("ppks", "ppk_required", "ipcomp"),
    }
)


Words = Callable[[Identity], str]


def connection(config: PeerConfig, identity: Words, *, initiates: bool = False) -> dict[str, Any]:
    """What stands in a connection beside what `render` says.

    As responder charon takes no PPK but the one that is named here; unnamed, it takes all it has.
    """
    # Reauthentication, where AUTH_LIFETIME asks for it, has to begin before the time is over.
    told, found = config.features, {"over_time": "1s", **_proofs(config, identity)}
    if told.mobike:
        found["mobike"] = "yes"
    if told.childless:
        found["childless"] = "prefer"
    if told.ppks and (told.ppk_required or initiates):
        found["ppk_id"] = credentials.ppk_name(told.ppks[0])
    if told.ppk_required:
        found["ppk_required"] = "yes"
    return found


def _proofs(config: PeerConfig, identity: Words) -> dict[str, Any]:
    """RFC 4739: a section for each proof beyond the first, in their order."""
    found: dict[str, Any] = {}
    for number, more in enumerate(config.features.more, 2):
        own = replace(config, own=more.credential, trust=None)
        words = {**credentials.local(own), "id": identity(more.identity)}
        found[f"local-{number}"] = {**words, "round": str(number)}
    for number, trust in enumerate(config.features.more_trust, 2):
        own = replace(config, own=None, trust=trust)
        found[f"remote-{number}"] = {**credentials.remote(own), "round": str(number)}
    return found


def attributes(config: PeerConfig) -> dict[str, str]:
    """What the plugin `attr` gives to who asks for an address: names only (RFC 8598)."""
    found = {}
    for kind, value in config.features.attributes:
        if kind != CfgAttr.INTERNAL_DNS_DOMAIN or not value.isascii():
            raise Unsupported("strongSwan's driver gives domains of split DNS, and no more")
        found[str(int(kind))] = value.decode("ascii")
    return found
