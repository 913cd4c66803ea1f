"""A run: campaigns in turns, oracles after each batch, findings as folders.

A finding stops nothing: the peer is started again and the run goes on. Everything found is on disk
at any moment. The same seed and the same answers give the same cases.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ikelab.harness.errors import LabError
from ikelab.harness.fuzz import finding, oracles
from ikelab.harness.fuzz.answers import IMPOSSIBLE, SILENCE, Outcome
from ikelab.harness.fuzz.campaigns import CAMPAIGNS, Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.finding import CRASH, HANG, LEAK, LOG, RULE, SPIN, Replays, Seen
from ikelab.harness.fuzz.ground import Ground, OutOfReach
from ikelab.harness.fuzz.growth import Growth
from ikelab.harness.fuzz.lane import Lane
from ikelab.harness.fuzz.operators import Maker
from ikelab.harness.fuzz.schedule import Feedback, Schedule
from ikelab.harness.fuzz.suspects import Quarantine, deeds, ranked
from ikelab.harness.fuzz.tally import Limits, Progress, Tally
from ikelab.harness.fuzz.values import Pool
from ikelab.harness.fuzz.vitals import Watch
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Rig

BATCH = 128
BATCHES = 4  # of one campaign, before the next has its turn, where IKE SAs are used again
SLOW_BATCH = 8  # where the peer initiates
TURN = 3.0  # seconds that a batch is to take, where a peer is slow
QUIET = 8  # cases at the end of a batch without an answer, after which one asks as well
DEAD = 192  # cases in a row without an answer, after which one asks whether the peer is there
RECENT = 256  # cases that may have done what is seen
EVERY = 10.0  # seconds between two looks at the vitals of a process
PROBE_EVERY = 1.0  # seconds between two honest probes that nothing has asked for
LOG_LIMIT = 16 << 20  # octets of log after which the peer is started anew
LET_THROUGH = 0.05  # of the cases that do what is known to end the peer
DOUBTS = 12  # times that a rule is broken by no case alone, before that is a finding
MOST_LEAKS = 3  # searches for the cause of a leak of one resource


class Fuzzer:
    """Campaigns against the peer of a rig."""

    def __init__(
        self,
        rig: Rig,
        run: RunFolder,
        seed: int,
        campaigns: tuple[Campaign, ...],
        *,
        pool: Pool | None = None,
        corpus: Iterable[Case] = (),
        rate: float = 0.0,
        edges: Callable[[], int] | None = None,
        keep: Callable[[Case], None] | None = None,
        sample: Callable[[Outcome], None] | None = None,
    ) -> None:
        self.run, self.seed = run, seed
        self.campaigns = {c.name: c for c in campaigns}
        self.ground = Ground(rig, str(seed), rate)
        self._growth = Growth(self.ground, self._campaign)
        self.pool = pool or Pool()
        self.tally = Tally()
        self.schedule = Schedule(campaigns, seed)
        self.feedback = Feedback()
        self.watch = Watch()
        self._edges, self._keep, self._sample = edges, keep, sample
        self._start = list(corpus)
        self._makers: dict[str, Maker] = {}
        self._recent: deque[Case] = deque(maxlen=RECENT)
        self._leaks: Counter[str] = Counter()
        self._look = 0.0
        self._lines = 0
        self._corpus = (run.path / "corpus.txt").open("a", encoding="utf-8")
        self._progress = Progress(run.path / "progress.jsonl")
        self._probe_at: float = 1
        self._counts: dict[str, int] = {}
        self._quarantine = Quarantine()
        self._small: dict[Seen, Case] = {}
        self._doubts: dict[Seen, list[list[Case]]] = {}
        self._rates: dict[str, float] = {}  # cases a second that each campaign last came to

    def go(self, limits: Limits, show: Callable[[Tally], None]) -> Tally:
        """Run to the limits; returns the tally."""
        self._limits, self._show = limits, show
        while not self._over() and len(self.tally.skipped) < len(self.campaigns):
            campaign = self.schedule.next()
            if campaign.name in self.tally.skipped:
                continue
            self.tally.campaign = campaign.name
            try:
                self._turn(campaign)
            except (Unsupported, OutOfReach) as reason:
                self.tally.skipped[campaign.name] = str(reason).partition("\n")[0]
        for seen, tries in self._doubts.items():
            if seen not in self.tally.findings:
                self._examine(seen, tries[0], 0.0, last=True)
        if self.tally.skipped and not self.tally.cases:
            raise LabError("; ".join(dict.fromkeys(self.tally.skipped.values())))
        self._progress.note(self.tally, force=True)
        return self.tally

    def _over(self) -> bool:
        limits, tally = self._limits, self.tally
        return (limits.cases is not None and tally.cases >= limits.cases) or (
            limits.seconds is not None and tally.seconds >= limits.seconds
        )

    # -- a turn --------------------------------------------------------------------------------

    def _turn(self, campaign: Campaign) -> None:
        self._ready(campaign)
        maker = self._maker(campaign)
        lane = self.ground.lane(campaign)
        starts, before, new = self.ground.starts, self.tally.cases, 0
        for _ in range(BATCHES if self._reuses(campaign) else 1):
            new += self._batch(campaign, maker, lane)
            if self._over():
                break
            if starts != self.ground.starts:  # the lane's IKE SAs went with the old peer
                starts, lane = self.ground.starts, self.ground.lane(campaign)
        if starts == self.ground.starts and self.ground.alive():
            lane.close()
        maker.weights.fade()
        self.schedule.yielded(campaign, new, self.tally.cases - before)
        self._rested()

    def _reuses(self, campaign: Campaign) -> bool:
        """Whether a lane has IKE SAs that would be made anew for the next turn."""
        return not campaign.fresh

    def _ready(self, campaign: Campaign) -> None:
        """Have the peer configured for a campaign."""
        self.ground.rig.peer.needs(*campaign.needs)
        if self.ground.use(campaign):
            self._fresh()
        self.ground.meet()

    def _fresh(self) -> None:
        self.watch.forget()
        self._look, self._lines, self._counts = 0.0, 0, {}
        self.tally.starts = self.ground.starts

    def _restart(self) -> None:
        self.ground.restart()
        self._fresh()

    def _maker(self, campaign: Campaign) -> Maker:
        if campaign.name not in self._makers:
            found = self.ground.target(campaign)
            self.pool.add(found)
            made = Maker(
                campaign.name, found.held_to(campaign.where), self.seed, pool=self.pool,
                only=campaign.operators, number=campaign.number,
            )  # fmt: skip
            for case in self._start:
                if case.campaign == campaign.name:
                    made.feed(case, 4)
            if not campaign.fresh:
                made.weights.spare()
            self._makers[campaign.name] = made
        return self._makers[campaign.name]

    def _batch(self, campaign: Campaign, maker: Maker, lane: Lane) -> int:
        """Some cases, then what they led to, in the order in which they were made."""
        size = self._size(campaign)
        if self._limits.seconds is not None:
            # A batch does not outlast the run by much, however slow the peer is.
            left = self._limits.seconds - self.tally.seconds
            size = max(SLOW_BATCH, min(size, int(left * max(self.tally.rate, 500.0))))
        if self._limits.cases is not None:
            size = min(size, self._limits.cases - self.tally.cases)
        made: list[Case] = []
        outcomes: dict[int, Outcome] = {}
        since = time.monotonic()
        exact, silent = self.ground.rig.topology == "memory", 0
        for outcome in lane.run(self.ground.paced(self._made(maker, size, made))):
            outcomes[id(outcome.case)] = outcome
            self._count(outcome)
            if exact and not self.ground.alive():
                break
            silent = silent + 1 if outcome.kind == SILENCE else 0
            if not exact and silent >= DEAD:  # what became of it is asked before there is more
                break
        self._rates[campaign.name] = len(made) / max(time.monotonic() - since, 1e-6)
        new = self._learn([outcomes[id(c)] for c in made if id(c) in outcomes], maker)
        self._check(lane, [outcomes[id(c)] for c in made if id(c) in outcomes], made)
        self._show(self.tally)
        self._progress.note(self.tally)
        return new

    def _size(self, campaign: Campaign) -> int:
        """Cases of a batch: at its end the last silences are waited for, whatever its size."""
        if campaign.response:
            return SLOW_BATCH
        if self.ground.rig.topology == "memory":
            return BATCH
        most = BATCH * (16 if campaign.way == "init" else 4)
        return max(BATCH, min(most, int(self._rates.get(campaign.name, 0.0) * TURN)))

    def _made(self, maker: Maker, size: int, made: list[Case]) -> Iterator[Case]:
        for _ in range(max(size, 1)):
            case = maker.case()
            while self._quarantine.holds(case) and maker.draw.random() > LET_THROUGH:
                case = maker.case()
            made.append(case)
            self._recent.append(case)
            if self._keep is not None:
                self._keep(case)
            yield case

    def _count(self, outcome: Outcome) -> None:
        if outcome.kind == IMPOSSIBLE:
            self.tally.impossible += 1
        else:
            self.tally.cases += 1
            self.tally.reached[outcome.case.campaign] += 1
            self.tally.answers[outcome.kind] += 1

    def _learn(self, outcomes: list[Outcome], maker: Maker) -> int:
        new = 0
        edges = self._edges() if self._edges is not None else 0
        for outcome in outcomes:
            if self._sample is not None:
                self._sample(outcome)
            if self.feedback.take(outcome, maker, edges=0):
                new += 1
                self._corpus.write(f"# {outcome.kind}\n{outcome.case}\n\n")
                self.tally.corpus += 1
        if edges and outcomes and not new:
            # New code was reached by one of these; which one, their further changes will show.
            for outcome in outcomes[:: max(1, len(outcomes) // 8)]:
                maker.feed(outcome.case, 2)
        if new:
            self._corpus.flush()
        self.tally.kinds = len(self.feedback.classes)
        return new + edges

    # -- oracles -------------------------------------------------------------------------------

    def _check(self, lane: Lane, outcomes: list[Outcome], made: list[Case]) -> None:
        for outcome in outcomes:
            for sign in outcome.seen:
                self._found(Seen(RULE, sign), [outcome.case], restart=False)
        if not self.ground.alive():
            log = self.ground.rig.peer.driver.log()
            self._found(Seen(CRASH, finding.death(log)), ranked(outcomes, made, self._latest()))
            return
        doubtful = bool(getattr(lane, "failures", 0)) or len(outcomes) < len(made)
        # Asked at once, the case that did it is still among the latest ones.
        silent = all(o.kind == SILENCE for o in outcomes[-QUIET:])
        if (doubtful or silent or self._probe_due()) and not self.ground.answers():
            gone, log = self.ground.gone(), self.ground.rig.peer.driver.log()
            seen = Seen(CRASH, finding.death(log)) if gone else Seen(HANG, finding.stop(log))
            self._found(seen, ranked(outcomes, made, self._latest()))
            return
        self._read_log(made)
        self._count_up(made)

    def _probe_due(self) -> bool:
        """Whether nobody has looked for a while: cases in memory, seconds elsewhere."""
        memory = self.ground.rig.topology == "memory"
        now = self.tally.cases if memory else self.tally.seconds
        if now < self._probe_at:
            return False
        self._probe_at = now + (BATCH if memory else PROBE_EVERY)
        return True

    def _count_up(self, made: list[Case]) -> None:
        """A peer that counts what it keeps must have no more of it than before these cases."""
        if not hasattr(self.ground.rig.peer.driver, "counts"):
            return
        self.ground.rest()
        now = self.ground.vitals()
        before, self._counts = self._counts, dict(now.counts) if now is not None else {}
        more = [name for name, value in self._counts.items() if value > before.get(name, 0)]
        for name in more:
            if self._leaks[name] < MOST_LEAKS:
                self._leaks[name] += 1
                suspects = self._growth.suspects(name, made)
                if suspects:
                    self._found(Seen(LEAK, name), suspects)
                else:
                    self._restart()

    def _rested(self) -> None:
        """What shows only when nothing is outstanding: growth, spinning."""
        now = time.monotonic()
        memory = self.ground.rig.topology == "memory"
        if not (memory or now >= self._look or self._swells()) or not self.ground.alive():
            return
        self._look = now + EVERY
        self.ground.rest()
        vitals = self.ground.vitals()
        if vitals is not None:
            self.tally.memory = vitals.counts.get("memory", 0)
        self.watch.look(self.tally.cases, vitals)
        grown = self.watch.grows()
        if grown is not None:
            self._leaked(*grown)
        elif self.ground.spins():
            sign = finding.stack(self.ground.rig.peer.driver.log()) or "nobody asks anything"
            self._found(Seen(SPIN, sign), self._latest())

    def _swells(self) -> bool:
        """Whether the peer grows too fast for the usual time between two looks."""
        return self.watch.swells(self.tally.cases, self.ground.vitals())

    def _latest(self) -> list[Case]:
        return list(reversed(self._recent))

    def _read_log(self, made: list[Case]) -> None:
        """Words in the log that came with these cases."""
        place = getattr(self.ground.rig.peer.driver, "log_file", None)
        if place is None:
            return
        try:
            size = place.stat().st_size
            with place.open(errors="replace") as file:
                file.seek(min(self._lines, size))
                bad = finding.bad_lines(file)
        except OSError:
            return
        self._lines = size
        for line in bad:
            self._found(Seen(LOG, finding.shape(line)), made[::-1], restart=False)
        if size > LOG_LIMIT:
            self._restart()

    def _leaked(self, resource: str, slope: float) -> None:
        """Find the case that leaves something each time that it is put."""
        self._leaks[resource] += 1
        suspects: list[Case] = []
        if self._leaks[resource] <= MOST_LEAKS:
            suspects = self._growth.suspects(resource, self._latest())
        if suspects:
            self._found(Seen(LEAK, resource), suspects, slope=slope)
        else:
            self._restart()

    # -- findings ------------------------------------------------------------------------------

    def _found(
        self, seen: Seen, suspects: list[Case], *, restart: bool = True, slope: float = 0.0
    ) -> None:
        """A folder for a finding of a new kind; a count for one that is known."""
        known = next((s for s in self.tally.findings if s == seen), None)
        if known is None:
            self._examine(seen, suspects, slope)
            return
        self.tally.repeats[known] += 1
        for case in suspects[:1]:
            self._makers[case.campaign].weights.blame(case.made_by)
            if restart and self.ground.rig.topology == "memory":
                self._quarantine.add(case)
        if restart:
            self._restart()

    def _examine(
        self, seen: Seen, suspects: list[Case], slope: float, *, last: bool = False
    ) -> None:
        search = finding.SEARCH / 4 if self._over() else finding.SEARCH
        replays = Replays(self.ground, self._campaign, search)
        log = self.ground.rig.peer.driver.log()[-finding.LOG_KEPT :]
        case = replays.culprit(suspects, seen)
        alone = case is not None
        if seen.kind == RULE and not (alone or last):
            # It may take two cases of one IKE SA: a later one may show it by itself.
            tries = self._doubts.setdefault(seen, [])
            tries.append(suspects)
            if len(tries) <= DOUBTS:
                self._restart()
                return
        original = case if case is not None else (suspects[0] if suspects else None)
        if original is None:
            self.tally.repeats[seen] += 1
            self._restart()
            return
        small = replays.small(original, seen) if alone else original
        if self._same_bug(seen, small):
            return
        facts: dict[str, Any] = {
            "case": self.tally.cases,
            "seed": self.seed,
            "original": str(original),
            "suspects": len(suspects),
        }
        if slope:
            facts["a case"] = round(slope, 1)
        number = len(self.tally.findings) + 1
        try:
            path = finding.write(self.run, number, self.ground, seen, small, facts, replays)
        except LabError as broken:
            raise LabError(f"{seen}, and then the peer did not come back: {broken}") from None
        if not alone:
            before = "\n\n".join(str(c) for c in reversed(suspects))
            (path / "before.txt").write_text(before + "\n", encoding="utf-8")
            (path / "peer-then.log").write_text(log, encoding="utf-8", errors="replace")
        self.tally.findings[seen] = path
        self._small[seen] = small
        if seen.kind in (CRASH, HANG, LEAK):
            self._quarantine.add(small)
        for maker in self._makers.values():
            if maker.campaign == small.campaign:
                for _ in range(4):
                    maker.weights.blame(original.made_by)
        self._restart()

    def _same_bug(self, seen: Seen, small: Case) -> bool:
        """Whether a known finding is the same mistake seen in another way; it is counted there."""
        unverified = seen.sign in oracles.UNVERIFIED
        if not unverified and seen.kind != LOG:
            return False
        mine = deeds(small)
        for other, before in self._small.items():
            # One thing that goes wrong may write several lines.
            alike = other.sign in oracles.UNVERIFIED if unverified else other.kind == LOG
            if alike and mine & deeds(before):
                self.tally.repeats[other] += 1
                self._restart()
                return True
        return False

    def _campaign(self, name: str) -> Campaign:
        return self.campaigns.get(name) or CAMPAIGNS[name]
