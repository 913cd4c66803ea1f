"""From captured frames to the datagrams that matter: IKE, ESP, AH and NAT keepalives.

Knows link layers and IP (fragments, IPv6 extension headers, tunnels) as far as finding UDP takes;
no IKE beyond telling it from ESP. One pass, and memory only for fragments still waiting.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ikelab.harness.inspect.pcap import Record
from ikelab.layers.message import demux

IKE_PORTS = frozenset({500, 4500})
UDP, ESP, AH = 17, 50, 51
_IPIP, _IPV6_IN, _GRE = 4, 41, 47
_CARRIERS = frozenset({UDP, ESP, AH, _IPIP, _IPV6_IN, _GRE})
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_FRAGMENT = 44
_IP_TYPES = frozenset({0x0800, 0x86DD})
_VLAN_TYPES = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_PPPOE, _MPLS, _PPP_IP = 0x8864, 0x8847, frozenset({0x0021, 0x0057})
# Fragments of so many datagrams are kept; the oldest go first (RFC 791 lets them time out).
WAITING = 4096
DEEPEST_TUNNEL = 4


class Packet(NamedTuple):
    """What one frame (or the last fragment of several) carried.

    `kind` is ike, esp, ah, keepalive or unknown. `data` is the IKE message without the non-ESP
    marker, or the ESP packet from its SPI on. Ports are 0 where there is no UDP. `hops` is the time
    to live that was left, 0 where nobody knows.
    """

    number: int
    time: float
    kind: str
    src: tuple[str, int]
    dst: tuple[str, int]
    data: bytes
    hops: int = 0


class Flow:
    """The packets of a capture, in order, and the count of what could not be followed."""

    def __init__(self, records: Iterable[Record], ports: frozenset[int] = IKE_PORTS) -> None:
        self.frames = 0
        self.unknown_links: Counter[int] = Counter()
        self._records = records
        self._ports = ports
        self._hops = 0  # of the IP header read last
        self._fragments = _Fragments()

    @property
    def incomplete(self) -> int:
        """Datagrams of which a fragment never came."""
        return self._fragments.dropped + len(self._fragments.waiting)

    def __iter__(self) -> Iterator[Packet]:
        for number, time, linktype, data in self._records:
            self.frames = number
            locate = LINKS.get(linktype)
            if locate is None:
                self.unknown_links[linktype] += 1
                continue
            # Damaged frames are common in what this reads: short ones end the search, silently.
            try:
                start = locate(data)
                found = self._network(data, start, 0) if start >= 0 else None
            except (struct.error, IndexError):
                continue
            if found is not None:
                yield Packet(number, time, *found, self._hops)

    def _network(self, data: bytes, at: int, depth: int) -> _Found | None:
        version = data[at] >> 4
        if version == 4:
            protocol, src, dst, body = self._ipv4(data, at)
        elif version == 6:
            protocol, src, dst, body = self._ipv6(data, at)
        else:
            return None
        if protocol == UDP:
            return self._udp(src, dst, body)
        if protocol in (ESP, AH):
            kind = "esp" if protocol == ESP else "ah"
            return kind, (address(src), 0), (address(dst), 0), body
        if protocol in (_IPIP, _IPV6_IN, _GRE) and depth < DEEPEST_TUNNEL:
            start = _gre(body) if protocol == _GRE else 0
            return self._network(body, start, depth + 1) if start >= 0 else None
        return None

    def _ipv4(self, data: bytes, at: int) -> _Carried:
        protocol = data[at + 9]
        if protocol not in _CARRIERS:
            return _NOTHING
        header = (data[at] & 15) * 4
        if header < 20:
            return _NOTHING
        total, ident, fragment = struct.unpack_from("!HHH", data, at + 2)
        # A total length of 0 is what offloading leaves in captures of sent packets.
        end = at + total if total >= header else len(data)
        dst, src, body = data[at + 16 : at + 20], data[at + 12 : at + 16], data[at + header : end]
        if len(dst) < 4:
            return _NOTHING
        self._hops = data[at + 8]
        if fragment & 0x3FFF:
            key = (src, dst, protocol, ident)
            more = bool(fragment & 0x2000)
            whole = self._fragments.add(key, (fragment & 0x1FFF) * 8, more, body)
            return _NOTHING if whole is None else (protocol, src, dst, whole)
        return protocol, src, dst, body

    def _ipv6(self, data: bytes, at: int) -> _Carried:
        (length,) = struct.unpack_from("!H", data, at + 4)
        src, dst = data[at + 8 : at + 24], data[at + 24 : at + 40]
        if len(dst) < 16:
            return _NOTHING
        self._hops = data[at + 7]
        body = data[at + 40 : at + 40 + length if length else len(data)]
        protocol = data[at + 6]
        while protocol in _EXTENSIONS:
            protocol, body = body[0], body[body[1] * 8 + 8 :]
        if protocol == _FRAGMENT:
            offset, ident = struct.unpack_from("!HI", body, 2)
            key = (src, dst, -1, ident)
            protocol = body[0]
            whole = self._fragments.add(key, offset & 0xFFF8, bool(offset & 1), body[8:])
            if whole is None:
                return _NOTHING
            body = whole
            while protocol in _EXTENSIONS:
                protocol, body = body[0], body[body[1] * 8 + 8 :]
        return protocol, src, dst, body

    def _udp(self, src: bytes, dst: bytes, body: bytes) -> _Found | None:
        sport, dport, length = struct.unpack_from("!HHH", body)
        payload = body[8:length] if length >= 8 else body[8:]
        if sport in self._ports or dport in self._ports:
            kind, data = demux(payload, 4500 if 4500 in (sport, dport) else 500)
        elif looks_like_ike(payload):
            kind, data = "ike", payload
        elif payload[:4] == bytes(4) and looks_like_ike(payload[4:]):
            kind, data = "ike", payload[4:]
        else:
            return None
        return kind, (address(src), sport), (address(dst), dport), data


_Found = tuple[str, tuple[str, int], tuple[str, int], bytes]
_Carried = tuple[int, bytes, bytes, bytes]
_NOTHING: _Carried = (-1, b"", b"", b"")


class _Fragments:
    """Fragments of IP datagrams, waiting for the rest (RFC 791 3.2, RFC 8200 4.5)."""

    def __init__(self) -> None:
        self.dropped = 0
        self.waiting: OrderedDict[tuple[bytes, bytes, int, int], dict[int, bytes]] = OrderedDict()
        self._ends: dict[tuple[bytes, bytes, int, int], int] = {}

    def add(
        self, key: tuple[bytes, bytes, int, int], offset: int, more: bool, body: bytes
    ) -> bytes | None:
        """The whole body once its last hole is filled; None until then."""
        parts = self.waiting.setdefault(key, {})
        parts.setdefault(offset, body)
        if not more:
            self._ends[key] = offset + len(body)
        if len(self.waiting) > WAITING:
            old, _ = self.waiting.popitem(last=False)
            self._ends.pop(old, None)
            self.dropped += 1
        whole = bytearray()
        for start in sorted(parts):
            if start > len(whole):
                return None
            whole[start : start + len(parts[start])] = parts[start]
        if len(whole) != self._ends.get(key):
            return None
        self.waiting.pop(key, None)
        del self._ends[key]
        return bytes(whole)


@lru_cache(maxsize=1 << 16)
def address(packed: bytes) -> str:
    """The text of a packed IPv4 or IPv6 address."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def looks_like_ike(data: bytes) -> bool:
    """Whether octets on an unusual port are an IKEv2 message: version and length say so."""
    return (
        len(data) >= 28
        and data[17] == 0x20
        and 34 <= data[18] <= 50
        and int.from_bytes(data[24:28], "big") == len(data)
        and data[:8] != bytes(8)
    )


def _ethernet(data: bytes) -> int:
    return _ethertype(data, 12)


def _ethertype(data: bytes, at: int) -> int:
    """Where IP begins, given the place of an Ethertype; -1 where it does not."""
    while True:
        kind = data[at] << 8 | data[at + 1]
        at += 2
        if kind in _IP_TYPES:
            return at
        if kind in _VLAN_TYPES:
            at += 2
        elif kind == _PPPOE:
            return _ppp(data, at + 6)
        elif kind == _MPLS:
            while not data[at + 2] & 1:
                at += 4
            return at + 4
        else:
            return -1


def _ppp(data: bytes, at: int = 0) -> int:
    if data[at : at + 2] in (b"\xff\x03", b"\x0f\x00"):
        at += 2
    if data[at] & 1:  # protocol field compression
        return at + 1 if data[at] in _PPP_IP else -1
    return at + 2 if data[at] << 8 | data[at + 1] in _PPP_IP else -1


def _ppp_hdlc(data: bytes) -> int:
    """PPP with HDLC framing, or Cisco HDLC, which has an Ethertype."""
    return _ethertype(data, 2) if data[:2] in (b"\x0f\x00", b"\x8f\x00") else _ppp(data)


def _pppoe(data: bytes) -> int:
    return _ppp(data, 6)


def _raw(data: bytes) -> int:
    return 0


def _null(data: bytes) -> int:
    return 4


def _sll(data: bytes) -> int:
    return _ethertype(data, 14)


def _sll2(data: bytes) -> int:
    start = _ethertype(data, 0)
    return start + 18 if start == 2 else -1


def _enc(data: bytes) -> int:
    return 12


def _gre(data: bytes) -> int:
    """Where IP begins behind a GRE header (RFC 2784, RFC 2890)."""
    optional = sum(4 for bit in (0x80, 0x20, 0x10) if data[0] & bit)
    kind = data[2] << 8 | data[3]
    return 4 + optional if kind in _IP_TYPES else -1


# https://www.tcpdump.org/linktypes.html; 12 and 14 are what some BSDs wrote for raw IP.
LINKS: dict[int, Callable[[bytes], int]] = {
    0: _null,
    1: _ethernet,
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp_hdlc,
    51: _pppoe,
    101: _raw,
    104: _ppp_hdlc,
    108: _null,
    109: _enc,
    113: _sll,
    228: _raw,
    229: _raw,
    276: _sll2,
}
