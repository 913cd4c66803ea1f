"""UDP sockets, those of a namespace or of the host; the only room of the engine that opens any."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.model import IKE_PORT, NATT_PORT, Address, Datagram
from ikelab.harness.transport.raw import MakeSocket, RawSocket
from ikelab.harness.transport.tcp import TcpSocket

UDP = 17
AT_ONCE = 32
"""How many datagrams of a socket are read before somebody looks at them."""


def bound(address: Address, make: MakeSocket = socket.socket) -> socket.socket:
    """A non-blocking socket at this address; ConfigError where the port is taken."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = make(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"UDP port {address[1]} of {address[0]} is in use: stop the IKE daemon there"
            ) from None
        raise ConfigError(f"cannot bind {address[0]}:{address[1]}: {error.strerror}") from None
    return sock


class UdpTransport:
    """Sockets bound to the local addresses that an endpoint sends from.

    Addresses are numeric. Datagrams go only to where the endpoint sends them.
    """

    def __init__(self, local: Iterable[Address], make: MakeSocket = socket.socket) -> None:
        self._make = make
        self._sockets: dict[Address, socket.socket] = {}
        self._raw: dict[tuple[int, str], RawSocket] = {}
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[Datagram] = deque()
        self._connections: list[TcpSocket] = []
        self._start = time.monotonic()
        for address in local:
            self._bind(address)

    def clock(self) -> float:
        return time.monotonic() - self._start

    def send(self, datagram: Datagram) -> None:
        if datagram.protocol != UDP:
            self.listen(datagram.protocol, datagram.src[0])
            self._raw[datagram.protocol, datagram.src[0]].send(datagram)
            return
        if datagram.src not in self._sockets:
            self._bind(datagram.src)
        try:
            self._sockets[datagram.src].sendto(datagram.data, datagram.dst)
        except OSError as error:
            # An ICMP error of an earlier datagram is reported here; it is not about this one.
            if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH):
                raise LabError(f"cannot send to {datagram.dst[0]}: {error.strerror}") from None

    def receive(self, until: float) -> Datagram | None:
        while not self._inbox:
            left = until - self.clock()
            ready = self._selector.select(max(left, 0.0))
            for key, _ in ready:
                if isinstance(key.data, RawSocket):
                    self._inbox.extend(filter(None, [key.data.read(self.clock())]))
                else:
                    self._read(self._sockets[key.data], key.data)
            if not ready and left <= 0:
                return None
        return self._inbox.popleft()

    def listen(self, protocol: int, address: str) -> None:
        if (protocol, address) not in self._raw:
            made = self._raw[protocol, address] = RawSocket(protocol, address, self._make)
            self._selector.register(made.socket, selectors.EVENT_READ, made)

    def connect(self, local: str, remote: Address) -> TcpSocket:
        """A TCP connection (RFC 9329); ConnectionRefusedError where nobody listens."""
        made = TcpSocket(local, remote, self._make, self._start)
        self._connections.append(made)
        return made

    def open(self, address: str) -> None:
        """Receive at another address of ours too, on IKE's ports."""
        for port in (IKE_PORT, NATT_PORT):
            if (address, port) not in self._sockets:
                self._bind((address, port))

    def close(self) -> None:
        for sock in (*self._sockets.values(), *(raw.socket for raw in self._raw.values())):
            self._selector.unregister(sock)
            sock.close()
        for connection in self._connections:
            connection.close()
        self._sockets.clear()
        self._raw.clear()
        self._selector.close()

    def _bind(self, address: Address) -> None:
        sock = bound(address, self._make)
        self._sockets[address] = sock
        self._selector.register(sock, selectors.EVENT_READ, address)

    def _read(self, sock: socket.socket, local: Address) -> None:
        """Take what has come, some of it: a flood must not keep the caller from its work."""
        for _ in range(AT_ONCE):
            try:
                data, source = sock.recvfrom(65535)
            except OSError:  # nothing more, or an ICMP error: silence is what the endpoint sees
                return
            self._inbox.append(Datagram(data, (source[0], source[1]), local, self.clock()))
