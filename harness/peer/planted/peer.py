"""The reference peer with planted bugs: it dies, hangs and leaks, and says where."""

from __future__ import annotations

import traceback
from typing import Any

from ikelab.harness import sk
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.exchange import frag
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.peer.base import PeerConfig
from ikelab.harness.peer.gateway import Gateway
from ikelab.harness.peer.planted.bugs import BUGS, Chain, Loop, chain
from ikelab.harness.peer.reference import ReferencePeer, Station
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2
from ikelab.layers.payloads import IKEv2_AUTH
from ikelab.layers.vendor import vendor_name

SHORT_NONCE = 24
METHODS = 3
CONSTANT = b"\x11\x22\x33\x44\x55\x66\x77\x88"


def named(peer: str) -> frozenset[str]:
    """The bugs of `planted`, `planted:none` or `planted:BUG,BUG`; ConfigError for an unknown."""
    _, _, words = peer.partition(":")
    if words in ("", "all"):
        return frozenset(BUGS)
    if words == "none":
        return frozenset()
    for word in words.split(","):
        if word not in BUGS:
            hint = nearest(word, BUGS) or f"; there are {', '.join(BUGS)}"
            raise ConfigError(f"no bug is called {word!r}{hint}")
    return frozenset(words.split(","))


class PlantedSa(IkeSa):
    """An IKE SA with the bugs of its station."""

    bugs: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether this bug is planted."""
        return name in self.bugs

    def protected(self, packet: IKEv2, seen: Step, datagram: Datagram, now: float) -> None:
        if self.has("fragment-number") and frag.is_fragment(packet):
            fragment = packet.payloads[-1]
            places = [None] * int(fragment.frag_total)
            places[int(fragment.frag_number) - 1] = None
        if self.has("short-icv") and self.state is State.ESTABLISHED:
            packet, seen = self._mended(packet, seen)
        super().protected(packet, seen, datagram, now)

    def _mended(self, packet: IKEv2, seen: Step) -> tuple[IKEv2, Step]:
        """The message with the last octet of its ICV as it should be: nobody compares it."""
        keys = self.in_keys
        assert keys is not None
        for last in (seen.data[-1], *range(256)):  # mostly it is as it should be
            data = seen.data[:-1] + bytes([last])
            try:
                sk.unseal(IKEv2(data), keys, data)
            except sk.Refusal as refusal:
                if refusal.kind != "integrity":
                    break
                continue
            seen.data = data
            return IKEv2(data), seen
        return packet, seen

    def opened(self, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
        payloads = chain(seen.first_inner, seen.plain or b"")
        depth = "auth" if it.exchange == Exchange.IKE_AUTH else "established"
        if self.has("late-auth") and depth == "auth" and self.state is State.ESTABLISHED:
            restart_authentication(None)
        for name in sorted(self.bugs):
            run = BUGS[name].run
            if run is not None and BUGS[name].depth in ("auth", depth):
                run(payloads)
        if depth == "auth":
            self._skip_method(it)
        if self.has("wide-selectors"):
            self._widen(payloads)
        super().opened(it, seen, datagram, now)

    def _skip_method(self, it: Inbound) -> None:
        auth = it.one(Payload.AUTH)
        known = not isinstance(auth, IKEv2_AUTH) or int(auth.auth_type) <= METHODS
        if self.has("method-bypass") and not known and self.conduct.verify_auth:
            self.conduct = self.conduct.but("verify_auth")

    def _widen(self, payloads: Chain) -> None:
        """More selectors than one are taken for a wish to have everything."""
        many = any(kind in (Payload.TSI, Payload.TSR) and body[:1] > b"\1"
                   for kind, body in payloads)  # fmt: skip
        self.widened = many

    widened = False

    def send(self, exchange: int, message_id: int, payloads: list[Any], *a: Any, **b: Any) -> Any:
        """Answer with wider selectors where that was decided."""
        if self.widened:
            for payload in payloads:
                if payload.kind in (Payload.TSI, Payload.TSR):
                    for one in payload.traffic_selector:
                        one.starting_address = "0.0.0.0"
        return super().send(exchange, message_id, payloads, *a, **b)


def restart_authentication(pending: Any) -> None:
    """Go on with an authentication that is over: there is nothing to go on with."""
    pending.identity = None


class PlantedListener(Listener):
    """A listener whose SAs have bugs, and that has some of its own."""

    def __init__(self, config: IkeConfig, entropy: sk.Entropy, bugs: frozenset[str]) -> None:
        if "repeated-id" in bugs:
            config = _with_conduct(config, "keep_responses")
        super().__init__(config, entropy)
        self.bugs = bugs
        self.make = type("Planted", (PlantedSa,), {"bugs": bugs})
        self.held: list[bytes] = []
        self.kept: list[IkeSa] = []

    def receive(self, datagram: Datagram, now: float) -> None:
        """What was refused is kept, where that is planted."""
        kind, data = arrived(datagram)
        if kind == "ike" and len(data) >= sk.HEADER:
            self._look(data)
        super().receive(datagram, now)

    def sweep(self, now: float) -> None:
        """Forget what has had its time."""
        self._sweep(now)

    def _look(self, data: bytes) -> None:
        if "message-length" in self.bugs:
            copy_message(data)
        if data[18] != Exchange.IKE_SA_INIT or data[19] & 0x20:
            return
        payloads = chain(data[16], data[sk.HEADER :])
        for name in sorted(self.bugs):
            run = BUGS[name].run
            if run is not None and BUGS[name].depth == "init":
                run(payloads)
        if "vendor-memory" in self.bugs:
            self.held += [body * 16 for kind, body in payloads
                          if kind == Payload.V and vendor_name(body) is None]  # fmt: skip

    def add(self, sa: IkeSa) -> None:
        """Take care of an SA whose numbers may not be random."""
        super().add(sa)
        if sa.initiator:
            return
        entropy = sa.entropy
        length = sa.config.nonce_length

        def drawn(octets: int) -> bytes:
            plain = "nonce-reuse" in self.bugs and octets == length and _bare(sa)
            return b"\x5a" * octets if plain else entropy(octets)

        sa.entropy = drawn

    def _first(self, packet: IKEv2, data: bytes, datagram: Datagram, now: float) -> None:
        known = len(self.sas)
        it = Inbound(packet)
        nonce = it.one(Payload.NONCE)
        short = nonce is not None and 16 <= len(nonce.nonce) < SHORT_NONCE
        if "spi-reuse" in self.bugs and short:
            before, self.entropy = self.entropy, lambda n: CONSTANT if n == 8 else before(n)
            super()._first(packet, data, datagram, now)
            self.entropy = before
        else:
            super()._first(packet, data, datagram, now)
        refused = len(self.sas) == known and it.has(Payload.KE)
        if "refused-half-open" in self.bugs and refused and it.has(Payload.SA):
            self.kept.append(IkeSa(self.config, initiator=False, entropy=bytes))


def copy_message(data: bytes) -> None:
    """Copy as many octets as the header says there are."""
    length = int.from_bytes(data[24:28], "big")
    if length > len(data):
        data[length]


def _bare(sa: IkeSa) -> bool:
    """Whether the request says nothing for the detection of NATs."""
    if not sa.init.request:
        return False
    request = Inbound(IKEv2(sa.init.request))
    return request.notify(Notify.NAT_DETECTION_SOURCE_IP) is None


def _with_conduct(config: IkeConfig, *names: str) -> IkeConfig:
    from dataclasses import replace

    return replace(config, conduct=config.conduct.but(*names))


class PlantedStation(Station):
    """A station that ends or stops where its code does."""

    def __init__(self, config: IkeConfig, entropy: sk.Entropy, bugs: frozenset[str]) -> None:
        super().__init__(config, entropy)
        self.listener: PlantedListener = PlantedListener(config, entropy, bugs)
        self.gateway = Gateway(self.listener, entropy)
        self.dead = self.stuck = False
        self.said = ""

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram, unless it is over."""
        if self.dead or self.stuck:
            return
        try:
            super().receive(datagram, now)
        except Loop:
            self.stuck, self.said = True, traceback.format_exc()
        except (LookupError, AttributeError, ValueError, TypeError):
            self.dead, self.said = True, traceback.format_exc()

    def datagrams(self, now: float) -> list[Datagram]:
        """Nothing any more, when it is over."""
        return [] if self.dead or self.stuck else super().datagrams(now)

    def timer(self) -> float | None:
        """Nothing is due any more, when it is over."""
        return None if self.dead or self.stuck else super().timer()


class PlantedPeer(ReferencePeer):
    """Implements `Peer`; `counts` is what a process would have in memory."""

    bugs: frozenset[str] = frozenset()

    @classmethod
    def instead_of(cls, plain: ReferencePeer, bugs: frozenset[str]) -> PlantedPeer:
        """The same peer, with bugs."""
        made = cls(plain.version, plain._entropy, plain._attach, plain._clock)
        made.bugs = bugs
        return made

    def start(self, config: PeerConfig) -> None:
        """A fresh station with the bugs."""
        super().start(config)
        self.station = PlantedStation(self._engine_config(config), self._entropy, self.bugs)
        self._attach(self.station, config.local_address)

    def alive(self) -> bool:
        """Whether nothing has ended it."""
        return isinstance(self.station, PlantedStation) and not self.station.dead

    def log(self) -> str:
        """What it said, and where it ended or stopped."""
        said = self.station.said if isinstance(self.station, PlantedStation) else ""
        return super().log() + said

    def counts(self) -> dict[str, int]:
        """What it keeps of IKE SAs that never came up, and octets that it holds."""
        if not isinstance(self.station, PlantedStation):
            return {}
        listener = self.station.listener
        listener.sweep(self._clock())
        waiting = sum(sa.state is State.INIT_DONE for sa in listener.sas)
        return {
            "half-open": waiting + len(listener.kept),
            "held": sum(map(len, listener.held)),
        }
