"""The operators: each draws one edit for a target from a seeded stream.

A case is a Plan, so that every case is text that replays. The same seed, with the same news of
what was found, gives the same cases.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ikelab.harness.edits import Binding, Edit, Plan, Stage, insert, notify, unknown, vendor
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import values
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.target import Place, Target
from ikelab.harness.fuzz.values import Pool

STRUCTURE = ("drop", "duplicate", "swap", "move")
MOST_EDITS = 4
MOST_TRIES = 200
FROM_CORPUS = 0.3  # how many cases come of one that led to something new


class Nothing(Exception):
    """The target has nothing for this operator."""


Operator = Callable[["Maker"], Edit]
OPERATORS: dict[str, tuple[Operator, frozenset[str]]] = {}
"""Name -> the operator, and the kinds of targets it is for (`clear`, `sealed`; empty is any)."""


def operator(name: str, *only: str) -> Callable[[Operator], Operator]:
    """Register an operator."""

    def register(made: Operator) -> Operator:
        OPERATORS[name] = made, frozenset(only)
        return made

    return register


@dataclass
class Weights:
    """What has paid: operators and places that led to something new are drawn more often."""

    of: dict[str, float] = field(default_factory=dict)
    version: int = 0  # counts the changes

    def reward(self, made_by: Sequence[str], amount: float = 1.0) -> None:
        """Something new came of these."""
        self.version += 1
        for name in made_by:
            self.of[name] = min(self.of.get(name, 1.0) + amount, 16.0)

    def blame(self, made_by: Sequence[str]) -> None:
        """What only costs the IKE SA, time and again, is drawn less often."""
        self.version += 1
        for name in made_by:
            self.of[name] = max(self.of.get(name, 1.0) * 0.85, 0.05)

    def fade(self) -> None:
        """What paid long ago counts less."""
        self.version += 1
        for name, weight in self.of.items():
            self.of[name] = 1.0 + (weight - 1.0) * 0.98

    def sums(self, names: Sequence[str]) -> list[float]:
        """The weights of the names, added up one after the other."""
        return list(accumulate(self.of.get(name, 1.0) for name in names))


class Maker:
    """Draws cases for one campaign: mostly a single edit, now and then two or three."""

    def __init__(
        self,
        campaign: str,
        target: Target,
        seed: int,
        *,
        pool: Pool | None = None,
        only: Sequence[str] = (),
        number: int | None = 0,
    ) -> None:
        self.campaign, self.target = campaign, target
        self.pool = pool or Pool()
        if not self.pool.bodies:
            self.pool.add(target)
        self.number = number
        self.draw = random.Random(f"{seed}|{campaign}")
        self.weights = Weights()
        self.corpus: list[tuple[Case, int]] = []  # with the energy that is left
        self.walks: dict[str, int] = {}
        self._names = [
            name
            for name, (_, kinds) in OPERATORS.items()
            if (not only or name in only) and (not kinds or self._kind in kinds)
        ]
        self._places: dict[str, dict[str, Place]] = {}
        self._sums: dict[str, tuple[int, list[float]]] = {}
        self._made_by: list[str] = []

    @property
    def _kind(self) -> str:
        return "sealed" if self.target.sealed else "clear"

    def case(self) -> Case:
        """The next case."""
        self._made_by = []
        if self.corpus and self.draw.random() < FROM_CORPUS:
            edits = self._from_corpus()
        else:
            edits = [self._edit() for _ in range(self.draw.choice((1, 1, 1, 1, 1, 2, 3)))]
        # Values are fitted to the field as the edits change it; structure comes last.
        edits.sort(key=lambda e: (e.stage is not Stage.MESSAGE, e.op in STRUCTURE))
        # The first such message alone: what follows it is honest again.
        where = self.target.exchange, self.target.response
        plan = Plan(tuple(Binding(*where, edit, self.number) for edit in edits[:MOST_EDITS]))
        return Case(self.campaign, plan, tuple(self._made_by))

    def _from_corpus(self) -> list[Edit]:
        """One that led to something new, changed a little."""
        place = self.draw.randrange(len(self.corpus))
        case, energy = self.corpus[place]
        if energy <= 1:
            del self.corpus[place]
        else:
            self.corpus[place] = case, energy - 1
        edits = [binding.edit for binding in case.plan.bindings]
        self._made_by = list(case.made_by)
        if len(edits) > 1 and self.draw.random() < 0.3:
            del edits[self.draw.randrange(len(edits))]
        elif self.draw.random() < 0.4:
            edits[self.draw.randrange(len(edits))] = self._edit()
        else:
            edits.append(self._edit())
        return edits

    def feed(self, case: Case, energy: int) -> None:
        """Keep a case that led to something new, and what made it."""
        self.corpus.append((case, energy))
        del self.corpus[:-200]
        self.weights.reward(case.made_by)

    def _edit(self) -> Edit:
        for _ in range(MOST_TRIES):
            name = self._pick("operators", self._names)
            try:
                edit = OPERATORS[name][0](self)
            except Nothing:
                continue
            self._made_by.append(name)
            return edit
        raise ConfigError(f"none of {', '.join(self._names)} fits the message of {self.campaign}")

    # -- what operators ask for ----------------------------------------------------------------

    def place(self, kind: str) -> Place:
        """A place that holds numbers, octets, addresses, or something computed."""
        if kind not in self._places:
            self._places[kind] = {p.path: p for p in self.target.places if _holds(p, kind)}
        found = self._places[kind]
        if not found:
            raise Nothing
        path = self._pick(kind, list(found))
        self._made_by.append(path)
        return found[path]

    def _pick(self, kind: str, names: list[str]) -> str:
        """One of the names by its weight; their sums are kept until a weight changes."""
        version, sums = self._sums.get(kind, (-1, []))
        if version != self.weights.version:
            sums = self.weights.sums(names)
            self._sums[kind] = self.weights.version, sums
        return names[bisect(sums, self.draw.random() * sums[-1])]

    def element(self) -> str:
        """A payload or an element of a list."""
        if not self.target.elements:
            raise Nothing
        path = self.draw.choice(self.target.elements)
        self._made_by.append(path)
        return path

    def chain(self) -> str:
        """The chain that payloads are inserted into."""
        return "SK" if self.target.sealed else ""


def _holds(place: Place, kind: str) -> bool:
    match kind:
        case "number":
            return bool(place.size)
        case "computed":
            return bool(place.size) and place.computed
        case "octets":
            return isinstance(place.value, bytes)
        case _:
            return isinstance(place.value, str)


def _set(path: str, value: object) -> Edit:
    return Edit(Stage.MESSAGE, "set", (path, value))


# -- numbers ---------------------------------------------------------------------------------


@operator("boundary")
def boundary(make: Maker) -> Edit:
    """A number at the edge of what the field, or a smaller one, holds."""
    place = make.place("number")
    return _set(place.path, make.draw.choice(values.boundaries(place.size)))


@operator("step")
def step(make: Maker) -> Edit:
    """A little more or less than honest."""
    place = make.place("number")
    delta = make.draw.choice((-8, -4, -2, -1, 1, 2, 4, 8, 255))
    return _set(place.path, (place.value + delta) % 256**place.size)


@operator("walk")
def walk(make: Maker) -> Edit:
    """The next number that this field has not had: all of them, one after the other."""
    place = make.place("number")
    number = make.walks[place.path] = make.walks.get(place.path, -1) + 1
    return _set(place.path, number % 256**place.size)


@operator("length-lie")
def length_lie(make: Maker) -> Edit:
    """A length, count or next-payload field that is not true."""
    place = make.place("computed")
    top = 256**place.size
    lies = (0, 1, 3, 4, 5, place.value - 1, place.value + 1, place.value * 2, top - 1, top // 2)
    return _set(place.path, make.draw.choice(lies) % top)


@operator("registry")
def registry(make: Maker) -> Edit:
    """Another type or algorithm: one that is assigned, or one next to those."""
    place = make.place("number")
    return _set(place.path, values.number(place, make.draw))


@operator("bit")
def bit(make: Maker) -> Edit:
    """One bit of a number."""
    place = make.place("number")
    return _set(place.path, place.value ^ (1 << make.draw.randrange(place.size * 8)))


@operator("address")
def address(make: Maker) -> Edit:
    """Another address in a traffic selector."""
    return _set(make.place("address").path, make.draw.choice(values.ADDRESSES))


# -- octets ----------------------------------------------------------------------------------


@operator("dictionary")
def dictionary(make: Maker) -> Edit:
    """Octets that trouble programs."""
    return _set(make.place("octets").path, make.draw.choice(values.OCTETS))


@operator("havoc")
def havoc(make: Maker) -> Edit:
    """Random changes of honest octets."""
    place = make.place("octets")
    return _set(place.path, values.havoc(place.value, make.draw))


@operator("fill")
def fill(make: Maker) -> Edit:
    """Octets of the right number and no content."""
    place = make.place("octets")
    return _set(place.path, make.draw.choice((b"\0", b"\xff", b"\x80")) * len(place.value))


@operator("cut")
def cut(make: Maker) -> Edit:
    """Too few octets."""
    place = make.place("octets")
    if not place.value:
        raise Nothing
    length = make.draw.choice((0, 1, 3, len(place.value) // 2, len(place.value) - 1))
    return _set(place.path, place.value[: min(length, len(place.value) - 1)])


@operator("extend")
def extend(make: Maker) -> Edit:
    """Too many octets."""
    more = make.draw.choice((b"\0", b"\xff\xff", b"A" * 16, b"A" * 255, b"A" * 1500))
    return Edit(Stage.MESSAGE, "append", (make.place("octets").path, more))


# -- structure -------------------------------------------------------------------------------


@operator("drop")
def drop(make: Maker) -> Edit:
    """A payload or element less."""
    return Edit(Stage.MESSAGE, "drop", (make.element(),))


@operator("duplicate")
def duplicate(make: Maker) -> Edit:
    """One twice."""
    return Edit(Stage.MESSAGE, "duplicate", (make.element(),))


@operator("reorder")
def reorder(make: Maker) -> Edit:
    """Two in each other's place."""
    return Edit(Stage.MESSAGE, "swap", (make.element(), make.element()))


@operator("insert-unknown")
def insert_unknown(make: Maker) -> Edit:
    """A payload of any type with odd content, critical or not."""
    critical = make.draw.random() < 0.3
    data = make.draw.choice(values.OCTETS)
    return insert(
        make.chain(), payload=unknown(values.any_kind(make.draw), data, critical=critical)
    )


@operator("insert-notify")
def insert_notify(make: Maker) -> Edit:
    """A notify of any type, with data of about the right size."""
    kind = values.any_notify(make.draw)
    return insert(make.chain(), payload=notify(kind, values.notify_data(kind, make.draw)))


@operator("insert-vendor")
def insert_vendor(make: Maker) -> Edit:
    """A vendor ID that somebody really sends."""
    data = make.draw.choice(values.vendor_ids())
    return insert(make.chain(), payload=vendor(data + make.draw.choice((b"", b"\0", b"\x05\x02"))))


@operator("grammar")
def grammar(make: Maker) -> Edit:
    """A payload made from the description of its fields."""
    kind, body = values.grammar(make.draw)
    return insert(make.chain(), payload=unknown(kind, body))


@operator("splice")
def splice(make: Maker) -> Edit:
    """A payload of another message, ours or out of a capture, at times damaged."""
    kind, body = make.pool.any(make.draw)
    if make.draw.random() < 0.5:
        body = values.havoc(body, make.draw)
    return insert(make.chain(), payload=unknown(kind, body))


@operator("nest")
def nest(make: Maker) -> Edit:
    """A whole payload as the content of another one, or of itself."""
    kind, body = make.pool.any(make.draw)
    inner = bytes([0, 0]) + (len(body) + 4).to_bytes(2, "big") + body
    around = kind if make.draw.random() < 0.5 else values.any_kind(make.draw)
    return insert(make.chain(), payload=unknown(around, inner * make.draw.choice((1, 1, 2, 8))))


@operator("many")
def many(make: Maker) -> Edit:
    """A great many small payloads in the place of one."""
    count = make.draw.choice((16, 64, 250))
    kind = values.any_kind(make.draw)
    chain = b"".join(bytes([kind if n + 1 < count else 0, 0, 0, 4]) for n in range(count))
    return insert(make.chain(), payload=unknown(kind, chain))


# -- octets of the whole message ---------------------------------------------------------------


@operator("plain-padding", "sealed")
def plain_padding(make: Maker) -> Edit:
    """Padding of another length, or a pad length that lies."""
    if make.draw.random() < 0.5:
        return Edit(Stage.PLAIN, "pad", (make.draw.choice((0, 1, 15, 16, 100, 255)),))
    return Edit(Stage.PLAIN, "pad_length", (make.draw.choice((0, 1, 15, 16, 64, 255)),))


@operator("plain-havoc", "sealed")
def plain_havoc(make: Maker) -> Edit:
    """Random changes of the chain inside SK."""
    return Edit(Stage.PLAIN, "replace", (values.havoc(make.target.chain, make.draw),))


@operator("plain-splice", "sealed")
def plain_splice(make: Maker) -> Edit:
    """The beginning of this chain and the end of another."""
    other = make.draw.choice(make.pool.chains) if make.pool.chains else make.target.chain
    own = make.target.chain
    head = own[: make.draw.randrange(len(own) + 1)]
    return Edit(Stage.PLAIN, "replace", (head + other[make.draw.randrange(len(other) + 1) :],))


@operator("plain-cut", "sealed")
def plain_cut(make: Maker) -> Edit:
    """The chain inside SK ends early."""
    if not make.target.chain:
        raise Nothing
    length = make.draw.randrange(len(make.target.chain))
    return Edit(Stage.PLAIN, "replace", (make.target.chain[:length],))


@operator("sealed-flip", "sealed")
def sealed_flip(make: Maker) -> Edit:
    """A bit of IV, ciphertext or ICV: the message must not be taken."""
    part = make.draw.choice(("iv", "ciphertext", "icv"))
    return Edit(Stage.SEALED, "flip", (part, make.draw.randrange(8)))


@operator("sealed-cut", "sealed")
def sealed_cut(make: Maker) -> Edit:
    """One of the protected parts is too short, or gone."""
    part = make.draw.choice(("iv", "ciphertext", "icv"))
    return Edit(Stage.SEALED, "truncate", (part, make.draw.choice((0, 1, -1))))


@operator("sealed-set", "sealed")
def sealed_set(make: Maker) -> Edit:
    """Octets of our choice as IV or ICV."""
    part = make.draw.choice(("iv", "icv"))
    return Edit(Stage.SEALED, "set", (part, bytes(make.draw.choice((0, 1, 4, 8, 12, 16, 64)))))


@operator("wire-cut")
def wire_cut(make: Maker) -> Edit:
    """The datagram ends early."""
    length = make.draw.choice((0, 1, 8, 16, 27, 28, 29, 31, 32, -1, -4))
    if make.draw.random() < 0.5 and len(make.target.data) > 1:
        length = make.draw.randrange(len(make.target.data) - 1)
    return Edit(Stage.WIRE, "truncate", (length,))


@operator("wire-extend")
def wire_extend(make: Maker) -> Edit:
    """Octets behind the message."""
    return Edit(
        Stage.WIRE, "append", (make.draw.choice((b"\0", b"A" * 4, b"A" * 64, b"A" * 1400)),)
    )


@operator("wire-flip")
def wire_flip(make: Maker) -> Edit:
    """A bit of the header, as it leaves."""
    return Edit(Stage.WIRE, "flip", (make.draw.randrange(28), make.draw.randrange(8)))


@operator("wire-havoc", "clear")
def wire_havoc(make: Maker) -> Edit:
    """Other octets somewhere in the message, as it leaves."""
    offset = make.draw.randrange(16, max(17, len(make.target.data)))
    return Edit(Stage.WIRE, "set", (offset, make.draw.randbytes(make.draw.choice((1, 2, 4, 16)))))


@operator("other-id", "sealed")
def other_id(make: Maker) -> Edit:
    """The message ID of another message: one before, or one that is not due yet."""
    return Edit(Stage.MESSAGE, "add", ("header.id", make.draw.choice((-2, -1, -1, 1, 2, 5))))


@operator("fragment-numbers", "sealed")
def fragment_numbers(make: Maker) -> Edit:
    """Other numbers where those of a fragment stand (RFC 7383 2.5), as it leaves."""
    number = make.draw.choice((0, 1, 2, 3, 255, 256, 65535))
    return Edit(Stage.WIRE, "set", (make.draw.choice((32, 34)), number.to_bytes(2, "big")))


@operator("wire-repeat")
def wire_repeat(make: Maker) -> Edit:
    """The datagram more than once."""
    return Edit(Stage.WIRE, "duplicate", (make.draw.choice((2, 3)),))
