"""A finding: what was seen, the bucket it falls in, the case made small, and its folder."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ikelab.harness.edits import Binding, Edit, Plan
from ikelab.harness.fuzz import campaigns, growth, results
from ikelab.harness.fuzz.answers import Outcome
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.record import CaseFolder, RunFolder

CRASH, HANG, LEAK, RULE, LOG, SPIN = "crash", "hang", "leak", "rule", "log", "spin"
FACTS = "finding.json"
REPLAYS = 3
LOG_KEPT = 1_000_000  # characters of a peer's log
SEARCH = 40.0  # seconds that finding a case and making it small may take at a real peer
MOST_TRIES = 40  # replays that making a case small may take
_FRAME = re.compile(r'(?:File "(?:.*/)?([^"/]+)", line \d+, in (\w+))|(?:#\d+ +\S+ in (\w+))')
_LIBRARY = re.compile(r"(lib\w+)\S*\.so\S* @ (0x[0-9a-f]+) .*?\[(0x[0-9a-f]+)\]")
_DUMP = "stack frame addresses"
_SANITIZER = re.compile(r"SUMMARY: \w+Sanitizer: .*|runtime error: .*")
_WORDS = re.compile(r"(?<![\w.])[A-Za-z_]{3,}(?![\w.])")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)*")
BAD_LOG = re.compile(
    r"AddressSanitizer|runtime error:|EXPECTATION FAILED|ASSERTION FAILED|passert|SIGSEGV|"
    r"segmentation fault|stack smashing|double free|free\(\): invalid|malloc\(\): |"
    r"killed by signal|\bABORT\b|\bpanic\b|Traceback \(most recent",
    re.I,
)
_MARKS = (
    "sanitizer", "runtime error:", "expectation failed", "assertion failed", "passert", "sigsegv",
    "segmentation", "smashing", "double free", "free(): ", "malloc(): ", "killed by", "abort",
    "panic", "traceback",
)  # fmt: skip
"""Of each way that BAD_LOG has, what it cannot do without."""
LINES = 4096  # of a log, looked at together


@dataclass(frozen=True, slots=True)
class Seen:
    """What an oracle saw. `sign` is the bucket: the same bug has the same one."""

    kind: str
    sign: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sign}"

    @classmethod
    def parse(cls, text: str) -> Seen:
        """Read it back from a finding's folder."""
        kind, _, sign = text.partition(": ")
        return cls(kind, sign)


def shape(line: str) -> str:
    """A log line without what differs from time to time."""
    return _NUMBERS.sub("#", line).strip()[:200]


def stack(log: str) -> str:
    """Where a process was, by a sanitizer's report or a stack in its log; empty where neither."""
    tail = log[-20_000:]
    if found := _SANITIZER.findall(tail):
        return shape(found[-1])
    if _DUMP in tail:
        return " < ".join(_libraries(tail.rpartition(_DUMP)[2])[:2])
    names = [f"{m[1] or ''} {m[2] or m[3]}".strip() for m in _FRAME.finditer(tail)]
    return " < ".join(reversed(names[-2:]))


def _libraries(dump: str) -> list[str]:
    """Where in its libraries a daemon was, wherever they were loaded; the innermost first."""
    frames = [(m[1], int(m[3], 16) - int(m[2], 16)) for m in _LIBRARY.finditer(dump)]
    return [f"{name}+{offset:#x}" for name, offset in frames if name != "libc"]


def death(log: str) -> str:
    """What a process that ended leaves: its stack, what it complains of, or its last words."""
    lines = [line for line in log[-20_000:].splitlines() if line.strip()]
    bad = [shape(line) for line in bad_lines(lines)]
    words = _WORDS.findall(lines[-1])[:8] if lines else []
    said = bad[-1] if bad else f"after {' '.join(words)!r}" if words else "without a word"
    return stack(log) or said


def stop(log: str) -> str:
    """What a process that hangs shows: its stack, else only that it hangs."""
    return stack(log) or "no honest IKE SA comes up any more"


class Replays:
    """Tries on fresh peers whether a case shows the same again."""

    def __init__(
        self, ground: Ground, campaigns: Callable[[str], Any], search: float = SEARCH
    ) -> None:
        self.ground, self._campaign, self._search = ground, campaigns, search
        self.tries = 0
        self._since = time.monotonic()

    def _late(self) -> bool:
        """Whether the search has taken its time; in memory, where runs are exact, tries count."""
        if self.ground.rig.topology == "memory":
            return False
        return time.monotonic() - self._since > self._search

    def shows(self, case: Case, seen: Seen, folder: Path | None = None) -> Outcome | None:
        """The outcome, where the same is seen; None where not."""
        self.tries += 1
        ground = self.ground
        campaign = self._campaign(case.campaign)
        ground.use(campaign)
        ground.restart(folder)
        outcome = ground.play(case, campaign)
        return outcome if self._same(case, campaign, seen, outcome) else None

    def _same(self, case: Case, campaign: Any, seen: Seen, outcome: Outcome) -> bool:
        ground = self.ground
        match seen.kind:
            case "crash":
                return ground.died() and death(ground.rig.peer.driver.log()) == seen.sign
            case "hang":
                hangs = not ground.answers() and not ground.gone()
                return hangs and stop(ground.rig.peer.driver.log()) == seen.sign
            case "leak":
                return growth.leaks(ground, campaign, [case], seen.sign)
            case "log":
                return self._ill(seen)
            case "spin":
                return ground.spins()
            case _:
                found = list(outcome.seen)
                for _ in range(2):  # what two conversations must not share needs two
                    if seen.sign not in found:
                        found += ground.play(case, campaign).seen
                return seen.sign in found

    def culprit(self, recent: list[Case], seen: Seen) -> Case | None:
        """The case that did it, the latest ones first; None where none does it alone."""
        if seen.kind in (RULE, LEAK):
            return next((c for c in recent[:8] if self.shows(c, seen) is not None), None)
        for case in self._sifted(recent, seen):
            if self.shows(case, seen) is not None:
                return case
        return None

    def _sifted(self, recent: list[Case], seen: Seen) -> Iterator[Case]:
        """Cases one after the other at one peer, looking after each whether it did it."""
        ground = self.ground
        yield from recent[:1]
        rest = recent[1:]
        while rest:
            campaign = self._campaign(rest[0].campaign)
            ground.use(campaign)
            ground.restart()
            for case in list(rest):
                if self._late():
                    return
                rest.remove(case)
                if self._campaign(case.campaign).peer != campaign.peer:
                    continue
                ground.play(case, self._campaign(case.campaign))
                if self._ill(seen):
                    yield case
                    break

    def _ill(self, seen: Seen) -> bool:
        """Whether the peer has written the line, or is not well where it is not about one."""
        if seen.kind == LOG:
            lines = self.ground.rig.peer.driver.log().splitlines()
            return seen.sign in map(shape, bad_lines(lines))
        return not self.ground.answers()

    # -- making small --------------------------------------------------------------------------

    def small(self, case: Case, seen: Seen) -> Case:
        """The case with every edit dropped that is not needed, then with lesser values."""
        self.tries = 0
        bindings = list(case.plan.bindings)
        for binding in list(bindings):
            rest = [b for b in bindings if b is not binding]
            if rest and not self._late() and self.shows(_with(case, rest), seen) is not None:
                bindings = rest
        for place, binding in enumerate(bindings):
            for lesser in _lesser(binding.edit):
                if self.tries >= MOST_TRIES or self._late():
                    return _with(case, bindings)
                trial = [*bindings[:place], replace(binding, edit=lesser), *bindings[place + 1 :]]
                if self.shows(_with(case, trial), seen) is not None:
                    bindings = trial
                    break
        return _with(case, bindings)


def _with(case: Case, bindings: list[Binding]) -> Case:
    return Case(case.campaign, Plan(tuple(bindings)), case.made_by)


def _lesser(edit: Edit) -> Iterator[Edit]:
    """The same edit with values that are shorter or plainer."""
    if not edit.args:
        return
    value = edit.args[-1]
    smaller: list[Any] = []
    if isinstance(value, bytes) and len(value) > 1:
        smaller = [b"", b"\0", value[: len(value) // 2], bytes(len(value))]
    elif isinstance(value, int) and edit.op == "set" and value > 1:
        smaller = [n for n in (0, 1, 255, 65535) if n < value]
    for other in smaller:
        if other != value:
            yield replace(edit, args=(*edit.args[:-1], other))


def bad_lines(lines: Iterable[str]) -> list[str]:
    """Log lines that no healthy daemon writes."""
    found: list[str] = []
    rest = iter(lines)
    while some := list(islice(rest, LINES)):
        lower = "".join(some).lower()
        if any(mark in lower for mark in _MARKS):  # a log is long, and most have nothing
            found += [line.rstrip("\n") for line in some if BAD_LOG.search(line)]
    return found


def write(
    run: RunFolder, number: int, ground: Ground, seen: Seen, case: Case, facts: dict[str, Any],
    replays: Replays,
) -> Path:  # fmt: skip
    """The folder of a finding: the plan, three replays of it, the last one with its capture."""
    folder = CaseFolder(run, f"finding-{number}")
    shown = [replays.shows(case, seen, folder.path if n == REPLAYS - 1 else None)
             for n in range(REPLAYS)]  # fmt: skip
    held = [outcome for outcome in shown if outcome is not None]
    driver = ground.rig.peer.driver
    log = driver.log()
    last = held[-1] if held else None
    if last is not None and last.sa is not None:
        folder.write([last.sa])
    folder.text("plan.txt", f"{case}\n")
    folder.text("peer.conf", driver.config_text())
    folder.text("peer.log", log[-LOG_KEPT:])
    facts = {
        **facts,
        "seen": str(seen),
        "answer": last.kind if last is not None else "",
        "peer": ground.rig.name,
        "version": driver.version,
        "campaign": case.campaign,
        "replayed": f"{len(held)} of {REPLAYS}",
        "reproducible": len(held) == REPLAYS,
    }
    folder.text(FACTS, json.dumps(facts, indent=1) + "\n")
    text = about(facts, case)
    folder.text("about.txt", text)
    where = (ground.rig.name, ground.rig.topology)
    campaign = campaigns.CAMPAIGNS[case.campaign]
    run.result(results.of_finding(campaign, str(seen), text, str(case), folder.name, where))
    ground.restart()  # ends the capture
    return folder.path


def about(facts: dict[str, Any], case: Case) -> str:
    """One paragraph, from the facts alone."""
    kind, _, sign = str(facts["seen"]).partition(": ")
    what = {
        CRASH: f"ended ({sign})",
        HANG: f"stopped answering ({sign})",
        LEAK: f"kept more and more of something ({sign})",
        LOG: f"logged {sign!r}",
        SPIN: "went on using its CPU with nothing to do",
    }.get(kind, sign)
    edits = "; ".join(str(b) for b in case.plan.bindings)
    again = (
        f"It did so in {facts['replayed']} replays on a fresh peer."
        if facts["reproducible"]
        else f"It is not reproducible: {facts['replayed']} replays on a fresh peer showed it."
    )
    return (
        f"{facts['peer']} ({facts['version']}) {what}. The conversation was honest as far as the "
        f"campaign {case.campaign} goes, but for: {edits}. {again} It was case {facts['case']} of "
        f"a run with seed {facts['seed']}.\n"
    )
