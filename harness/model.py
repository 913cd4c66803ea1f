"""The values that every room speaks: suites, selectors, NAT verdicts, datagrams, violations.

This room knows names and numbers (through `layers.iana`) and no packet, key or socket.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache

from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.iana import (
    TRANSFORMS,
    Encr,
    Integ,
    Prf,
    Protocol,
    Sn,
    TransformType,
    lookup,
    name,
)

Address = tuple[str, int]
"""An IP address in text and a UDP port."""
HONEST = 8.0
"""Seconds within which what an honest peer has to answer is answered, on a busy machine too."""


@dataclass(frozen=True, slots=True, order=True)
class Transform:
    """One transform of a proposal (RFC 7296 3.3.2); `key_bits` is its Key Length attribute."""

    type: int
    id: int
    key_bits: int | None = None

    @property
    def name(self) -> str:
        """IANA's name of the transform id, or its number where there is none."""
        registry = TRANSFORMS.get(self.type)
        return name(registry, self.id) if registry else str(self.id)

    @property
    def word(self) -> str:
        """The word a proposal string uses for this transform, such as `aes256gcm16`."""
        if word := _printed().get(self):
            return word
        if TransformType.ADDKE1 <= self.type <= TransformType.ADDKE7 and self.key_bits is None:
            group = _printed().get(Transform(TransformType.KE, self.id))
            if group or not self.id:
                return f"ke{self.type - TransformType.ADDKE1 + 1}_{group or 'none'}"
        known = lookup(TransformType, self.type)
        kind = known.name.lower() if known else str(self.type)
        bits = f"/{self.key_bits}" if self.key_bits is not None else ""
        return f"{kind}:{self.id}{bits}"

    def __str__(self) -> str:
        return self.word


@cache
def _words() -> dict[str, Transform]:
    """Every proposal word; the first word of a transform is the one that is printed."""
    table: dict[str, Transform] = {}
    for kind, registry in TRANSFORMS.items():
        if kind > TransformType.SN:
            continue
        for row in registry:
            for template in row.words.get("ikelab", ()):
                if "{bits}" in template:
                    for bits in row.key_bits:
                        table[template.format(bits=bits)] = Transform(kind, row, bits)
                else:
                    default = row.default_key_bits if kind == TransformType.ENCR else None
                    table.setdefault(template, Transform(kind, row, default))
    return table


@cache
def _printed() -> dict[Transform, str]:
    """The first word of every transform that has one."""
    return {transform: word for word, transform in reversed(_words().items())}


# The PRF that a proposal string means when it names an integrity algorithm and no PRF.
_PRF_OF_INTEG: dict[int, Prf] = {
    Integ.AUTH_HMAC_MD5_96: Prf.PRF_HMAC_MD5,
    Integ.AUTH_HMAC_SHA1_96: Prf.PRF_HMAC_SHA1,
    Integ.AUTH_HMAC_SHA2_256_128: Prf.PRF_HMAC_SHA2_256,
    Integ.AUTH_HMAC_SHA2_384_192: Prf.PRF_HMAC_SHA2_384,
    Integ.AUTH_HMAC_SHA2_512_256: Prf.PRF_HMAC_SHA2_512,
    Integ.AUTH_AES_XCBC_96: Prf.PRF_AES128_XCBC,
    Integ.AUTH_AES_CMAC_96: Prf.PRF_AES128_CMAC,
}
_ADDITIONAL = re.compile(r"ke([1-7])_(\w+)")  # an additional key exchange (RFC 9370)
_NUMBERED = re.compile(r"(\w+):(\d+)(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class Suite:
    """The transforms of one proposal, in order of type; within a type, in order of preference.

    `Suite.parse("3des-aes128-sha1-modp1024")` reads the field's usual words. An IKE suite with an
    integrity word and no PRF word takes the PRF of the same hash; an ESP or AH suite with
    neither `esn` nor `noesn` takes `noesn`, because RFC 7296 3.3.3 makes that transform mandatory.
    """

    transforms: tuple[Transform, ...]
    protocol: int = Protocol.IKE

    @classmethod
    def parse(cls, text: str, protocol: int = Protocol.IKE) -> Suite:
        """Read a proposal string; ConfigError names the nearest words for an unknown one."""
        words = _words()
        found: list[Transform] = []
        for word in text.lower().split("-"):
            if transform := words.get(word):
                found.append(transform)
            elif additional := _additional(word):
                found.append(additional)
            elif match := _NUMBERED.fullmatch(word):
                found.append(_numbered(match))
            else:
                raise ConfigError(
                    f"unknown word {word!r} in proposal {text!r}{nearest(word, words)}"
                )
        kinds = {t.type for t in found}
        if protocol == Protocol.IKE and TransformType.PRF not in kinds:
            prfs = [_PRF_OF_INTEG[Integ(t.id)] for t in found if _implies_prf(t)]
            found += [Transform(TransformType.PRF, prf) for prf in dict.fromkeys(prfs)]
        if protocol != Protocol.IKE and TransformType.SN not in kinds:
            found.append(Transform(TransformType.SN, Sn.NO_ESN))
        return cls(tuple(sorted(found, key=lambda t: t.type)), protocol)

    def of(self, kind: int) -> tuple[Transform, ...]:
        """The transforms of one type, most wanted first."""
        return tuple(t for t in self.transforms if t.type == kind)

    def one(self, kind: int) -> Transform | None:
        """The only (or first) transform of a type, None where there is none."""
        for transform in self.transforms:  # asked for all the time: no generator
            if transform.type == kind:
                return transform
        return None

    @property
    def encr(self) -> Transform | None:
        return self.one(TransformType.ENCR)

    @property
    def prf(self) -> Transform | None:
        return self.one(TransformType.PRF)

    @property
    def integ(self) -> Transform | None:
        """The integrity transform; None for AEAD suites, also where NONE was spelt out."""
        found = self.one(TransformType.INTEG)
        return found if found and found.id != Integ.NONE else None

    @property
    def ke(self) -> Transform | None:
        return self.one(TransformType.KE)

    @property
    def sn(self) -> Transform | None:
        return self.one(TransformType.SN)

    @property
    def aead(self) -> bool:
        """Whether the (first) cipher protects integrity by itself (RFC 5282)."""
        return self.encr is not None and is_aead(self.encr.id)

    def without(self, *kinds: int) -> Suite:
        """The same suite less the transforms of these types."""
        return replace(self, transforms=tuple(t for t in self.transforms if t.type not in kinds))

    def keyed(self) -> Suite:
        """The suite as compared: by type, and without `NONE` integrity, which says nothing."""
        none = Transform(TransformType.INTEG, Integ.NONE)
        kept = sorted((t for t in self.transforms if t != none), key=lambda t: t.type)
        return replace(self, transforms=tuple(kept))

    def __str__(self) -> str:
        integ = [_PRF_OF_INTEG.get(t.id) for t in self.of(TransformType.INTEG)]
        implied = [Transform(TransformType.PRF, p) for p in integ if p is not None]
        order = (TransformType.ENCR, TransformType.INTEG, TransformType.PRF)
        words = [
            t.word
            for kind in order
            for t in self.of(kind)
            if kind != TransformType.PRF or list(self.of(kind)) != implied
        ]
        words += [t.word for t in self.transforms if t.type not in order]
        return "-".join(words)


def is_aead(encr: int) -> bool:
    """Whether an ENCR id is a combined-mode cipher; unknown ids are taken as not."""
    try:
        return bool(Encr(encr).aead)
    except ValueError:
        return False


def _implies_prf(transform: Transform) -> bool:
    return transform.type == TransformType.INTEG and transform.id in _PRF_OF_INTEG


def _additional(word: str) -> Transform | None:
    """`ke1_mlkem768`: the group's own word in one of the seven slots; `ke1_none` for none."""
    match = _ADDITIONAL.fullmatch(word)
    if match is None:
        return None
    kind = TransformType.ADDKE1 + int(match[1]) - 1
    if match[2] == "none":
        return Transform(kind, 0)
    group = _words().get(match[2])
    return Transform(kind, group.id) if group and group.type == TransformType.KE else None


def _numbered(match: re.Match[str]) -> Transform:
    """`encr:12/256`: any transform by type name or number, id, and key length in bits."""
    kind, number, bits = match.groups()
    try:
        kind_id = int(kind) if kind.isdecimal() else TransformType[kind.upper()]
    except KeyError:
        known = [t.name.lower() for t in TransformType]
        raise ConfigError(f"unknown transform type {kind!r}{nearest(kind, known)}") from None
    return Transform(kind_id, int(number), int(bits) if bits else None)


def suites(texts: Iterable[str | Suite], protocol: int = Protocol.IKE) -> tuple[Suite, ...]:
    """Read several proposal strings (or pass suites through), in order of preference."""
    return tuple(t if isinstance(t, Suite) else Suite.parse(t, protocol) for t in texts)


ALL_PORTS, OPAQUE = (0, 65535), (65535, 0)
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class TS:
    """One traffic selector (RFC 7296 3.13.1): an address range, a protocol, a port range.

    `TS.parse("10.1.0.0/24")`, `TS.parse("10.1.0.1-10.1.0.9[17/500-500]")`, an address alone.
    Ports 65535 to 0 are OPAQUE; 0 to 65535 are all of them.
    """

    start: IPAddress
    end: IPAddress
    protocol: int = 0
    start_port: int = 0
    end_port: int = 65535

    @classmethod
    def parse(cls, text: str) -> TS:
        """Read a network, a range or an address, with optional `[protocol/first-last]`."""
        body, _, tail = text.strip().partition("[")
        try:
            if "/" in body:
                net = ipaddress.ip_network(body, strict=False)
                start, end = net.network_address, net.broadcast_address
            else:
                first, _, last = body.partition("-")
                start = ipaddress.ip_address(first)
                end = ipaddress.ip_address(last or first)
            protocol, first_port, last_port = 0, 0, 65535
            if tail:
                proto, _, ports = tail.rstrip("]").partition("/")
                protocol = int(proto)
                if ports:
                    low, _, high = ports.partition("-")
                    first_port, last_port = int(low), int(high or low)
            if start.version != end.version:
                raise ValueError("addresses of two families")
            if protocol not in range(256):
                raise ValueError("a protocol is one octet")
            if any(port not in range(65536) for port in (first_port, last_port)):
                raise ValueError("a port is 0 to 65535")
        except ValueError as error:
            raise ConfigError(
                f"not a traffic selector: {text!r} ({error}); write 10.1.0.0/24, "
                "10.1.0.1-10.1.0.9 or 10.1.0.0/24[17/500-500]"
            ) from None
        return cls(start, end, protocol, first_port, last_port)

    @property
    def version(self) -> int:
        return self.start.version

    def contains(self, other: TS) -> bool:
        """Whether every packet that `other` selects is selected by this one too."""
        return self.intersection(other) == other

    def intersection(self, other: TS) -> TS | None:
        """What both select; None where that is nothing (RFC 7296 2.9)."""
        if self.version != other.version:
            return None
        if self.protocol and other.protocol and self.protocol != other.protocol:
            return None
        start = max(self.start, other.start, key=int)
        end = min(self.end, other.end, key=int)
        ports = self._common_ports(other)
        if int(start) > int(end) or ports is None:
            return None
        return TS(start, end, self.protocol or other.protocol, *ports)

    @property
    def opaque(self) -> bool:
        """Whether the ports are OPAQUE: packets whose ports cannot be seen (RFC 7296 3.13.1)."""
        return (self.start_port, self.end_port) == OPAQUE

    def _common_ports(self, other: TS) -> tuple[int, int] | None:
        """All ports contain OPAQUE, and nothing else does (RFC 4301 4.4.1.1)."""
        if self.opaque or other.opaque:
            ports = {(self.start_port, self.end_port), (other.start_port, other.end_port)}
            return OPAQUE if ports <= {OPAQUE, ALL_PORTS} else None
        first = max(self.start_port, other.start_port)
        last = min(self.end_port, other.end_port)
        return (first, last) if first <= last else None

    def __str__(self) -> str:
        return f"{self.start}-{self.end}[{self.protocol}/{self.start_port}-{self.end_port}]"


def selectors(value: str | TS | Iterable[str | TS]) -> tuple[TS, ...]:
    """One selector or several, as text or as values, into a tuple."""
    if isinstance(value, str | TS):
        value = [value]
    return tuple(v if isinstance(v, TS) else TS.parse(v) for v in value)


@dataclass(frozen=True, slots=True)
class Identity:
    """An IDi or IDr body (RFC 7296 3.5): type number and data."""

    type: int
    data: bytes

    @classmethod
    def parse(cls, text: str) -> Identity:
        """`10.0.0.1`, `2001:db8::1`, `user@host`, `gw.example.org`, or `keyid:0a0b` in hex."""
        from ikelab.layers.iana import IdType

        if text.startswith("keyid:"):
            try:
                return cls(IdType.ID_KEY_ID, bytes.fromhex(text[6:]))
            except ValueError:
                raise ConfigError(f"not hexadecimal after 'keyid:': {text!r}") from None
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            kind = IdType.ID_RFC822_ADDR if "@" in text else IdType.ID_FQDN
            return cls(kind, text.encode())
        kind = IdType.ID_IPV4_ADDR if address.version == 4 else IdType.ID_IPV6_ADDR
        return cls(kind, address.packed)

    def __str__(self) -> str:
        from ikelab.layers.iana import IdType

        if (self.type, len(self.data)) in {(IdType.ID_IPV4_ADDR, 4), (IdType.ID_IPV6_ADDR, 16)}:
            return str(ipaddress.ip_address(self.data))
        if self.type in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR):
            return self.data.decode("utf-8", "backslashreplace")
        return f"{name(IdType, self.type)}:{self.data.hex()}"


@dataclass(frozen=True, slots=True)
class Nat:
    """Who is behind a NAT, as the NAT_DETECTION hashes tell; None where no hash was sent."""

    initiator: bool | None
    responder: bool | None

    def __str__(self) -> str:
        words = {True: "translated", False: "direct", None: "unknown"}
        return f"initiator {words[self.initiator]}, responder {words[self.responder]}"


@dataclass(frozen=True, slots=True)
class Spis:
    """The two SPIs of an SA: `i` as chosen by the original initiator, `r` by the responder."""

    i: bytes
    r: bytes

    def __str__(self) -> str:
        return f"{self.i.hex()}:{self.r.hex()}"


IKE_PORT, NATT_PORT = 500, 4500


def encapsulated(own: Address, peer: Address) -> bool:
    """Whether IKE messages between these two have the non-ESP marker of port 4500 (RFC 3948 2.2).

    One's own port tells, or the peer's where one's own is neither 500 nor 4500.
    """
    known = (IKE_PORT, NATT_PORT)
    return (own[1] if own[1] in known else peer[1]) == NATT_PORT


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP payload on its way: addresses, arrival or departure time in seconds.

    `data` is what UDP carries, the non-ESP marker of port 4500 included (RFC 3948 2.2). Of another
    IP `protocol` it is what IP carries, and the ports are 0; of AH (51) it is the whole IP packet,
    for AH covers the header.
    """

    data: bytes
    src: Address
    dst: Address
    now: float = 0.0
    protocol: int = 17


class Level(StrEnum):
    """How strong the rule is that a violation breaks (RFC 2119), or what else it is."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the peer broke: which, where it stands, and the evidence in one sentence."""

    rule: str
    rfc: int
    section: str
    level: Level
    message: str
    frame: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.rule} (RFC {self.rfc} {self.section}, {self.level}): {self.message}"


class Verdict(StrEnum):
    """What a test case says of a peer (design: verdicts are never rewritten)."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNSUPPORTED = "UNSUPPORTED"
    ERROR = "ERROR"
    XFAIL = "XFAIL"
    XPASS = "XPASS"


def hosts(ranges: Iterable[TS]) -> Iterator[str]:
    """A text for each selector, as the JSON contract prints it."""
    return (str(ts) for ts in ranges)
