"""Draws cases for one campaign from a seeded stream; the operators are in `operators`.

A case is a Plan, so that every case is text that replays. The same seed, with the same news of
what was found, gives the same cases.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ikelab.harness.edits import Binding, Edit, Plan, Stage
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.target import Place, Target
from ikelab.harness.fuzz.values import Pool

STRUCTURE = ("drop", "duplicate", "swap", "move")
MOST_EDITS = 4
MOST_TRIES = 200
COSTLY = (
    "length-lie", "cut", "extend", "dictionary", "plain-havoc", "plain-cut", "plain-splice",
    "plain-padding", "grammar", "splice", "nest", "many", "insert-unknown", "havoc",
)  # fmt: skip
RARELY = 0.08  # the weight that these begin with where IKE SAs are used again
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

    def spare(self) -> None:
        """Begin rarely with what breaks the chain, where IKE SAs are used again.

        RFC 7296 2.21.3: what cannot be read costs the IKE SA. IKE_AUTH shows as much.
        """
        self.version += 1
        self.of |= dict.fromkeys(COSTLY, RARELY)

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
