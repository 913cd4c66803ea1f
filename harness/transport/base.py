"""What an endpoint needs of a transport: send now, wait for one datagram, tell the time."""

from __future__ import annotations

from typing import Protocol

from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.tcp import Connection


class Transport(Protocol):
    """A way for datagrams. `clock` counts seconds and may be a virtual one."""

    def clock(self) -> float:
        """The time now, in seconds from some start."""

    def send(self, datagram: Datagram) -> None:
        """Send from `datagram.src` to `datagram.dst`."""

    def receive(self, until: float) -> Datagram | None:
        """The next datagram, or None when the clock reaches `until` without one."""

    def listen(self, protocol: int, address: str) -> None:
        """Receive IP packets of this protocol at a local address too, from now on."""

    def connect(self, local: str, remote: Address) -> Connection:
        """A TCP connection (RFC 9329); ConnectionRefusedError where nobody listens."""

    def close(self) -> None:
        """Free what the transport holds. Idempotent."""
