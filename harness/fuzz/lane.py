"""Lanes: many cases outstanding over one transport, so that a silence costs only a slot.

A lane begins cases while there is room, takes what comes and gives outcomes back. A case counts as
unanswered when its patience is over, or when many that were sent after it have their answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ikelab.harness import sk
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import answers
from ikelab.harness.fuzz.answers import IMPOSSIBLE, Outcome
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.template import Clear
from ikelab.harness.model import Datagram
from ikelab.harness.transport.base import Transport
from ikelab.layers.message import demux

WINDOW = 64  # cases that the peer may have before it
PASSED = 8  # answers to later cases after which a case is no longer counted as before it
MOST = 1024  # cases that are waited for, those included that the peer has passed over
OVERTAKEN = 48  # answers to later cases after which none is expected to an earlier one
PATIENCE = 0.25  # seconds without an answer that stand for silence
SOON = 3  # times the usual answer that even one that is overtaken is waited for
LEAST, SLOWER = 0.04, 12  # a silence is at least so long, and so many times the usual answer


class Lane(Protocol):
    """A way to put cases to a peer."""

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Put the cases, as many at once as there is room for; outcomes as they come."""

    def close(self) -> None:
        """Leave nothing with the peer that can be taken back."""


def usual_of(usual: float, seconds: float) -> float:
    """How long answers take on an average, after one more; 0 is that none has come."""
    return usual * 0.95 + seconds * 0.05 if usual else seconds


def patience_of(usual: float, most: float) -> float:
    """Seconds that stand for silence: many times what answers take, within bounds."""
    return min(most, max(LEAST, SLOWER * usual)) if usual else most


@dataclass(slots=True)
class Waiting:
    """A case that is out: when it left, how many cases left before it."""

    outcome: Outcome
    number: int
    since: float
    key: bytes
    answered: bool = False
    passed: bool = False


@dataclass
class Queue:
    """Cases that are out, in the order in which they left."""

    most: float = PATIENCE
    overtaken: int = OVERTAKEN
    usual: float = 0.0  # seconds that answers take, on an average
    waiting: deque[Waiting] = field(default_factory=deque)
    count: int = 0
    newest: int = 0  # the latest case that was answered
    before: int = 0  # cases that the peer has before it, as far as one can tell
    _ahead: deque[Waiting] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.waiting)

    @property
    def patience(self) -> float:
        """Seconds to wait."""
        return patience_of(self.usual, self.most)

    def answered(self, one: Waiting, seconds: float) -> None:
        """An answer to one of them came, after so long."""
        self.usual = usual_of(self.usual, seconds)
        self.newest = max(self.newest, one.number)
        one.answered = True
        self._pass(one)

    def put(self, outcome: Outcome, now: float, key: bytes) -> Waiting:
        """A case has left."""
        found = Waiting(outcome, self.count, now, key)
        self.count += 1
        self.before += 1
        self.waiting.append(found)
        self._ahead.append(found)
        return found

    def room(self, window: int, now: float) -> bool:
        """Whether the peer has fewer than so many cases before it.

        What it passes over in silence is not before it any more, and still waited for; but who
        puts one case at a time wants to know what became of it first.
        """
        self._skip()
        if window == 1:
            return not self.waiting
        while self._ahead:
            first = self._ahead[0]
            if not first.passed:
                if self.newest - first.number < PASSED and now < self._passing(first):
                    break
                self._pass(first)
            self._ahead.popleft()
        return self.before < window and len(self.waiting) < MOST

    def deadline(self, window: int) -> float | None:
        """When something is to be done: the oldest is given up, or one more may leave."""
        self._skip()
        if not self.waiting:
            return None
        given_up = self.waiting[0].since + self.patience
        if window == 1 or self.before < window or not self._ahead:
            return given_up
        return min(given_up, self._passing(self._ahead[0]))

    def given_up(self, now: float) -> Iterator[Waiting]:
        """Those that nobody needs to wait for."""
        while self.waiting:
            first = self.waiting[0]
            overtaken = self.newest - first.number >= self.overtaken
            least = first.since + SOON * self.usual
            late = now >= first.since + self.patience or (overtaken and now >= least)
            if not first.answered and not late:
                return
            self.waiting.popleft()
            if not first.answered:
                self._pass(first)
                yield first

    def _pass(self, one: Waiting) -> None:
        """It is not before the peer any more."""
        if not one.passed:
            one.passed = True
            self.before -= 1

    def _passing(self, one: Waiting) -> float:
        """When it counts as passed over, whatever happens to others."""
        return one.since + SOON * (self.usual or self.most)

    def _skip(self) -> None:
        while self.waiting and self.waiting[0].answered:
            self.waiting.popleft()


class InitLane:
    """IKE_SA_INIT requests that nobody follows up: each has an SPI of its own, and no state."""

    def __init__(
        self,
        transport: Transport,
        template: Clear,
        entropy: sk.Entropy,
        *,
        window: int = WINDOW,
        patience: float = PATIENCE,
    ) -> None:
        self.transport, self.template, self.entropy = transport, template, entropy
        self.window = window
        self.queue = Queue(patience)
        self.strays = 0
        self.judge: Callable[[bytes], list[str]] = lambda _: []
        self._live: dict[bytes, Waiting] = {}

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Put the cases."""
        coming = iter(cases)
        more = True
        now = self.transport.clock()
        while more or self._live:
            while more and self.queue.room(self.window, now):
                case = next(coming, None)
                if case is None:
                    more = False
                    break
                if (done := self._begin(case)) is not None:
                    yield done
            deadline = self.queue.deadline(self.window if more else MOST)
            if deadline is None:
                continue
            datagram = self.transport.receive(deadline)
            now = datagram.now if datagram is not None else self.transport.clock()
            if datagram is not None and (done := self._take(datagram)) is not None:
                yield done
            for gone in self.queue.given_up(now):
                if self._live.get(gone.key) is gone:
                    del self._live[gone.key]
                yield gone.outcome

    def _begin(self, case: Case) -> Outcome | None:
        now = self.transport.clock()
        outcome = Outcome(case)
        try:
            out = self.template.datagrams(case.plan, self.entropy(8), self.entropy, now)
        except ConfigError:
            outcome.kind = IMPOSSIBLE
            return outcome
        for datagram in out:
            self.transport.send(datagram)
            outcome.sent += len(datagram.data)
        if not out:
            return outcome
        key = demux(out[0].data, out[0].dst[1])[1][:8]
        self._live[key] = self.queue.put(outcome, now, key)
        return None

    def _take(self, datagram: Datagram) -> Outcome | None:
        _, data = demux(datagram.data, datagram.dst[1])
        found = self._live.pop(data[:8], None)
        if found is None:
            self.strays += 1
            return None
        outcome = found.outcome
        outcome.kind = answers.kind_of(data)
        outcome.length = outcome.received = len(data)
        outcome.seconds = datagram.now - found.since
        self.queue.answered(found, outcome.seconds)
        outcome.seen += self.judge(data)
        return outcome

    def close(self) -> None:
        """Half-open IKE SAs end by themselves."""
