"""Whether cases make a peer keep something, and which: they are put again, beside honest ones.

What a daemon keeps anyhow (half-open IKE SAs, memory that its allocator holds back) an honest
conversation makes it keep as well. Only what cases leave beyond that, and leave again when they are
put again, is a leak.
"""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.edits import Plan
from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.ground import Ground

FEW = 4  # cases that are left when halving ends
PUTS = 64  # conversations of one try
LEAST = {"memory": PUTS << 14}
"""What a try has to leave behind beyond an honest one, by resource."""
SAS = "IKE SAs"
MOST_TIMES = 0.9  # where things are counted, a case alone leaves one nearly each time


def leaks(ground: Ground, campaign: Campaign, cases: list[Case], resource: str) -> bool:
    """Whether a try with these cases leaves more of the resource behind than it may."""
    least = LEAST.get(resource) or (PUTS * MOST_TIMES if len(cases) == 1 else 1)
    return left(ground, campaign, cases).get(resource, 0) >= least


def left(ground: Ground, campaign: Campaign, cases: list[Case]) -> dict[str, int]:
    """What a try with these cases leaves behind, by resource; nothing where it cannot be told."""
    puts = (cases * (PUTS // len(cases) + 1))[: max(PUTS, len(cases))]
    if ground.rig.topology == "memory":
        # Everything is counted there, and what may be kept for a while is gone after a rest.
        return _kept(ground, campaign, puts) or {}
    honest = _kept(ground, campaign, [Case(campaign.name, Plan())] * len(puts))
    once, again = (_kept(ground, campaign, puts) for _ in range(2))
    if honest is None or once is None or again is None:
        return {}
    if max(once[SAS], again[SAS]) > max(honest[SAS], 0):
        return {}  # it keeps IKE SAs as it may, and what they need
    return {
        name: min(once[name], again[name]) - max(honest.get(name, 0), 0)
        for name in once
        if name != SAS
    }


def _kept(ground: Ground, campaign: Campaign, cases: list[Case]) -> dict[str, int] | None:
    """By how much the vitals grow over these conversations; None where the peer did not live."""
    lane = ground.lane(campaign, single=True)
    ground.rest()
    before = ground.vitals()
    sas = ground.sas()
    for _ in lane.run(cases):
        if not ground.alive():
            return None
    ground.rest()
    after = ground.vitals()
    if before is None or after is None:
        return None
    grown = {name: n - before.counts.get(name, 0) for name, n in after.counts.items()}
    return grown if ground.rig.topology == "memory" else {**grown, SAS: ground.sas() - sas}


class Growth:
    """Looks for the cases that use up a resource."""

    def __init__(self, ground: Ground, campaign: Callable[[str], Campaign]) -> None:
        self.ground, self._campaign = ground, campaign

    def suspects(self, resource: str, cases: list[Case]) -> list[Case]:
        """A few cases of each campaign after which there is more of the resource."""
        by_campaign: dict[str, list[Case]] = {}
        for case in cases:
            by_campaign.setdefault(case.campaign, []).append(case)
        return [
            case
            for name, group in by_campaign.items()
            for case in self._halved(resource, self._campaign(name), group)
        ]

    def _halved(self, resource: str, campaign: Campaign, cases: list[Case]) -> list[Case]:
        group = cases
        while len(group) > FEW:
            half = group[: len(group) // 2]
            if self._grows(resource, campaign, half):
                group = half
            elif self._grows(resource, campaign, group[len(half) :]):
                group = group[len(half) :]
            else:
                return []
        return group if len(cases) > FEW or self._grows(resource, campaign, group) else []

    def _grows(self, resource: str, campaign: Campaign, cases: list[Case]) -> bool:
        self.ground.use(campaign)
        self.ground.restart()
        return leaks(self.ground, campaign, cases, resource)
