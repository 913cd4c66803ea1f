"""From captured frames to the datagrams that matter: IKE, ESP, AH and NAT keepalives.

Knows IP (fragments, IPv6 extension headers, tunnels) as far as finding UDP and TCP takes; no IKE
beyond telling it from ESP. One pass, and memory only for fragments and segments that still wait.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from ikelab.harness.inspect.fragments import Fragments
from ikelab.harness.inspect.likely import looks_like_ike
from ikelab.harness.inspect.links import LINKS, ethernet, gre
from ikelab.harness.inspect.pcap import Record
from ikelab.harness.inspect.tcp import Streams
from ikelab.layers.message import demux

IKE_PORTS = frozenset({500, 4500})
TCP, UDP, ESP, AH = 6, 17, 50, 51
_IPIP, _IPV6_IN, _GRE = 4, 41, 47
_CARRIERS = frozenset({TCP, UDP, ESP, AH, _IPIP, _IPV6_IN, _GRE})
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_FRAGMENT = 44
_VXLAN = 4789
_VXLAN_PORT = _VXLAN.to_bytes(2, "big")
# Where IP begins in the frames of most captures: Ethernet, raw IP, Linux cooked.
_STRAIGHT = {1: 14, 101: 0, 228: 0, 113: 16}
# Of IPv4: length, fragment, time to live, addresses. Of UDP behind it: ports, length.
_USUAL = struct.Struct("!2xH2xHBx2x4s4s3H")
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
    """The packets of a capture, in order, and the count of what could not be followed.

    IKEv2 messages whose first SPI is in `others` may be left out: somebody else reads them.
    """

    def __init__(
        self,
        records: Iterable[Record],
        ports: frozenset[int] = IKE_PORTS,
        others: Container[bytes] = frozenset(),
    ) -> None:
        self.frames = 0
        self.unknown_links: Counter[int] = Counter()
        self._records = records
        self._ports = ports
        self._others = others
        self._hops = 0  # of the IP header read last
        self._fragments = Fragments()
        self._streams = Streams()

    @property
    def incomplete(self) -> int:
        """Datagrams of which a fragment never came."""
        return self._fragments.dropped + len(self._fragments.waiting)

    @property
    def gaps(self) -> int:
        """Places in TCP streams where segments are missing."""
        return self._streams.gaps

    def __iter__(self) -> Iterator[Packet]:
        packet = partial(tuple.__new__, Packet)  # half the time of a call of Packet
        for number, time, linktype, data in self._records:
            self.frames = number
            at = _STRAIGHT.get(linktype, -1)
            if (
                0 <= at < len(data) - 28
                and data[at] == 0x45
                and data[at + 9] == UDP
                and (not at or data[at - 2 : at] == b"\x08\x00")
                and (straight := self._straight(data, at)) is not None
            ):
                if straight is not _LEFT_OUT:
                    yield packet((number, time, *straight, self._hops))
                continue
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
            if found is None:
                continue
            if isinstance(found, list):  # a TCP segment may complete several
                for one in found:
                    yield Packet(number, time, *one, self._hops)
            else:
                yield Packet(number, time, *found, self._hops)

    def _straight(self, data: bytes, at: int) -> _Found | None:
        """The usual datagram in one step: IKE's ports, no IP options, no fragment, no tunnel.

        None sends the frame the long way, which finds the same and much more.
        """
        total, fragment, hops, src, dst, sport, dport, length = _USUAL.unpack_from(data, at)
        ports = self._ports
        if fragment & 0x3FFF or dport == _VXLAN or not (sport in ports or dport in ports):
            return None
        end = at + total if total >= 20 else len(data)
        if end < at + 28:
            return None
        self._hops = hops
        stop = min(end, at + 20 + length) if length >= 8 else end
        marked = sport == 4500 or dport == 4500
        ike = at + 32 if marked else at + 28
        if (
            data[ike : ike + 8] in self._others
            and stop - ike >= 28
            and data[ike + 17] >> 4 != 1
            and (not marked or data[ike - 4 : ike] == _MARKER)
        ):
            return _LEFT_OUT
        kind, found = demux(data[at + 28 : stop], 4500 if marked else 500)
        return kind, (address(src), sport), (address(dst), dport), found

    def _network(self, data: bytes, at: int, depth: int) -> _Found | list[_Found] | None:
        version = data[at] >> 4
        if version == 4:
            protocol, src, dst, body = self._ipv4(data, at)
        elif version == 6:
            protocol, src, dst, body = self._ipv6(data, at)
        else:
            return None
        if protocol == UDP:
            if depth < DEEPEST_TUNNEL and body[2:4] == _VXLAN_PORT and body[8:9] == b"\x08":
                start = ethernet(body, 16)
                return self._network(body, start, depth + 1) if start >= 0 else None
            return self._udp(src, dst, body)
        if protocol == TCP:
            return self._tcp(src, dst, body)
        if protocol in (ESP, AH):
            kind = "esp" if protocol == ESP else "ah"
            return kind, (address(src), 0), (address(dst), 0), body
        if protocol in (_IPIP, _IPV6_IN, _GRE) and depth < DEEPEST_TUNNEL:
            start = gre(body) if protocol == _GRE else 0
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

    def _tcp(self, src: bytes, dst: bytes, body: bytes) -> list[_Found] | None:
        found = self._streams.add(src, dst, body)
        if not found:
            return None
        sport, dport = body[0] << 8 | body[1], body[2] << 8 | body[3]
        return [(k, (address(src), sport), (address(dst), dport), data) for k, data in found]

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
_LEFT_OUT: _Found = ("", ("", 0), ("", 0), b"")
_MARKER = bytes(4)


@lru_cache(maxsize=1 << 16)
def address(packed: bytes) -> str:
    """The text of a packed IPv4 or IPv6 address."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
