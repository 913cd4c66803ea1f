"""Somebody between the two ends who changes what we send: our own end does not know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ikelab.harness.endpoint import Endpoint
from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.base import Transport
from ikelab.harness.transport.tcp import Connection

Change = Callable[[bytes], bytes]


class OnPath:
    """A transport whose outgoing datagrams are changed on their way; see `Transport`."""

    def __init__(self, transport: Transport, change: Change) -> None:
        self._transport = transport
        self._change = change
        self.changed = 0

    def clock(self) -> float:
        return self._transport.clock()

    def send(self, datagram: Datagram) -> None:
        """Send what the change makes of it."""
        data = self._change(datagram.data)
        self.changed += data != datagram.data
        self._transport.send(replace(datagram, data=data))

    def receive(self, until: float) -> Datagram | None:
        return self._transport.receive(until)

    def listen(self, protocol: int, address: str) -> None:
        self._transport.listen(protocol, address)

    def connect(self, local: str, remote: Address) -> Connection:
        return self._transport.connect(local, remote)

    def close(self) -> None:
        self._transport.close()


def meddle(end: Endpoint, change: Change) -> OnPath:
    """Put somebody on the path of what an end sends from now on."""
    made = OnPath(end.transport, change)
    end.transport = made
    return made
