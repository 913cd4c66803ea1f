"""The same cases put to the reference peer: where it answers in another manner, that is told.

A difference is a note and accuses nobody. RFCs leave much to an implementation (a silence for a
refusal, one notify for another), and the reference may be the one that is wrong; what no reading of
an RFC allows is the business of `oracles`. Only what the peer does twice is told, and nothing of a
peer that is not well.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, takewhile, zip_longest
from pathlib import Path
from typing import Any

from ikelab.harness.edits import Plan
from ikelab.harness.errors import LabError
from ikelab.harness.fuzz.answers import (
    IMPOSSIBLE,
    NOT_REACHED,
    SILENCE,
    TAKES,
    Outcome,
    manner,
)
from ikelab.harness.fuzz.campaigns import CAMPAIGNS, Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.ground import Ground, OutOfReach
from ikelab.harness.fuzz.places import rig
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.rig import REFERENCE, Rig, Settings

FILE = "differences.jsonl"
OF_EACH = 24  # cases of a class of answers
LEAST, SHARE = 10.0, 0.1  # seconds, and a part of the run's time, that a comparison may take


class Sample:
    """Some cases of each class of answers, drawn evenly while a run goes on."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(f"{seed}|compare")
        self._kept: dict[tuple[Any, ...], list[Case]] = {}
        self._counts: Counter[tuple[Any, ...]] = Counter()

    def take(self, outcome: Outcome) -> None:
        """One more case and its answer."""
        if outcome.kind in (IMPOSSIBLE, NOT_REACHED):
            return
        key = outcome.key
        some = self._kept.setdefault(key, [])
        self._counts[key] += 1
        if len(some) < OF_EACH:
            some.append(outcome.case)
        elif (place := self._draw.randrange(self._counts[key])) < OF_EACH:
            some[place] = outcome.case

    @property
    def cases(self) -> list[Case]:
        """All of them, one of each class after the other, so that a part of them has of each."""
        rows = zip_longest(*self._kept.values())
        return list(dict.fromkeys(case for row in rows for case in row if case is not None))


@dataclass(slots=True)
class Difference:
    """How often in a campaign the peer did one thing where the reference does another."""

    campaign: str
    peer: str
    reference: str
    case: Case  # the shortest one
    count: int = 1

    def __str__(self) -> str:
        return f"{self.campaign}: the peer: {self.peer}; the reference: {self.reference}"

    def row(self) -> dict[str, Any]:
        """As a line of the file."""
        return {
            "campaign": self.campaign, "peer": self.peer, "reference": self.reference,
            "count": self.count, "plan": str(self.case),
        }  # fmt: skip


@dataclass
class Differences:
    """What was found, and how many of the cases there was time for."""

    asked: int
    compared: int = 0
    found: dict[tuple[str, str, str], Difference] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # campaigns without a way, and why

    def add(self, case: Case, peer: str, reference: str) -> None:
        """One more; a shorter case stands for all of its kind."""
        self.compared += 1
        if peer == reference:
            return
        known = self.found.get((case.campaign, peer, reference))
        if known is None:
            made = Difference(case.campaign, peer, reference, case)
            self.found[case.campaign, peer, reference] = made
            return
        known.count += 1
        if len(str(case)) < len(str(known.case)):
            known.case = case

    @property
    def ranked(self) -> list[Difference]:
        """What the peer takes and the reference does not first, then by how often."""

        def place(one: Difference) -> tuple[bool, bool, int]:
            takes = one.peer.startswith(TAKES) and not one.reference.startswith(TAKES)
            return not takes, SILENCE in (one.peer, one.reference), -one.count

        return sorted(self.found.values(), key=place)

    def write(self, place: Path) -> None:
        """The file, a line for each kind of difference."""
        lines = [json.dumps(one.row()) + "\n" for one in self.ranked]
        place.write_text("".join(lines), encoding="utf-8")


def compare(
    made: Rig, cases: Iterable[Case], seconds: float, *, rate: float = 0.0, seed: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Differences:  # fmt: skip
    """Put cases to the peer of a rig and to the reference, one at a time, for so many seconds."""
    wanted = sorted(cases, key=lambda case: (_configured(case), case.campaign))
    found = Differences(len(wanted))
    groups = [(CAMPAIGNS[name], list(some)) for name, some in groupby(wanted, _named)]
    # A case takes three conversations at the most.
    peer = Ground(made, "compare", rate / 3)
    with rig(REFERENCE, Settings(seed=seed)) as other:
        reference = Ground(other, "compare")
        until = clock() + seconds
        for number, (campaign, some) in enumerate(groups):
            now = clock()
            turn = now + (until - now) / (len(groups) - number)
            try:
                honest = _honest(peer, campaign), _honest(reference, campaign)
                for case in peer.paced(_until(turn, some, clock)):
                    _one(found, case, campaign, (peer, reference), honest)
            except (Unsupported, LabError) as reason:
                found.skipped[campaign.name] = str(reason).partition("\n")[0]
    return found


def _until(end: float, cases: Iterable[Case], clock: Callable[[], float]) -> Iterator[Case]:
    return takewhile(lambda _: clock() < end, cases)


def _configured(case: Case) -> str:
    """Cases for which the peer is configured alike come one after the other."""
    return str(sorted(CAMPAIGNS[case.campaign].peer.items(), key=str))


def _named(case: Case) -> str:
    return case.campaign


def _honest(ground: Ground, campaign: Campaign) -> str:
    """The manner of the answer when nothing is changed; OutOfReach where there is no way to it."""
    ground.rig.peer.needs(*campaign.needs)
    ground.use(campaign)
    found = _played(ground, Case(campaign.name, Plan()), campaign)
    if found in (NOT_REACHED, IMPOSSIBLE) or (found == SILENCE and not campaign.response):
        raise OutOfReach(f"{ground.rig.name}: no honest conversation comes to {campaign.name}")
    return found


def _played(ground: Ground, case: Case, campaign: Campaign) -> str:
    return manner(ground.play(case, campaign).kind)


def _one(
    found: Differences, case: Case, campaign: Campaign, grounds: tuple[Ground, Ground],
    honest: tuple[str, str],
) -> None:  # fmt: skip
    """Compare one case; nothing is said of what does not show twice, or of a peer that is ill."""
    peer, reference = grounds
    theirs = _played(reference, case, campaign)
    mine = _played(peer, case, campaign)
    if not reference.alive() or theirs in (NOT_REACHED, IMPOSSIBLE):
        reference.restart()
        return
    # Where the two differ over an honest message, the same difference says nothing of the case.
    same = mine == theirs or (mine, theirs) == honest
    if not same and not _again(peer, case, campaign, mine):
        return
    found.add(case, theirs if same else mine, theirs)


def _again(peer: Ground, case: Case, campaign: Campaign, before: str) -> bool:
    """Whether a peer that is well does the same again."""
    if not peer.alive() or not peer.answers():
        peer.restart()
        return False
    if before in (NOT_REACHED, IMPOSSIBLE):
        return False
    return _played(peer, case, campaign) == before and peer.alive()
