"""Keys and trust in Libreswan's words: how each side authenticates, what ipsec.secrets holds.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.exchange.credentials import CertCredential, NullCredential, PskCredential
from ikelab.harness.model import Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported

Words = Callable[[Identity], str]


def sides(config: PeerConfig, identity: Words) -> dict[str, str]:
    """Who both sides are, and how they prove it."""
    own, peer = _own(config), _peer(config)
    found = {
        "leftid": "%null" if own == "null" else identity(config.local_id),
        "rightid": "%null" if peer == "null" else identity(config.remote_id),
    }
    if own == peer:
        return found | {"authby": own}
    return found | {"leftauth": own, "rightauth": peer}


def _own(config: PeerConfig) -> str:
    if isinstance(config.own, NullCredential):
        return "null"
    if isinstance(config.own, CertCredential):
        raise Unsupported("Libreswan's driver has shared keys and NULL authentication so far")
    return "secret"


def _peer(config: PeerConfig) -> str:
    trust = config.trust
    if trust is None or (trust.psk is not None and not trust.null and not trust.anchors):
        return "secret"
    if trust.anchors or trust.known:
        raise Unsupported("Libreswan's driver has shared keys and NULL authentication so far")
    if trust.null and trust.psk is None:
        return "null"
    raise Unsupported("Libreswan's connection accepts a shared key or none at all, not either")


def secrets(config: PeerConfig) -> str:
    """ipsec.secrets: the shared key, for whoever both sides are."""
    key = config.psk
    if isinstance(config.own, PskCredential):
        key = config.own.key
    elif config.trust is not None and config.trust.psk is not None:
        key = config.trust.psk
    if not key:
        raise Unsupported("Libreswan has no empty shared key")
    return f": PSK 0x{key.hex()}\n"
