"""A reference peer in a process of its own on the loopback, with hooks that end, stop and swell it.

A vendor ID says which hook: what a test puts into a message is the case that did it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Datagram, Identity
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import PeerConfig
from ikelab.harness.peer.reference import ReferencePeer, Station
from ikelab.harness.peer.serve import UdpStation
from ikelab.harness.tested import Tested
from ikelab.harness.transport.udp import UdpTransport

LOOPBACK = "127.0.0.1"
KILL, STOP, SWELL = b"hook: kill", b"hook: stop", b"hook: swell"
OCTETS = 4 << 20


class Hooked(Station):
    """A station that does to its process what a message asks for."""

    held: list[bytes] = []

    def receive(self, datagram: Datagram, now: float) -> None:
        if KILL in datagram.data:
            os.kill(os.getpid(), signal.SIGKILL)
        elif STOP in datagram.data:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif SWELL in datagram.data:
            self.held.append(os.urandom(1) * OCTETS)
        super().receive(datagram, now)


def serve(config: PeerConfig, ready: Any, done: Any) -> None:
    with UdpStation(socket.socket, (config.port,)) as served:

        def attach(station: Station, address: str) -> None:
            served.attach(Hooked(station.listener.config, os.urandom), address)

        ReferencePeer("process", os.urandom, attach, served.clock).start(config)
        ready.set()
        done.wait()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


class ProcessPeer:
    """Implements what a rig asks of `Peer`."""

    name, version = "process", "1"
    capabilities = frozenset({"responder", "child", "cookies"})

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("fork")
        self._process: Any = None

    def start(self, config: PeerConfig) -> None:
        self.stop()
        ready, self._done = self._context.Event(), self._context.Event()
        self._process = self._context.Process(
            target=serve, args=(config, ready, self._done), daemon=True
        )
        self._process.start()
        assert ready.wait(20)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def log(self) -> str:
        return ""

    def config_text(self) -> str:
        return ""


class ProcessRig:
    """Our endpoint and the process, both on the loopback."""

    name, topology = "process", "loopback"

    def __init__(self) -> None:
        us, them = V4
        here, there = replace(us, address=LOOPBACK), replace(them, address=LOOPBACK)
        self.peer = Tested(ProcessPeer(), here, there)
        self._port = free_port()
        self.peer.fixed = replace(
            self.peer.defaults(), port=self._port, local_id=Identity.parse("10.0.0.2"),
            remote_id=Identity.parse("10.0.0.1"),
        )  # fmt: skip
        self._transport: UdpTransport | None = None

    def begin(self, label: str, folder: Path | None) -> None:
        del label, folder
        self._local = (LOOPBACK, free_port())
        self._transport = UdpTransport([self._local])

    def initiator(self) -> Initiator:
        fixed = self.peer.fixed
        assert fixed is not None and self._transport is not None
        base = IkeConfig(
            local=self._local, remote=(LOOPBACK, self._port), local_id=fixed.remote_id,
            remote_id=fixed.local_id, psk=fixed.psk, ike=fixed.ike, esp=fixed.esp,
            local_ts=fixed.remote_ts, remote_ts=fixed.local_ts, nat_detection=False,
        )  # fmt: skip
        return Initiator(self._transport, base, os.urandom)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def close(self) -> None:
        self.end()
        self.peer.driver.stop()


@contextlib.contextmanager
def process_rig() -> Iterator[ProcessRig]:
    made = ProcessRig()
    try:
        yield made
    finally:
        made.close()
