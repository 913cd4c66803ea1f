"""Raw IP sockets for what UDP does not carry: ESP, AH, and packets in clear that should not be.

A `RawSocket` takes one protocol at one local address, and gives and takes `Datagram`s of it.
"""

from __future__ import annotations

import errno
import socket
from typing import Protocol

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.model import Datagram

AH = 51
_AH_OFF = 40  # octets of an IPv6 header


class MakeSocket(Protocol):
    """(family, type, protocol) -> a socket; a namespace's host gives its own."""

    def __call__(self, family: int, kind: int, proto: int = 0, /) -> socket.socket: ...


class RawSocket:
    """ConfigError where raw sockets are not allowed."""

    def __init__(self, protocol: int, address: str, make: MakeSocket = socket.socket) -> None:
        self.protocol, self.address = protocol, address
        self._v6 = ":" in address
        family = socket.AF_INET6 if self._v6 else socket.AF_INET
        try:
            self.socket = make(family, socket.SOCK_RAW, protocol)
        except PermissionError:
            raise ConfigError(
                f"no right to open a raw socket for IP protocol {protocol}: run as root"
            ) from None
        self.socket.setblocking(False)
        try:
            self.socket.bind((address, 0))
            if protocol == AH and not self._v6:
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        except OSError as error:
            self.socket.close()
            raise ConfigError(f"cannot bind {address}: {error.strerror}") from None

    def send(self, datagram: Datagram) -> None:
        """Send to the datagram's destination; AH is a whole packet, and its header is ours."""
        data = datagram.data
        if self.protocol == AH and self._v6:
            # The kernel's header has the same fields where AH looks at them.
            data = data[_AH_OFF:]
        try:
            self.socket.sendto(data, (datagram.dst[0], 0))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EPROTO):
                reason = f"cannot send to {datagram.dst[0]}: {error.strerror}"
                raise LabError(reason) from None

    def read(self, now: float) -> Datagram | None:
        """What has come; None where there is nothing, or an ICMP error."""
        try:
            data, source = self.socket.recvfrom(65535)
        except OSError:
            return None
        src = source[0].partition("%")[0]
        if self._v6 and self.protocol == AH:
            head = b"\x60\0\0\0" + len(data).to_bytes(2, "big") + bytes([AH, 64])
            data = head + _packed(src) + _packed(self.address) + data
        elif not self._v6 and self.protocol != AH:
            data = data[(data[0] & 15) * 4 :]
        return Datagram(data, (src, 0), (self.address, 0), now, self.protocol)

    def close(self) -> None:
        """Free the socket."""
        self.socket.close()


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address)
