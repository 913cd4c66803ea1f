"""The sans-IO IKE SA: datagrams and time in, datagrams and events out. No socket, no clock.

Five verbs (`receive`, `datagrams`, `next_event`, `timer`, `handle_timer`) and intents. It is strict
in what it reports and obedient in what it does: with edits it sends anything. The exchanges are in
`init`, `auth` and `info`; the order is in `table`; what judges the peer is in `rules`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ikelab.harness import sk
from ikelab.harness.crypto.keys import IkeKeys
from ikelab.harness.edits import Binding, Edit
from ikelab.harness.exchange import (
    addke,
    auth,
    create,
    extensions,
    frag,
    info,
    init,
    intermediate,
    receiving,
    rekey,
    resumption,
    rules,
    sending,
)
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.events import (
    Broke,
    ChildDown,
    ChildUp,
    Closed,
    Event,
    Ignored,
)
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.init import InitState
from ikelab.harness.exchange.mobike import Mobility
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.exchange.ppk import Mixing
from ikelab.harness.exchange.redirect import Redirection
from ikelab.harness.exchange.resumption import Resumption
from ikelab.harness.exchange.rounds import Rounds
from ikelab.harness.exchange.small import Small
from ikelab.harness.exchange.table import Happening, State, known, step
from ikelab.harness.exchange.window import Answer, Outstanding, Window
from ikelab.harness.model import (
    TS,
    Datagram,
    Identity,
    Nat,
    Spis,
    Suite,
    Violation,
)
from ikelab.harness.transcript import RECEIVED, Step, Transcript
from ikelab.layers.iana import Exchange, Notify
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify


class IkeSa:
    """One IKE SA, either role. `initiator` is whether we are its original initiator."""

    def __init__(
        self, config: IkeConfig, *, initiator: bool, entropy: sk.Entropy, spi_i: bytes = b""
    ) -> None:
        self.config = config
        self.conduct = config.conduct
        self.initiator = initiator
        self.entropy = entropy
        self.state = State.IDLE
        self.spi_i = spi_i or entropy(8)
        self.spi_r = bytes(8) if initiator else entropy(8)
        self.local, self.remote = config.local, config.remote
        self.chosen: Suite | None = None
        self.keys: IkeKeys | None = None
        self.nat = Nat(None, None)
        self.peer_id: Identity | None = None
        self.children: dict[bytes, Child] = {}
        self.every_child: list[Child] = []  # deleted ones too: their ESP is in the capture
        self.violations: list[Violation] = []
        self.transcript = Transcript()
        self.init = InitState()
        self.window = Window()
        self.rounds = Rounds()
        self.between = intermediate.Between()
        self.chains = addke.Chains()
        self.mixing = Mixing()
        self.small = Small()
        self.mobility = Mobility()
        self.redirection = Redirection()
        self.resumption = Resumption()
        self.last_response: Inbound | None = None
        self.collisions = create.Collisions()
        self.over = False
        self.doubtful = False  # whether the peer may have other keys, after what our edits did
        self.stuck = False  # by a planted fault
        self.dead = False  # by one that ends the whole peer
        self.successor: IkeSa | None = None  # the IKE SA that inherited our children
        self.rekeyed_by_peer: tuple[bytes, IkeSa] | None = None  # lowest nonce, successor
        self.on_successor: Callable[[IkeSa], None] | None = None
        self.keepalive_due: float | None = None
        self.keepalives = 0  # received
        self.offered_spi = b""  # ours, in the child that IKE_AUTH asks for
        self.configuration: list[tuple[int, bytes]] = []  # what CP(CFG_REPLY) gave us
        self.given: tuple[TS, ...] = ()  # the addresses that we gave the peer, for its selectors
        self.heard = 0.0  # when the peer last proved to be alive
        self.applied: list[Binding] = []  # every edit of what we sent, for the record
        self.fragments = False  # whether both sides announced RFC 7383
        self.reassembly = frag.Reassembly()
        self.ivs: frozenset[bytes] = frozenset()  # kept by a planted fault only
        self.counted: Counter[tuple[int, bool]] = Counter()
        self.outgoing: deque[Datagram] = deque()
        self._events: deque[Event] = deque()
        self.in_keys: sk.SkKeys | None = None
        self.out_keys: sk.SkKeys | None = None

    # -- what it is --------------------------------------------------------------------------

    @property
    def spis(self) -> Spis:
        """The IKE SPIs."""
        return Spis(self.spi_i, self.spi_r)

    @property
    def child(self) -> Child | None:
        """The only CHILD_SA, or the first one."""
        return next(iter(self.children.values()), None)

    @property
    def behind_nat(self) -> bool:
        """Whether we are the side that a NAT translates."""
        return bool(self.nat.initiator if self.initiator else self.nat.responder)

    @property
    def asleep(self) -> bool:
        """Whether it is over and waits for nothing: only a datagram or an intent can wake it."""
        busy = self.outgoing or self.window.waiting or self.keepalive_due is not None
        return self.over and not busy

    # -- the five verbs ----------------------------------------------------------------------

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take one datagram. Nothing is raised for what a peer sends."""
        kind, data = arrived(datagram)
        if kind == "keepalive":
            self.keepalives += 1
            if not self.conduct.ignore_keepalives:
                self.heard = now
                self.outgoing.append(Datagram(b"\xff", datagram.dst, datagram.src, now))
            return
        if kind != "ike" or len(data) < sk.HEADER:
            self.note(Ignored(f"{len(datagram.data)} octets that are no IKE message"))
            return
        packet = IKEv2(data)
        seen = Step(now, RECEIVED, datagram.src, datagram.dst, data, _message=packet)
        self.transcript.append(seen)
        reason = receiving.unacceptable(self, packet, data)
        if reason:
            self.ignore(seen, reason)
        elif packet.exch_type == Exchange.IKE_SA_INIT:
            init.receive(self, Inbound(packet), seen, datagram, now)
        elif packet.exch_type == Exchange.IKE_SESSION_RESUME:
            resumption.receive(self, Inbound(packet), seen, datagram, now)
        else:
            self.protected(packet, seen, datagram, now)

    def datagrams(self, now: float) -> list[Datagram]:
        """The datagrams that are due by now; one with a later `now` stays (edits can delay)."""
        if not self.outgoing:
            return []
        due = [d for d in self.outgoing if d.now <= now]
        self.outgoing = deque(d for d in self.outgoing if d.now > now)
        return due

    def next_event(self) -> Event | None:
        """The oldest event not yet taken; None where there is none."""
        return self._events.popleft() if self._events else None

    def timer(self) -> float | None:
        """When `handle_timer` wants to be called; None for not at all."""
        times = [d.now for d in self.outgoing]
        times += [w.due for w in self.window.waiting.values()]
        if self.keepalive_due is not None:
            times.append(self.keepalive_due)
        if (due := extensions.timer(self)) is not None and not self.over:
            times.append(due)
        if self._minds_liveness():
            times.append(self.heard + self.config.dpd_delay)
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """Retransmit, give up, keep a NAT mapping, check liveness: whatever is due."""
        for waiting in list(self.window.waiting.values()):
            if waiting.due <= now:
                sending.retransmit(self, waiting, now)
        extensions.handle_timer(self, now)
        if self.keepalive_due is not None and self.keepalive_due <= now:
            self.outgoing.append(Datagram(b"\xff", self.local, self.remote, now))
            self.keepalive_due = now + self.config.keepalive
        if self._minds_liveness() and now >= self.heard + self.config.dpd_delay:
            self.inform([], now)

    def _minds_liveness(self) -> bool:
        """Whether silence makes us ask if the peer is alive (2.4)."""
        minds = bool(self.config.dpd_delay) and self.conduct.check_liveness
        return minds and self.state is State.ESTABLISHED and not self.window.waiting

    # -- intents -----------------------------------------------------------------------------

    def start_init(self, now: float, edits: Sequence[Edit] = ()) -> None:
        """Send IKE_SA_INIT."""
        if self.config.features.resume is not None:
            resumption.start(self, now, edits)
        else:
            init.start(self, now, edits)

    def restart_init(self, now: float) -> None:
        """Begin anew, with other keys and nonces, after a redirect or a ticket that was refused."""
        self.init = InitState()
        self.spi_r = bytes(8)
        init.start(self, now, ())

    def another(self, config: IkeConfig) -> IkeSa:
        """A new IKE SA beside this one; who takes care of this one takes care of it too."""
        made = IkeSa(config, initiator=True, entropy=self.entropy)
        if self.on_successor is not None:
            self.on_successor(made)
        return made

    def start_auth(self, now: float, edits: Sequence[Edit] = ()) -> None:
        """Send IKE_AUTH with the first CHILD_SA, after the key exchanges that go before it."""
        if not intermediate.start(self, now, edits):
            auth.start(self, now, edits)

    def inform(self, payloads: list[Any], now: float, edits: Sequence[Edit] = ()) -> None:
        """Send an INFORMATIONAL request; without payloads it asks whether the peer lives."""
        self.request(Exchange.INFORMATIONAL, payloads, now, edits)

    def delete_child(self, child: Child, now: float, edits: Sequence[Edit] = ()) -> None:
        """Delete one CHILD_SA (RFC 7296 1.4.1)."""
        self.inform([info.delete_child(child)], now, edits)

    def create_child(self, now: float, edits: Sequence[Edit] = (), **wanted: Any) -> None:
        """Ask for another CHILD_SA; `esp`, `tsi`, `tsr` as in the configuration (1.3.1)."""
        create.start(self, now, edits, **wanted)

    def rekey_child(self, child: Child, now: float, edits: Sequence[Edit] = ()) -> None:
        """Rekey a CHILD_SA; when it is done the old one is deleted (1.3.3, 2.8)."""
        create.start(self, now, edits, old=child)

    def rekey(self, now: float, edits: Sequence[Edit] = ()) -> None:
        """Rekey the IKE SA; `successor` is the new one, which inherits the children (1.3.2)."""
        rekey.start(self, now, edits)

    def close(self, now: float, edits: Sequence[Edit] = ()) -> None:
        """Delete the IKE SA and all that it holds."""
        self.request(Exchange.INFORMATIONAL, [info.delete_ike()], now, edits, "delete")

    # -- sending -----------------------------------------------------------------------------

    def request(
        self,
        exchange: int,
        payloads: list[Any],
        now: float,
        edits: Sequence[Edit] = (),
        outcome: str = "",
        context: Any = None,
    ) -> None:
        """Send a request; `payloads` go inside SK unless it is IKE_SA_INIT."""
        message_id = self.window.next_request
        sent, wire = self.send(exchange, message_id, payloads, now, response=False, edits=edits)
        first = self.config.retransmit[0] if self.config.retransmit else self.config.give_up
        self.window.waiting[message_id] = Outstanding(
            exchange, message_id, sent, wire, now + first, context, closes=outcome == "delete"
        )
        self.window.next_request = message_id + 1
        self.move("send", exchange, "request", outcome)

    def send(
        self,
        exchange: int,
        message_id: int,
        payloads: list[Any],
        now: float,
        *,
        response: bool,
        edits: Sequence[Edit] = (),
        clear: bool = False,
        outcome: str = "",
    ) -> tuple[Inbound, list[Datagram]]:
        """Build, edit, seal and queue one message; returns it and its datagrams."""
        letter = sending.Letter(
            exchange, message_id, payloads, response, edits, clear=clear, outcome=outcome
        )
        return sending.send(self, letter, now)

    def resend(self, now: float) -> None:
        """Send every request that waits for its response once more."""
        for waiting in list(self.window.waiting.values()):
            sending.repeat(self, waiting.wire, now)

    def answer_again(self, kept: Answer, datagram: Datagram, now: float) -> None:
        """Send a stored response once more, to where the repeated request came from."""
        sending.repeat(
            self, [replace(d, src=datagram.dst, dst=datagram.src) for d in kept.wire], now
        )

    # -- receiving: what a peer with a planted bug does otherwise ------------------------------

    def protected(self, packet: IKEv2, seen: Step, datagram: Datagram, now: float) -> None:
        """Take a message of this IKE SA that has to be opened."""
        receiving.protected(self, packet, seen, datagram, now)

    def opened(self, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
        """Take a message that was opened."""
        receiving.opened(self, it, seen, datagram, now)

    def announce_window(self) -> list[Any]:
        """Say in IKE_AUTH how many requests we take at once, and take so many (2.3)."""
        size = self.config.window
        if size <= 1:
            return []
        self.window.size = size if self.conduct.honour_window else 1
        return [IKEv2_Notify(type=Notify.SET_WINDOW_SIZE, notify=size.to_bytes(4, "big"))]

    # -- what the exchange files use ---------------------------------------------------------

    def take_keys(self, keys: IkeKeys) -> None:
        """Protect everything from now on with these keys."""
        self.keys, self.chosen = keys, keys.suite
        suite = keys.suite
        assert suite.encr is not None
        ours = sk.SkKeys(suite.encr, suite.integ, keys.sk_ei, keys.sk_ai)
        theirs = sk.SkKeys(suite.encr, suite.integ, keys.sk_er, keys.sk_ar)
        self.out_keys, self.in_keys = (ours, theirs) if self.initiator else (theirs, ours)

    def move(self, way: str, exchange: int, half: str, outcome: str = "") -> None:
        """Follow the table; what is out of order (edits can do that) leaves the state alone."""
        kind = known(exchange)
        following = step(self.state, Happening(way, kind, half, outcome))
        if following is None and outcome:
            following = step(self.state, Happening(way, kind, half))
        if following is not None:
            self.state = following

    def judged(self, it: Inbound, seen: Step, waiting: Outstanding | None) -> None:
        """Hold a message against the rules and note what it breaks."""
        request = waiting.request if waiting else None
        offer = self.rounds.offer if it.exchange == Exchange.IKE_AUTH else None
        for broken in rules.judge(rules.Seen(it, request, not self.initiator, offer)):
            self.broke(broken, seen)

    def broke(self, violation: Violation, seen: Step) -> None:
        """Note a violation with the step that shows it."""
        placed = replace(violation, frame=len(self.transcript) - 1)
        self.violations.append(placed)
        seen.violations.append(placed)
        self.note(Broke(placed))

    def ignore(self, seen: Step, reason: str) -> None:
        """Note that a message was dropped."""
        seen.note = f"ignored: {reason}"
        self.note(Ignored(reason))

    def note(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)

    def add_child(self, child: Child) -> None:
        """Install a CHILD_SA."""
        self.children[child.spi_in] = child
        self.every_child.append(child)
        self.note(ChildUp(child.spi_in))

    def drop_child(self, child: Child) -> None:
        """Forget a CHILD_SA."""
        if self.children.pop(child.spi_in, None) is not None:
            create.forget(self, child)
            self.note(ChildDown(child.spi_in))

    def end(self, reason: str) -> None:
        """The IKE SA is over, and its children with it (1.4.1)."""
        if self.over:
            return
        self.over = True  # the state alone does not tell: the table may have led to CLOSED before
        self.state = State.CLOSED
        self.window.waiting.clear()
        self.keepalive_due = None
        for child in list(self.children.values()):
            self.drop_child(child)
        self.note(Closed(reason))
