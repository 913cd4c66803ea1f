"""A peer under test, the network between it and us, and our endpoints: all that a test case needs.

A rig lives for a run; `begin` and `end` enclose one test. In memory for the reference peer, in
network namespaces for daemons (and for the reference peer, where asked to).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ikelab.harness import frames
from ikelab.harness.crossing import Crossing
from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Endpoint, Initiator, Responder
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Datagram, Suite, selectors
from ikelab.harness.peer import external
from ikelab.harness.peer.addresses import V4, Side
from ikelab.harness.peer.base import Peer, Unsupported
from ikelab.harness.peer.external import Entry
from ikelab.harness.peer.faults import Fault
from ikelab.harness.peer.reference import ReferencePeer
from ikelab.harness.session import Session
from ikelab.harness.tested import ESP, IKE, PSK, Tested
from ikelab.harness.transport.base import Transport
from ikelab.harness.transport.memory import MemoryNet
from ikelab.harness.transport.udp import UdpTransport
from ikelab.netns.scratch import Scratch
from ikelab.netns.topology import INITIATOR, RESPONDER, Topology
from ikelab.netns.topology import TOPOLOGIES as NETWORKS

if TYPE_CHECKING:
    from ikelab.netns.capture import Capture

REFERENCE = "reference"
SPARE, ELSEWHERE = "10.0.0.3", "10.0.0.4"
"""Addresses that we and the peer may move to, in the network of the others."""
MEMORY = "memory"
TOPOLOGIES = (MEMORY, *NETWORKS)

# Seconds that a real peer may take for an answer. In a guest kernel everything takes its time, and
# the first child more than that: the kernel asks for its modules one by one.
PATIENCE, PACE = (15.0, 3.0) if "IKELAB_GUEST" in os.environ else (2.5, 1.0)
REPEATED = tuple(PACE * seconds for seconds in (1.0, 2.0))  # when a request of ours is sent again


@dataclass(frozen=True, slots=True)
class Settings:
    """What the run was asked for."""

    topology: str = ""
    seed: int | None = None
    fault: Fault | None = None
    version: str = ""
    outside: Mapping[str, Entry] = field(default_factory=dict)  # gateways of the user's file


class Rig(Protocol):
    """One peer's place in a run."""

    name: str
    topology: str
    peer: Tested

    def begin(self, label: str, folder: Path | None) -> None:
        """Get ready for a test; `folder` is where its capture goes."""

    def initiator(self) -> Initiator:
        """Our endpoint as initiator."""

    def responder(self) -> Responder:
        """Our endpoint as responder."""

    def path(self) -> Crossing:
        """The network between the peer and us."""

    def sessions(self) -> list[Session]:
        """Every session of the test."""

    def end(self) -> None:
        """Finish the test: capture written, transport closed."""

    def close(self) -> None:
        """End the peer and the network."""


def topology_of(peer: str, settings: Settings) -> str:
    """The network that a peer is met in: the one asked for, or the one that suits it."""
    if peer in settings.outside:
        return "external"
    return settings.topology or ("memory" if peer == REFERENCE else "direct")


def needs_world(peers: Iterable[str], settings: Settings) -> bool:
    """Whether the peers are met in network namespaces, and so in a private world."""
    where = {topology_of(peer, settings) for peer in peers} - {"memory"}
    if "external" in where and len(where) > 1:
        raise ConfigError("a gateway outside and a daemon in a namespace need a run each")
    return bool(where - {"external"})


def check(peer: str, settings: Settings) -> None:
    """ConfigError for what cannot be, before anything is made: a peer, a topology, a fault."""
    from ikelab.harness.peer import registry

    topology = topology_of(peer, settings)
    if topology == "external":
        return
    if topology not in TOPOLOGIES:
        hint = nearest(topology, TOPOLOGIES) or f"; there are {', '.join(TOPOLOGIES)}"
        raise ConfigError(f"unknown topology {topology!r}{hint}")
    if peer == REFERENCE:
        return
    if not registry.daemon(peer):
        raise ConfigError(external.absent(peer, settings.outside))
    registry.driver(peer)
    if topology == "memory":
        raise ConfigError(f"{peer} is a process: it needs a topology other than 'memory'")
    if settings.fault:
        raise ConfigError("faults can be planted only in the reference peer")


def open_rig(peer: str, settings: Settings, topology: str = "", role: str = "") -> Rig:
    """The rig of a peer by name; ConfigError for what `check` refuses.

    `topology` is the network of the tests that are to come, where that is not the run's; `role` the
    peer's role in them, where it matters who is at which end.
    """
    check(peer, settings)
    topology = topology or topology_of(peer, settings)
    if topology == "external":
        from ikelab.harness.outside import OutsideRig

        return OutsideRig(settings.outside[peer], settings.seed)
    if topology == MEMORY:
        return MemoryRig(settings)
    return NamespaceRig(peer, NETWORKS[topology], settings, role or RESPONDER)


@dataclass
class _Endpoints:
    """Our endpoints of one test, made when asked for."""

    us: Side
    them: Side
    transport: Transport
    entropy: Any
    patience: float
    needs: Callable[[str], None] = lambda _: None
    children: bool = True
    esp: tuple[Suite, ...] = ESP
    spare: Callable[[], str] = lambda: SPARE
    made: list[Endpoint] = field(default_factory=list)

    def base(self) -> IkeConfig:
        return IkeConfig(
            local=(self.us.address, 500),
            remote=(self.them.address, 500),
            local_id=self.us.identity,
            remote_id=self.them.identity,
            psk=PSK,
            ike=IKE,
            esp=self.esp,
            local_ts=self.us.subnet,
            remote_ts=self.them.subnet,
            plan=Plan(),
            retransmit=REPEATED,
            # Who cannot install a child may drop its IKE SA over one: as responder we give none.
            most_children=1000 if self.children else 0,
        )

    def initiator(self) -> Initiator:
        made = Initiator(
            self.transport, self.base(), self.entropy, patience=self.patience, needs=self.needs
        )
        made.spare, made.pace = self.spare, PACE
        self.made.append(made)
        return made

    def responder(self) -> Responder:
        made = Responder(
            self.transport, self.base(), self.entropy, patience=self.patience, needs=self.needs
        )
        made.spare, made.pace = self.spare, PACE
        self.made.append(made)
        return made

    def sessions(self) -> list[Session]:
        ends = [end for made in self.made for end in (made, *made.beside)]
        return [session for end in ends for session in end.sessions]


class MemoryRig:
    """The reference peer in memory, with a virtual clock: a new network for each test."""

    name = REFERENCE
    topology = "memory"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._us, self._them = V4
        self._datagrams: list[Datagram] = []
        self._folder: Path | None = None
        self.begin("", None)

    def begin(self, label: str, folder: Path | None) -> None:
        seed = self._settings.seed
        self._folder, self._datagrams = folder, []
        self._start = 0.0 if seed is not None else time.time()
        net = MemoryNet(tap=self._datagrams.append)
        driver = ReferencePeer(
            self._settings.version,
            entropy(seed, "peer", label),
            lambda station, address: net.attach(address, station),
            net.clock,
            self._settings.fault,
        )
        self.peer = Tested(driver, self._us, self._them)
        self.peer.mover = partial(driver.roam, ELSEWHERE)
        own = entropy(seed, "tester", label)
        self._ends = _Endpoints(self._us, self._them, net, own, 20.0, self.peer.needs)

    def initiator(self) -> Initiator:
        return self._ends.initiator()

    def responder(self) -> Responder:
        return self._ends.responder()

    def path(self) -> Crossing:
        raise Unsupported("the network in memory has neither NAT nor losses")

    def sessions(self) -> list[Session]:
        return self._ends.sessions()

    def end(self) -> None:
        if self._folder is not None:
            frames.write(self._folder / "capture.pcapng", self._datagrams, self._start)

    def close(self) -> None:
        """Nothing is held."""


class NamespaceRig:
    """A peer in a namespace of its own, UDP between us, every link captured.

    In a topology that is uneven the peer stands at the node of its role, and we at the other one.
    """

    def __init__(self, peer: str, plan: Topology, settings: Settings, role: str) -> None:
        from ikelab.netns.lab import Lab

        self.name, self.topology = peer, plan.name
        self._settings = settings
        self._there = role if plan.uneven else RESPONDER
        self._here = INITIATOR if self._there == RESPONDER else RESPONDER
        self._stack = contextlib.ExitStack()
        self._test = contextlib.ExitStack()
        with contextlib.ExitStack() as building:
            self.lab = building.enter_context(Lab(plan))
            folder = building.enter_context(Scratch()).path
            driver = self._driver(folder, building)
            self._stack = building.pop_all()
        us, them = _side(plan, self._here, seen=True), _side(plan, self._there)
        self.peer = Tested(driver, us, them)

    def _driver(self, folder: Path, stack: contextlib.ExitStack) -> Peer:
        host = self.lab.host(self._there)
        if self.name == REFERENCE:
            from ikelab.harness.peer.serve import UdpStation

            served = stack.enter_context(UdpStation(host.socket))
            driver: Peer = ReferencePeer(
                self._settings.version,
                entropy(self._settings.seed, "peer"),
                served.attach,
                served.clock,
                self._settings.fault,
                served.guard,
            )
        else:
            from ikelab.harness.peer import registry

            driver = registry.open_peer(self.name, host, folder)
        stack.callback(driver.stop)
        return driver

    def begin(self, label: str, folder: Path | None) -> None:
        self.peer.observed.clear()
        self.peer.mover = self._roam
        self._entropy = entropy(self._settings.seed, "tester", label)
        for router in self.lab.routers.values():
            router.reset()
        captures = self._captures(folder) if folder is not None else {}
        self._crossing = Crossing(self.lab, captures, self._initiator_at)
        self._others: list[_Endpoints] = []
        self._ends = self._endpoints(self._here)

    def _captures(self, folder: Path) -> dict[str, Capture]:
        """One file of each link; `capture.pcapng` is what our own end sees."""
        plan, found = self.lab.topology, {}
        for link in plan.links:
            near = self._here in (link.a.node, link.b.node)
            name = "capture" if near else f"capture-{link.name}"
            place = folder / f"{name}.pcapng"
            made = self.lab.capture(place, [link.name], keep=not plan.plain)
            self._test.callback(made.stop)
            found[link.name] = made
        return found

    def _endpoints(self, node: str) -> _Endpoints:
        """Our side of a test at one node."""
        plan, peer = self.lab.topology, self.peer
        local = _side(plan, node)
        ports = [(local.address, port) for port in (500, 4500)]
        transport = UdpTransport(ports, self.lab.host(node).socket)
        self._test.callback(transport.close)
        self._bound = transport
        return _Endpoints(
            local,
            _side(plan, self._there, seen=True),
            transport,
            self._entropy,
            PATIENCE,
            peer.needs,
            "child" in peer.capabilities,
            peer.esp,
            self._spare,
        )

    def _spare(self) -> str:
        """Another address of ours, for as long as the test runs."""
        self._only_direct()
        self.lab.readdress(self._here, add=f"{SPARE}/25")
        self._test.callback(self.lab.readdress, self._here, drop=f"{SPARE}/25")
        self._bound.open(SPARE)
        return SPARE

    def _roam(self) -> None:
        """The peer's host has another address from now on, until the test is over.

        And a default route, by which some look for an address: RFC 4555 3.5 leaves the choice open.
        """
        self._only_direct()
        via = self.lab.topology.address(self._here)
        self.lab.default_route(self._there, via)
        self._test.callback(self.lab.default_route, self._there, via, gone=True)
        old = next(str(i) for i in self.lab.host(self._there).interfaces if i.version == 4)
        self.lab.readdress(self._there, add=f"{ELSEWHERE}/25")
        self._test.callback(self.lab.readdress, self._there, drop=f"{ELSEWHERE}/25")
        if isinstance(self.peer.driver, ReferencePeer):
            self.peer.driver.roam(ELSEWHERE)
            return
        self.lab.readdress(self._there, drop=old)
        self._test.callback(self.lab.readdress, self._there, add=old)

    def _only_direct(self) -> None:
        if self.topology != "direct":
            raise Unsupported("addresses change in the topology 'direct' only")

    def _initiator_at(self, node: str) -> Initiator:
        made = self._endpoints(node)
        self._others.append(made)
        return made.initiator()

    def initiator(self) -> Initiator:
        return self._ends.initiator()

    def responder(self) -> Responder:
        return self._ends.responder()

    def path(self) -> Crossing:
        return self._crossing

    def sessions(self) -> list[Session]:
        return [s for ends in (self._ends, *self._others) for s in ends.sessions()]

    def end(self) -> None:
        self._test.close()

    def close(self) -> None:
        self._stack.close()


def _side(plan: Topology, node: str, *, seen: bool = False) -> Side:
    """A node as it is, or as the other end knows it; its identity is its own address."""
    own = plan.address(node)
    return Side(plan.seen_as(node) if seen else own, selectors(plan.subnet(node)), own)


@contextlib.contextmanager
def rig(peer: str, settings: Settings) -> Iterator[Rig]:
    """A rig for as long as the block runs."""
    made = open_rig(peer, settings)
    try:
        yield made
    finally:
        made.close()
