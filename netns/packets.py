"""IP packets as a router sees them: addresses, ports, fragments, checksums. Octets in, octets out.

No sockets here. Only what a NAT and a forwarder need; protocols above UDP are payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from ikelab.harness.model import Address

UDP, ICMP = 17, 1
_FRAGMENT_HEADER = 44  # of IPv6
_MORE, _OFFSET, _DONT = 0x2000, 0x1FFF, 0x4000


@dataclass(frozen=True, slots=True)
class Packet:
    """One IP packet; `src` and `dst` have port 0 where there is none to see."""

    data: bytes
    version: int
    protocol: int
    src: Address
    dst: Address
    header: int  # octets before the payload of IP
    fragment: bool = False
    first: bool = True  # False for a later fragment, which has no ports

    @property
    def payload(self) -> bytes:
        """What UDP carries, or what IP carries where it is not UDP or a later fragment."""
        skipped = 8 if self.protocol == UDP and self.first else 0
        return self.data[self.header + skipped :]

    def __str__(self) -> str:
        return f"{self.src[0]}:{self.src[1]} > {self.dst[0]}:{self.dst[1]} {len(self.data)}"


def parse(data: bytes) -> Packet | None:
    """The packet in these octets (padding of the link cut off); None where it is no whole one."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        return _parse4(data)
    if len(data) >= 40 and data[0] >> 4 == 6:
        return _parse6(data)
    return None


def _parse4(data: bytes) -> Packet | None:
    header = (data[0] & 15) * 4
    length, _, part = struct.unpack_from(">HHH", data, 2)
    if header < 20 or not header <= length <= len(data):
        return None
    data = data[:length]
    first = not part & _OFFSET
    fragment = bool(part & (_MORE | _OFFSET))
    src, dst = (str(ip_address(data[at : at + 4])) for at in (12, 16))
    here, there = _ports(data, header) if first and data[9] == UDP else (0, 0)
    return Packet(data, 4, data[9], (src, here), (dst, there), header, fragment, first)


def _parse6(data: bytes) -> Packet | None:
    length = 40 + int.from_bytes(data[4:6], "big")
    if length > len(data):
        return None
    data, protocol, header = data[:length], data[6], 40
    fragment, first = protocol == _FRAGMENT_HEADER, True
    if fragment and length >= 48:
        protocol, header = data[40], 48
        first = not int.from_bytes(data[42:44], "big") & 0xFFF8
    src, dst = (str(ip_address(data[at : at + 16])) for at in (8, 24))
    here, there = _ports(data, header) if first and protocol == UDP else (0, 0)
    return Packet(data, 6, protocol, (src, here), (dst, there), header, fragment, first)


def _ports(data: bytes, at: int) -> tuple[int, int]:
    if len(data) < at + 8:
        return 0, 0
    here, there = struct.unpack_from(">HH", data, at)
    return here, there


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def rewritten(packet: Packet, *, src: Address | None = None, dst: Address | None = None) -> Packet:
    """An IPv4 packet with other addresses (and ports, in UDP), its checksums made anew.

    A UDP checksum of zero says that there is none (RFC 768) and stays.
    """
    new_src, new_dst = src or packet.src, dst or packet.dst
    data = bytearray(packet.data)
    data[12:16], data[16:20] = ip_address(new_src[0]).packed, ip_address(new_dst[0]).packed
    _seal_header(data, packet.header)
    at = packet.header
    if packet.protocol == UDP and packet.first and len(data) >= at + 8:
        struct.pack_into(">HH", data, at, new_src[1], new_dst[1])
        if data[at + 6 : at + 8] != b"\0\0" and not packet.fragment:
            data[at + 6 : at + 8] = b"\0\0"
            pseudo = bytes(data[12:20]) + struct.pack(">HH", UDP, len(data) - at)
            total = checksum(pseudo + bytes(data[at:])) or 0xFFFF
            struct.pack_into(">H", data, at + 6, total)
    found = parse(bytes(data))
    assert found is not None
    return found


def _seal_header(data: bytearray, header: int) -> None:
    data[10:12] = b"\0\0"
    struct.pack_into(">H", data, 10, checksum(bytes(data[:header])))


def hopped(packet: Packet) -> bytes | None:
    """The packet one hop later; None where its time to live is over."""
    data = bytearray(packet.data)
    at = 8 if packet.version == 4 else 7
    if data[at] <= 1:
        return None
    data[at] -= 1
    if packet.version == 4:
        _seal_header(data, packet.header)
    return bytes(data)


def fragments(data: bytes, mtu: int) -> Iterator[bytes]:
    """An IPv4 packet in pieces that fit (RFC 791); the packet itself where it does."""
    packet = parse(data)
    if packet is None or packet.version == 6 or len(data) <= mtu:
        yield data
        return
    size = (mtu - packet.header) // 8 * 8
    body = data[packet.header :]
    before = int.from_bytes(data[6:8], "big")
    for at in range(0, len(body), size):
        piece = bytearray(data[: packet.header] + body[at : at + size])
        more = _MORE if at + size < len(body) else before & _MORE
        part = more | (before & _DONT) | ((before & _OFFSET) + at // 8)
        struct.pack_into(">H", piece, 2, len(piece))
        struct.pack_into(">H", piece, 6, part)
        _seal_header(piece, packet.header)
        yield bytes(piece)


class Reassembly:
    """Puts IPv4 fragments together, as a NAT has to: only the first one has the ports."""

    MOST = 64  # packets that wait for their rest; the oldest goes

    def __init__(self) -> None:
        self._parts: dict[tuple[bytes, int, bytes], dict[int, bytes]] = {}

    def take(self, packet: Packet) -> Packet | None:
        """The whole packet, as soon as all of it is there."""
        if not packet.fragment or packet.version != 4:
            return packet
        data = packet.data
        key = (data[12:20], data[9], data[4:6])
        parts = self._parts.setdefault(key, {})
        while len(self._parts) > self.MOST:
            del self._parts[next(iter(self._parts))]
        part = int.from_bytes(data[6:8], "big")
        parts[(part & _OFFSET) * 8] = data
        whole = self._whole(parts)
        if whole is not None:
            del self._parts[key]
        return whole

    @staticmethod
    def _whole(parts: dict[int, bytes]) -> Packet | None:
        if 0 not in parts:
            return None
        body, last = b"", parts[0]
        while (last := parts.get(len(body), b"")) and len(last) > 20:
            body += last[(last[0] & 15) * 4 :]
            if not int.from_bytes(last[6:8], "big") & _MORE:
                break
        else:
            return None
        header = bytearray(parts[0][: (parts[0][0] & 15) * 4])
        struct.pack_into(">H", header, 2, len(header) + len(body))
        struct.pack_into(">H", header, 6, 0)
        _seal_header(header, len(header))
        return parse(bytes(header) + body)
