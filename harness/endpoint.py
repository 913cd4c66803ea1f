"""Our side of a conversation: an IkeSa, a transport and a clock, driven one step at a time.

`Initiator` and `Responder` are what test cases use. Everything is synchronous; every wait has a
bound; silence is an observation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ikelab.harness import refusal, sk
from ikelab.harness.edits import Edit
from ikelab.harness.errors import LabError
from ikelab.harness.esp.tunnel import UDP, Tunnel, spi_of
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import HONEST, Datagram
from ikelab.harness.options import overridden
from ikelab.harness.session import Session
from ikelab.harness.transcript import RECEIVED, Step
from ikelab.harness.transport.base import Transport
from ikelab.harness.transport.tcp import Connection, TcpTransport

GLANCE = 0.25  # seconds after which a silent wait looks again whether it is over


class Endpoint:
    """A transport with the sessions that live on it. `patience` is how long silence is waited for.

    `on_session` is told of every session, so that a recorder can keep it. `needs` raises where the
    peer lacks a capability: "child" is asked for when the peer refuses a child for want of means.
    """

    def __init__(
        self,
        transport: Transport,
        base: IkeConfig,
        entropy: sk.Entropy,
        *,
        patience: float = 2.0,
        on_session: Callable[[Session], None] | None = None,
        needs: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.transport = transport
        self.needs = needs
        self.base = base
        self.entropy = entropy
        self.patience = patience
        self.pace = 1.0  # how many times longer than elsewhere things take here
        self.on_session = on_session
        self.sessions: list[Session] = []
        self.listener: Listener | None = None
        self.strays: list[Datagram] = []
        self.streamed = False  # whether all goes by TCP
        self.beside: list[Endpoint] = []  # others that were made from this one
        self.spare: Callable[[], str] = _no_spare
        self.tunnels: dict[bytes, Tunnel] = {}  # by our SPI: a child may outlive its IKE SA

    def config(self, **options: Any) -> IkeConfig:
        """The base configuration with what a test case says instead.

        `ike`, `esp` are proposal strings; `tsi`, `tsr` or `local_ts`, `remote_ts` selectors;
        `local_id`, `remote_id` identities; `psk` octets or text; `edits` a Plan.
        """
        return overridden(self.base, **options)

    def open(self, sa: IkeSa) -> Session:
        """A session around an SA of ours."""
        session = Session(self, sa)
        self.sessions.append(session)
        if sa.on_successor is None:
            sa.on_successor = self._adopt
        if self.on_session:
            self.on_session(session)
        return session

    def _adopt(self, sa: IkeSa) -> None:
        self.open(sa)

    def pump(self, done: Callable[[], bool], patience: float | None = None) -> bool:
        """Let everything run until `done()` or the patience is over; whether it was done."""
        wait = self.patience if patience is None else patience * self.pace
        deadline = self.transport.clock() + wait
        while True:
            self._flush()
            if done():
                return True
            now = self.transport.clock()
            if now >= deadline:
                return False
            look = min(deadline, now + GLANCE)  # what is waited for may be the peer's own view
            datagram = self.transport.receive(min(look, self._timer() or look))
            if datagram is not None:
                self._deliver(datagram)
            else:
                self._tick()

    def _sas(self) -> list[IkeSa]:
        """The SAs that may have something to do."""
        return [s.sa for s in self.sessions if not s.sa.asleep]

    def _timer(self) -> float | None:
        times = [t for t in (sa.timer() for sa in self._sas()) if t is not None]
        return min(times, default=None)

    def _tick(self) -> None:
        now = self.transport.clock()
        for sa in self._sas():
            sa.handle_timer(now)

    def _flush(self) -> None:
        now = self.transport.clock()
        if self.listener:
            for datagram in self.listener.datagrams(now):
                self.transport.send(datagram)
        for sa in self._sas():
            for datagram in sa.datagrams(now):
                self.transport.send(datagram)

    def _deliver(self, datagram: Datagram) -> None:
        if datagram.protocol != UDP or spi_of(datagram) is not None:
            self._deliver_esp(datagram)
            return
        session = self._session_of(datagram)
        if session is not None and session.raw is not None:
            session.overhear(datagram)
        elif session is not None:
            session.sa.receive(datagram, datagram.now)
        elif self.listener:
            self.listener.receive(datagram, datagram.now)
        else:
            self.strays.append(datagram)

    def _deliver_esp(self, datagram: Datagram) -> None:
        """ESP and AH go to the child whose SPI they have; the rest stays in `strays`."""
        spi = spi_of(datagram)
        for session in self.sessions:
            child = session.sa.children.get(spi) if spi is not None else None
            if child is not None and child.keys is not None:
                session.tunnel(child).take(datagram)
                return
        self.strays.append(datagram)

    def _session_of(self, datagram: Datagram) -> Session | None:
        kind, data = arrived(datagram)
        for session in reversed(self.sessions):
            if session.raw is not None and kind == "ike" and data[:8] == session.sa.spi_i:
                return session
            if kind == "keepalive" and session.sa.remote[0] == datagram.src[0]:
                return session
            if kind == "ike" and session.sa.initiator and data[:8] == session.sa.spi_i:
                return session
            if kind == "ike" and data[:16] == session.sa.spi_i + session.sa.spi_r:
                return session
        return None


class Initiator(Endpoint):
    """We initiate, the peer under test responds."""

    def session(self, **options: Any) -> Session:
        """A session with an SA that has sent nothing yet."""
        return self.open(IkeSa(self.config(**options), initiator=True, entropy=self.entropy))

    def init(self, *, edits: Sequence[Edit] = (), **options: Any) -> Session:
        """Do IKE_SA_INIT; the session's `reply` is what came."""
        session = self.session(**options)
        session.init(edits=edits)
        return session

    def establish(self, *, edits: Sequence[Edit] = (), **options: Any) -> Session:
        """Do IKE_SA_INIT and IKE_AUTH; AssertionError with the conversation when it fails."""
        session = self.session(**options)
        session.init(edits=edits, patience=self._honest)
        assert session.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{session}"
        session.auth(patience=self._honest)
        assert session.established, f"IKE_AUTH did not succeed{refusal.told(session)}\n{session}"
        return session

    def probe(self, *, edits: Sequence[Edit] = (), **options: Any) -> bool:
        """Whether an honest IKE SA still comes up and goes down: the sanity check."""
        session = self.session(**options)
        session.init(edits=edits, patience=self._honest)
        if session.state is not State.INIT_DONE:
            return False
        session.auth(patience=self._honest)
        up = session.established
        if up:
            session.close()
        return up

    def connect(self, port: int = 4500) -> Connection:
        """A TCP connection to the peer, with nothing sent; Unsupported where nobody listens."""
        return self.transport.connect(self.base.local[0], (self.base.remote[0], port))

    def establish_anyhow(self, *, patience: float | None = None, **options: Any) -> Session:
        """An IKE SA by UDP, or by TCP where nothing answers there (RFC 9329 5).

        `options` are those of the attempt by UDP; the other one is a new IKE SA.
        """
        first = self.session(**options)
        first.init(patience=patience)
        if first.state is State.INIT_DONE:
            first.auth()
            return first
        return self.over_tcp().establish()

    @property
    def _honest(self) -> float | None:
        """How long an honest exchange may take; None where this end's own patience is longer."""
        return HONEST if self.patience < HONEST else None

    def over_tcp(self, connection: Connection | None = None) -> Initiator:
        """An initiator whose messages, and their children's ESP, go by TCP (RFC 9329)."""
        transport = TcpTransport(connection or self.connect())
        ends = transport.connection
        made = Initiator(
            transport,
            replace(self.base, local=ends.local, remote=ends.remote),
            self.entropy,
            patience=self.patience,
            needs=self.needs,
        )
        made.streamed, made.pace = True, self.pace
        self.beside.append(made)
        return made


class Responder(Endpoint):
    """The peer under test initiates, we respond."""

    def listen(self, **options: Any) -> None:
        """Answer initiators from now on, with this configuration."""
        config = self.config(**options)
        self.listener = Listener(config, self.entropy, on_new=self._adopt)

    def heard(self, exchange: int) -> list[Step]:
        """Every request of this exchange type that the peer sent, repetitions included."""
        steps = [s for session in self.sessions for s in session.received()]
        steps += self.listener.turned_away if self.listener else []
        found = [s for s in steps if s.message.exch_type == exchange and s.direction == RECEIVED]
        return sorted((s for s in found if not int(s.message.flags) & 0x20), key=lambda s: s.now)

    def accept(self, patience: float = 12.0) -> Session:
        """Wait until the peer has an established IKE SA with us; AssertionError when not."""
        self.pump(lambda: any(s.state is State.ESTABLISHED for s in self.sessions), patience)
        for session in reversed(self.sessions):
            if session.state is State.ESTABLISHED:
                return session
        talk = "\n".join(str(s) for s in self.sessions) or "(the peer sent nothing)"
        refused = next(filter(None, map(refusal.told, reversed(self.sessions))), "")
        raise AssertionError(f"the peer established no IKE SA{refused}\n{talk}")


def _no_spare() -> str:
    raise LabError("this end has one address only")
