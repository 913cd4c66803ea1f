"""The reference peer on UDP sockets of a namespace: a thread that moves its station on."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from typing import Self

from ikelab.harness.model import NATT_PORT, Address, Datagram
from ikelab.harness.peer.reference import Station
from ikelab.harness.peer.stream_sockets import Callback, Sockets
from ikelab.harness.transport.raw import MakeSocket, RawSocket
from ikelab.harness.transport.udp import bound

IKE_PORTS = (500, 4500)
CARRIED = (50, 51)  # ESP and AH come as IP packets of their own


class UdpStation:
    """Carries one station at a time; `attach` exchanges it. On IKE's own ports ESP comes too."""

    def __init__(self, make: MakeSocket, ports: tuple[int, ...] = IKE_PORTS) -> None:
        self._make = make
        self._ports = ports
        self._lock = threading.Lock()
        self._station: Station | None = None
        self._sockets: dict[Address, socket.socket] = {}
        self._raw: dict[tuple[int, str], RawSocket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._start = time.monotonic()
        self._ended = False
        self._streams = Sockets(make, self._selector, self._opened, self._stream)
        self._thread = threading.Thread(target=self._run, daemon=True, name="reference peer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        os.write(self._wake, b"x")
        self._thread.join()
        for sock in (*self._sockets.values(), *(raw.socket for raw in self._raw.values())):
            sock.close()
        self._streams.close()
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)

    def clock(self) -> float:
        """Seconds since the sockets were made."""
        return time.monotonic() - self._start

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """For who touches the station from another thread; the thread looks again afterwards."""
        with self._lock:
            yield
        os.write(self._wake, b"x")

    def attach(self, station: Station, address: str) -> None:
        """Let this station answer at the address from now on."""
        with self.guard():
            self._station = station
            for port in self._ports:
                self._bind((address, port))
            if NATT_PORT in self._ports:
                self._streams.listen((address, NATT_PORT))
            # Raw sockets need rights that other ports than IKE's own do not ask for.
            for protocol in CARRIED if self._ports == IKE_PORTS else ():
                self._open(protocol, address)

    def _stream(self, source: Address, local: str, data: bytes) -> None:
        with self._lock:
            if self._station is None:
                return
            if data:
                self._station.stream(source, local, data, self.clock())
            else:
                self._station.streams.closed(source)

    def _opened(self, source: Address) -> None:
        with self._lock:
            if self._station is not None:
                self._station.streams.opened(source)

    def _bind(self, address: Address) -> None:
        if address not in self._sockets:
            sock = bound(address, self._make)
            self._sockets[address] = sock
            self._selector.register(sock, selectors.EVENT_READ, address)

    def _open(self, protocol: int, address: str) -> None:
        if (protocol, address) not in self._raw:
            raw = self._raw[protocol, address] = RawSocket(protocol, address, self._make)
            self._selector.register(raw.socket, selectors.EVENT_READ, raw)

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                due = self._station.timer() if self._station else None
            wait = None if due is None else max(0.0, due - self.clock())
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    os.read(self._woken, 4096)
                elif isinstance(key.data, Callback):
                    key.data()
                elif isinstance(key.data, RawSocket):
                    self._give(key.data.read(self.clock()))
                else:
                    self._read(self._sockets[key.data], key.data)
            self._tick()

    def _read(self, sock: socket.socket, local: Address) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            data, source = sock.recvfrom(65535)
            self._give(Datagram(data, (source[0], source[1]), local, self.clock()))

    def _give(self, datagram: Datagram | None) -> None:
        with self._lock:
            if self._station and datagram:
                self._station.receive(datagram, datagram.now)

    def _tick(self) -> None:
        with self._lock:
            if self._station is None:
                return
            now = self.clock()
            self._station.handle_timer(now)
            due = self._station.datagrams(now)
            self._streams.flush(self._station)
            for datagram in due:
                if raw := self._raw.get((datagram.protocol, datagram.src[0])):
                    raw.send(datagram)
                elif sock := self._sockets.get(datagram.src):
                    with contextlib.suppress(OSError):
                        sock.sendto(datagram.data, datagram.dst)
