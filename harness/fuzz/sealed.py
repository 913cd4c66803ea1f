"""Cases in established IKE SAs: one request of each is outstanding, and the SAs are used again.

The engine brings the SAs up and keeps them; the cases themselves are made from a template and
sealed, and the answers opened, without it. An SA that stays silent is asked honestly whether it
still lives, and exchanged for another one when it does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ikelab.harness import sk
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz import answers
from ikelab.harness.fuzz.answers import IMPOSSIBLE, Outcome
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.lane import PATIENCE, Queue, Waiting
from ikelab.harness.fuzz.shortcut import Shortcut, farewell, question
from ikelab.harness.fuzz.template import Protected
from ikelab.harness.model import Datagram
from ikelab.harness.transport.base import Transport
from ikelab.layers.message import demux

MEMBERS = 32
OVERTAKEN = 12  # answers in other SAs after which none is expected in this one
TICK = 0.1  # seconds between two looks at honest requests without an answer
HONEST = 2.5  # seconds that an honest request may take
MOST = 4 * MEMBERS
KEPT = 32  # messages of ours of which an answer may be a late one
MOST_CHILDREN = 24  # children that an SA may have got before it is exchanged
MOST_CASES = 400


@dataclass
class Member:
    """One IKE SA of the pool, and what it waits for."""

    sa: IkeSa
    phase: str = "opening"  # then ready, busy, probing
    keys: tuple[sk.SkKeys, sk.SkKeys] | None = None  # ours, theirs
    since: float = 0.0
    case: Waiting | None = None
    next_id: int = 2
    asked: int = 0  # the ID of the case that is out
    sent: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT))
    silences: int = 0
    children: int = 0
    cases: int = 0
    opened: tuple[int, bytes] | None = None  # the first type and the chain in the latest answer
    answered: dict[int, bytes] = field(default_factory=dict)
    ivs: dict[bytes, bytes] = field(default_factory=dict)  # the message of each

    @property
    def windowed(self) -> bool:
        """Whether the peer takes several requests at once."""
        return self.sa.window.peer_size > 1


def directions(sa: IkeSa) -> tuple[sk.SkKeys, sk.SkKeys]:
    """What protects the messages of an initiator of ours, and those of its responder."""
    keys = sa.keys
    assert keys is not None and keys.suite.encr is not None
    suite = keys.suite
    encr = keys.suite.encr
    return (
        sk.SkKeys(encr, suite.integ, keys.sk_ei, keys.sk_ai),
        sk.SkKeys(encr, suite.integ, keys.sk_er, keys.sk_ar),
    )


Judge = Callable[[Member, bytes, Outcome], list[str]]


class SealedLane:
    """A pool of established IKE SAs. `judge` says what an oracle sees in an answer."""

    def __init__(
        self,
        transport: Transport,
        template: Protected,
        make: Callable[[], IkeSa],
        judge: Judge,
        *,
        members: int = MEMBERS,
        patience: float = PATIENCE,
        shortcut: Shortcut | None = None,
    ) -> None:
        self.transport, self.template, self.make, self.judge = transport, template, make, judge
        self.size = members
        self.shortcut = shortcut if shortcut is not None and shortcut.proof is not None else None
        self.queue = Queue(patience, OVERTAKEN)
        self.failures = 0  # honest IKE SAs that did not come up, one after the other
        self.lost = 0  # SAs that were gone after a case
        self.strays = 0
        self._members: dict[bytes, Member] = {}
        self._free: list[Member] = []
        self.probes = 0
        self._asking = 0  # members in the phase of probing
        self._look = 0.0

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Put the cases; ends early when no honest IKE SA comes up any more."""
        coming = iter(cases)
        more = True
        while (more or self.queue.waiting) and self.failures < self.size:
            while more and self._free:
                case = next(coming, None)
                if case is None:
                    more = False
                    break
                if (done := self._begin(self._free.pop(), case)) is not None:
                    yield done
            if more:
                self._open()
            datagram = self.transport.receive(self._until())
            now = datagram.now if datagram is not None else self.transport.clock()
            if datagram is not None and (done := self._take(datagram)) is not None:
                yield done
            for gone in self.queue.given_up(now):
                yield self._silent(gone, now)
            if now >= self._look:
                self._look = now + TICK
                self._tick(now)

    def _until(self) -> float:
        oldest = self.queue.deadline(1)
        return self._look if oldest is None else min(oldest, self._look)

    def _open(self) -> None:
        # One that is asked whether it lives may stay silent for long; it keeps nobody waiting.
        while len(self._members) - self._asking < self.size and len(self._members) < MOST:
            now = self.transport.clock()
            member = Member(self.make(), since=now)
            self._members[member.sa.spi_i] = member
            if self.shortcut is not None and self.shortcut.leads(member.sa):
                self.shortcut.begin(member.sa, now)
            else:
                member.sa.start_init(now)
            self._send(member, now)
            if self._opening(member, now):
                return

    def _send(self, member: Member, now: float) -> None:
        for datagram in member.sa.datagrams(now):
            self.transport.send(datagram)

    def _hear(self, member: Member, datagram: Datagram, now: float) -> None:
        """Take what is no answer to a case."""
        sa, shortcut = member.sa, self.shortcut
        if member.phase == "opening" and shortcut is not None:
            if shortcut.take(sa, datagram, now):
                shortcut.prove(sa, now)
                return
            if shortcut.proven(sa, datagram, now):
                return
            shortcut.hand_over(sa)
        sa.receive(datagram, now)

    def _opening(self, member: Member, now: float) -> bool:
        """Let a new IKE SA go on; whether it can be used."""
        sa = member.sa
        if sa.state is State.INIT_DONE and not sa.window.waiting:
            sa.start_auth(now)
        self._send(member, now)
        if sa.state is State.ESTABLISHED:
            member.phase, member.next_id = "ready", sa.window.next_request
            member.keys = directions(sa)
            self.failures = 0
            self._free.append(member)
            return True
        if sa.over or sa.state is State.CLOSED:
            self.failures += 1
            self._members.pop(sa.spi_i, None)
        return False

    def _begin(self, member: Member, case: Case) -> Outcome | None:
        now = self.transport.clock()
        outcome = Outcome(case)
        sa = member.sa
        assert member.keys is not None
        try:
            out = self.template.datagrams(
                case.plan, (sa.spi_i, sa.spi_r), member.next_id, member.keys[0], sa.entropy,
                (sa.local, sa.remote), now,
            )  # fmt: skip
        except ConfigError:
            outcome.kind = IMPOSSIBLE
            self._free.append(member)
            return outcome
        member.sent += [d.data for d in out]
        member.asked = member.next_id
        for datagram in out:
            self.transport.send(datagram)
            outcome.sent += len(datagram.data)
        member.phase, member.cases = "busy", member.cases + 1
        member.case = self.queue.put(outcome, now, sa.spi_i)
        return None

    def _take(self, datagram: Datagram) -> Outcome | None:
        _, data = demux(datagram.data, datagram.dst[1])
        member = self._members.get(data[:8])
        if member is None or len(data) < answers.HEADER:
            self.strays += 1
            return None
        now = datagram.now
        response = bool(data[19] & 0x20)
        if member.phase == "busy" and response:
            return self._answered(member, data, now)
        if member.phase == "probing" and response:
            self._probed(member, data)
            return None
        self._hear(member, datagram, now)
        if member.phase == "opening":
            self._opening(member, now)
        elif member.sa.over:
            self._drop(member)
            self._free = [one for one in self._free if one is not member]
        self._send(member, now)
        return None

    def _answered(self, member: Member, data: bytes, now: float) -> Outcome | None:
        waiting = member.case
        assert waiting is not None
        keys = member.keys[1] if member.keys else None
        outcome = waiting.outcome
        member.opened = answers.plain(data, keys) if keys is not None else None
        outcome.kind = answers.kind_of(data, member.opened, readable=keys is not None)
        outcome.length = outcome.received = len(data)
        outcome.seconds = now - waiting.since
        self.queue.answered(waiting, outcome.seconds)
        outcome.seen += self.judge(member, data, outcome)
        number = int.from_bytes(data[20:24], "big")
        member.case = None
        if number == member.asked and member.opened is not None:
            member.next_id = member.asked + 1
            member.silences = 0
            member.answered[number] = data
            member.answered.pop(number - 8, None)
        else:
            member.silences += 1
        self._again(member, outcome, now)
        return outcome

    def _again(self, member: Member, outcome: Outcome, now: float) -> None:
        """Use the SA again, ask whether it lives, or let it go."""
        # RFC 7296 2.21.3: fatal; a peer that keeps the SA all the same is told to forget it.
        fatal = outcome.kind == "N(INVALID_SYNTAX)"
        outcome.state = "ended" if fatal else ""
        if outcome.kind.startswith("SA") or ", SA" in outcome.kind:
            member.children += 1
        worn = member.children >= MOST_CHILDREN or member.cases >= MOST_CASES
        if worn or fatal:
            self._retire(member, now)
        elif member.silences >= 2:
            self._probe(member, now)
        else:
            member.phase = "ready"
            self._free.append(member)

    def _silent(self, waiting: Waiting, now: float) -> Outcome:
        member = self._members.get(waiting.key)
        if member is not None and member.case is waiting:
            member.case = None
            member.silences += 1
            self._again(member, waiting.outcome, now)
        return waiting.outcome

    def _probe(self, member: Member, now: float) -> None:
        """Ask honestly whether the peer still has the SA."""
        member.phase, member.since = "probing", now
        self._asking += 1
        self.probes += 1
        for datagram in question(member.sa, member.next_id, now):
            member.sent.append(datagram.data)
            self.transport.send(datagram)

    def _probed(self, member: Member, data: bytes) -> None:
        """Take what may be the answer to an honest question."""
        number = int.from_bytes(data[20:24], "big")
        assert member.keys is not None
        opened = answers.plain(data, member.keys[1])
        if number != member.next_id or opened is None:
            return
        if answers.words(*opened) == ["N(INVALID_SYNTAX)"]:
            self._drop(member)
        else:
            member.phase, member.silences = "ready", 0
            member.next_id += 1
            self._asking -= 1
            self._free.append(member)

    def _retire(self, member: Member, now: float) -> None:
        for datagram in farewell(member.sa, member.next_id, now):
            self.transport.send(datagram)
        self._members.pop(member.sa.spi_i, None)

    def _drop(self, member: Member) -> None:
        self.lost += 1
        self._asking -= member.phase == "probing"
        self._members.pop(member.sa.spi_i, None)

    def _tick(self, now: float) -> None:
        """Honest requests that got no answer: the SA is not there any more."""
        for member in list(self._members.values()):
            if now >= member.since + HONEST and member.phase in ("opening", "probing"):
                if member.phase == "opening":
                    self.failures += 1
                self._drop(member)

    def close(self) -> None:
        """Delete every SA of the pool."""
        now = self.transport.clock()
        for member in list(self._members.values()):
            if member.phase in ("ready", "busy"):
                self._retire(member, now)
        self._members.clear()
        self._free.clear()
