"""A CHILD_SA's path on the network: which datagrams carry its packets, and whose a datagram is.

Sans-IO. ESP goes as IP protocol 50, or inside UDP on port 4500 (RFC 3948); AH as protocol 51.
"""

from __future__ import annotations

from typing import Any

from ikelab.harness.errors import ConfigError
from ikelab.harness.esp import ah
from ikelab.harness.esp.child import ChildPath, Opened
from ikelab.harness.esp.seal import Refused
from ikelab.harness.model import Address, Datagram, encapsulated
from ikelab.layers.esp import IpProtocol
from ikelab.layers.message import demux

NATT_PORT = 4500
UDP = int(IpProtocol.UDP)


class Tunnel:
    """Both ends of a path. `encap`: what we send goes inside UDP, from port 4500 unless told.

    What comes is taken in either form (RFC 7296 2.23). `opened` and `refused` keep what came.
    """

    def __init__(self, path: ChildPath, *, encap: bool, ports: tuple[int, int] = (0, 0)) -> None:
        self.path = path
        self.encap = encap
        self.ports = ports
        self.moves = 0  # of its IKE SA, that it has followed
        self.opened: list[tuple[Opened, Datagram]] = []
        self.refused: list[Refused] = []
        self.echoes = 0  # requests made so far
        if encap and path.protocol == IpProtocol.AH:
            raise ConfigError("AH covers the addresses: it cannot go through UDP (RFC 3948 1)")

    def follow(self, local: Address, remote: Address, moves: int, encap: bool) -> None:
        """Go where the IKE SA went (RFC 4555 3.5), once for each of its `moves`."""
        if moves == self.moves:
            return
        self.moves, self.encap = moves, encap and self.path.protocol == IpProtocol.ESP
        self.path.local, self.path.remote = local[0], remote[0]
        self.ports = (local[1], remote[1])

    @property
    def spi_in(self) -> bytes:
        """The SPI of what comes to us."""
        return self.path.child.spi_in

    @property
    def arrived(self) -> int:
        """How many packets came for this child, taken or not."""
        return len(self.opened) + len(self.refused)

    def send(self, inner: bytes, now: float = 0.0, **crafted: Any) -> Datagram:
        """The datagram that carries an inner packet; words as in `ChildPath.wrap`."""
        return self.carry(self.path.wrap(inner, **crafted), now)

    def carry(self, sealed: bytes, now: float = 0.0) -> Datagram:
        """The datagram for octets that are sealed already, or were never."""
        local, remote = self.path.local, self.path.remote
        if not self.encap:
            protocol = int(self.path.protocol)
            return Datagram(sealed, (local, 0), (remote, 0), now, protocol)
        ours, theirs = (port if port not in (0, 500) else NATT_PORT for port in self.ports)
        return Datagram(sealed, (local, ours), (remote, theirs), now)

    def take(self, datagram: Datagram) -> Opened | None:
        """Open what came; None where it is refused."""
        try:
            found = self.path.open(datagram.data)
        except Refused as refused:
            self.refused.append(refused)
            return None
        self.opened.append((found, datagram))
        return found


def spi_of(datagram: Datagram) -> bytes | None:
    """The SPI of a datagram that carries ESP or AH; None for every other one."""
    data = datagram.data
    if datagram.protocol == IpProtocol.ESP:
        return data[:4] if len(data) >= 8 else None
    if datagram.protocol == IpProtocol.AH:
        try:
            start = ah.where(data)
        except Refused:
            return None
        return data[start + 4 : start + 8]
    if datagram.protocol == IpProtocol.UDP and encapsulated(datagram.dst, datagram.src):
        return data[:4] if demux(data, NATT_PORT)[0] == "esp" else None
    return None
