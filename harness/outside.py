"""The rig of a gateway outside: our own sockets, the addresses of its entry, nothing else.

Nothing is sent but to the address and port that the entry names.
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

from ikelab.harness import frames, silence
from ikelab.harness.crossing import Crossing
from ikelab.harness.endpoint import Endpoint, Initiator, Responder
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import LabError
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Datagram, Identity
from ikelab.harness.peer.addresses import Side
from ikelab.harness.peer.base import Peer, Unsupported
from ikelab.harness.peer.external import Entry, ExternalPeer
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transport.udp import UdpTransport

PATIENCE = 5.0
INITIATES = 8.0  # seconds until what the gateway begins has to reach us


class OutsideRig:
    """One external gateway; a fresh pair of sockets for each test."""

    topology = "external"

    def __init__(self, entry: Entry, seed: int | None) -> None:
        self.name = entry.name
        self._seed = seed
        config = entry.config
        ours = source_address(entry)
        config = replace(config, remote_address=ours)
        if not entry.named:
            config = replace(config, remote_id=Identity.parse(ours))
        entry = self._entry = replace(entry, config=config, local=(ours, entry.local[1]))
        self._us = Side(ours, config.remote_ts)
        self._them = Side(config.local_address, config.local_ts)
        self.peer = Tested(_driver(entry), self._us, self._them)
        self.peer.fixed = config
        self._made: list[Endpoint] = []
        self._transport: _Watched | None = None
        self._folder: Path | None = None
        self._known: set[str] = set()  # the roles in which it has sent us anything in this run

    def begin(self, label: str, folder: Path | None) -> None:
        self.peer.observed.clear()
        self._folder, self._made = folder, []
        if isinstance(self.peer.driver, ExternalPeer):
            self.peer.driver.called = False
        ours, port = self._entry.local
        ports = {port, 4500} if port == 500 else {port}
        allowed = self._entry.config.local_address
        self._transport = _Watched([(ours, p) for p in sorted(ports)], allowed)
        self._entropy = entropy(self._seed, "tester", label)

    def _base(self) -> IkeConfig:
        config = self._entry.config
        return IkeConfig(
            local=self._entry.local,
            remote=(config.local_address, config.port),
            local_id=config.remote_id,
            remote_id=config.local_id,
            psk=config.psk,
            ike=config.ike,
            esp=config.esp,
            local_ts=config.remote_ts,
            remote_ts=config.local_ts,
            fragment=config.fragment,
        )

    def path(self) -> Crossing:
        """Nothing is known of the way to a gateway outside."""
        raise Unsupported("the network to a gateway outside is its own")

    def initiator(self) -> Initiator:
        assert self._transport is not None
        made = Initiator(self._transport, self._base(), self._entropy, patience=PATIENCE)
        made.spare = _one_address
        self._made.append(made)
        return made

    def responder(self) -> Responder:
        assert self._transport is not None
        made = Responder(self._transport, self._base(), self._entropy, patience=PATIENCE)
        made.spare = _one_address
        self._made.append(made)
        return made

    def sessions(self) -> list[Session]:
        return [session for endpoint in self._made for session in endpoint.sessions]

    def missing(self, role: str) -> str:
        """Why nothing is heard of the gateway in this role; empty where it is there.

        Asked while a test still has its sockets. An answer to the test, of any kind, is enough;
        where there was none to what we sent, an honest request decides.
        """
        watched = self._transport
        assert watched is not None
        by_stream = any(s.received() for s in self.sessions())
        if not watched.heard and not by_stream:
            lost = self._asked_anew(watched) if role == "responder" else self._called_anew(watched)
            if lost:
                return lost
        if watched.heard or by_stream:
            self._known.add(role)
        return ""

    def _asked_anew(self, watched: _Watched) -> str:
        """Send an honest IKE_SA_INIT to a gateway that did not answer a test."""
        before = "responder" in self._known
        # What a router is configured with changes with the test: some of it answers nobody.
        if not watched.sent or (before and self._entry.router is not None):
            return ""
        base = self._base()
        silence.ask(Initiator(watched, base, self._entropy, patience=PATIENCE))
        if watched.heard:
            return ""
        return silence.nobody(self.name, base, before=before)

    def _called_anew(self, watched: _Watched) -> str:
        """Have a gateway that sent nothing begin once more; it may be late where it did before."""
        driver = self.peer.driver
        if "initiator" in self._known or not isinstance(driver, ExternalPeer) or not driver.called:
            return ""
        try:
            driver.initiate()
        except LabError:
            return ""  # a command that fails is told of by the tests themselves
        silence.await_one(Responder(watched, self._base(), self._entropy, patience=INITIATES))
        return "" if watched.heard else silence.uncalled(self.name, self._entry.local)

    def end(self) -> None:
        if self._transport is None:
            return
        if self._folder is not None:
            start = time.time() - self._transport.clock()
            frames.write(self._folder / "capture.pcapng", self._transport.seen, start)
        self._transport.close()
        self._transport = None

    def close(self) -> None:
        self.end()
        self.peer.driver.stop()


def _driver(entry: Entry) -> Peer:
    """Who stands for the gateway: nobody but its entry, or the driver of a router."""
    if entry.router is None:
        return ExternalPeer(entry)
    from ikelab.harness.routers import open_router

    return open_router(entry.router)


class _Watched(UdpTransport):
    """UDP sockets that remember what passed, and refuse to send anywhere but to one address."""

    def __init__(self, local: list[tuple[str, int]], allowed: str) -> None:
        super().__init__(local)
        self.seen: list[Datagram] = []
        self.sent = self.heard = 0
        self._allowed = allowed

    def send(self, datagram: Datagram) -> None:
        if datagram.dst[0] != self._allowed:
            raise LabError(f"refused to send to {datagram.dst[0]}: the entry names {self._allowed}")
        self.seen.append(replace(datagram, now=self.clock()))
        self.sent += 1
        super().send(datagram)

    def receive(self, until: float) -> Datagram | None:
        datagram = super().receive(until)
        if datagram is not None:
            self.seen.append(datagram)
            self.heard += datagram.src[0] == self._allowed
        return datagram


def source_address(entry: Entry) -> str:
    """Our address towards the gateway: the entry's, or the one that the host would use."""
    ours = entry.local[0]
    if ours not in ("0.0.0.0", "::"):
        return ours
    family = socket.AF_INET6 if ":" in entry.config.local_address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing; it only asks for the route.
            probe.connect((entry.config.local_address, entry.config.port))
        except OSError as error:
            raise LabError(
                f"no route to {entry.config.local_address} of {entry.name}: {error.strerror}"
            ) from None
        return str(probe.getsockname()[0])


def _one_address() -> str:
    raise Unsupported("a case that moves needs another address of ours, and there is one")
