"""IP packets as tunnels carry them: which flow one belongs to, and echoes to send through one.

IPv4 and IPv6 headers, ports, ICMP echo. No ESP, no keys.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from ikelab.harness.model import TS, IPAddress
from ikelab.layers.esp import IpProtocol

_FIXED = {4: 20, 6: 40}
_EXTENSIONS = {0, 43, 60}  # hop-by-hop options, routing, destination options (RFC 8200 4)
_FRAGMENT = 44
_PORTS = {IpProtocol.TCP, IpProtocol.UDP, IpProtocol.SCTP}
_ICMP: dict[int, tuple[int, int]] = {IpProtocol.ICMP: (8, 0), IpProtocol.ICMPV6: (128, 129)}


class NotIp(ValueError):
    """Octets that are no whole IP packet; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Where an IP packet goes. Ports are None where it has none; ICMP's are type and code.

    `start` is where the payload begins, `end` where the packet ends: what is behind is padding.
    """

    src: IPAddress
    dst: IPAddress
    protocol: int
    src_port: int | None
    dst_port: int | None
    start: int
    end: int

    def __str__(self) -> str:
        ports = "" if self.src_port is None else f"/{self.src_port}-{self.dst_port}"
        return f"{self.src} -> {self.dst}[{self.protocol}{ports}]"


def flow(data: bytes) -> Flow:
    """The flow of an IP packet; NotIp where there is none."""
    version = data[0] >> 4 if data else 0
    if len(data) < _FIXED.get(version, 1 << 16):
        raise NotIp(f"{len(data)} octets that begin with {data[:1].hex() or 'nothing'}")
    if version == 4:
        start, end = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
        protocol, src, dst = data[9], data[12:16], data[16:20]
        first = int.from_bytes(data[6:8], "big") & 0x1FFF == 0
    else:
        start, end = 40, 40 + int.from_bytes(data[4:6], "big")
        protocol, src, dst = data[6], data[8:24], data[24:40]
        protocol, start, first = _skip_extensions(data, protocol, start)
    if start < _FIXED[version] or not start <= end <= len(data):
        raise NotIp(f"an IPv{version} packet of {end} octets, {len(data)} are here")
    ports = _ports(protocol, data[start:end]) if first else (None, None)
    return Flow(ipaddress.ip_address(src), ipaddress.ip_address(dst), protocol, *ports, start, end)


def _skip_extensions(data: bytes, protocol: int, start: int) -> tuple[int, int, bool]:
    """(protocol, where its header begins, whether this is a first fragment or none)."""
    first = True
    while protocol in _EXTENSIONS or protocol == _FRAGMENT:
        if start + 8 > len(data):
            raise NotIp("an IPv6 extension header is cut off")
        size = 8 if protocol == _FRAGMENT else (data[start + 1] + 1) * 8
        if protocol == _FRAGMENT:
            first = first and int.from_bytes(data[start + 2 : start + 4], "big") >> 3 == 0
        protocol, start = data[start], start + size
    return protocol, start, first


def _ports(protocol: int, payload: bytes) -> tuple[int | None, int | None]:
    if protocol in _PORTS and len(payload) >= 4:
        source, target = struct.unpack_from("!HH", payload)
        return source, target
    if protocol in _ICMP and len(payload) >= 2:
        # RFC 7296 3.13.1: type and code stand where the ports do, on both sides.
        both = int.from_bytes(payload[:2], "big")
        return both, both
    return None, None


def selected(it: Flow, sources: Iterable[TS], targets: Iterable[TS]) -> bool:
    """Whether selectors let a packet pass: one for its source and one for its destination."""
    return any(_matches(ts, it.src, it.src_port, it.protocol) for ts in sources) and any(
        _matches(ts, it.dst, it.dst_port, it.protocol) for ts in targets
    )


def _matches(ts: TS, address: IPAddress, port: int | None, protocol: int) -> bool:
    if address.version != ts.version or not int(ts.start) <= int(address) <= int(ts.end):
        return False
    if ts.protocol not in (0, protocol):
        return False
    if port is None:
        # RFC 4301 4.4.1.1: OPAQUE (65535 to 0) selects what has no ports to be seen.
        return (ts.start_port, ts.end_port) in {(0, 65535), (65535, 0)}
    return ts.start_port <= port <= ts.end_port


def ip_packet(src: str, dst: str, protocol: int, payload: bytes, *, number: int = 0) -> bytes:
    """An IP packet with TTL 64 that must not be fragmented; `number` is IPv4's identification."""
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if source.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        return head + source.packed + target.packed + payload
    total = 20 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, total, number & 0xFFFF, 0x4000, 64, protocol, 0)
    head += source.packed + target.packed
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# -- echoes (RFC 792, RFC 4443 4) ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Echo:
    """An ICMP echo request or reply."""

    src: str
    dst: str
    reply: bool
    identifier: int
    sequence: int
    data: bytes = b""

    def __bytes__(self) -> bytes:
        version = ipaddress.ip_address(self.src).version
        protocol = IpProtocol.ICMP if version == 4 else IpProtocol.ICMPV6
        kind = _ICMP[protocol][self.reply]
        body = struct.pack("!HH", self.identifier, self.sequence) + self.data
        check = checksum(_pseudo(self.src, self.dst, 4 + len(body)) + bytes([kind, 0]) + body)
        icmp = struct.pack("!BBH", kind, 0, check) + body
        return ip_packet(self.src, self.dst, protocol, icmp, number=self.sequence)

    def answer(self) -> Echo:
        """The reply to this request."""
        return Echo(self.dst, self.src, True, self.identifier, self.sequence, self.data)


def echo(packet: bytes) -> Echo | None:
    """The echo in an IP packet whose checksums are right; None where there is none."""
    try:
        it = flow(packet)
    except NotIp:
        return None
    icmp = packet[it.start : it.end]
    kinds = _ICMP.get(it.protocol)
    if kinds is None or it.src_port is None or len(icmp) < 8 or icmp[0] not in kinds or icmp[1]:
        return None
    src, dst = str(it.src), str(it.dst)
    if it.src.version == 4 and checksum(packet[: (packet[0] & 15) * 4]):
        return None
    if checksum(_pseudo(src, dst, len(icmp)) + icmp):
        return None
    identifier, sequence = struct.unpack_from("!HH", icmp, 4)
    return Echo(src, dst, icmp[0] == kinds[1], identifier, sequence, icmp[8:])


def _pseudo(src: str, dst: str, length: int) -> bytes:
    """ICMPv6 sums over a pseudo-header (RFC 8200 8.1), ICMP does not."""
    source = ipaddress.ip_address(src)
    if source.version == 4:
        return b""
    tail = struct.pack("!I3xB", length, IpProtocol.ICMPV6)
    return source.packed + ipaddress.ip_address(dst).packed + tail
