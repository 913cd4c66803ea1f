"""What changed between two runs: verdicts, and behaviour behind an unchanged verdict.

Behaviour is the conversation without what chance decides (SPIs, nonces, times, lengths) and the
rules that were broken. Retransmissions are timing, not behaviour, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum

from ikelab.harness.model import Verdict
from ikelab.reports.load import Result, Run
from ikelab.reports.matrix import UNEXPECTED, gravest
from ikelab.reports.records import Json, objects, printable, word

Key = tuple[str, str, str, str]


class Kind(StrEnum):
    """What kind of change; the order is that of the printed list."""

    REGRESSION = "regression"
    FIXED = "fixed"
    VERDICT = "other verdict"
    BEHAVIOUR = "other behaviour"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One test of one peer and role, before and after; `details` are lines that say what."""

    kind: Kind
    before: Result | None
    after: Result | None
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        result = self.after or self.before
        if result is None:
            return str(self.kind)
        old = self.before.verdict if self.before else "not run"
        new = self.after.verdict if self.after else "not run"
        name = " ".join(p for p in (result.case, result.id.rpartition("::")[2]) if p)
        where = " ".join(p for p in (result.peer, result.role, result.topology) if p)
        verdicts = str(new) if old == new else f"{old} -> {new}"
        return f"{self.kind}: {name} ({where}): {verdicts}"


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes from run `a` to run `b`."""

    a: Run
    b: Run
    changes: tuple[Change, ...]
    compared: int

    @property
    def regressions(self) -> tuple[Change, ...]:
        """What must not be released: verdicts that went bad, and tests lost to a run that died."""
        died = not self.b.finished
        return tuple(
            c
            for c in self.changes
            if c.kind is Kind.REGRESSION
            or (died and c.kind is Kind.GONE and c.before and c.before.verdict == Verdict.PASS)
        )

    def __str__(self) -> str:
        return printable("\n".join(_text(self)))


def diff_runs(a: Run, b: Run) -> Diff:
    """Compare two runs, test by test; where each has one peer, two releases can be compared."""
    ignore_peer = len({r.peer for r in a.results}) == 1 == len({r.peer for r in b.results})
    before, after = _index(a, ignore_peer), _index(b, ignore_peer)
    changes = [
        change
        for key in dict.fromkeys([*before, *after])
        if (change := _compare(before.get(key), after.get(key)))
    ]
    changes.sort(key=lambda change: list(Kind).index(change.kind))
    return Diff(a, b, tuple(changes), len(before.keys() & after.keys()))


def _index(run: Run, ignore_peer: bool) -> dict[Key, Result]:
    """The results by what they tested; of a repeated test the gravest one."""
    found: dict[Key, Result] = {}
    for result in run.results:
        test = f"{result.function}[{result.variant}]"
        key = (test, "" if ignore_peer else result.peer, result.role, result.topology)
        known = found.get(key)
        if known is None or gravest([known.verdict, result.verdict]) != known.verdict:
            found[key] = result
    return found


def _compare(before: Result | None, after: Result | None) -> Change | None:
    if before is None:
        return Change(Kind.NEW, None, after)
    if after is None:
        return Change(Kind.GONE, before, None)
    if before.verdict != after.verdict:
        why = (after.reason,) if after.reason else ()
        return Change(_kind(before.verdict, after.verdict), before, after, why)
    details = tuple(_behaviour_change(before, after))
    return Change(Kind.BEHAVIOUR, before, after, details) if details else None


def _kind(before: Verdict, after: Verdict) -> Kind:
    """PASS to UNSUPPORTED is a regression too: the peer could do it before."""
    if after in UNEXPECTED and before not in UNEXPECTED:
        return Kind.REGRESSION
    if before == Verdict.PASS and after == Verdict.UNSUPPORTED:
        return Kind.REGRESSION
    if after == Verdict.PASS:
        return Kind.FIXED
    return Kind.VERDICT


def _behaviour_change(before: Result, after: Result) -> Iterator[str]:
    old_rules, new_rules = ({v.rule for v in r.violations} for r in (before, after))
    yield from (f"no longer broken: {rule}" for rule in sorted(old_rules - new_rules))
    yield from (f"newly broken: {rule}" for rule in sorted(new_rules - old_rules))
    old, new = behaviour(before), behaviour(after)
    if old and new and old != new:
        for line in list(unified_diff(old, new, lineterm="", n=0))[2:]:
            if not line.startswith("@@"):
                yield f"{line[0]} {line[1:]}"


def behaviour(result: Result) -> list[str]:
    """The conversation as lines that two honest runs of the same test share."""
    lines: list[str] = []
    seen: set[tuple[str, str]] = set()
    for step in result.evidence().conversation().steps:
        once = (word(step, "direction"), word(step, "raw"))
        if once[1] and once in seen:
            continue
        seen.add(once)
        kind = "response" if step.get("response") else "request"
        head = f"{once[0]} {word(step, 'exchange')} {word(step, 'message_id')} {kind}"
        names = [*_names(step, "payloads")]
        if inner := [*_names(step, "inner")]:
            names.append("{" + ", ".join(inner) + "}")
        lines.append(f"{head}: {', '.join(names)}")
    return lines


_CHANCE = re.compile(r"\b(?:0x)?[0-9a-fA-F]{8,}\b|\b[0-9a-fA-F]{2,}\.\.")


def _names(step: Json, key: str) -> Iterator[str]:
    """Each payload in notation; a notify's data of one or two octets is an answer, not chance."""
    for payload in objects(step, key):
        text = _CHANCE.sub("..", word(payload, "text") or word(payload, "name", "?"))
        data = word(payload, "data") if "notify" in payload else ""
        yield f"{text} {data}" if 0 < len(data) <= 4 else text


def _text(diff: Diff) -> Iterator[str]:
    yield f"before: {diff.a.path}"
    yield f"after:  {diff.b.path}"
    for change in diff.changes:
        yield str(change)
        yield from (f"    {line}" for detail in change.details for line in detail.splitlines())
    for run in (diff.a, diff.b):
        yield from (f"incomplete: {run.path}: {problem}" for problem in run.problems)
    count = len(diff.regressions)
    yield (
        f"{diff.compared} test{'' if diff.compared == 1 else 's'} compared, "
        f"{len(diff.changes)} changed, "
        f"{count} regression{'' if count == 1 else 's'}"
    )
