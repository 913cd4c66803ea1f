"""A campaign: cases from a seed against one peer, oracles after each, findings as folders.

Deterministic: the same seed and targets give the same cases. A finding stops nothing; the peer is
started again.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ikelab.harness.edits import Binding, Plan
from ikelab.harness.endpoint import Initiator, Session
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import oracles
from ikelab.harness.fuzz.drive import ORDER, PATIENCE, Answer, drive, informational
from ikelab.harness.fuzz.operators import Maker, Target, target
from ikelab.harness.record import CaseFolder, RunFolder
from ikelab.harness.rig import Rig

PROBE_EVERY = 50  # cases between honest probes that nothing has asked for
REPLAYS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """When a campaign ends: cases, seconds, whichever comes first."""

    cases: int | None = 1000
    seconds: float | None = None


@dataclass
class Tally:
    """How a campaign stands."""

    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Path] = field(default_factory=dict)
    impossible: int = 0  # plans of which no message can be made
    repeats: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Cases a second."""
        return self.cases / max(time.monotonic() - self.started, 1e-6)


class Campaign:
    """Cases against the peer of a rig."""

    def __init__(self, rig: Rig, run: RunFolder, seed: int, exchanges: tuple[str, ...]) -> None:
        unknown = [e for e in exchanges if e not in ORDER]
        if unknown:
            raise ConfigError(f"cannot fuzz {unknown[0]}; there are {', '.join(ORDER)}")
        self.rig, self.run, self.seed = rig, run, seed
        self.exchanges = exchanges or ORDER
        self.tally = Tally()
        self._initiator: Initiator | None = None
        self._recent: deque[Plan] = deque(maxlen=PROBE_EVERY)
        self._corpus = (run.path / "corpus.txt").open("a", encoding="utf-8")

    def go(self, limits: Limits, show: Callable[[Tally], None]) -> Tally:
        """Run to the limits; returns the tally. Everything found is on disk at any moment."""
        self._restart()
        makers = [Maker(where, self.seed) for where in self._targets()]
        for number, plan in enumerate(_round_robin(makers)):
            if self._over(limits):
                return self.tally
            self._case(plan, probe=number % PROBE_EVERY == PROBE_EVERY - 1)
            show(self.tally)
        return self.tally

    def _over(self, limits: Limits) -> bool:
        spent = time.monotonic() - self.tally.started
        return (limits.cases is not None and self.tally.cases >= limits.cases) or (
            limits.seconds is not None and spent >= limits.seconds
        )

    def _restart(self) -> None:
        """A fresh peer, and nothing outstanding with the old one."""
        self.rig.end()
        self.rig.begin(f"fuzz {self.seed} {self.tally.cases}", None)
        self.rig.peer.driver.stop()
        self.rig.peer.start()
        self._initiator = self.rig.initiator()

    def _targets(self) -> list[Target]:
        """The places of each message, from an honest conversation."""
        assert self._initiator is not None
        session = self._initiator.establish()
        session.create_child()
        session.inform(informational())
        sent = {s.to_json(0)["exchange"]: s for s in session.sent()}
        found = []
        for exchange in self.exchanges:
            step = sent[exchange]
            inner = step.inner()
            payloads = step.message.payloads if inner is None else inner
            found.append(target(exchange, payloads, sealed=inner is not None))
        session.close()
        return found

    def _case(self, plan: Plan, *, probe: bool) -> None:
        assert self._initiator is not None
        try:
            session, answer = drive(self._initiator, plan)
        except ConfigError:
            # Edits of one plan can contradict each other; no message comes of them.
            self.tally.impossible += 1
            return
        self.tally.cases += 1
        if self.tally.answers[str(answer)] == 0:
            # A plan that led to something new is worth keeping.
            self._corpus.write(f"# {answer}\n{plan}\n\n")
            self._corpus.flush()
        self.tally.answers[str(answer)] += 1
        self._recent.append(plan)
        seen = self._judge(session, probe)
        if seen:
            self._found(plan, answer, seen)
            self._restart()
        elif session.established:
            session.close(patience=PATIENCE)
        if self._initiator is not None:
            self._initiator.sessions.clear()

    def _judge(self, session: Session, probe: bool) -> str | None:
        assert self._initiator is not None
        seen = oracles.dead(self.rig.peer) or oracles.lets_in(session)
        if seen is None and probe:
            seen = oracles.hangs(self._initiator)
        return seen

    def _found(self, plan: Plan, answer: Answer, seen: str) -> None:
        """A folder for a finding of a new kind; a count for one that is known."""
        if seen in self.tally.findings:
            self.tally.repeats[seen] += 1
            return
        self._restart()
        small = self._minimised(self._culprit(plan, seen), seen)
        times, session = self._replayed(small, seen)
        folder = CaseFolder(self.run, f"finding-{len(self.tally.findings) + 1}")
        if session is not None:
            folder.write([session.sa])
        folder.text("plan.txt", f"{small}\n")
        folder.text("peer.conf", self.rig.peer.driver.config_text())
        folder.text("peer.log", self.rig.peer.driver.log())
        facts = {
            "seen": seen,
            "answer": str(answer),
            "peer": self.rig.name,
            "version": self.rig.peer.driver.version,
            "case": self.tally.cases,
            "seed": self.seed,
            "replayed": f"{times} of {REPLAYS}",
            "original": str(plan),
        }
        folder.text("finding.json", json.dumps(facts, indent=1) + "\n")
        self.tally.findings[seen] = folder.path

    def _culprit(self, plan: Plan, seen: str) -> Plan:
        """The case that did it: the last one, or one before it that nobody had looked behind."""
        for earlier in [plan, *reversed(self._recent)]:
            if self._shows(earlier, seen) is not None:
                return earlier
        return plan

    def _minimised(self, plan: Plan, seen: str) -> Plan:
        """The plan with every edit dropped that the finding does not need."""
        bindings = list(plan.bindings)
        for binding in list(bindings):
            rest: list[Binding] = [b for b in bindings if b is not binding]
            if rest and self._shows(Plan(tuple(rest)), seen) is not None:
                bindings = rest
        return Plan(tuple(bindings))

    def _replayed(self, plan: Plan, seen: str) -> tuple[int, Session | None]:
        shown = [self._shows(plan, seen) for _ in range(REPLAYS)]
        held = [s for s in shown if s is not None]
        return len(held), held[-1] if held else None

    def _shows(self, plan: Plan, seen: str) -> Session | None:
        """The session of a replay on a fresh peer, where it shows the same; None where not."""
        assert self._initiator is not None
        try:
            session, _ = drive(self._initiator, plan)
        except ConfigError:
            return None
        again = self._judge(session, probe=True)
        self._restart()
        return session if again == seen else None


def _round_robin(makers: list[Maker]) -> Iterator[Plan]:
    while True:
        for maker in makers:
            yield maker.plan()
