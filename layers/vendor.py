"""Vendor IDs that are known by their bytes: exact values, hashes of a text, and prefixes."""

from __future__ import annotations

from functools import cache
from hashlib import md5, sha1

_TEXTS: dict[str, str] = {
    "CISCO-DELETE-REASON": "CISCO-DELETE-REASON",
    "CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc.": "Cisco copyright",
    "CISCO-DYNAMIC-ROUTE": "CISCO-DYNAMIC-ROUTE",
    "CISCOVPN-REV-02": "CISCOVPN-REV-02",
    "FLEXVPN-SUPPORTED": "FLEXVPN-SUPPORTED",
    "CISCO-GRE-MODE": "CISCO-GRE-MODE",
}
"""Vendor IDs that are a text as it stands."""

_MD5_TEXTS: tuple[str, ...] = (
    "strongSwan",
    "CISCO-UNITY",
    "RFC 3947",
    "draft-ietf-ipsec-nat-t-ike-00",
    "draft-ietf-ipsec-nat-t-ike-01",
    "draft-ietf-ipsec-nat-t-ike-02",
    "draft-ietf-ipsec-nat-t-ike-02\n",
    "draft-ietf-ipsec-nat-t-ike-03",
    "draft-ietf-ipsec-nat-t-ike-04",
    "draft-ietf-ipsec-nat-t-ike-05",
    "draft-ietf-ipsec-nat-t-ike-06",
    "draft-ietf-ipsec-nat-t-ike-07",
    "draft-ietf-ipsec-nat-t-ike-08",
    "draft-stenberg-ipsec-nat-traversal-01",
    "draft-stenberg-ipsec-nat-traversal-02",
    "draft-huttunen-ipsec-esp-in-udp-00.txt",
    "ESPThruNAT",
    "IKE CGA version 1",
    "MS-Negotiation Discovery Capable",
    "Vid-Initial-Contact",
    "FRAGMENTATION",
    "Opportunistic IPsec",
    "GSSAPI",
    "MS MAMIEEXISTS",
)
"""Vendor IDs that are the MD5 of a text."""

_EXACT: dict[str, str] = {
    "09002689dfd6b712": "XAUTH",
    "afcad71368a1f1c96b8696fc77570100": "DPD",
    "12f5f28c457168a9702d9fe274cc0100": "Cisco Unity 1.0",
    "09bdca8b2a5f4f02b0d94d7ce7eb6a66": "Altiga NAT-T",
}
"""Vendor IDs of other making, in hex."""

_PREFIXES: dict[str, str] = {
    "afcad71368a1f1c96b8696fc7757": "DPD",
    "12f5f28c457168a9702d9fe274cc": "Cisco Unity",
    "1e2b516905991c7d7c96fcbfb587e461": "Microsoft NT5",
    "4048b7d56ebce88525e7de7f00d6c2d3": "Cisco fragmentation",
    "882fe56d6fd20dbc2251613b2ebe5beb": "strongSwan",
    "4f45": "Openswan",
    "4f4550": "Openswan",
    "1f07f70eaa6514d3b0fa96542a50": "Cisco VPN 3000",
}
"""Known beginnings, in hex; the longest that fits counts."""


@cache
def _exact() -> dict[bytes, str]:
    table = {text.encode(): name for text, name in _TEXTS.items()}
    table |= {md5(t.encode(), usedforsecurity=False).digest(): t.strip() for t in _MD5_TEXTS}
    table |= {bytes.fromhex(digits): name for digits, name in _EXACT.items()}
    return table


def vendor_name(data: bytes) -> str | None:
    """What is known under this Vendor ID; None where nothing is."""
    return _exact().get(data)


_ = sha1
