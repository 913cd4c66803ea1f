"""TCP sockets of the reference peer: accepted, read and written by the thread that serves it."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Address
from ikelab.harness.transport.raw import MakeSocket

if TYPE_CHECKING:
    from ikelab.harness.peer.reference import Station


class Callback:
    """What to do when a socket has something."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __call__(self) -> None:
        self._function()


class Sockets:
    """Listening sockets and connections; `opened` and `came` are told of what happens."""

    def __init__(
        self,
        make: MakeSocket,
        selector: selectors.BaseSelector,
        opened: Callable[[Address], None],
        came: Callable[[Address, str, bytes], None],
    ) -> None:
        self._make, self._selector = make, selector
        self._opened, self._came = opened, came
        self._listening: dict[Address, socket.socket] = {}
        self._connected: dict[Address, socket.socket] = {}

    def listen(self, address: Address) -> None:
        """Accept connections at an address, once."""
        if address in self._listening:
            return
        made = self._make(socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
                          socket.SOCK_STREAM)  # fmt: skip
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError as error:
            made.close()
            raise ConfigError(f"TCP port {address[1]} of {address[0]}: {error.strerror}") from None
        made.listen()
        made.setblocking(False)
        self._listening[address] = made
        self._selector.register(
            made, selectors.EVENT_READ, Callback(lambda: self._accept(made, address[0]))
        )

    def _accept(self, listening: socket.socket, local: str) -> None:
        with contextlib.suppress(BlockingIOError):
            made, found = listening.accept()
            made.setblocking(True)
            source = (found[0], found[1])
            self._connected[source] = made
            self._opened(source)
            self._selector.register(
                made, selectors.EVENT_READ, Callback(lambda: self._read(source, local))
            )

    def _read(self, source: Address, local: str) -> None:
        sock = self._connected.get(source)
        if sock is None:
            return
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        self._came(source, local, data)
        if not data:
            self._drop(source)

    def flush(self, station: Station) -> None:
        """Send what is due, close what the station has given up."""
        for source, sock in list(self._connected.items()):
            with contextlib.suppress(OSError):
                if data := station.streams.due(source):
                    sock.sendall(data)
            if not station.streams.is_open(source):
                self._drop(source)

    def _drop(self, source: Address) -> None:
        sock = self._connected.pop(source, None)
        if sock is not None:
            self._selector.unregister(sock)
            sock.close()

    def close(self) -> None:
        """Close everything."""
        for source in list(self._connected):
            self._drop(source)
        for sock in self._listening.values():
            self._selector.unregister(sock)
            sock.close()
