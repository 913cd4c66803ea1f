"""Where the fields of a ready message stand, so that an edit writes octets and builds no packets.

A place is found by trying: the message is built by the tree with several values of a field, and
where nothing differs but the field's octets and the numbers that count them, the next case writes
there. What does not come out as the tree makes it is left to the tree: both give the same octets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ikelab.harness import apply
from ikelab.harness.edits import Edit, PayloadSpec, Stage
from ikelab.harness.errors import ConfigError
from ikelab.layers.chain import build_payloads
from ikelab.layers.iana import Payload

Make = Callable[[Edit], bytes]
Count = tuple[int, int]
"""A number that counts octets: where it stands, how many octets it has."""

WORTH = 4
"""How often a place is asked for before it is learnt, which takes as long as so many cases do."""
MORE, MANY = 3, 300
"""Octets more than honest of the trials: few, and more than a number of one octet counts."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Where a field stands and how long it is; `counts` None keeps it at that length."""

    start: int
    size: int
    counts: tuple[Count, ...] | None = None


@dataclass(frozen=True, slots=True)
class Splice:
    """Octets in the place of others; `kind` is what a payload behind the last one is announced as.

    Places are those of the honest message, whatever other splices do.
    """

    start: int
    size: int
    octets: bytes
    counts: tuple[Count, ...] = ()
    kind: int = 0
    announced: int = 0


NOWHERE, NOTHING = Patch(0, 0), Splice(0, 0, b"")
"""The place of a field that is not in the message (any more), and what an edit of it writes."""


def put(data: bytes, splices: Sequence[Splice]) -> bytes | None:
    """The message with all of them; None where one is in the way of another, or a number too small.

    A number that was set is literal: nothing is added to it.
    """
    if len(splices) == 1 and not splices[0].counts and not splices[0].kind:
        only = splices[0]
        return data[: only.start] + only.octets + data[only.start + only.size :]
    ordered = sorted(splices, key=lambda one: one.start)
    for one, following in pairwise(ordered):
        end = one.start + one.size
        touching = end == following.start and not (one.size and following.size)
        if end > following.start or touching:
            return None
    changed = bytearray(data)
    for one in ordered:
        more = len(one.octets) - one.size
        for start, octets in one.counts if more else ():
            if _literal(ordered, start):
                continue
            number = int.from_bytes(changed[start : start + octets], "big") + more
            if not 0 <= number < 256**octets:
                return None
            changed[start : start + octets] = number.to_bytes(octets, "big")
        if one.kind and not _literal(ordered, one.announced):
            changed[one.announced] = one.kind
    for one in reversed(ordered):
        changed[one.start : one.start + one.size] = one.octets
    return bytes(changed)


def _literal(splices: Sequence[Splice], place: int) -> bool:
    return any(one.start <= place < one.start + one.size for one in splices)


class Patches:
    """The places of one message, learnt once they have been asked for a few times.

    `make` builds the message with one edit, by the tree; empty where the edit is not of this
    message. `head` is how many octets stand before the first payload: 28, or 0 for the chain inside
    SK alone, whose first payload's type is `first`.
    """

    def __init__(
        self, honest: bytes, sizes: dict[str, int], make: Make, head: int = 0, first: int = 0
    ) -> None:
        self.honest, self._sizes, self._make, self._head = honest, sizes, make, head
        self.first = first
        self._known: dict[str, Patch | None] = {}
        self._asked: Counter[str] = Counter()
        self._trials: dict[object, bytes] = {}
        self._payloads = tuple(_starts(honest, head))

    def apply(self, data: bytes, edits: Sequence[Edit]) -> bytes | None:
        """`data` with the edits of the message stage; None where the tree has to be edited.

        `data` is the honest message but for octets, of the same number, that differ each time.
        """
        sets: dict[str, Splice] = {}  # the last one of a path
        others: list[Splice] = []
        behind: list[tuple[int, bytes]] = []
        for edit in edits:
            if edit.stage is not Stage.MESSAGE:
                continue
            if edit.op == "insert":
                payload = self._inserted(edit)
                # What is called SK stays the last one: another payload goes before it.
                if payload is None or (behind and behind[-1][0] == Payload.SK):
                    return None
                behind.append(payload)
                continue
            one = self._splice(edit)
            if one is None:
                return None
            if one is NOTHING:
                continue
            if edit.op == "set":
                sets[edit.args[0]] = one
            else:
                others.append(one)
        if behind:
            others.append(self._chained(behind))
        splices = [*sets.values(), *others]
        return put(data, splices) if splices else data

    def _splice(self, edit: Edit) -> Splice | None:
        if edit.op not in ("set", "append"):
            return None
        path, value = edit.args
        if "(" in path:  # by a type that another edit may change
            return None
        size = self._sizes.get(path, 0)
        if value.__class__ is bytes and not size:
            octets = value
        elif value.__class__ is int and size and 0 <= value < 256**size and edit.op == "set":
            octets = value.to_bytes(size, "big")
        else:
            return None
        patch = self._place(path, size)
        if patch is None:
            return None
        if patch is NOWHERE:
            return NOTHING
        if edit.op == "append":
            if patch.counts is None:
                return None
            return Splice(patch.start + patch.size, 0, octets, patch.counts)
        if len(octets) != patch.size and patch.counts is None:
            return None
        return Splice(patch.start, patch.size, octets, patch.counts or ())

    def _inserted(self, edit: Edit) -> tuple[int, bytes] | None:
        """The type and the octets of a payload that is put behind the last one."""
        path = edit.args[0] if edit.args else ""
        spec = edit.option("payload")
        if path != ("" if self._head else "SK") or len(edit.options) != 1 or not self._payloads:
            return None
        if not isinstance(spec, PayloadSpec):
            return None
        payload = apply.build_payload(spec)
        kind = int(payload.kind)
        return (kind, build_payloads([payload])) if 0 < kind < 256 else None

    def _chained(self, behind: Sequence[tuple[int, bytes]]) -> Splice:
        """Payloads behind the last one; the header counts them where there is one."""
        kinds = [kind for kind, _ in behind[1:]] + [0]
        octets = b"".join(
            bytes([kind]) + data[1:] for kind, (_, data) in zip(kinds, behind, strict=True)
        )
        counts = ((24, 4),) if self._head else ()
        return Splice(len(self.honest), 0, octets, counts, behind[0][0], self._payloads[-1])

    # -- learning --------------------------------------------------------------------------------

    def _place(self, path: str, size: int) -> Patch | None:
        if path in self._known:
            return self._known[path]
        self._asked[path] += 1
        if self._asked[path] < WORTH:
            return None
        self._trials.clear()
        found = self._known[path] = self._number(path, size) if size else self._octets(path)
        return found

    def _made(self, path: str, value: object) -> bytes:
        if value not in self._trials:
            try:
                self._trials[value] = self._make(Edit(Stage.MESSAGE, "set", (path, value)))
            except ConfigError:
                self._trials[value] = b""
        return self._trials[value]

    def _number(self, path: str, size: int) -> Patch | None:
        if self._made(path, 0) == self._made(path, 256**size - 1) == self.honest:
            return NOWHERE
        found = self._where(path, 0, 256**size - 1, size)
        return Patch(found, size) if found is not None else None

    def _where(self, path: str, none: object, all_: object, length: int) -> int | None:
        """Where messages with zeros and with ones in a field of so many octets differ.

        None unless they differ in its octets alone.
        """
        low, high = self._made(path, none), self._made(path, all_)
        if not low or len(low) != len(high):
            return None
        start = next((i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a != b), None)
        if start is None:
            return None
        end = start + length
        if low[start:end] != bytes(length) or high[start:end] != b"\xff" * length:
            return None
        if low[:start] != high[:start] or low[end:] != high[end:]:
            return None
        if len(low) == len(self.honest):
            rest = low[:start] + self.honest[start:end] + low[end:]
            return start if rest == self.honest else None
        return start

    def _octets(self, path: str) -> Patch | None:
        """A field of octets: at its own length, and where that can be told at any."""
        empty = self._made(path, b"")
        size = len(self.honest) - len(empty)
        if not empty or size < 0:
            return None
        longer = size + MORE
        if empty == self._made(path, bytes(longer)) == self.honest:
            return NOWHERE
        start = self._where(path, bytes(longer), b"\xff" * longer, longer)
        if start is None:
            return None
        whole = Patch(start, size, self._counts(path, start, size))
        if all(self._predicts(path, whole, n) for n in (0, longer, size + MANY)):
            return whole
        fixed = Patch(start, size)
        return fixed if size and self._predicts(path, fixed, size) else None

    def _predicts(self, path: str, patch: Patch, length: int) -> bool:
        """Whether the tree makes the same of so many octets; what only the tree can make does."""
        trial = b"\xaa" * length
        mine = put(self.honest, [Splice(patch.start, patch.size, trial, patch.counts or ())])
        return mine is None or mine == self._made(path, trial)

    def _counts(self, path: str, start: int, size: int) -> tuple[Count, ...]:
        """The numbers that count the octets of a field: what differs where there are more."""
        some = self._made(path, bytes(size + MORE))
        end = start + size
        rest = self.honest[:start] + self.honest[end:]
        longer = some[:start] + some[end + MORE :]
        found: list[Count] = []
        differ = [i for i, (a, b) in enumerate(zip(rest, longer, strict=False)) if a != b]
        for i in reversed(differ):
            place = i if i < start else i + size
            if not any(first <= place < first + octets for first, octets in found):  # a carry
                found.append(self._count(path, place, size, after=i >= start))
        return tuple(found)

    def _count(self, path: str, place: int, size: int, *, after: bool) -> Count:
        """The number that ends with this octet: of two octets where it goes on beyond one."""
        if self._head and place == 27:
            return 24, 4
        more = 256 - self.honest[place]  # as many as make the octet begin anew
        carried = self._made(path, bytes(size + more))
        there = place + more if after else place
        if place and there < len(carried):
            pair = int.from_bytes(self.honest[place - 1 : place + 1], "big")
            if int.from_bytes(carried[there - 1 : there + 1], "big") == pair + more:
                return place - 1, 2
        return place, 1


def _starts(honest: bytes, head: int) -> Iterator[int]:
    """Where the payloads of a sound chain begin."""
    here = head
    while here + 4 <= len(honest):
        size = int.from_bytes(honest[here + 2 : here + 4], "big")
        if size < 4:
            return
        yield here
        here += size
