"""Where IP begins in a frame, for the link types that carry it.

https://www.tcpdump.org/linktypes.html names them. Each function gives the place of the IP header,
-1 where the frame carries something else; frames that are too short raise IndexError.
"""

from __future__ import annotations

from collections.abc import Callable

_IP_TYPES = frozenset({0x0800, 0x86DD})
_VLAN_TYPES = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_PPPOE, _MPLS, _PPP_IP = 0x8864, frozenset({0x8847, 0x8848}), frozenset({0x0021, 0x0057})
_BRIDGED, _ERSPAN, _PPP_IN_GRE = 0x6558, 0x88BE, 0x880B
_SNAP = b"\xaa\xaa\x03"


def ethernet(data: bytes, at: int = 0) -> int:
    """Ethernet II with any tags, or IEEE 802.3 with LLC and SNAP."""
    if data[at + 12] < 6:  # a length, not a type
        return _llc(data, at + 14)
    return ethertype(data, at + 12)


def ethertype(data: bytes, at: int) -> int:
    """Behind an Ethertype: VLAN tags, PPPoE and MPLS are stepped over."""
    while True:
        kind = data[at] << 8 | data[at + 1]
        at += 2
        if kind in _IP_TYPES:
            return at
        if kind in _VLAN_TYPES:
            at += 2
        elif kind == _PPPOE:
            return ppp(data, at + 6)
        elif kind in _MPLS:
            while not data[at + 2] & 1:
                at += 4
            return at + 4
        else:
            return -1


def _llc(data: bytes, at: int) -> int:
    """LLC with SNAP, whose organisation says that an Ethertype follows; or IP by its own SAP."""
    if data[at : at + 3] == _SNAP and data[at + 3 : at + 6] in (b"\0\0\0", b"\0\0\xf8"):
        return ethertype(data, at + 6)
    return at + 3 if data[at : at + 3] == b"\x06\x06\x03" else -1


def ppp(data: bytes, at: int = 0) -> int:
    """PPP, with or without HDLC's address and control."""
    if data[at : at + 2] in (b"\xff\x03", b"\x0f\x00"):
        at += 2
    if data[at] & 1:  # protocol field compression
        return at + 1 if data[at] in _PPP_IP else -1
    return at + 2 if data[at] << 8 | data[at + 1] in _PPP_IP else -1


def _hdlc(data: bytes) -> int:
    """PPP with HDLC framing, or Cisco HDLC, which has an Ethertype."""
    return ethertype(data, 2) if data[:2] in (b"\x0f\x00", b"\x8f\x00") else ppp(data)


def gre(data: bytes) -> int:
    """Behind a GRE header (RFC 2784, RFC 2890): IP, an Ethernet frame, ERSPAN, or PPTP's PPP."""
    flags, kind = data[0], data[2] << 8 | data[3]
    at = 4 + sum(4 for bit in (0x80, 0x20, 0x10) if flags & bit)
    if data[1] & 7 == 1:  # RFC 2637: PPTP has a key always, and may acknowledge
        return ppp(data, at + (4 if data[1] & 0x80 else 0)) if kind == _PPP_IN_GRE else -1
    if kind in _IP_TYPES:
        return at
    if kind == _BRIDGED:
        return ethernet(data, at)
    if kind == _ERSPAN:
        return ethernet(data, at + (8 if flags & 0x10 else 0))
    return -1


def _fixed(size: int) -> Callable[[bytes], int]:
    """A header of that size, then IP."""
    return lambda data: size


def _typed(at: int) -> Callable[[bytes], int]:
    """An Ethertype at that place."""
    return lambda data: ethertype(data, at)


def _snapped(size: int) -> Callable[[bytes], int]:
    """A header of that size, then LLC."""
    return lambda data: _llc(data, size)


def _sll2(data: bytes) -> int:
    start = ethertype(data, 0)
    return start + 18 if start == 2 else -1


def wifi(data: bytes, at: int = 0) -> int:
    """IEEE 802.11: data frames that are not encrypted."""
    control, flags = data[at], data[at + 1]
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:
        return -1
    size = 30 if flags & 3 == 3 else 24
    if control & 0x80:  # QoS, and its HT control
        size += 6 if flags & 0x80 else 2
    return _llc(data, at + size)


def _radiotap(data: bytes) -> int:
    size = data[2] | data[3] << 8
    # Some cards align the data behind the 802.11 header; the flags' field tells, if it is there.
    return wifi(data, size)


def _avs(data: bytes) -> int:
    return wifi(data, int.from_bytes(data[4:8], "big"))


def _prism(data: bytes) -> int:
    return wifi(data, 144)


def _ppi(data: bytes) -> int:
    size, kind = data[2] | data[3] << 8, int.from_bytes(data[4:8], "little")
    inner = LINKS.get(kind)
    return -1 if inner is None or kind == 192 else _behind(inner, data, size)


def _behind(inner: Callable[[bytes], int], data: bytes, size: int) -> int:
    start = inner(data[size:])
    return start if start < 0 else start + size


def _pktap(data: bytes) -> int:
    """Apple's: a header that tells its length and the link type behind it."""
    size, kind = int.from_bytes(data[:4], "little"), int.from_bytes(data[8:12], "little")
    inner = LINKS.get(kind)
    return -1 if inner is None or kind == 258 else _behind(inner, data, size)


def _nflog(data: bytes) -> int:
    """Attributes with a length and a type each; type 9 is the packet."""
    at = 4
    while at + 4 <= len(data):
        size, kind = data[at] | data[at + 1] << 8, data[at + 2] | data[at + 3] << 8
        if kind & 0x7FFF == 9:
            return at + 4
        if size < 4:
            return -1
        at += size + (-size % 4)
    return -1


def _frame_relay(data: bytes) -> int:
    """Two octets of address, then NLPID: IP itself or SNAP (RFC 2427)."""
    if data[2:4] == b"\x03\xcc":
        return 4
    if data[2:4] == b"\x03\x8e":
        return 4
    if data[2:5] == b"\x03\x00\x80" and data[5:8] == b"\0\0\0":
        return ethertype(data, 8)
    return ethertype(data, 2)


def _pflog(data: bytes) -> int:
    size = data[0]
    return size + (-size % 4)


def _token_ring(data: bytes) -> int:
    """A route may stand behind the addresses; its first bits hold its length."""
    return _llc(data, 14 + (data[14] & 0x1F if data[8] & 0x80 else 0))


def _directed_ppp(data: bytes) -> int:
    return ppp(data, 1)


def _ip_mac(data: bytes) -> int:
    return ethernet(data, 4)


def _ip_ib(data: bytes) -> int:
    """IP over InfiniBand: an Ethertype and two reserved octets (RFC 4391)."""
    start = ethertype(data, 0)
    return start + 2 if start == 2 else -1


LINKS: dict[int, Callable[[bytes], int]] = {
    0: _fixed(4),  # BSD loopback
    1: ethernet,
    6: _token_ring,
    8: _fixed(16),  # SLIP
    9: ppp,
    10: _snapped(13),  # FDDI
    12: _fixed(0),  # raw IP, as some BSDs wrote it
    14: _fixed(0),
    50: _hdlc,
    51: lambda data: ppp(data, 6),  # PPPoE
    100: _snapped(0),  # RFC 2684 over ATM
    101: _fixed(0),  # raw IP
    104: _hdlc,
    105: wifi,
    106: _snapped(0),  # IP over ATM under Linux
    107: _frame_relay,
    108: _fixed(4),  # OpenBSD loopback
    109: _fixed(12),  # OpenBSD's enc
    113: _typed(14),  # Linux cooked
    117: _pflog,
    119: _prism,
    122: _snapped(16),  # IP over Fibre Channel
    123: _fixed(4),  # SunATM
    127: _radiotap,
    138: _typed(16),  # IP over FireWire
    163: _avs,
    166: _directed_ppp,  # pppd's, with a direction
    192: _ppi,
    204: _directed_ppp,
    228: _fixed(0),  # IPv4
    229: _fixed(0),  # IPv6
    239: _nflog,
    240: _ip_mac,  # netANALYZER
    242: _ip_ib,
    258: _pktap,
    276: _sll2,
}
