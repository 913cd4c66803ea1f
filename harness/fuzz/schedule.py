"""What comes next: campaigns by what they yield, cases by what they led to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ikelab.harness.fuzz.answers import IMPOSSIBLE, SILENCE, Outcome
from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.operators import Maker

ENERGY = 12  # cases that are made from one that led to something new
FADING = 0.7


@dataclass
class Schedule:
    """Each campaign once, then those that gave new answers lately more often than others."""

    campaigns: Sequence[Campaign]
    seed: int
    yields: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._draw = random.Random(f"{self.seed}|schedule")
        self._first = list(self.campaigns)

    def next(self) -> Campaign:
        """The campaign whose turn it is."""
        if self._first:
            return self._first.pop(0)
        weights = [0.2 + self.yields.get(c.name, 0.0) for c in self.campaigns]
        return self._draw.choices(list(self.campaigns), weights)[0]

    def yielded(self, campaign: Campaign, found: int, cases: int) -> None:
        """A turn gave so many new answers."""
        rate = 100.0 * found / max(cases, 1)
        before = self.yields.get(campaign.name, 0.0)
        self.yields[campaign.name] = before * FADING + rate * (1 - FADING)


class Feedback:
    """Classes of answers seen so far; what is new is worth keeping and changing further."""

    def __init__(self) -> None:
        self.classes: Counter[tuple[str, str, str, int, str]] = Counter()

    def take(self, outcome: Outcome, maker: Maker, *, edges: int = 0) -> bool:
        """Learn from an outcome; whether it was of a new class (or reached new code)."""
        if outcome.kind == IMPOSSIBLE:
            return False
        new = self.classes[outcome.key] == 0 or edges > 0
        self.classes[outcome.key] += 1
        if new:
            maker.feed(outcome.case, ENERGY)
        elif outcome.state == "ended" or outcome.kind == SILENCE:
            maker.weights.blame(outcome.case.made_by)
        return new

    @property
    def kinds(self) -> set[str]:
        """The kinds of answer, by what they are called."""
        return {f"{campaign}: {kind}" for campaign, kind, *_ in self.classes}
