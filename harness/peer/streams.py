"""The reference peer's end of TCP connections (RFC 9329): streams in, datagrams out, and back.

Sans-IO: who owns the sockets (or their likeness in memory) feeds octets and takes what is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ikelab.harness.exchange.config import Conduct
from ikelab.harness.model import NATT_PORT, Address, Datagram
from ikelab.harness.transport.tcp import Deframer, frame


@dataclass(slots=True)
class _Stream:
    deframer: Deframer
    out: bytearray = field(default_factory=bytearray)


class Streams:
    """Every connection that is open, by the address that it comes from."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._open: dict[Address, _Stream] = {}
        self.stuck = False  # by a planted fault

    def opened(self, source: Address) -> None:
        """A new connection."""
        strict = self._conduct.check_tcp_prefix
        self._open[source] = _Stream(Deframer(prefix=True, strict=strict))

    def feed(self, source: Address, local: str, data: bytes, now: float) -> list[Datagram]:
        """What octets of a connection carry; a stream that is broken is closed (RFC 9329 3)."""
        stream = self._open.get(source)
        if stream is None or self.stuck:
            return []
        if not self._conduct.join_segments and not _whole(stream, data):
            return []
        payloads = stream.deframer.feed(data)
        if stream.deframer.broken:
            del self._open[source]
            self.stuck = not self._conduct.survive_streams
        return [Datagram(payload, source, (local, NATT_PORT), now) for payload in payloads]

    def take(self, datagram: Datagram) -> bool:
        """Whether a datagram goes by a connection; it waits there to be sent."""
        stream = self._open.get(datagram.dst)
        if stream is None:
            return False
        stream.out += frame(datagram.data)
        return True

    def due(self, source: Address) -> bytes:
        """What has to be sent by a connection now."""
        stream = self._open.get(source)
        if stream is None:
            return b""
        data, stream.out = bytes(stream.out), bytearray()
        return data

    def is_open(self, source: Address) -> bool:
        """Whether a connection is still there; the other side has to close it where it is not."""
        return source in self._open

    def closed(self, source: Address) -> None:
        """The peer closed a connection."""
        self._open.pop(source, None)


def _whole(stream: _Stream, data: bytes) -> bool:
    """A fault: only a segment that is one frame (behind the prefix, at first) is read."""
    body = data[6:] if data.startswith(b"IKETCP") else data
    return int.from_bytes(body[:2], "big") == len(body)
