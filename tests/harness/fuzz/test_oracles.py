"""A process that is killed or stopped by a hook: reported, with the case that did it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.fuzz import campaigns, fuzzer, ground, vitals
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Rig
from tests.harness.fuzz.process_peer import KILL, STOP, process_rig

HOOKS = {"crash": KILL, "hang": STOP}


def hooked(data: bytes) -> Case:
    plan = Plan.parse(f"IKE_SA_INIT/request#0: insert('', payload=vendor({data!r}))")
    return Case("init", plan, ("insert-vendor",))


def run(place: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """A run into whose cases the one of the hook is mixed, one in seventy."""
    often = 70
    monkeypatch.setattr(ground, "PATIENCE", 0.3)
    monkeypatch.setattr(fuzzer, "EVERY", 0.0)
    with process_rig() as rig:
        made = Fuzzer(cast("Rig", rig), RunFolder(place, {}), 1, campaigns.find(["init"]))
        made.ground.use(campaigns.CAMPAIGNS["init"])
        maker = made._maker(campaigns.CAMPAIGNS["init"])
        plain, count = maker.case, [0]

        def mixed() -> Case:
            count[0] += 1
            return case if count[0] % often == 0 else plain()

        monkeypatch.setattr(maker, "case", mixed)
        seconds = 25.0  # it ends with the first finding

        def show(tally: Tally) -> None:
            if tally.findings:
                made._limits = Limits(cases=1)

        return made.go(Limits(cases=None, seconds=seconds), show)


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.long) for k in ("crash", "hang")]
)
def test_what_a_hook_does_is_reported_with_the_case(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = hooked(HOOKS[kind])

    tally = run(tmp_path / "run", case, monkeypatch)

    [(seen, folder)] = tally.findings.items()
    assert seen.kind == kind
    facts: dict[str, Any] = json.loads((folder / "finding.json").read_text())
    assert facts["replayed"] == "3 of 3"
    assert str(case.plan) in facts["original"]
    assert (folder / "plan.txt").read_text().strip() == str(case)


def test_growth_is_a_leak_only_when_it_goes_on() -> None:
    def watched(values: list[int]) -> Any:
        watch = vitals.Watch()
        for n, value in enumerate(values):
            watch.look(n * 1000, vitals.Vitals({"memory": value << 20}))
        return watch.grows()

    assert watched([10, 100, 100, 100, 100, 100, 100]) is None
    assert watched([10, 20, 30, 40, 50, 50, 60]) is None
    assert watched([10, 20, 30]) is None
    name, slope = watched([10, 20, 30, 40, 50, 60, 70])
    assert name == "memory" and 10_000 < slope < 11_000
