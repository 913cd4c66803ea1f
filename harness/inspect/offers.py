"""Offers held against what was chosen, or against what the other side would take.

Works on suites alone: which row won, why another could not, and which pair comes nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ikelab.harness.exchange.negotiate import match
from ikelab.harness.inspect.facts import Proposal
from ikelab.harness.model import Suite, Transform
from ikelab.layers.iana import Integ, Protocol, TransformType, lookup

_ALONE = frozenset({TransformType.INTEG, TransformType.PRF})


@dataclass(frozen=True, slots=True)
class Difference:
    """A transform type in which two suites have nothing in common."""

    kind: int
    offered: tuple[Transform, ...]
    wanted: tuple[Transform, ...]

    @property
    def label(self) -> str:
        found = lookup(TransformType, self.kind)
        return found.name if found else str(self.kind)

    def __str__(self) -> str:
        return f"{self.label}: {_words(self.offered)} offered, {_words(self.wanted)} wanted"


@dataclass(frozen=True, slots=True)
class Row:
    """One offered proposal beside the accepted suite: `won`, or why it could not have been it."""

    proposal: Proposal
    won: bool
    differences: tuple[Difference, ...]

    @property
    def why(self) -> str:
        """In words; empty for the row that won."""
        if self.won:
            return ""
        if not self.differences:
            return "would have fitted too; another row was taken"
        return "; ".join(map(str, self.differences))


@dataclass(frozen=True, slots=True)
class Near:
    """An offered suite and an acceptable one, and what stands between them."""

    number: int
    offered: Suite
    wanted: Suite
    differences: tuple[Difference, ...]


def rows(offered: Iterable[Proposal], chosen: Suite, number: int | None) -> list[Row]:
    """Each offered proposal beside what was chosen; `number` is that of the accepted proposal."""
    found = []
    for proposal in offered:
        same = number is None or proposal.number == number
        gaps = differences(proposal.suite, chosen)
        found.append(Row(proposal, same and not gaps, gaps))
    return found


@lru_cache(maxsize=4096)
def differences(offered: Suite, wanted: Suite) -> tuple[Difference, ...]:
    """The types in which the two cannot agree, in order of type."""
    mine, theirs = offered.keyed(), wanted.keyed()
    kinds = dict.fromkeys(t.type for t in (*mine.transforms, *theirs.transforms))
    found = []
    for kind in sorted(kinds):
        ours, others = mine.of(kind), theirs.of(kind)
        if set(ours) & set(others) or _nothing_needed(kind, ours, others, offered, wanted):
            continue
        found.append(Difference(kind, ours, others))
    return tuple(found)


def _nothing_needed(
    kind: int,
    ours: tuple[Transform, ...],
    others: tuple[Transform, ...],
    offered: Suite,
    wanted: Suite,
) -> bool:
    """Whether one side's lack of a type is none: NONE, or integrity beside a combined mode."""
    if ours and others:
        return False
    present = ours or others
    if any(t.id == 0 and kind != TransformType.ENCR for t in present):
        return True
    if kind != TransformType.INTEG:
        return False
    having = wanted if ours else offered
    return any(Suite((e,)).aead for e in having.of(TransformType.ENCR))


def nearest(offered: Sequence[Proposal], wanted: Sequence[Suite]) -> Near | None:
    """The pair with the fewest differences; no differences where one of the pairs fits."""
    best: Near | None = None
    for proposal in offered:
        for suite in wanted:
            if suite.protocol != proposal.suite.protocol:
                continue
            fits = match(proposal.suite, suite) is not None
            gaps = () if fits else differences(proposal.suite, suite)
            if not fits and not gaps:
                continue  # incomplete on both sides: nothing that could be said
            if best is None or _weight(gaps) < _weight(best.differences):
                best = Near(proposal.number, proposal.suite, suite, gaps)
    return best


def _weight(gaps: tuple[Difference, ...]) -> tuple[int, int]:
    # PRF and INTEG go with the same word of a configuration: together they are one slip.
    kinds = {g.kind for g in gaps}
    return len(kinds - _ALONE) + bool(kinds & _ALONE), len(kinds)


def describe(near: Near) -> str:
    """`proposal 1 (aes256-sha256-modp2048) differs in KE only: modp2048 offered, x25519 wanted`."""
    only = " only" if _weight(near.differences)[0] == 1 else ""
    kinds = " and ".join(d.label for d in near.differences)
    each = "; ".join(
        f"{_words(d.offered)} offered, {_words(d.wanted)} wanted" for d in near.differences
    )
    pair = f"proposal {near.number} ({near.offered}) differs from {near.wanted}"
    return f"{pair} in {kinds}{only}: {each}"


def _words(transforms: Sequence[Transform]) -> str:
    if not transforms:
        return "none"
    return " or ".join(t.word if t.id != Integ.NONE or t.type == 1 else "none" for t in transforms)


def label(protocol: int) -> str:
    """`IKE`, `ESP` or `AH`."""
    found = lookup(Protocol, protocol)
    return found.name if found else f"protocol {protocol}"
