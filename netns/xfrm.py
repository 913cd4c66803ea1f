"""What a host's kernel holds for IPsec: its security associations and policies, read over netlink.

The other witness of a daemon's word: SPIs, keys, selectors, mode, encapsulation, ESN, replay
window. Call `read` in the host (`Host.call`); it needs the rights of who installs SAs. Layouts are
those of linux/xfrm.h on machines of 64 bits; pyroute2 has no messages of this family.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from ikelab.harness.model import TS, IPAddress
from ikelab.netns import calls, world
from ikelab.netns.nl import Request, attribute, dump, talk

NETLINK = 6
NEW_SA, _GET_SA, _GET_POLICY = 0x10, 0x12, 0x15
_SELECTOR_SIZE, _LIFETIMES, _USED = 56, 64, 32
_SA_SIZE, _POLICY_SIZE = 224, 168
_AUTH, _CRYPT, _ENCAP, _TEMPLATES, _AEAD, _AUTH_TRUNC, _REPLAY_ESN = 1, 2, 4, 5, 18, 20, 23
_ESN = 0x80  # a flag of the SA
_AF_INET = 2
_PROTOCOLS = {50: "ESP", 51: "AH"}
_MODES = {0: "transport", 1: "tunnel", 4: "beet"}
_WAYS = {0: "in", 1: "out", 2: "fwd"}


@dataclass(frozen=True, slots=True)
class Sa:
    """One SA, for packets from `src` to `dst`. Keys are as they came over netlink."""

    protocol: str  # "ESP" or "AH"
    spi: bytes
    src: str
    dst: str
    mode: str
    encr: str = ""  # the kernel's name, "cbc(aes)"
    integ: str = ""
    encr_key: bytes = field(default=b"", repr=False)
    integ_key: bytes = field(default=b"", repr=False)
    encap: tuple[int, int] | None = None  # UDP ports of source and destination
    esn: bool = False
    window: int = 0  # packets of the replay window
    packets: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: `way` is in, out or fwd, seen from the host."""

    way: str
    src: TS
    dst: TS
    protocol: str
    mode: str
    ends: tuple[str, str]  # the tunnel's addresses, source first


@dataclass(frozen=True, slots=True)
class Database:
    """Both lists as they were at one moment."""

    sas: tuple[Sa, ...] = ()
    policies: tuple[Policy, ...] = ()

    def sa(self, spi: bytes, dst: str) -> Sa | None:
        """The SA with this SPI towards that address."""
        return next((s for s in self.sas if s.spi == spi and s.dst == dst), None)


def read() -> Database:
    """Everything in this thread's network namespace; OSError where the kernel has no XFRM."""
    sas = tuple(_sa(body) for body in dump(NETLINK, _GET_SA))
    policies = (_policy(body) for body in dump(NETLINK, _GET_POLICY))
    return Database(sas, tuple(policy for policy in policies if policy is not None))


def _sa(body: bytes) -> Sa:
    at = _SELECTOR_SIZE
    dst, spi, protocol = body[at : at + 16], body[at + 16 : at + 20], body[at + 20]
    src = body[at + 24 : at + 40]
    at += 40 + _LIFETIMES
    octets, packets = struct.unpack_from("=QQ", body, at)
    at += _USED + 12 + 8  # how it was used, its errors, its sequence number and reqid
    family, mode, window, flags = struct.unpack_from("=HBBB", body, at)
    found = dict(_attributes(body[_SA_SIZE:]))
    encr, encr_key = _algorithm(found.get(_AEAD) or found.get(_CRYPT), bool(found.get(_AEAD)))
    integ, integ_key = _algorithm(found.get(_AUTH_TRUNC) or found.get(_AUTH), _AUTH_TRUNC in found)
    if esn := found.get(_REPLAY_ESN):
        window = struct.unpack_from("=I", esn, 20)[0]
    return Sa(
        protocol=_PROTOCOLS.get(protocol, str(protocol)),
        spi=spi,
        src=str(_address(src, family)),
        dst=str(_address(dst, family)),
        mode=_MODES.get(mode, str(mode)),
        encr=encr,
        integ=integ,
        encr_key=encr_key,
        integ_key=integ_key,
        encap=_encap(found.get(_ENCAP)),
        esn=bool(flags & _ESN),
        window=window,
        packets=packets,
        octets=octets,
    )


def _policy(body: bytes) -> Policy | None:
    """None for what has no template: a policy of a socket, or one that lets pass or drops."""
    way = body[_SELECTOR_SIZE + _LIFETIMES + _USED + 8]
    templates = dict(_attributes(body[_POLICY_SIZE:])).get(_TEMPLATES, b"")
    if len(templates) < 64 or way not in _WAYS:
        return None
    dst, src = _selectors(body)
    protocol, family = templates[20], struct.unpack_from("=H", templates, 24)[0]
    ends = _address(templates[28:44], family), _address(templates[:16], family)
    return Policy(
        way=_WAYS[way],
        src=src,
        dst=dst,
        protocol=_PROTOCOLS.get(protocol, str(protocol)),
        mode=_MODES.get(templates[48], str(templates[48])),
        ends=(str(ends[0]), str(ends[1])),
    )


def _selectors(body: bytes) -> tuple[TS, TS]:
    """Destination and source of a struct xfrm_selector."""
    dst, src, dport, dmask, sport, smask = struct.unpack_from(">16s16sHHHH", body)
    family, dbits, sbits, protocol = struct.unpack_from("=HBBB", body, 40)
    return (
        _range(dst, family, dbits, protocol, dport, dmask),
        _range(src, family, sbits, protocol, sport, smask),
    )


def _range(data: bytes, family: int, bits: int, protocol: int, port: int, mask: int) -> TS:
    """A network with its ports; a mask of ports is taken for all of those from the first one on."""
    network = ipaddress.ip_network((_address(data, family), bits), strict=False)
    ports = (port, port | ~mask & 0xFFFF) if mask else (0, 65535)
    return TS(network.network_address, network.broadcast_address, protocol, *ports)


def _address(data: bytes, family: int) -> IPAddress:
    if family == _AF_INET:
        return ipaddress.IPv4Address(data[:4])
    return ipaddress.IPv6Address(data)


def _algorithm(data: bytes | None, has_length: bool) -> tuple[str, bytes]:
    """Name and key; combined modes and truncated MACs tell the length of their ICV in between."""
    if data is None:
        return "", b""
    name = data[:64].split(b"\0", 1)[0].decode("ascii", "replace")
    start = 72 if has_length else 68
    octets = struct.unpack_from("=I", data, 64)[0] // 8
    return name, data[start : start + octets]


def _encap(data: bytes | None) -> tuple[int, int] | None:
    if data is None:
        return None
    source, destination = struct.unpack_from(">HH", data, 2)
    return source, destination


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind, data[4:length]
        data = data[(length + 3) & ~3 :]


@cache
def accepts(name: str, octets: int, icv: int = 0) -> bool:
    """Whether the kernel takes an SA with this cipher; `icv` are bits of a combined mode's ICV."""

    def alone() -> None:
        calls.unshare(calls.CLONE_NEWNET)
        world.raise_loopback()
        talk(NETLINK, [Request(NEW_SA, new_sa(name, octets, icv), create=True)])

    try:
        calls.elsewhere(alone)
    except OSError:
        return False
    return True


def new_sa(name: str, octets: int, icv: int = 0) -> bytes:
    """A tunnel SA between two loopback addresses, with a key of zeros; HMAC-SHA1 where needed."""
    address = socket.inet_aton("127.0.0.1").ljust(16, b"\0")
    selector = bytes(40) + struct.pack("=HBBB3xiI", _AF_INET, 0, 0, 0, 0, 0)
    identity = address + struct.pack(">IB3x", 0x1000, socket.IPPROTO_ESP)
    forever = struct.pack("=8Q", *[2**64 - 1] * 4, 0, 0, 0, 0)
    tail = struct.pack("=IIHBBB7x", 0, 1, _AF_INET, 1, 32, 0)
    body = selector + identity + address + forever + bytes(32 + 12) + tail
    head = name.encode().ljust(64, b"\0") + struct.pack("=I", octets * 8)
    if icv:
        return body + attribute(_AEAD, head + struct.pack("=I", icv) + bytes(octets))
    mac = b"hmac(sha1)".ljust(64, b"\0") + struct.pack("=I", 160) + bytes(20)
    return body + attribute(_CRYPT, head + bytes(octets)) + attribute(_AUTH, mac)
