"""ESP and AH packets of a capture, followed SA by SA while it is read: numbers, times, contents.

Memory does not grow with the file: of each SA a window of sequence numbers is kept, and of all
together a few megabytes of packets, to be opened when keys are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ikelab.harness.inspect.flow import Packet

WINDOW = 1024
"""Numbers that are remembered: what comes again or late within them is told apart."""
KEPT = 8 << 20
"""Octets of packets that are kept in all."""
HALF = 1 << 32
_NEAR_THE_END, _NEAR_THE_START = HALF - (1 << 24), 1 << 24
_MASK = (1 << WINDOW) - 1


@dataclass(slots=True)
class Track:
    """One direction of one SA. Numbers have 64 bits: `wraps` is how often the 32 bits began anew.

    `repeats` are numbers that came before, `late` those older than the window, `reordered` those
    that came behind a higher one.
    """

    protocol: str
    src: str
    dst: str
    spi: bytes
    packets: int = 0
    octets: int = 0
    encapsulated: int = 0
    start: float = 0.0
    end: float = 0.0
    first_frame: int = 0
    last_frame: int = 0
    lowest: int = 0
    highest: int = -1
    unique: int = 0
    repeats: int = 0
    repeated_frames: list[int] = field(default_factory=list)
    late: int = 0
    reordered: int = 0
    wraps: int = 0
    kept: list[tuple[int, int, bytes]] = field(default_factory=list)  # frame, number, packet
    _seen: int = 0

    @property
    def missing(self) -> int:
        """Numbers between the lowest and the highest that were not captured."""
        return self.highest - self.lowest + 1 - self.unique

    def add(self, packet: Packet, keep: bool) -> None:
        """Take in one packet; `keep` it for opening."""
        data = packet.data
        if not self.packets:
            self.start, self.first_frame = packet.time, packet.number
        self.packets += 1
        self.octets += len(data)
        self.encapsulated += bool(packet.src[1])
        self.end, self.last_frame = packet.time, packet.number
        at = 4 if self.protocol == "esp" else 8
        if len(data) < at + 4:
            return
        number = self._number(int.from_bytes(data[at : at + 4], "big"))
        self._note(number, packet.number)
        if keep:
            self.kept.append((packet.number, number, data))

    def _number(self, low: int) -> int:
        """The whole number: the 32 bits go on where they were before (RFC 4303 appendix A)."""
        if self.highest < 0:
            self.lowest = low
            return low
        high, edge = divmod(self.highest, HALF)
        if edge > _NEAR_THE_END and low < _NEAR_THE_START:
            high += 1
            self.wraps = high
        elif high and edge < _NEAR_THE_START and low > _NEAR_THE_END:
            high -= 1
        return high * HALF + low

    def _note(self, number: int, frame: int) -> None:
        ahead = number - self.highest
        if self.highest < 0 or ahead >= WINDOW:
            self.highest, self._seen = number, 1
            self.unique += 1
        elif ahead > 0:
            self.highest, self._seen = number, (self._seen << ahead | 1) & _MASK
            self.unique += 1
        elif -ahead >= WINDOW:
            self.late += 1
        elif self._seen >> -ahead & 1:
            self.repeats += 1
            if len(self.repeated_frames) < 16:
                self.repeated_frames.append(frame)
        else:
            self._seen |= 1 << -ahead
            self.unique += 1
            self.reordered += 1
            self.lowest = min(self.lowest, number)


class EspWatch:
    """Every SA of which packets were seen."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str, str, bytes], Track] = {}
        self._kept = 0
        self.dropped = 0  # packets that there was no room to keep

    def add(self, packet: Packet) -> None:
        """Take in a packet of ESP or AH."""
        data = packet.data
        spi = data[:4] if packet.kind == "esp" else data[4:8]
        key = (packet.kind, packet.src[0], packet.dst[0], spi)
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(*key)
        keep = packet.kind == "esp" and self._kept < KEPT
        if keep:
            self._kept += len(data)
        elif packet.kind == "esp":
            self.dropped += 1
        track.add(packet, keep)

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks.values())

    def of(self, protocol: str, src: str, dst: str, spi: bytes) -> Track | None:
        """The packets of one SA."""
        return self._tracks.get((protocol, src, dst, spi))
