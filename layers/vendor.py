"""Vendor IDs that are known by their bytes: texts, MD5 hashes of texts, and beginnings.

Most are relics of IKEv1 that peers still send. Where the text behind a hash is known, the hash is
computed from it, so that the table can be checked by reading it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import md5

_TEXTS: dict[str, str] = {
    "CISCO-DELETE-REASON": "CISCO-DELETE-REASON",
    "CISCO-DYNAMIC-ROUTE": "CISCO-DYNAMIC-ROUTE",
    "CISCOVPN-REV-02": "CISCOVPN-REV-02",
    "FLEXVPN-SUPPORTED": "FLEXVPN-SUPPORTED",
    "CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc.": "CISCO(COPYRIGHT)",
    "Opportunistic IPsec": "Opportunistic IPsec",
    "OpenPGP10171": "OpenPGP",
    "IKEv2": "CAN-IKEv2",
}
"""Sent as text -> the name to print."""

_MD5: dict[str, str] = {
    "strongSwan": "strongSwan",
    "CISCO-UNITY": "Cisco Unity",
    "ALTIGA NETWORKS": "Cisco VPN 3000 client",
    "RFC 3947": "RFC 3947 NAT-T",
    "FRAGMENTATION": "FRAGMENTATION",
    "MS NT5 ISAKMPOAKLEY": "MS NT5 ISAKMPOAKLEY",
    "MS-Negotiation Discovery Capable": "MS-Negotiation Discovery Capable",
    "MS-MamieExists": "MS AuthIP",
    "NLBS_PRESENT": "MS NLBS_PRESENT",
    "IKE CGA version 1": "IKE CGA version 1",
    "Vid-Initial-Contact": "Vid-Initial-Contact",
    "GSSAPI": "GSSAPI",
    "A GSS-API Authentication Method for IKE": "GSS-API authentication",
    "KAME/racoon": "KAME/racoon",
    "SSH Sentinel": "SSH Sentinel",
    "SSH Sentinel 1.4": "SSH Sentinel 1.4",
    "SSH Sentinel 1.4.1": "SSH Sentinel 1.4.1",
    "draft-ietf-ipsra-isakmp-xauth-06.txt": "XAUTH",
    "Fortinet Endpoint Control": "Fortinet Endpoint Control",
    "forticlient connect license": "FortiClient connect license",
    "ESPThruNAT": "ESPThruNAT",
    "draft-huttunen-ipsec-esp-in-udp-00.txt": "draft-huttunen-ipsec-esp-in-udp-00",
    "draft-stenberg-ipsec-nat-traversal-01": "draft-stenberg-ipsec-nat-traversal-01",
    "draft-stenberg-ipsec-nat-traversal-02": "draft-stenberg-ipsec-nat-traversal-02",
    "draft-ietf-ipsec-nat-t-ike": "draft-ietf-ipsec-nat-t-ike",
    # The draft's own text hashed a line feed along, and both forms are in use.
    "draft-ietf-ipsec-nat-t-ike-02\n": "draft-ietf-ipsec-nat-t-ike-02\\n",
    **{
        draft: draft for draft in (f"draft-ietf-ipsec-nat-t-ike-{number:02}" for number in range(9))
    },
}
"""Hashed with MD5 -> the name to print."""

_EXACT: dict[str, str] = {
    "afcad71368a1f1c96b8696fc77570100": "DPD 1.0 (RFC 3706)",
    "3b9031dce4fcf88b489a923963dd0c49": "DPDv1_NG",
    "12f5f28c457168a9702d9fe274cc0100": "Cisco Unity 1.0",
    "800100018002000180030002": "Cisco Unity firewall type",
    "660822b3a73a244149578d62e0eb46a0": "Xbox IKEv2 Negotiation",
    "8aa394cf8a5577dc3110c113b027a4f2": "Microsoft Xbox One 2013",
    "686a8cbdfe634b405146fb2baf33e9e8": "MSFT IPsec Security Realm Id",
    "101fb0b35c5a4f4c08b919f1cb9777b0": "NCP client",
    "f14b94b7bff1fef02773b8c49feded26": "Shrew Soft client",
    "1d6e178f6c2c0be284985465450fe9d4": "FortiGate",
    "8404adf9cda05760b2ca292e4bff537b": "Sidewinder",
}
"""Whole Vendor IDs in hex."""

_PREFIXES: dict[str, str] = {
    "1e2b516905991c7d7c96fcbfb587e461": "MS NT5 ISAKMPOAKLEY",
    "01528bbbc00696121849ab9a1c5b2a51": "MS KEY_MODS",
    "7bb93867d76c8d80df0f40fae8fc3b19": "MS AuthIP initial KE",
    "09002689dfd6b712": "XAUTH",
    "afcad71368a1f1c96b8696fc7757": "DPD",
    "12f5f28c457168a9702d9fe274cc": "Cisco Unity",
    "1f07f70eaa6514d3b0fa96542a50": "Cisco VPN 3000",
    "3e984048": "Cisco IOS",
    "434953434f2d4752452d4d4f4445": "CISCO-GRE-MODE",
    "4048b7d56ebce88525e7de7f00d6c2d3": "FRAGMENTATION",
    "404bf439522ca3f6": "SonicWall",
    "5b362bc820f6": "SonicWall",
    "5b362bc820f7": "SonicWall",
    "da8e937880010000": "SonicWall",
    "f4ed19e0c114eb516faaac0ee37daf2807b4381f": "Check Point",
    "699369228741c6d4ca094c93e242c9de19e7b7c6": "NetScreen",
    "299ee8289f40a8973bc78687e2e7226b532c3b76": "NetScreen",
    "3a15e1f3cf2a63582e3ac82d1c64cbe3b6d779e7": "NetScreen",
    "166f932d55eb64d8e4df4fd37e2313f0d0fd8451": "NetScreen",
    "fd808804df73b15150709d878044cde0ac1efcde": "Juniper SRX",
    "625027749d5ab97f5616c1602765cf480a3b7d0b": "ZyXEL ZyWALL",
    "b858d1addd08c1e8adafea150608aa4497aa6cc8": "ZyXEL ZyWALL",
    "f758f22668750f03b08df6ebe1d0": "ZyXEL ZyWALL USG",
    "08db45e6cb01f80bb576e9a78c0f54e1300b8881": "ELVIS-PLUS Zastava",
    "4f70656e494b4544": "OpenIKED",
    "4f452d4c69627265737761": "Libreswan",
    "4f454e": "Libreswan 3.0 to 3.5",
    "4f5357": "Openswan",
    "4865617274426561745f4e6f74696679": "HeartBeat_Notify",
    "54494d4553544550": "TimeStep",
}
"""Beginnings in hex; the longest that fits counts, and a version often follows."""

_SWAN_LENGTH = 12
"""FreeS/WAN's descendants send `OE` and ten octets of 0x40 to 0x7f made of a hash."""


@cache
def _exact() -> dict[bytes, str]:
    table = {text.encode(): name for text, name in _TEXTS.items()}
    for text, name in _MD5.items():
        table[md5(text.encode(), usedforsecurity=False).digest()] = name
    return table | {bytes.fromhex(digits): name for digits, name in _EXACT.items()}


@cache
def _prefixes() -> tuple[tuple[bytes, str], ...]:
    rows = [(bytes.fromhex(digits), name) for digits, name in _PREFIXES.items()]
    return tuple(sorted(rows, key=lambda row: len(row[0]), reverse=True))


def vendor_name(data: bytes) -> str | None:
    """What is known to send this Vendor ID, or to be meant by it; None where nothing is."""
    known = _exact().get(data)
    if known is None:
        known = next((name for start, name in _prefixes() if data.startswith(start)), None)
    if known is None and len(data) == _SWAN_LENGTH and data[:2] == b"OE" and min(data) >= 0x40:
        known = "Openswan or FreeS/WAN"
    return known


def known() -> Iterator[bytes]:
    """Vendor IDs as they are sent: whole ones, and the beginnings of those that a version ends."""
    yield from _exact()
    yield from (start for start, _ in _prefixes())
