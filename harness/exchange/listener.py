"""The front door of a responder: which IKE SA a datagram belongs to, and what has none.

Sans-IO like the SA itself: versions (RFC 7296 2.5), cookies (2.6), repeated first requests (2.1).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence

from ikelab.harness import sk
from ikelab.harness.exchange import init, misread, puzzle, resumption, small
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.inbound import INITIATOR, RESPONSE, Inbound
from ikelab.harness.exchange.ports import NON_ESP_MARKER, arrived
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram, encapsulated
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2, message
from ikelab.layers.notify import IKEv2_Notify

HALF_OPEN = 20  # more IKE SAs than this are too many for a peer with that fault
STRAY_SPI = b"\x5a" * 8  # an SPIr where there should be none, by conduct


FIRST = (Exchange.IKE_SA_INIT, Exchange.IKE_SESSION_RESUME)
SWEEP = 64  # datagrams between two looks at what can be forgotten
PATIENCE = 60.0  # seconds that a half-open SA, or one that is over, is kept for repeated requests
MOST_OVER = 50  # SAs that are over and kept all the same, the latest ones


class Listener:
    """Makes an IkeSa for each initiator, and answers what needs none.

    `on_new` is told of every SA as it is made; `make` makes them.
    """

    make: type[IkeSa] = IkeSa

    def __init__(
        self,
        config: IkeConfig,
        entropy: sk.Entropy,
        on_new: Callable[[IkeSa], None] | None = None,
    ) -> None:
        self.config = config
        self.entropy = entropy
        self.on_new = on_new
        self.sas: list[IkeSa] = []
        self._asked: set[bytes] = set()  # SPIi of initiators that were asked for another group
        self._secret = entropy(16)
        self.turned_away: list[Step] = []  # requests that made no SA, and their answers
        self._out: list[Datagram] = []
        self._stuck = False  # by a planted fault
        self._received = 0

    @property
    def dead(self) -> bool:
        """Whether a planted fault has ended the peer."""
        return any(sa.dead for sa in self.sas)

    def add(self, sa: IkeSa) -> None:
        """Take care of an SA, and of the one that succeeds it."""
        self.sas.append(sa)
        sa.on_successor = self.add
        if self.on_new:
            self.on_new(sa)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Give the datagram to its SA, make one for it, or answer without."""
        kind, data = arrived(datagram)
        self._received += 1
        if self._received % SWEEP == 0:
            self._sweep(now)
        if self._stuck or any(sa.stuck for sa in self.sas):
            return
        if kind != "ike" or len(data) < sk.HEADER:
            self._keepalive(kind, datagram, now)
            return
        packet = IKEv2(data)
        if not self.config.conduct.survive_oddities and misread.odd_datagram(packet, data):
            self._stuck = True
            return
        major = int(packet.version) >> 4
        tolerated = self.config.conduct.tolerate_minor or int(packet.version) & 15 == 0
        if major > 2 and self.config.conduct.check_version:
            self._refuse_version(packet, datagram, now)
        elif (major != 2 and self.config.conduct.check_version) or not tolerated:
            return
        elif owner := self._owner(packet, data, datagram):
            owner.receive(datagram, now)
        elif packet.exch_type in FIRST or not self.config.conduct.check_exchange:
            self._first(packet, data, datagram, now)
        elif self.config.features.crash_secret and not int(packet.flags) & RESPONSE:
            self._tell_crash(packet, datagram, now)
        elif not self.config.conduct.say_little:
            self._answer(packet, IKEv2_Notify(type=Notify.INVALID_SYNTAX), datagram, now)

    def _sweep(self, now: float) -> None:
        """Forget SAs that never came up, or are over, and that nobody has spoken to for long."""

        def stale(sa: IkeSa) -> bool:
            said = sa.transcript.steps[-1].now if sa.transcript.steps else now
            return sa.state in (State.INIT_DONE, State.CLOSED) and now - said > PATIENCE

        over = [sa for sa in self.sas if sa.over]
        outdated = set(over[:-MOST_OVER])
        self.sas[:] = [sa for sa in self.sas if sa not in outdated and not stale(sa)]

    def _keepalive(self, kind: str, datagram: Datagram, now: float) -> None:
        for sa in self.sas:
            if kind == "keepalive" and sa.remote == datagram.src:
                sa.receive(datagram, now)

    def _owner(self, packet: IKEv2, data: bytes, datagram: Datagram) -> IkeSa | None:
        """The SA of a message; a first request belongs to the SA that it made before (2.1)."""
        spi_i, spi_r = bytes(packet.init_SPI), bytes(packet.resp_SPI)
        for sa in reversed(self.sas):
            if sa.spi_i != spi_i:
                continue
            if any(spi_r) and sa.spi_r == spi_r:
                return sa
            if not any(spi_r) and sa.init.request == data and self.config.conduct.keep_responses:
                return sa
            if sa.initiator:
                return sa
        return None

    def _first(self, packet: IKEv2, data: bytes, datagram: Datagram, now: float) -> None:
        """A new initiator: check that the request may be one, ask for a cookie, or answer it."""
        flags = int(packet.flags)
        conduct = self.config.conduct
        if flags & RESPONSE and conduct.ignore_responses:
            return
        if not flags & INITIATOR or any(packet.resp_SPI) or packet.id != 0:
            return
        if len(self.sas) > HALF_OPEN and not conduct.survive_many:
            self._stuck = True
        if packet.length != len(data) and not conduct.survive_length:
            self._stuck = True
        if not any(packet.init_SPI) or (conduct.check_length and packet.length != len(data)):
            return
        it = Inbound(packet)
        asks = self.config.cookies and conduct.demand_cookies
        if asks and not self._cookie_is_mine(it, datagram):
            self._ask_cookie(it, datagram, now)
            return
        entropy = self.entropy
        if not conduct.tell_clients_apart:
            self.sas[:] = [sa for sa in self.sas if sa.remote[0] != datagram.src[0]]
        spi_i = bytes(packet.init_SPI)
        sa = self.make(self.config, initiator=False, entropy=entropy, spi_i=spi_i)
        sa.init.retried = sa.spi_i in self._asked
        self.add(sa)
        seen = sa.transcript.append(
            Step(now, RECEIVED, datagram.src, datagram.dst, data, _message=packet)
        )
        if it.exchange == Exchange.IKE_SESSION_RESUME:
            resumption.serve(sa, it, seen, datagram, now)
        else:
            init.serve(sa, it, seen, datagram, now)
        if Notify.INVALID_KE_PAYLOAD in sa.init.refused:
            self._asked.add(sa.spi_i)
        if sa.state is State.CLOSED and conduct.forget_refused:
            self._out += sa.datagrams(now)
            self.sas.remove(sa)

    # -- cookies (RFC 7296 2.6) ----------------------------------------------------------------

    def _cookie(self, it: Inbound, datagram: Datagram) -> bytes:
        """Bound to nonce, address and SPI, so that nothing needs to be remembered."""
        nonce = it.one(Payload.NONCE)
        data = bytes(nonce.nonce) if nonce is not None else b""
        data += datagram.src[0].encode() + bytes(it.message.init_SPI)
        key = it.one(Payload.KE)
        if self.config.cookie_covers_ke and key is not None:
            data += bytes(key.ke)
        digest = hmac.digest(self._secret, data, hashlib.sha512)
        return (digest * 2)[: self.config.cookie_length]

    def _cookie_is_mine(self, it: Inbound, datagram: Datagram) -> bool:
        first = it.payloads[0] if it.payloads else None
        if first is not it.notify(Notify.COOKIE) or first is None:
            return False
        if not self.config.conduct.check_cookie:
            return True
        if not self.config.conduct.accept_cookie:
            return False
        cookie, bits = bytes(first.notify), self.config.features.puzzle
        if not hmac.compare_digest(cookie, self._cookie(it, datagram)):
            return False
        # RFC 8019 7.1.4: a wrong solution is worth no more than a wrong cookie.
        worked = it.has(Payload.PS) or self.config.features.insist_on_puzzles
        if not bits or not worked or not self.config.conduct.check_puzzles:
            return True
        return puzzle.solved(it, cookie, bits)

    def _ask_cookie(self, it: Inbound, datagram: Datagram, now: float) -> None:
        notify = IKEv2_Notify(type=Notify.COOKIE, notify=self._cookie(it, datagram))
        bits = self.config.features.puzzle
        more = [puzzle.ask(it, bits)] if bits and self.config.conduct.ask_puzzles else []
        self._answer(it.message, notify, datagram, now, more)

    def _tell_crash(self, packet: IKEv2, datagram: Datagram, now: float) -> None:
        """RFC 6290 4.3: no such IKE SA, and the token that proves that there was one."""
        spi_i, spi_r = bytes(packet.init_SPI), bytes(packet.resp_SPI)
        data = small.token(self.config.features.crash_secret, spi_i, spi_r)
        proof = IKEv2_Notify(type=Notify.QUICK_CRASH_DETECTION, notify=data)
        told = [proof] if self.config.conduct.tell_token else []
        self._answer(packet, IKEv2_Notify(type=Notify.INVALID_IKE_SPI), datagram, now, told)

    def _refuse_version(self, packet: IKEv2, datagram: Datagram, now: float) -> None:
        """RFC 7296 2.5: an unprotected notify whose header has the version that we speak."""
        if not int(packet.flags) & RESPONSE:
            notify = IKEv2_Notify(type=Notify.INVALID_MAJOR_VERSION)
            self._answer(packet, notify, datagram, now)

    def _answer(
        self,
        packet: IKEv2,
        notify: IKEv2_Notify,
        datagram: Datagram,
        now: float,
        more: Sequence[IKEv2_Notify] = (),
    ) -> None:
        """An answer that leaves no state behind; SPIr stays zero."""
        conduct = self.config.conduct
        data = bytes(
            message(
                [notify, *more],
                init_SPI=bytes(packet.init_SPI),
                resp_SPI=bytes(packet.resp_SPI) if conduct.zero_spi_in_refusals else STRAY_SPI,
                exch_type=packet.exch_type,
                flags=RESPONSE,
                id=packet.id,
            )
        )
        came = bytes(packet)
        self.turned_away += [
            Step(now, RECEIVED, datagram.src, datagram.dst, came, _message=packet),
            Step(now, SENT, datagram.dst, datagram.src, data),
        ]
        if encapsulated(datagram.dst, datagram.src):
            data = NON_ESP_MARKER + data
        self._out.append(Datagram(data, datagram.dst, datagram.src, now))

    # -- the other verbs -----------------------------------------------------------------------

    def datagrams(self, now: float) -> list[Datagram]:
        """Everything that is due to be sent."""
        due, self._out = self._out, []
        for sa in self.sas:
            due += sa.datagrams(now)
        return due

    def timer(self) -> float | None:
        """When `handle_timer` wants to be called next."""
        return min(self._timers(), default=None)

    def _timers(self) -> Iterator[float]:
        for sa in self.sas:
            due = sa.timer()
            if due is not None:
                yield due

    def handle_timer(self, now: float) -> None:
        """Let every SA do what is due, and forget those that are over."""
        for sa in self.sas:
            sa.handle_timer(now)
