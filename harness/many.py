"""Many IKE SAs at once over one transport: the next conversation begins while others wait.

One outstanding request measures the network's latency, a window of them the peer. Knows IkeSa and a
transport; what a conversation says is its own affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.transport.base import Transport
from ikelab.layers.message import demux

TICK = 0.05
"""Seconds between two looks at the timers."""


class Talk(Protocol):
    """One conversation with an SA that we initiate."""

    @property
    def sa(self) -> IkeSa:
        """The SA; its SPIi tells which datagrams are its own."""

    def advance(self, now: float) -> bool:
        """Do what comes next, if anything; True when there is nothing left to do."""


@dataclass(slots=True)
class Handshake:
    """IKE_SA_INIT, IKE_AUTH, and the delete of what came up."""

    sa: IkeSa
    established: bool = False

    def advance(self, now: float) -> bool:
        state = self.sa.state
        if state is State.IDLE:
            self.sa.start_init(now)
        elif state is State.INIT_DONE:
            self.sa.start_auth(now)
        elif state is State.ESTABLISHED and not self.established:
            self.established = True
            self.sa.close(now)
        return self.sa.state is State.CLOSED


@dataclass
class Many:
    """Keeps up to `window` conversations going; one that takes `patience` seconds is given up.

    `strays` counts datagrams of no conversation that is going on: late answers, ESP, keepalives.
    """

    transport: Transport
    window: int = 16
    patience: float = 10.0
    strays: int = 0
    _live: dict[bytes, tuple[Talk, float]] = field(default_factory=dict, repr=False)

    def run(self, talks: Iterable[Talk]) -> Iterator[Talk]:
        """Hold the conversations, and give each one back when it is over or given up."""
        coming = iter(talks)
        tick = self.transport.clock() + TICK
        more = True
        while more or self._live:
            while more and len(self._live) < self.window:
                talk = next(coming, None)
                more = talk is not None
                if talk is not None and self._begin(talk):
                    yield talk
            if not self._live:
                continue
            datagram = self.transport.receive(tick)
            if datagram is not None:
                _, data = demux(datagram.data, datagram.dst[1])
                found = self._live.get(data[:8])
                if found is None:
                    self.strays += 1
                else:
                    found[0].sa.receive(datagram, datagram.now)
                    if self._go_on(found[0], datagram.now):
                        yield found[0]
            if (now := self.transport.clock()) >= tick:
                tick = now + TICK
                yield from self._tick(now)

    def _begin(self, talk: Talk) -> bool:
        now = self.transport.clock()
        self._live[talk.sa.spi_i] = talk, now + self.patience
        return self._go_on(talk, now)

    def _go_on(self, talk: Talk, now: float) -> bool:
        """Let a conversation go on as far as it can; whether it is over."""
        over = talk.advance(now)
        for datagram in talk.sa.datagrams(now):
            self.transport.send(datagram)
        if over:
            del self._live[talk.sa.spi_i]
        return over

    def _tick(self, now: float) -> Iterator[Talk]:
        """Timers of every conversation; those that took too long are given back as they are."""
        for talk, deadline in list(self._live.values()):
            talk.sa.handle_timer(now)
            if self._go_on(talk, now):
                yield talk
            elif now >= deadline:
                del self._live[talk.sa.spi_i]
                yield talk
