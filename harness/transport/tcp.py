"""IKE and ESP in a TCP stream (RFC 9329): frames in octets, and a transport over one connection.

`Deframer` and `frame` are pure. A `Connection` is a socket or its likeness in memory.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Protocol

from ikelab.harness.errors import LabError
from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.raw import MakeSocket

PREFIX = b"IKETCP"  # 4: what a stream begins with, once, from who opened it
LEAST = 2  # octets that a Length field counts at least: its own
MOST = 0xFFFF
UDP = 17


def frame(payload: bytes) -> bytes:
    """A payload behind its Length field, which counts itself (3)."""
    if len(payload) + LEAST > MOST:
        raise LabError(f"{len(payload)} octets do not fit into a frame of RFC 9329")
    return (len(payload) + LEAST).to_bytes(2, "big") + payload


class Deframer:
    """Cuts a stream into payloads, however it was cut on its way. `prefix`: who opened it sends us.

    `broken` says why nothing more can be made of the stream; the connection has to be closed then.
    """

    def __init__(self, *, prefix: bool, strict: bool = True) -> None:
        self.broken = ""
        self._prefix = prefix
        self._strict = strict  # False is a fault: any prefix will do
        self._data = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are whole with these octets."""
        self._data += data
        found: list[bytes] = []
        if self.broken or not self._began():
            return found
        while len(self._data) >= LEAST:
            length = int.from_bytes(self._data[:2], "big")
            if length < LEAST:
                self.broken = f"a Length of {length}"
                break
            if len(self._data) < length:
                break
            found.append(self._data[LEAST:length])
            self._data = self._data[length:]
        return found

    def _began(self) -> bool:
        """Whether the prefix is there and gone."""
        if not self._prefix:
            return True
        head = self._data[: len(PREFIX)]
        if self._strict and head != PREFIX[: len(head)]:
            self.broken = f"the stream begins with {head!r}"
            return False
        if len(head) < len(PREFIX):
            return False
        self._data, self._prefix = self._data[len(PREFIX) :], False
        return True


class Connection(Protocol):
    """One end of a TCP connection: octets in and out."""

    local: Address
    remote: Address  # port 4500, or another one that the peer listens at

    def send(self, data: bytes) -> bool:
        """Send octets, in a segment of their own where that can be; False where it is closed."""

    def receive(self, until: float) -> bytes | None:
        """The octets that came next, b"" where the peer closed, None where nothing came in time."""

    def clock(self) -> float:
        """The time, as a transport's."""

    def pause(self, until: float) -> None:
        """Let time pass: nothing can come any more."""

    def close(self) -> None:
        """Let go. Idempotent."""


class TcpTransport:
    """Carries datagrams of port 4500 over a connection that we opened; see `Transport`.

    The prefix goes before the first of them. `closed` tells that the peer has ended it.
    """

    def __init__(self, connection: Connection, *, prefix: bytes = PREFIX) -> None:
        self.connection = connection
        self.closed = False
        self._prefix = prefix
        self._deframer = Deframer(prefix=False)
        self._inbox: deque[bytes] = deque()

    def clock(self) -> float:
        return self.connection.clock()

    def said(self) -> None:
        """The prefix has been sent already, or something in its place."""
        self._prefix = b""

    def send(self, datagram: Datagram) -> None:
        data, self._prefix = self._prefix + frame(datagram.data), b""
        if not self.connection.send(data):
            self.closed = True

    def receive(self, until: float) -> Datagram | None:
        while not self._inbox:
            if self.closed:
                self.connection.pause(until)
                return None
            data = self.connection.receive(until)
            if data is None:
                return None
            self._inbox.extend(self._deframer.feed(data))
            self.closed = not data or bool(self._deframer.broken)
        ends = self.connection
        return Datagram(self._inbox.popleft(), ends.remote, ends.local, self.clock())

    def listen(self, protocol: int, address: str) -> None:
        """ESP comes in the stream."""

    def connect(self, local: str, remote: Address) -> Connection:
        """A stream has no streams in it."""
        raise ConnectionRefusedError("a connection in a connection")

    def close(self) -> None:
        self.connection.close()


class TcpSocket:
    """A connection of the kernel's. `start` is when the clock of its endpoint began."""

    def __init__(
        self, local: str, remote: Address, make: MakeSocket = socket.socket, start: float = 0.0
    ) -> None:
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        self._socket = make(family, socket.SOCK_STREAM)
        self._start = start
        self.remote = remote
        self._socket.settimeout(5.0)
        try:
            self._socket.bind((local, 0))
            self._socket.connect(remote)
        except OSError as error:
            self._socket.close()
            raise ConnectionRefusedError(f"TCP port {remote[1]} of {remote[0]}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = (local, int(self._socket.getsockname()[1]))

    def clock(self) -> float:
        return time.monotonic() - self._start

    def send(self, data: bytes) -> bool:
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def receive(self, until: float) -> bytes | None:
        self._socket.settimeout(max(until - self.clock(), 0.001))
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def pause(self, until: float) -> None:
        time.sleep(max(until - self.clock(), 0.0))

    def close(self) -> None:
        self._socket.close()
