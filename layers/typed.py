"""Notify data and configuration values as what they mean: numbers, addresses, lists of names.

One codec a type. Octets that do not fit their type's codec stay octets, so reading never fails;
writing a value that does not fit is a ValueError. Sources: RFC 7296 3.10.1 and 3.15.1, and the RFC
that IANA names for each type.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ikelab.layers.iana import (
    AuthMethod,
    CfgAttr,
    Code,
    GatewayId,
    Hash,
    IpComp,
    Ke,
    Notify,
    Payload,
    Prf,
    lookup,
)

Value = Any
Read = Callable[[bytes], Value]
Write = Callable[[Value], bytes]


@dataclass(frozen=True, slots=True)
class Codec:
    """How a type's octets are read into a value, and written from one."""

    read: Read
    write: Write


@dataclass(frozen=True, slots=True)
class IpCompOffer:
    """IPCOMP_SUPPORTED (RFC 7296 2.22): the sender's CPI and a transform."""

    cpi: int
    transform: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """REDIRECT and REDIRECTED_FROM (RFC 5685 6, 10): who it is, and the nonce where one follows."""

    kind: int
    identity: str
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class Ticket:
    """TICKET_LT_OPAQUE (RFC 5723 7.1): seconds to live, and the ticket."""

    lifetime: int
    ticket: bytes


@dataclass(frozen=True, slots=True)
class PpkId:
    """PPK_IDENTITY (RFC 8784 5.1): its type and its octets."""

    kind: int
    identity: bytes


@dataclass(frozen=True, slots=True)
class Announcement:
    """One of SUPPORTED_AUTH_METHODS (RFC 9593 3.2): method, place of its CERTREQ hash, rest."""

    method: int
    link: int | None = None
    identifier: bytes = b""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """PUZZLE (RFC 8019 8.1): the PRF, and how many bits have to be zero at its end."""

    prf: int
    difficulty: int


@dataclass(frozen=True, slots=True)
class Counters:
    """IKEV2_MESSAGE_ID_SYNC (RFC 6311 8.1): a nonce, the IDs to send next and to expect."""

    nonce: bytes
    sends: int
    expects: int


@dataclass(frozen=True, slots=True)
class Path:
    """NO_NATS_ALLOWED (RFC 4555 4.2.6): the ends of a packet as its sender knows them."""

    source: str
    destination: str
    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class AggFrag:
    """USE_AGGFRAG (RFC 9347 5.1): congestion control is wanted, fragments are not."""

    congestion_control: bool
    dont_fragment: bool
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """INTERNAL_DNSSEC_TA (RFC 8598 4.2): the parts of a DS record."""

    key_tag: int
    algorithm: int
    digest_type: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class EncryptedDns:
    """ENCDNS_IP4, ENCDNS_IP6 (RFC 9464 3.1): a resolver, its name and service parameters."""

    priority: int
    addresses: tuple[str, ...]
    name: str
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class DigestInfo:
    """ENCDNS_DIGEST_INFO (RFC 9464 3.2): hashes that are known, or one and a digest."""

    name: str
    hashes: tuple[int, ...]
    digest: bytes = b""


def _number(octets: int, names: type[Code] | None = None) -> Codec:
    def read(data: bytes) -> int:
        _exact(data, octets)
        value = int.from_bytes(data, "big")
        return value if names is None else (lookup(names, value) or value)

    return Codec(read, lambda value: int(value).to_bytes(octets, "big"))


def _numbers(octets: int, names: type[Code], mask: int = -1) -> Codec:
    def read(data: bytes) -> tuple[int, ...]:
        if len(data) % octets:
            raise ValueError(f"{len(data)} octets are not whole numbers of {octets}")
        cut = (data[i : i + octets] for i in range(0, len(data), octets))
        found = (int.from_bytes(piece, "big") & mask for piece in cut)
        return tuple(lookup(names, n) or n for n in found)

    return Codec(read, lambda values: b"".join(int(v).to_bytes(octets, "big") for v in values))


def _exact(data: bytes, octets: int) -> None:
    if len(data) != octets:
        raise ValueError(f"{len(data)} octets, {octets} are expected")


def _address(octets: int) -> Codec:
    def read(data: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        _exact(data, octets)
        return ipaddress.ip_address(data)

    return Codec(read, lambda value: ipaddress.ip_address(value).packed)


def _subnet4(data: bytes) -> ipaddress.IPv4Network:
    _exact(data, 8)
    mask = ipaddress.IPv4Address(data[4:])
    return ipaddress.IPv4Network(f"{ipaddress.IPv4Address(data[:4])}/{mask}", strict=False)


def _write_subnet4(value: Value) -> bytes:
    network = ipaddress.IPv4Network(value)
    return network.network_address.packed + network.netmask.packed


def _interface6(data: bytes) -> ipaddress.IPv6Interface:
    _exact(data, 17)
    return ipaddress.IPv6Interface((data[:16], data[16]))


def _write_interface6(value: Value) -> bytes:
    interface = ipaddress.IPv6Interface(value)
    return interface.ip.packed + bytes([interface.network.prefixlen])


def _subnet6(data: bytes) -> ipaddress.IPv6Network:
    _exact(data, 17)
    return ipaddress.IPv6Network((data[:16], data[16]), strict=False)


def _write_subnet6(value: Value) -> bytes:
    network = ipaddress.IPv6Network(value)
    return network.network_address.packed + bytes([network.prefixlen])


def _ipcomp(data: bytes) -> IpCompOffer:
    _exact(data, 3)
    return IpCompOffer(int.from_bytes(data[:2], "big"), lookup(IpComp, data[2]) or data[2])


def _gateway(data: bytes) -> Gateway:
    end = 2 + data[1]
    if len(data) < end:
        raise ValueError("the identity is cut short")
    kind, identity = data[0], data[2:end]
    if kind == GatewayId.FQDN:
        return Gateway(kind, identity.decode("ascii"), data[end:])
    return Gateway(kind, str(ipaddress.ip_address(identity)), data[end:])


def _write_gateway(value: Gateway) -> bytes:
    named = value.kind == GatewayId.FQDN
    identity = (
        value.identity.encode("ascii") if named else ipaddress.ip_address(value.identity).packed
    )
    return bytes([value.kind, len(identity)]) + identity + value.nonce


def _ticket(data: bytes) -> Ticket:
    if len(data) < 4:
        raise ValueError("no lifetime")
    return Ticket(int.from_bytes(data[:4], "big"), data[4:])


def _ppk(data: bytes) -> PpkId:
    return PpkId(data[0], data[1:])


def _announcements(data: bytes) -> tuple[Announcement, ...]:
    found, here = [], 0
    while here < len(data):
        size = data[here]
        piece = data[here + 1 : here + size]
        if size < 2 or len(piece) != size - 1:
            raise ValueError("an announcement is cut short")
        method = lookup(AuthMethod, piece[0]) or piece[0]
        link = piece[1] if len(piece) > 1 else None
        found.append(Announcement(method, link, piece[2:]))
        here += size
    return tuple(found)


def _write_announcements(values: Value) -> bytes:
    written = []
    for value in values:
        link = b"" if value.link is None else bytes([value.link])
        body = bytes([int(value.method)]) + link + value.identifier
        written.append(bytes([len(body) + 1]) + body)
    return b"".join(written)


def _path(data: bytes) -> Path:
    size = {12: 4, 36: 16}[len(data)] if len(data) in (12, 36) else 0
    if not size:
        raise ValueError("neither two IPv4 nor two IPv6 addresses with ports")
    source, destination = (str(ipaddress.ip_address(data[i : i + size])) for i in (0, size))
    ports = [int.from_bytes(data[i : i + 2], "big") for i in (2 * size, 2 * size + 2)]
    return Path(source, destination, *ports)


def _write_path(value: Path) -> bytes:
    ends = (ipaddress.ip_address(e).packed for e in (value.source, value.destination))
    ports = (p.to_bytes(2, "big") for p in (value.source_port, value.destination_port))
    return b"".join((*ends, *ports))


def _aggfrag(data: bytes) -> AggFrag:
    _exact(data, 1)
    return AggFrag(bool(data[0] & 2), bool(data[0] & 1), data[0] & 0xFC)


def _write_aggfrag(value: AggFrag) -> bytes:
    return bytes([value.reserved | 2 * value.congestion_control | value.dont_fragment])


def _puzzle(data: bytes) -> Puzzle:
    _exact(data, 3)
    number = int.from_bytes(data[:2], "big")
    return Puzzle(lookup(Prf, number) or number, data[2])


def _counters(data: bytes) -> Counters:
    _exact(data, 12)
    return Counters(data[:4], *(int.from_bytes(data[i : i + 4], "big") for i in (4, 8)))


def _write_counters(value: Counters) -> bytes:
    return value.nonce + value.sends.to_bytes(4, "big") + value.expects.to_bytes(4, "big")


def _anchor(data: bytes) -> TrustAnchor:
    if len(data) < 4:
        raise ValueError("no key tag, algorithm and digest type")
    return TrustAnchor(int.from_bytes(data[:2], "big"), data[2], data[3], data[4:])


def _write_anchor(value: TrustAnchor) -> bytes:
    head = value.key_tag.to_bytes(2, "big") + bytes([value.algorithm, value.digest_type])
    return head + value.digest


def _resolver(size: int) -> Codec:
    def read(data: bytes) -> EncryptedDns:
        middle = 4 + size * data[2]
        end = middle + data[3]
        if len(data) < end:
            raise ValueError("addresses or name are cut short")
        addresses = (data[i : i + size] for i in range(4, middle, size))
        texts = tuple(str(ipaddress.ip_address(a)) for a in addresses)
        name = data[middle:end].decode("ascii")
        return EncryptedDns(int.from_bytes(data[:2], "big"), texts, name, data[end:])

    def write(value: EncryptedDns) -> bytes:
        packed = b"".join(ipaddress.ip_address(a).packed for a in value.addresses)
        name = value.name.encode("ascii")
        head = value.priority.to_bytes(2, "big") + bytes([len(value.addresses), len(name)])
        return head + packed + name + value.parameters

    return Codec(read, write)


def _digest(data: bytes) -> DigestInfo:
    middle = 2 + data[1]
    end = middle + 2 * data[0]
    if len(data) < end:
        raise ValueError("name or hashes are cut short")
    numbers = (int.from_bytes(data[i : i + 2], "big") for i in range(middle, end, 2))
    hashes = tuple(lookup(Hash, n) or n for n in numbers)
    return DigestInfo(data[2:middle].decode("ascii"), hashes, data[end:])


def _write_digest(value: DigestInfo) -> bytes:
    name = value.name.encode("ascii")
    hashes = b"".join(int(h).to_bytes(2, "big") for h in value.hashes)
    return bytes([len(value.hashes), len(name)]) + name + hashes + value.digest


_TEXT = Codec(lambda data: data.decode("utf-8"), lambda value: str(value).encode())
_OCTETS = Codec(bytes, bytes)

NOTIFY: dict[int, Codec] = {
    Notify.INVALID_MESSAGE_ID: _number(4),
    Notify.INVALID_KE_PAYLOAD: _number(2, Ke),
    Notify.UNSUPPORTED_CRITICAL_PAYLOAD: _number(1, Payload),
    Notify.SET_WINDOW_SIZE: _number(4),
    Notify.AUTH_LIFETIME: _number(4),
    Notify.IPCOMP_SUPPORTED: Codec(
        _ipcomp, lambda v: v.cpi.to_bytes(2, "big") + bytes([int(v.transform)])
    ),
    Notify.SIGNATURE_HASH_ALGORITHMS: _numbers(2, Hash),
    Notify.ADDITIONAL_IP4_ADDRESS: _address(4),
    Notify.ADDITIONAL_IP6_ADDRESS: _address(16),
    Notify.REDIRECT: Codec(_gateway, _write_gateway),
    Notify.REDIRECTED_FROM: Codec(_gateway, _write_gateway),
    Notify.TICKET_LT_OPAQUE: Codec(_ticket, lambda v: v.lifetime.to_bytes(4, "big") + v.ticket),
    Notify.PPK_IDENTITY: Codec(_ppk, lambda v: bytes([v.kind]) + v.identity),
    Notify.PUZZLE: Codec(_puzzle, lambda v: int(v.prf).to_bytes(2, "big") + bytes([v.difficulty])),
    Notify.IKEV2_MESSAGE_ID_SYNC: Codec(_counters, _write_counters),
    Notify.NO_NATS_ALLOWED: Codec(_path, _write_path),
    Notify.USE_AGGFRAG: Codec(_aggfrag, _write_aggfrag),
    Notify.SUPPORTED_AUTH_METHODS: Codec(_announcements, _write_announcements),
}
CONFIGURATION: dict[int, Codec] = {
    CfgAttr.INTERNAL_IP4_ADDRESS: _address(4),
    CfgAttr.INTERNAL_IP4_NETMASK: _address(4),
    CfgAttr.INTERNAL_IP4_DNS: _address(4),
    CfgAttr.INTERNAL_IP4_NBNS: _address(4),
    CfgAttr.INTERNAL_IP4_DHCP: _address(4),
    CfgAttr.INTERNAL_IP4_SUBNET: Codec(_subnet4, _write_subnet4),
    CfgAttr.INTERNAL_IP6_ADDRESS: Codec(_interface6, _write_interface6),
    CfgAttr.INTERNAL_IP6_DNS: _address(16),
    CfgAttr.INTERNAL_IP6_DHCP: _address(16),
    CfgAttr.INTERNAL_IP6_SUBNET: Codec(_subnet6, _write_subnet6),
    CfgAttr.APPLICATION_VERSION: _TEXT,
    CfgAttr.INTERNAL_DNS_DOMAIN: _TEXT,
    CfgAttr.INTERNAL_DNSSEC_TA: Codec(_anchor, _write_anchor),
    CfgAttr.ENCDNS_IP4: _resolver(4),
    CfgAttr.ENCDNS_IP6: _resolver(16),
    CfgAttr.ENCDNS_DIGEST_INFO: Codec(_digest, _write_digest),
    CfgAttr.SUPPORTED_ATTRIBUTES: _numbers(2, CfgAttr, 0x7FFF),
}


def read(codecs: dict[int, Codec], kind: int, data: bytes) -> Value:
    """The octets as a value; None for no octets, the octets themselves where they do not fit."""
    if not data:
        return None
    try:
        return codecs.get(kind, _OCTETS).read(data)
    except (ValueError, IndexError):
        return data


def write(codecs: dict[int, Codec], kind: int, value: Value) -> bytes:
    """The octets of a value; octets stand as they are. ValueError where it does not fit."""
    if value is None or isinstance(value, bytes):
        return value or b""
    codec = codecs.get(kind)
    if codec is None:
        raise ValueError(f"type {kind} has octets only")
    try:
        return codec.write(value)
    except (OverflowError, AttributeError, TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"{value!r} does not fit type {kind}: {error}") from None
