"""Which case makes a peer keep something: groups of cases are put again, and halved."""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.ground import Ground

FEW = 4  # cases that are left when halving ends
PUTS = 32  # conversations of one try
LEAST = {"memory": 1 << 18}
"""What a try has to leave behind, by resource; 1 of anything else."""


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
        return group

    def _grows(self, resource: str, campaign: Campaign, cases: list[Case]) -> bool:
        ground = self.ground
        ground.use(campaign)
        ground.restart()
        ground.rest()
        before = ground.vitals()
        for _ in range(max(1, PUTS // len(cases))):
            for case in cases:
                ground.play(case, campaign)
        ground.rest()
        after = ground.vitals()
        if before is None or after is None:
            return False
        grown = after.counts.get(resource, 0) - before.counts.get(resource, 0)
        return grown >= LEAST.get(resource, 1)
