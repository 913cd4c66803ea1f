"""Somebody between the two ends who changes what we send, and keeps what comes for a while.

Our own end does not know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ikelab.harness.endpoint import Endpoint
from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.base import Transport
from ikelab.harness.transport.tcp import Connection

FLAGS = 19  # where an IKE header has them
Change = Callable[[bytes], bytes]


class OnPath:
    """A transport whose outgoing datagrams are changed on their way; see `Transport`."""

    def __init__(self, transport: Transport, change: Change) -> None:
        self._transport = transport
        self._change = change
        self.changed = 0
        self.kept: list[Datagram] | None = None
        self._all = True
        self.late: list[Datagram] = []

    def clock(self) -> float:
        return self._transport.clock()

    def send(self, datagram: Datagram) -> None:
        """Send what the change makes of it."""
        data = self._change(datagram.data)
        self.changed += data != datagram.data
        self._transport.send(replace(datagram, data=data))

    def receive(self, until: float) -> Datagram | None:
        """What comes, but for what is kept; that leaves first when it is let go."""
        if self.late:
            return self.late.pop(0)
        found = self._transport.receive(until)
        if self.kept is None or found is None or not (self._all or _is_request(found)):
            return found
        self.kept.append(found)
        return None

    def keep(self, *, requests_only: bool = False) -> None:
        """Deliver nothing from now on of what comes for us, or no requests."""
        self.kept, self._all = [], not requests_only

    def let_go(self) -> None:
        """Deliver what was kept, and all that comes after it."""
        self.late, self.kept = self.kept or [], None

    def listen(self, protocol: int, address: str) -> None:
        self._transport.listen(protocol, address)

    def connect(self, local: str, remote: Address) -> Connection:
        return self._transport.connect(local, remote)

    def close(self) -> None:
        self._transport.close()


def _is_request(datagram: Datagram) -> bool:
    kind, data = arrived(datagram)
    return kind == "ike" and len(data) > FLAGS and not data[FLAGS] & RESPONSE


def meddle(end: Endpoint, change: Change = lambda data: data) -> OnPath:
    """Put somebody on the path of an end, for what it sends and what comes from now on."""
    made = OnPath(end.transport, change)
    end.transport = made
    return made
