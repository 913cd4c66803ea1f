"""Extensions of RFC 7296 in Libreswan's words: what a connection says of them.

Pure. `SPEAKS` holds the fields of `Features` that this file has words for.
"""

from __future__ import annotations

from ikelab.harness.peer.base import PeerConfig, Unsupported

SPEAKS = frozenset({"mobike", "redirect", "follow_redirects", "tickets"})


def connection(config: PeerConfig, *, modern: bool) -> dict[str, str]:
    """What stands in a connection for the extensions."""
    told, found = config.features, {}
    if told.mobike:
        found["mobike"] = "yes"
    if told.follow_redirects:
        found["accept-redirect"] = "yes"
    if told.redirect is not None:
        if told.redirect.when != "auth":
            raise Unsupported("Libreswan's connection redirects in IKE_AUTH")
        found |= {"send-redirect": "yes", "redirect-to": told.redirect.to}
    if told.tickets is not None:
        if not modern:
            raise Unsupported("Libreswan has session resumption from 5.1 on")
        found["session-resumption"] = "yes"
    return found
