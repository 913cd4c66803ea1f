"""What the octets of a message say before anybody makes packets of them.

Most messages of a big capture hold nothing to look at: these few functions find that out at a
tenth of the price of dissecting. What they cannot read they leave to the packets.
"""

from __future__ import annotations

from functools import lru_cache

from ikelab.layers.iana import Payload
from ikelab.layers.message import PAYLOADS, IKEv2_Malformed, parse_payloads

HEADER = 28
_SA = int(Payload.SA)
# What the loop asks of a payload type: its least length, and whether it ends the chain.
LEAST = bytes(PAYLOADS[k].least if k in PAYLOADS else 4 for k in range(256))
ENDS = frozenset(k for k, cls in PAYLOADS.items() if cls.ends_chain)
_NESTED = frozenset(k for k, cls in PAYLOADS.items() if cls.packetfields)

Place = tuple[int, int, int]
"""Type, beginning and end of a payload, its generic header included."""


def walk(first: int, data: bytes, at: int, end: int) -> list[Place] | None:
    """The payloads of a chain that fills `data[at:end]`; None where something is wrong with it."""
    found: list[Place] = []
    kind = first
    while kind:
        if at + 4 > end:
            return None
        stop = at + (data[at + 2] << 8 | data[at + 3])
        if stop > end or stop - at < LEAST[kind]:
            return None
        found.append((kind, at, stop))
        kind = 0 if kind in ENDS else data[at]
        at = stop
    return found if at == end else None


def outer(data: bytes) -> list[Place] | None:
    """The payloads of a message in clear; None where the chain or the length is wrong."""
    end = len(data)
    if end < HEADER or int.from_bytes(data[24:28], "big") != end:
        return None  # what a router's log tells of has no octets
    return walk(data[16], data, HEADER, end)


def plain(data: bytes, places: list[Place]) -> bool:
    """Whether no payload has a bit beside its header's numbers, and all bodies can be read."""
    for kind, at, stop in places:
        if data[at + 1]:
            return False
        if kind in _NESTED and not _readable(kind, _shape(kind, data[at + 4 : stop])):
            return False
    return True


def _shape(kind: int, body: bytes) -> bytes:
    """The body with what differs from message to message blanked: SPIs in proposals."""
    if kind != _SA or len(body) < 8 or not body[6]:
        return body
    spi = 8 + body[6]
    return body[:8] + bytes(body[6]) + body[spi:] if spi <= len(body) else body


@lru_cache(maxsize=4096)
def _readable(kind: int, body: bytes) -> bool:
    """Whether the structures inside a body are whole."""
    if len(body) > 0xFFFB:
        return False
    octets = bytes(2) + (4 + len(body)).to_bytes(2, "big") + body
    return not unreadable(parse_payloads(kind, octets))


def unreadable(payloads: list[object]) -> bool:
    """Whether a payload, or a structure inside one, could not be read."""
    for payload in payloads:
        if isinstance(payload, IKEv2_Malformed):
            return True
        for field in getattr(payload, "packetfields", ()):
            if unreadable(getattr(payload, field.name) or []):
                return True
    return False


Proposal = tuple[int, int, bytes, bytes]
"""Number, protocol, SPI and transforms of a proposal on the wire."""


def proposals(body: bytes) -> list[Proposal] | None:
    """The proposals in an SA payload's body; None where they do not fill it."""
    found: list[Proposal] = []
    at, end = 0, len(body)
    while at < end:
        if at + 8 > end:
            return None
        stop = at + (body[at + 2] << 8 | body[at + 3])
        spi = at + 8 + body[at + 6]
        if stop > end or spi > stop:
            return None
        found.append((body[at + 4], body[at + 5], body[at + 8 : spi], body[spi:stop]))
        at = stop
    return found
