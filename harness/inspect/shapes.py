"""The shape of a payload chain: its octets less those that are new each time.

Peers say the same things again and again, but for nonces, public values, hashes, cookies and SPIs.
Chains that differ in nothing else share one `Shape`, found by a look into a table, and what was
worked out for one of them (where the payloads lie, that no rule objects, the words for it) holds
for all. What is left out is decided here once, so that all who rely on it mean the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ikelab.harness.inspect import octets
from ikelab.layers.iana import Notify, Payload

if TYPE_CHECKING:
    from ikelab.harness.inspect.ready import Words

MOST = 8192
"""Shapes that are kept at a time: some 30 MB."""
GUESSES = 4
"""Shapes that a chain of one length and beginning is compared with before it is walked."""
LONGEST = 2048
"""Octets of a shape that is kept: longer ones hold certificates or data of no known form."""
Hole = tuple[int, int]
"""Beginning and end of octets that are new each time."""

_SA, _N, _D = int(Payload.SA), int(Payload.N), int(Payload.D)
# Payloads that end in octets nobody sends twice, and where those begin.
_HEADS = {
    int(Payload.KE): 8,
    int(Payload.NONCE): 4,
    int(Payload.AUTH): 8,
    int(Payload.SK): 4,
    int(Payload.SKF): 8,
}
_NEW_NOTIFIES = frozenset(
    int(n)
    for n in (Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP, Notify.COOKIE)
)


@dataclass(slots=True, eq=False)
class Shape:
    """What all chains of one shape have in common. `kept`: others of this shape will find it.

    `words` are those that `rowtext` has made ready, by exchange type and direction; None where the
    shape was seen once, and `wordless` says where there cannot be any.
    """

    places: list[octets.Place]
    kinds: frozenset[int]
    kept: bool = False
    words: dict[tuple[int, bool], Words | None] = field(default_factory=dict)
    wordless: set[tuple[int, bool]] = field(default_factory=set)


class _Guess(NamedTuple):
    """How to tell that a chain has a shape without walking it: by the octets beside its holes.

    `zeros` are what the holes must not be of which the shape says that they are not zero.
    """

    shape: Shape
    beside: Callable[[bytes], Any]
    text: Any
    gaps: Callable[[bytes], Any] | None
    zeros: frozenset[bytes]


CLOSED = Shape([], frozenset(), kept=True)
"""Of an inner chain that was not opened."""
EMPTY = Shape([], frozenset(), kept=True)
"""Of a chain without payloads."""
_known: dict[bytes, Shape] = {}
_guesses: dict[tuple[int, int, int], list[_Guess]] = {}  # by first payload, beginning and end


def outer(data: bytes) -> Shape | None:
    """That of a message in clear; None where the chain or the length is wrong."""
    end = len(data)
    if end < octets.HEADER or int.from_bytes(data[24:28], "big") != end:
        return None
    return chain(data[16], data, octets.HEADER, end)


def chain(first: int, data: bytes, at: int, end: int) -> Shape | None:
    """That of a chain which fills `data[at:end]`; None where something is wrong with it."""
    if not first and at == end:
        return EMPTY
    for shape, beside, text, gaps, zeros in _guesses.get((first, at, end), ()):
        if beside(data) == text and (gaps is None or zeros.isdisjoint(gaps(data))):
            return shape
    return _walked(first, data, at, end)


def _walked(first: int, data: bytes, at: int, end: int) -> Shape | None:
    """The same, the long way."""
    start, kind = at, first
    # Each part begins with a length: two chains of one key have the same holes in the same places.
    parts = [bytes((first, at))]
    least, heads, ends = octets.LEAST, _HEADS, octets.ENDS
    while kind:
        if at + 4 > end:
            return None
        stop = at + (data[at + 2] << 8 | data[at + 3])
        if stop > end or stop - at < least[kind]:
            return None
        if data[at + 1]:
            parts.append(data[at:stop])  # a flag or a reserved bit: like no other
        elif kind in _SPLIT and (kind != _N or data[at + 5]):
            _less(parts, data, at, stop, holes(kind, data, at, stop))
        elif kind == _N and data[at + 6] << 8 | data[at + 7] in _NEW_NOTIFIES:
            parts.append(data[at : at + 8])
        else:
            parts.append(data[at : at + heads[kind] if kind in heads else stop])
        kind = 0 if kind in ends else data[at]
        at = stop
    if at != end:
        return None
    key = b"".join(parts)
    found = _known.get(key)
    if found is None:
        return _new(key, octets.walk(first, data, start, end) or [])
    _learn((first, start, end), data, found)  # seen twice: there will be more
    return found


def _new(key: bytes, places: list[octets.Place]) -> Shape:
    made = Shape(places, frozenset(place[0] for place in places))
    if len(key) <= LONGEST:
        if len(_known) >= MOST:
            _known.clear()
            _guesses.clear()
        made.kept, _known[key] = True, made
    return made


def _learn(key: tuple[int, int, int], data: bytes, shape: Shape) -> None:
    """Keep how chains of this shape are told, unless zero octets mean something in it."""
    hidden, told = _gaps(data, shape.places)
    if not all(any(data[start:end]) for start, end in told):
        return
    _, at, end = key
    beside: list[slice] = []
    for start, stop in sorted([*hidden, *told]):
        if at < start:
            beside.append(slice(at, start))
        at = stop
    beside.append(slice(at, end))
    look = itemgetter(*beside)
    # With one name only, itemgetter gives no tuple.
    gaps = itemgetter(*[slice(*gap) for gap in (*told, told[0])]) if told else None
    zeros = frozenset(bytes(stop - start) for start, stop in told)
    if key not in _guesses and len(_guesses) >= MOST:
        _guesses.clear()
    others = _guesses.get(key, [])
    _guesses[key] = [_Guess(shape, look, look(data), gaps, zeros), *others[: GUESSES - 1]]


def _gaps(data: bytes, places: list[octets.Place]) -> tuple[list[Hole], list[Hole]]:
    """The holes of a chain: those that a shape says nothing of, and those it calls zero or not."""
    hidden: list[Hole] = []
    told: list[Hole] = []
    for kind, at, stop in places:
        split = kind in _SPLIT and (kind != _N or data[at + 5])
        (told if split else hidden).extend(holes(kind, data, at, stop))
    return hidden, [(start, stop) for start, stop in told if start < stop]


_SPLIT = frozenset({_SA, _N, _D})


def _less(parts: list[bytes], data: bytes, at: int, stop: int, gaps: list[Hole]) -> None:
    """The octets between the holes; of a hole whether it is zero, for zero may mean something."""
    for start, end in gaps:
        parts.append(data[at:start])
        parts.append(b"\1" if any(data[start:end]) else b"\0")
        at = end
    parts.append(data[at:stop])


def holes(kind: int, data: bytes, at: int, stop: int) -> list[Hole]:
    """What is new each time in a payload of a chain that is whole, in order."""
    if data[at + 1]:
        return []
    if head := _HEADS.get(kind):
        return [(at + head, stop)]
    if kind == _N:
        return _in_notify(data, at, stop)
    if kind == _D:
        return _in_delete(data, at, stop)
    return _in_proposals(data, at, stop) if kind == _SA else []


def _in_notify(data: bytes, at: int, stop: int) -> list[Hole]:
    size = data[at + 5]
    if size:
        return [(at + 8, at + 8 + size)] if at + 8 + size <= stop else []
    return [(at + 8, stop)] if data[at + 6] << 8 | data[at + 7] in _NEW_NOTIFIES else []


def _in_delete(data: bytes, at: int, stop: int) -> list[Hole]:
    size = data[at + 5]
    if not size:
        return []
    return [(spi, min(spi + size, stop)) for spi in range(at + 8, stop, size)]


def _in_proposals(data: bytes, at: int, stop: int) -> list[Hole]:
    """The SPIs of proposals; none where the proposals do not fill the payload."""
    found: list[Hole] = []
    at += 4
    while at < stop:
        if at + 8 > stop:
            return []
        end = at + (data[at + 2] << 8 | data[at + 3])
        spi = at + 8 + data[at + 6]
        if end > stop or spi > end:
            return []
        if data[at + 6]:
            found.append((at + 8, spi))
        at = end
    return found
