"""The built-in peer: a strict IkeSa as responder or initiator, with faults that can be planted.

It needs no socket: `Station` is a node of the memory network. `serve` puts one on UDP sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace

from ikelab.harness import sk
from ikelab.harness.crypto.support import computable, for_ike
from ikelab.harness.edits import Plan
from ikelab.harness.exchange import mobike, redirect
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.config import Conduct, IkeConfig
from ikelab.harness.exchange.configuration import Pool
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.misread import lacks_marker
from ikelab.harness.exchange.ports import NON_ESP_MARKER
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Address, Datagram, Transform
from ikelab.harness.peer.base import (
    ChildView,
    IkeView,
    Keys,
    PeerConfig,
    PeerView,
    Unsupported,
)
from ikelab.harness.peer.faults import Fault
from ikelab.harness.peer.gateway import Gateway
from ikelab.harness.peer.streams import Streams
from ikelab.layers.iana import Protocol

CAPABILITIES = frozenset(
    {
        "responder",
        "initiator",
        "view",
        "cookies",
        "ipv6",
        "nat-d-honest",
        "child",
        "plan",
        "fragment-size",
        "dpd",
        "keepalives",
        "auth-lifetime",
        "keys",
        "tcp",
    }
)


class Station:
    """A listener that also initiates: whoever is here moves its SAs on by itself."""

    def __init__(self, config: IkeConfig, entropy: sk.Entropy) -> None:
        self.listener = Listener(config, entropy)
        self.entropy = entropy
        self.gateway = Gateway(self.listener, entropy)
        self.streams = Streams(config.conduct)

    def initiate(self, now: float) -> IkeSa:
        """Start an IKE SA towards the configured remote."""
        sa = IkeSa(self.listener.config, initiator=True, entropy=self.entropy)
        self.listener.add(sa)
        sa.start_init(now)
        return sa

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram, then do what an initiator does next."""
        if lacks_marker(datagram) and not self.listener.config.conduct.insist_on_marker:
            datagram = replace(datagram, data=NON_ESP_MARKER + datagram.data)
        if self.gateway.receive(datagram, now):
            return
        self.listener.receive(datagram, now)
        for sa in self.listener.sas:
            if sa.initiator and sa.state is State.INIT_DONE and not sa.window.outstanding:
                sa.start_auth(now)

    def stream(self, source: Address, local: str, data: bytes, now: float) -> None:
        """Octets of a TCP connection came (RFC 9329)."""
        for datagram in self.streams.feed(source, local, data, now):
            self.gateway.streamed(datagram)
            self.receive(datagram, now)

    def datagrams(self, now: float) -> list[Datagram]:
        """What is due by UDP and IP; what goes by a TCP connection waits there."""
        due = self.listener.datagrams(now) + self.gateway.datagrams(now)
        return [datagram for datagram in due if not self.streams.take(datagram)]

    def timer(self) -> float | None:
        return self.listener.timer()

    def handle_timer(self, now: float) -> None:
        self.listener.handle_timer(now)


class ReferencePeer:
    """Implements `Peer`. `attach` puts a fresh station on the network at each start."""

    name = "reference"
    speaks = frozenset({"eap", *(f.name for f in fields(Features))})

    def __init__(
        self,
        version: str,
        entropy: sk.Entropy,
        attach: Callable[[Station, str], None],
        clock: Callable[[], float],
        fault: Fault | None = None,
        guard: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.version = version
        self.capabilities = CAPABILITIES
        self._entropy = entropy
        self._attach = attach
        self._clock = clock
        self._fault = fault
        self._guard = guard
        self._config: PeerConfig | None = None
        self.station: Station | None = None

    def start(self, config: PeerConfig) -> None:
        """A fresh station with this configuration."""
        unknown = set(config.options) - {"plan", "nonce_length", "send_idr"}
        if unknown:
            raise Unsupported(f"the reference peer has no option {', '.join(sorted(unknown))}")
        self._config = config
        self.station = Station(self._engine_config(config), self._entropy)
        self._attach(self.station, config.local_address)

    def _engine_config(self, config: PeerConfig) -> IkeConfig:
        plan = Plan.parse(config.options.get("plan", ""))
        conduct = Conduct()
        if self._fault:
            plan = plan + self._fault.plan
            conduct = conduct.but(*self._fault.conduct)
        return IkeConfig(
            local=(config.local_address, config.port),
            remote=(config.remote_address, config.port),
            local_id=config.local_id,
            remote_id=config.remote_id,
            psk=config.psk,
            own=config.own,
            trust=config.trust,
            ike=config.ike,
            esp=config.esp,
            local_ts=config.local_ts,
            remote_ts=config.remote_ts,
            pool=Pool(config.pool, config.dns) if config.pool else None,
            request=config.request,
            require_request=config.require_request,
            mode=config.mode,
            features=config.features,
            fragment=config.fragment,
            cookies=config.cookies,
            dpd_delay=config.dpd_delay,
            window=config.window,
            retransmit=(1.0, 2.0)[: config.tries],
            keepalive=config.keepalive,
            nonce_length=int(config.options.get("nonce_length", "32")),
            send_idr=config.options.get("send_idr", "yes") == "yes",
            plan=plan,
            conduct=conduct,
            lenient=self._fault is not None,
        )

    def initiate(self) -> None:
        """Start IKE_SA_INIT towards the configured remote."""
        assert self.station is not None, "initiate before start"
        with self._guard():
            self.station.initiate(self._clock())

    def roam(self, address: str) -> None:
        """Have another address, and tell of it whoever can be told (RFC 4555)."""
        assert self.station is not None, "roam before start"
        self._attach(self.station, address)
        with self._guard():
            for sa in self.station.listener.sas:
                if sa.initiator and sa.mobility.agreed and sa.state is State.ESTABLISHED:
                    mobike.move(sa, (address, sa.local[1]), self._clock())

    def expect(self, address: str) -> None:
        """Know the other end by another address from now on; SAs that are up stay."""
        assert self._config is not None and self.station is not None, "expect before start"
        self._config = replace(self._config, remote_address=address)
        with self._guard():
            listener = self.station.listener
            listener.config = replace(listener.config, remote=(address, self._config.port))

    def redirect(self, where: str) -> None:
        """Send every initiator away (RFC 5685 7)."""
        assert self.station is not None, "redirect before start"
        with self._guard():
            for sa in self.station.listener.sas:
                if not sa.initiator and sa.state is State.ESTABLISHED:
                    redirect.send(sa, where, self._clock())

    def rekey_child(self) -> None:
        """Begin a rekey of the first child (RFC 7296 1.3.3)."""
        self._rekey(lambda sa: sa.rekey_child(next(iter(sa.children.values())), self._clock()))

    def rekey_ike(self) -> None:
        """Begin a rekey of the IKE SA (RFC 7296 1.3.2)."""
        self._rekey(lambda sa: sa.rekey(self._clock()))

    def _rekey(self, begin: Callable[[IkeSa], None]) -> None:
        assert self.station is not None, "rekey before start"
        with self._guard():
            up = [sa for sa in self.station.listener.sas if sa.state is State.ESTABLISHED]
            for sa in [sa for sa in up if sa.children]:
                begin(sa)

    def view(self) -> PeerView:
        """The station's SAs that are up."""
        with self._guard():
            sas = self.station.listener.sas if self.station else []
            return PeerView(tuple(_view(sa) for sa in sas if sa.state is not State.CLOSED))

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whatever ikelab can compute."""
        if protocol == Protocol.IKE and not for_ike(transform):
            return False
        return computable(transform) is None

    def child_keys(self) -> frozenset[Keys]:
        """The keys of every child of every SA."""
        with self._guard():
            sas = self.station.listener.sas if self.station else []
            found = [child.keys for sa in sas for child in sa.every_child if child.keys]
        return frozenset((k.encr_i, k.integ_i, k.encr_r, k.integ_r) for k in found)

    def alive(self) -> bool:
        return self.station is not None and not self.station.listener.dead

    def log(self) -> str:
        """Each SA's conversation as the peer saw it."""
        sas = self.station.listener.sas if self.station else []
        parts = [f"{'initiator' if s.initiator else 'responder'} {s.state}\n{s.transcript.text()}"
                 for s in sas]  # fmt: skip
        return "\n\n".join(parts) + "\n"

    def config_text(self) -> str:
        """The configuration in a form that a person can read."""
        config = self._config
        if config is None:
            return ""
        rows = {
            "fault": self._fault.name if self._fault else "none",
            "local": f"{config.local_address} as {config.local_id}",
            "remote": f"{config.remote_address} as {config.remote_id}",
            "ike": ", ".join(map(str, config.ike)),
            "esp": ", ".join(map(str, config.esp)),
            "local_ts": ", ".join(map(str, config.local_ts)),
            "remote_ts": ", ".join(map(str, config.remote_ts)),
            "cookies": str(config.cookies),
            "own": str(config.own or "shared key"),
            "trust": str(config.trust or "shared key"),
            **config.options,
        }
        return "".join(f"{key} = {value}\n" for key, value in rows.items())

    def stop(self) -> None:
        """Forget everything."""
        self.station = None


def _view(sa: IkeSa) -> IkeView:
    peer = sa.peer_id or sa.config.remote_id
    return IkeView(
        spis=sa.spis,
        state=str(sa.state),
        initiator=sa.initiator,
        suite=sa.chosen,
        local_id=str(sa.config.local_id),
        remote_id=str(peer) if peer else "",
        nat=sa.nat,
        children=tuple(_child_view(sa, c) for c in sa.children.values()),
    )


def _child_view(sa: IkeSa, child: Child) -> ChildView:
    local, remote = (child.tsi, child.tsr) if child.made_by_us else (child.tsr, child.tsi)
    return ChildView(
        protocol=Protocol(child.protocol).name,
        spi_in=child.spi_in,
        spi_out=child.spi_out,
        suite=child.suite,
        local_ts=local,
        remote_ts=remote,
        mode=child.mode,
        encap=bool(sa.nat.initiator or sa.nat.responder),
    )
