"""IKE and ESP out of TCP streams (RFC 9329): segments put in order, the stream cut into messages.

A stream is followed when it begins with the prefix IKETCP, or when it is on port 4500 and a segment
begins with what can only be a framed IKE message (a capture that started late). Segments that came
too early wait; where the capture lost one, the stream is taken up again at the next segment that
begins a message, and the gap is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ikelab.harness.inspect.likely import looks_like_ike
from ikelab.layers.message import demux

PREFIX = b"IKETCP"
PORT = 4500
STREAMS = 4096
EARLY = 256
"""Segments that wait for one before them, until it is taken for lost."""
_SYN, _FIN, _RST = 2, 1, 4

Way = tuple[bytes, int, bytes, int]
"""Source address and port, destination address and port."""


@dataclass(slots=True)
class _Stream:
    """One direction. `next` is the sequence number that comes next, None before it is known."""

    next: int | None = None
    rest: bytes = b""
    synced: bool = False
    early: dict[int, bytes] = field(default_factory=dict)


class Streams:
    """The TCP streams of a capture that carry IKE; `gaps` counts where octets are missing."""

    def __init__(self) -> None:
        self.gaps = 0
        self._streams: OrderedDict[Way, _Stream] = OrderedDict()

    def add(self, src: bytes, dst: bytes, body: bytes) -> list[tuple[str, bytes]]:
        """(kind, octets) of each message that a segment completes; `body` is the segment."""
        if len(body) < 20:
            return []
        way = (src, body[0] << 8 | body[1], dst, body[2] << 8 | body[3])
        flags, data = body[13], body[(body[12] >> 4) * 4 :]
        stream = self._streams.get(way)
        if stream is None:
            if not _begins(data, way):
                return []
            stream = self._open(way)
        if flags & (_SYN | _RST):
            self._close(way)
            return []
        found = list(self._take(stream, int.from_bytes(body[4:8], "big"), data)) if data else []
        if flags & _FIN and not stream.early:
            self._close(way)
        return found

    def _open(self, way: Way) -> _Stream:
        if len(self._streams) >= STREAMS:
            self._streams.popitem(last=False)
        stream = self._streams[way] = _Stream()
        # What comes back has no prefix (RFC 9329 3): it is followed because this one is.
        back = (way[2], way[3], way[0], way[1])
        self._streams.setdefault(back, _Stream())
        return stream

    def _close(self, way: Way) -> None:
        self._streams.pop(way, None)

    def _take(self, stream: _Stream, sequence: int, data: bytes) -> Iterator[tuple[str, bytes]]:
        if stream.next is None:
            stream.next = sequence
        ahead = (sequence - stream.next) & 0xFFFFFFFF
        if ahead >= 1 << 31:  # octets that were here before, and perhaps some that were not
            known = (stream.next - sequence) & 0xFFFFFFFF
            sequence, data = stream.next, data[known:]
            if not data:
                return
        elif ahead:
            stream.early.setdefault(sequence, data)
            if len(stream.early) < EARLY:
                return
            self._skip(stream)
            sequence = stream.next
            data = stream.early.pop(sequence)
        yield from self._feed(stream, data)
        while (following := stream.early.pop(stream.next, None)) is not None:
            yield from self._feed(stream, following)

    def _skip(self, stream: _Stream) -> None:
        """Give the missing octets up: go on with the earliest segment there is."""
        assert stream.next is not None
        base = stream.next
        self.gaps += 1
        stream.next = min(stream.early, key=lambda s: (s - base) & 0xFFFFFFFF)
        stream.rest, stream.synced = b"", False

    def _feed(self, stream: _Stream, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Octets in order: cut what is complete (RFC 9329 2: a length that counts itself)."""
        assert stream.next is not None
        stream.next = (stream.next + len(data)) & 0xFFFFFFFF
        if not stream.synced:
            head = stream.rest + data
            stream.rest = b""
            if head.startswith(PREFIX):
                data = head[len(PREFIX) :]
            elif PREFIX.startswith(head):  # the prefix itself in pieces
                stream.rest = head
                return
            elif not _framed(data):
                return
            stream.synced = True
        buffer = stream.rest + data
        at = 0
        while at + 2 <= len(buffer):
            size = buffer[at] << 8 | buffer[at + 1]
            if size < 2:
                self.gaps += 1
                stream.rest, stream.synced = b"", False
                return
            if at + size > len(buffer):
                break
            if size > 2:
                kind, message = demux(buffer[at + 2 : at + size], tcp=True)
                yield kind, message
            at += size
        stream.rest = buffer[at:]


def _begins(data: bytes, way: Way) -> bool:
    if PREFIX.startswith(data[: len(PREFIX)]):
        return bool(data)
    return PORT in (way[1], way[3]) and _framed(data)


def _framed(data: bytes) -> bool:
    """Whether this is a length, a non-ESP marker and an IKE header that agrees with the length."""
    if len(data) < 34 or data[2:6] != bytes(4):
        return False
    size = data[0] << 8 | data[1]
    return looks_like_ike(data[6:34], size - 6)
