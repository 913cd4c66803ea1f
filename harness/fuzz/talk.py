"""A case as a whole conversation of the engine: everything is honest but what the plan changes.

The way of each campaign is walked step by step; a lane of many such conversations goes on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ikelab.harness import sk
from ikelab.harness.crypto import ke
from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz import answers
from ikelab.harness.fuzz.answers import IMPOSSIBLE, NOT_REACHED, SILENCE, Outcome
from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.lane import OVERTAKEN, PATIENCE, patience_of, usual_of
from ikelab.harness.fuzz.shortcut import Shortcut, farewell
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.harness.transport.base import Transport
from ikelab.layers.iana import Exchange, Notify, Protocol
from ikelab.layers.message import demux
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete

WINDOW = 48
HONEST = 2.5  # seconds that an honest message may wait for its answer
TICK = 0.05
PAIRS = 16  # key pairs that conversations share; a fresh one for each costs more than it finds


def informational() -> list[object]:
    """What our INFORMATIONAL requests hold before they are changed: a notify and a delete."""
    return [
        IKEv2_Notify(type=Notify.INITIAL_CONTACT),
        IKEv2_Delete(proto=Protocol.ESP, SPI=[b"\x12\x34\x56\x78"]),
    ]


class Play:
    """One case by the engine. `over` once the message was answered, or there was no way to it."""

    def __init__(
        self, sa: IkeSa, campaign: Campaign, case: Case, shortcut: Shortcut | None = None
    ) -> None:
        self.sa, self.campaign, self._shortcut = sa, campaign, shortcut
        self.outcome = Outcome(case, sa=sa)
        self.sas = [sa]
        self.aimed = False  # whether the message in question has left
        self.since = 0.0
        self.number = 0
        self._from = 0  # the steps before the message in question
        self._opening = True
        self._farewells: list[Datagram] = []
        self._exchange = int(Exchange[campaign.exchange])
        sa.on_successor = self.sas.append

    def advance(self, now: float) -> bool:
        """Do what comes next; whether it is over."""
        sa = self.sa
        if self.aimed and self._answered():
            return True
        if sa.state is State.IDLE and not sa.window.waiting and self._opening:
            self._opening = False
            self._aim(self.campaign.way == "init", now)
            if self._shortcut is not None:
                self._shortcut.begin(sa, now)
            else:
                sa.start_init(now)
        elif sa.state is State.INIT_DONE and self.campaign.way != "init":
            if not sa.window.waiting:
                self._aim(self.campaign.way == "auth", now)
                if self._shortcut is None or not self._shortcut.prove(sa, now):
                    sa.start_auth(now)
        elif sa.state is State.ESTABLISHED and not self.aimed and self.campaign.way != "rounds":
            self._aim(True, now)
            self._ask(now)
        if self.campaign.way == "rounds" and not self.aimed:
            self._follow(now)
        # An SA that is over may have closed because of the very answer that is looked for.
        return sa.over or (sa.state is State.CLOSED and not sa.window.waiting)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram of this conversation."""
        if self._shortcut is not None:
            if self._shortcut.take(self.sa, datagram, now):
                return
            self._shortcut.hand_over(self.sa)
        self.sa.receive(datagram, now)

    def _aim(self, now_it_is: bool, now: float) -> None:
        self.since = now
        if now_it_is:
            self.aimed, self._from = True, len(self.sa.transcript.steps)

    def _follow(self, now: float) -> None:
        """Aim once the message has left in an exchange that goes on by itself; patience is anew."""
        if self.sa.counted[self._exchange, False] > self.campaign.number:
            steps = self.sa.transcript.steps
            last = max(n for n, step in enumerate(steps) if step.direction == SENT)
            self.aimed, self._from = True, last
        self.since = now

    def _ask(self, now: float) -> None:
        sa = self.sa
        child = sa.child
        match self.campaign.way:
            case "create-child":
                sa.create_child(now)
            case "create-child-ke":
                sa.create_child(now, group=sa.init.group)
            case "rekey-child" if child is not None:
                sa.rekey_child(child, now)
            case "rekey-ike":
                sa.rekey(now)
            case "inform":
                sa.inform(informational(), now)
            case "liveness":
                sa.inform([], now)
            case "delete-child" if child is not None:
                sa.delete_child(child, now)
            case "delete-ike":
                sa.close(now)
            case _:
                self.aimed = False
                sa.end("there is no child")

    def _answered(self) -> bool:
        """Whether the answer has come, however it looks; a request to try again is none."""
        return self._answer() is not None

    def _answer(self) -> Step | None:
        for step in self.sa.transcript.steps[self._from :]:
            if step.direction == RECEIVED and step.data[19:20] and step.data[19] & 0x20:
                if "asks to try again" in step.note and self.campaign.number:
                    continue
                return step
        return None

    def end(self, now: float) -> Outcome:
        """What became of it. The caller sends what the delete of the SA makes."""
        outcome, sa = self.outcome, self.sa
        step = self._answer() if self.aimed else None
        outcome.state = str(sa.state)
        outcome.seconds = now - self.since
        ours = [s for s in sa.transcript.steps[self._from :] if s.direction == SENT]
        outcome.sent = sum(len(s.data) for s in ours)
        if step is not None:
            outcome.kind = kind_of(step)
            outcome.length = len(step.data)
            outcome.received = sum(
                len(s.data) for s in sa.transcript.steps[self._from :] if s.direction == RECEIVED
            )
        elif not self.aimed:
            outcome.kind = NOT_REACHED
        if step is None and sa.window.waiting:
            # What the peer dropped has used no message ID: the delete has to have it.
            sa.window.next_request = min(sa.window.waiting)
            sa.window.waiting.clear()
        for one in self.sas:
            if one.state is State.ESTABLISHED:
                if self._shortcut is not None and one.initiator:
                    self._farewells += farewell(one, one.window.next_request, now)
                else:
                    one.close(now)
        return outcome

    def datagrams(self, now: float) -> list[Datagram]:
        """What is to be sent."""
        found = [d for sa in self.sas for d in sa.datagrams(now)] + self._farewells
        self._farewells = []
        return found


def kind_of(step: Step) -> str:
    """A step in words, what is inside SK where it was opened."""
    text = answers.kind_of(step.data)
    if step.plain is None:
        return text
    inner = answers.words(step.first_inner, step.plain)
    found = [*answers.words(step.data[16], step.data[answers.HEADER :])[:-1], *inner]
    return ", ".join(found) or "empty"


class Keys:
    """Key pairs that conversations take in turn."""

    def __init__(self, entropy: sk.Entropy) -> None:
        self._entropy = entropy
        self._pairs: dict[int, list[ke.KeyPair]] = {}
        self._turn = 0

    def give(self, sa: IkeSa) -> None:
        """Let an SA that has sent nothing use one of the pairs."""
        group = sa.config.ke
        if group is None:
            group = next((s.ke.id for s in sa.config.ike if s.ke is not None), None)
        if group is None:
            return
        pairs = self._pairs.setdefault(group, [])
        if len(pairs) < PAIRS:
            pairs.append(ke.generate(group, self._entropy))
        self._turn += 1
        sa.init.group, sa.init.pair = group, pairs[self._turn % len(pairs)]


class TalkLane:
    """Conversations of one campaign, up to `window` at once."""

    def __init__(
        self,
        transport: Transport,
        config: IkeConfig,
        entropy: sk.Entropy,
        campaign: Campaign,
        *,
        window: int = WINDOW,
        patience: float = PATIENCE,
        judge: Callable[[Play], list[str]] = lambda _: [],
        shortcut: Shortcut | None = None,
    ) -> None:
        self.transport, self.entropy, self.campaign = transport, entropy, campaign
        self.config = replace(config, lenient=True, retransmit=(), give_up=HONEST * 2)
        self.window, self.patience, self.judge = window, patience, judge
        self.shortcut = shortcut
        self.keys = Keys(entropy)
        self.failures = 0  # conversations that did not come to their message, one after the other
        self.strays = 0
        self._live: dict[bytes, Play] = {}
        self._usual = 0.0  # seconds that answers take, on an average
        self._count = 0
        self._newest = 0

    def sa(self, plan: Plan | None = None) -> IkeSa:
        """An IKE SA of ours that has sent nothing."""
        config = self.config if plan is None else replace(self.config, plan=plan)
        made = IkeSa(config, initiator=True, entropy=self.entropy)
        self.keys.give(made)
        return made

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Put the cases; ends early when no honest IKE SA comes up any more."""
        coming = iter(cases)
        more = True
        tick = self.transport.clock() + TICK
        while (more or self._live) and self.failures <= self.window:
            while more and len(self._live) < self.window:
                case = next(coming, None)
                if case is None:
                    more = False
                    break
                yield from self._begin(case)
            if not self._live:
                continue
            datagram = self.transport.receive(tick)
            if datagram is not None:
                yield from self._take(datagram)
            if (now := self.transport.clock()) >= tick:
                tick = now + TICK
                yield from self._tick(now)
        self._live.clear()

    def _begin(self, case: Case) -> Iterator[Outcome]:
        sa, shortcut = self.sa(case.plan), self.shortcut
        leads = shortcut is not None and self.campaign.way != "init" and shortcut.leads(sa)
        play = Play(sa, self.campaign, case, shortcut if leads else None)
        play.number = self._count = self._count + 1
        self._live[play.sa.spi_i] = play
        yield from self._go_on(play, self.transport.clock())

    def _take(self, datagram: Datagram) -> Iterator[Outcome]:
        _, data = demux(datagram.data, datagram.dst[1])
        play = self._live.get(data[:8])
        if play is None:
            self.strays += 1
            return
        yield from self._go_on(play, datagram.now, datagram)

    def _go_on(self, play: Play, now: float, datagram: Datagram | None = None) -> Iterator[Outcome]:
        try:
            if datagram is not None:
                play.receive(datagram, now)
            over = play.advance(now)
        except ConfigError:
            # Edits of one plan can contradict each other; no message comes of them.
            play.outcome.kind = IMPOSSIBLE
            play.aimed, over = False, True
        self._send(play, now)
        if over:
            yield self._end(play, now)

    def _send(self, play: Play, now: float) -> None:
        for datagram in play.datagrams(now):
            self.transport.send(datagram)

    def _end(self, play: Play, now: float) -> Outcome:
        self._live.pop(play.sa.spi_i, None)
        impossible = play.outcome.kind == IMPOSSIBLE
        outcome = play.end(now)
        if impossible:
            outcome.kind = IMPOSSIBLE
        elif outcome.kind == NOT_REACHED:
            self.failures += 1
        else:
            self.failures = 0
            outcome.seen += self.judge(play)
        if outcome.kind not in (SILENCE, NOT_REACHED):
            self._newest = max(self._newest, play.number)
            self._usual = usual_of(self._usual, outcome.seconds)
        self._send(play, now)
        return outcome

    def _tick(self, now: float) -> Iterator[Outcome]:
        """Conversations that wait for nothing that would still come."""
        patience = patience_of(self._usual, self.patience)
        for play in list(self._live.values()):
            waited = now - play.since
            overtaken = play.aimed and self._newest - play.number > OVERTAKEN and waited > TICK
            if overtaken or waited >= (patience if play.aimed else HONEST):
                yield self._end(play, now)
            else:
                self._send(play, now)

    def close(self) -> None:
        """Every conversation has closed its own IKE SA."""
