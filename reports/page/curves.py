"""What the page of curves says of a run: its facts, its pictures, findings and differences."""

from __future__ import annotations

from typing import Any

from ikelab.harness.model import Verdict
from ikelab.reports.curves import Course, clock, pictures, shown_difference
from ikelab.reports.load import Run


def told(run: Run, one: Course) -> dict[str, Any]:
    """The words of the template for one run."""
    return {
        "name": run.name,
        "facts": _facts(run, one),
        "problems": [*run.problems, *one.problems],
        "pictures": pictures(one),
        "marks": bool(one.found),
        "findings": [r.headline for r in run.results if r.verdict is Verdict.FAIL],
        "answers": [(kind, f"{cases:.0f}") for kind, cases in one.answers],
        "differences": [shown_difference(fields) for fields in one.differences],
    }


def _facts(run: Run, one: Course) -> list[tuple[str, str]]:
    peers = ", ".join(f"{peer.name} {peer.version}".strip() for peer in run.peers)
    facts = [
        ("peer", peers),
        ("planted fault", run.fault),
        ("started", run.started),
        ("finished", run.finished or "not finished"),
        ("seed", "" if run.seed is None else str(run.seed)),
        ("command", " ".join(run.command)),
    ]
    if one.moments:
        last = one.moments[-1]
        rate = last.cases / max(last.seconds, 1e-6)
        facts.append(("cases", f"{last.cases:.0f} in {clock(last.seconds)}, {rate:.0f} a second"))
    return [(name, value) for name, value in facts if value]
