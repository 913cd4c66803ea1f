"""The values that mutations put into fields: boundaries, real ones of the registries, captures."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ikelab.harness.fuzz.target import Place, Target
from ikelab.harness.inspect.flow import Flow
from ikelab.harness.inspect.pcap import Capture
from ikelab.layers import vendor
from ikelab.layers.chain import PAYLOADS, build_payloads
from ikelab.layers.fields import Number, Octets
from ikelab.layers.iana import (
    Code,
    Encr,
    Integ,
    Ke,
    Notify,
    Payload,
    Prf,
    Sn,
    TransformType,
)
from ikelab.layers.message import IKEv2

OCTETS = (
    b"",
    b"\0",
    b"\0" * 4,
    b"\0" * 16,
    b"\xff" * 4,
    b"\xff" * 16,
    b"%n%s%x",
    b"A" * 64,
    b"A" * 256,
    b"A" * 1024,
    b"\0\0\0\x01",
    b"\xff\xff",
    b"../../etc/passwd\0",
    b"a=1,b=2\\,",
)
ADDRESSES = ("0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.1.0.0", "10.2.0.255")
REGISTRY_OF_TRANSFORM = {
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: Ke,
    TransformType.SN: Sn,
}


@cache
def boundaries(size: int) -> tuple[int, ...]:
    """Numbers at the edges of what `size` octets hold, and of smaller sizes."""
    found = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 20, 28, 32}
    for bits in (7, 8, 15, 16, 24, 31, 32):
        found |= {(1 << bits) - 1, 1 << bits, (1 << bits) + 1}
    top = 256**size
    found |= {top - n for n in (1, 2, 3, 4, 8)}
    return tuple(sorted(n for n in found if n < top))


@cache
def named(registry: type[Code]) -> tuple[int, ...]:
    """The numbers of a registry, those next to them, and some that nobody has."""
    rows = {int(row) for row in registry}
    beside = {n + d for n in rows for d in (-1, 1)} - rows
    return tuple(sorted(rows)) * 3 + tuple(sorted(n for n in beside if n >= 0))


@cache
def vendor_ids() -> tuple[bytes, ...]:
    """Real vendor IDs."""
    return tuple(sorted(vendor.known()))


@dataclass
class Pool:
    """Bodies of payloads by kind: those of our own messages, and of captures."""

    bodies: dict[int, list[bytes]] = field(default_factory=dict)
    chains: list[bytes] = field(default_factory=list)

    def add(self, target: Target) -> None:
        """Take the payloads of one of our own messages."""
        for kind, body in target.bodies:
            self._keep(kind, body)
        self.chains.append(target.chain)

    def add_capture(self, path: Path) -> None:
        """Take the payloads in clear of every IKE message of a capture."""
        for packet in Flow(Capture(path)):
            if packet.kind == "ike":
                self._take(packet.data)

    def _take(self, data: bytes) -> None:
        for payload in IKEv2(data).payloads:
            if payload.kind in PAYLOADS and not PAYLOADS[payload.kind].ends_chain:
                self._keep(int(payload.kind), build_payloads([payload])[4:])

    def _keep(self, kind: int, body: bytes) -> None:
        known = self.bodies.setdefault(kind, [])
        if body not in known:
            known.append(body)

    def any(self, draw: random.Random) -> tuple[int, bytes]:
        """A payload of those that are known."""
        kind = draw.choice(sorted(self.bodies))
        return kind, draw.choice(self.bodies[kind])


def number(place: Place, draw: random.Random) -> int:
    """A real value of the field's registry, where it has one; any at the edges otherwise."""
    if place.registry is not None and draw.random() < 0.8:
        return int(draw.choice(named(place.registry)) % 256**place.size)
    if place.path.endswith("transform_id"):
        rows = REGISTRY_OF_TRANSFORM[draw.choice(sorted(REGISTRY_OF_TRANSFORM))]
        return int(draw.choice(named(rows)))
    return draw.choice(boundaries(place.size))


def havoc(data: bytes, draw: random.Random) -> bytes:
    """Some random changes of octets, as fuzzers do to data they know nothing of."""
    octets = bytearray(data or b"\0")
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        _scramble(octets, draw)
    return bytes(octets[:4096])


def _scramble(octets: bytearray, draw: random.Random) -> None:
    place = draw.randrange(len(octets)) if octets else 0
    match draw.randrange(7):
        case 0 if octets:
            octets[place] ^= 1 << draw.randrange(8)
        case 1 if octets:
            octets[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        case 2 if octets:
            octets[place] = (octets[place] + draw.choice((-1, 1, 4, -4))) & 0xFF
        case 3 if octets:
            octets[place] = draw.randrange(256)
        case 4 if len(octets) > 1:
            del octets[place : place + draw.choice((1, 2, 4, 8))]
        case 5:
            octets[place:place] = octets[place : place + draw.choice((1, 2, 4, 16))]
        case _:
            octets[place:place] = draw.randbytes(draw.choice((1, 2, 4, 8)))


def grammar(draw: random.Random) -> tuple[int, bytes]:
    """A payload made from the description of its fields alone: its kind and body."""
    kind = draw.choice(sorted(k for k in PAYLOADS if not PAYLOADS[k].ends_chain))
    cls = PAYLOADS[kind]
    parts = [_value(f, draw) for f in cls.fields_desc if f.name not in _GENERIC]
    return int(kind), b"".join(parts)


_GENERIC = ("next_payload", "flags", "length")


def _value(part: object, draw: random.Random) -> bytes:
    if isinstance(part, Number):
        place = Place(part.name, 0, part.sz, part.registry)
        top = 256**part.sz
        value = number(place, draw) if draw.random() < 0.7 else draw.randrange(top)
        return int(value % top).to_bytes(part.sz, "big")
    if isinstance(part, Octets):
        return draw.choice(OCTETS)
    return b"".join(_element(part, draw) for _ in range(draw.choice((0, 1, 1, 2, 5))))


def _element(part: object, draw: random.Random) -> bytes:
    """An element of a list, from the fields of its class."""
    cls = getattr(part, "cls", None)
    if cls is None or not hasattr(cls, "fields_desc"):
        return draw.randbytes(draw.choice((1, 2, 4, 8)))
    return b"".join(_value(f, draw) for f in cls.fields_desc)


_KINDS = (*[int(p) for p in Payload if p], 1, 100, 127, 128, 200, 255)


def any_kind(draw: random.Random) -> int:
    """A payload type, assigned or not."""
    return draw.choice(_KINDS)


def any_notify(draw: random.Random) -> int:
    """A notify type, assigned or not."""
    return draw.choice(_NOTIFIES)


_NOTIFIES = (*[int(n) for n in Notify], 0, 8191, 16383, 40959, 40960, 65535)


def notify_data(kind: int, draw: random.Random) -> bytes:
    """What such a notify may hold: by its type where that says a size, anything otherwise."""
    sizes = _SIZES.get(kind)
    if sizes and draw.random() < 0.6:
        return draw.randbytes(max(0, draw.choice(sizes) + draw.choice((0, 0, 0, -1, 1))))
    return draw.choice(OCTETS)


_SIZES: dict[int, tuple[int, ...]] = {
    Notify.COOKIE: (1, 20, 64),
    Notify.NAT_DETECTION_SOURCE_IP: (20,),
    Notify.NAT_DETECTION_DESTINATION_IP: (20,),
    Notify.SET_WINDOW_SIZE: (4,),
    Notify.INVALID_KE_PAYLOAD: (2,),
    Notify.UNSUPPORTED_CRITICAL_PAYLOAD: (1,),
    Notify.IPCOMP_SUPPORTED: (3,),
    Notify.SIGNATURE_HASH_ALGORITHMS: (2, 4, 8),
    Notify.AUTH_LIFETIME: (4,),
    Notify.REKEY_SA: (0,),
}
