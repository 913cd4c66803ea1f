"""Somebody between the two ends who changes what we send, and keeps what comes for a while.

Our own end does not know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ikelab.harness.endpoint import Endpoint
from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.exchange.ports import arrived, departed
from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.base import Transport
from ikelab.harness.transport.tcp import Connection

EXCHANGE, FLAGS = 18, 19  # where an IKE header has them
Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Loss:
    """A message that does not arrive: whose it is, a request or a response, of which exchange."""

    ours: bool
    response: bool
    exchange: int | None = None  # None is any

    def meets(self, kind: str, data: bytes, *, ours: bool) -> bool:
        """Whether an IKE message is such a one."""
        if kind != "ike" or len(data) <= FLAGS or ours is not self.ours:
            return False
        asked = self.exchange is None or data[EXCHANGE] == self.exchange
        return asked and bool(data[FLAGS] & RESPONSE) is self.response


class OnPath:
    """A transport whose outgoing datagrams are changed on their way; see `Transport`."""

    def __init__(self, transport: Transport, change: Change) -> None:
        self._transport = transport
        self._change = change
        self.changed = 0
        self.kept: list[Datagram] | None = None
        self._all = True
        self.late: list[Datagram] = []
        self.losses: list[Loss] = []

    def clock(self) -> float:
        return self._transport.clock()

    def send(self, datagram: Datagram) -> None:
        """Send what the change makes of it, unless it is lost."""
        if self._lost(*departed(datagram), ours=True):
            return
        data = self._change(datagram.data)
        self.changed += data != datagram.data
        self._transport.send(replace(datagram, data=data))

    def receive(self, until: float) -> Datagram | None:
        """What comes, but for what is kept; that leaves first when it is let go."""
        if self.late:
            return self.late.pop(0)
        found = self._transport.receive(until)
        if found is not None and self._lost(*arrived(found), ours=False):
            return None
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

    def lose(self, *losses: Loss) -> None:
        """Of each of these the next one is lost, once; `losses` holds those that still come."""
        self.losses += losses

    def _lost(self, kind: str, data: bytes, *, ours: bool) -> bool:
        met = next((loss for loss in self.losses if loss.meets(kind, data, ours=ours)), None)
        if met is not None:
            self.losses.remove(met)
        return met is not None

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
