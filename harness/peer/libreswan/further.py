"""Extensions of RFC 7296 in Libreswan's words: what a connection says of them.

Pure. `SPEAKS` holds the fields of `Features` that this file has words for.
"""

from __future__ import annotations

from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.layers.iana import PpkIdType

SPEAKS = frozenset(
    {
        *("mobike", "redirect", "follow_redirects", "tickets", "ipcomp"),
        *("ppks", "ppk_required", "ppk_early"),
    }
)


def connection(config: PeerConfig, *, modern: bool) -> dict[str, str]:
    """What stands in a connection for the extensions."""
    told, found = config.features, {}
    if told.mobike:
        found["mobike"] = "yes"
    if told.ipcomp:
        found["compress"] = "yes"
    if told.follow_redirects:
        found["accept-redirect"] = "yes"
    if told.redirect is not None:
        if told.redirect.when != "auth":
            raise Unsupported("Libreswan's connection redirects in IKE_AUTH")
        found |= {"send-redirect": "yes", "redirect-to": told.redirect.to}
    if told.ppks or told.ppk_required:
        found["ppk"] = "insist" if told.ppk_required else "yes"
    if told.ppk_early:
        if not modern:
            raise Unsupported("Libreswan has PPKs in IKE_INTERMEDIATE from 5.0 on")
        found["intermediate"] = "yes"
    if told.tickets is not None:
        if not modern:
            raise Unsupported("Libreswan has session resumption from 5.1 on")
        found["session-resumption"] = "yes"
    return found


def ppk_lines(config: PeerConfig) -> str:
    """The PPKs of ipsec.secrets, a line each (RFC 8784)."""
    found = ""
    for key in config.features.ppks:
        word = key.id.decode("ascii", "replace")
        plain = key.kind == PpkIdType.PPK_ID_FIXED and word.isprintable() and word.isascii()
        if not plain or not word or '"' in word:
            raise Unsupported(f"Libreswan's driver cannot say the PPK identity {key.id!r}")
        found += f': PPKS "{word}" 0x{key.key.hex()}\n'
    return found
