"""IP fragments put together (RFC 791 3.2, RFC 8200 4.5), in memory that is bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

# So many datagrams wait, with so many octets in all; the oldest go first (RFC 791: they time out).
WAITING = 4096
MOST = 32 << 20

Key = tuple[bytes, bytes, int, int]


@dataclass(slots=True)
class _Datagram:
    parts: dict[int, bytes] = field(default_factory=dict)
    octets: int = 0
    end: int = -1


class Fragments:
    """Those that wait for the rest; `dropped` counts datagrams that were given up."""

    def __init__(self) -> None:
        self.dropped = 0
        self.waiting: OrderedDict[Key, _Datagram] = OrderedDict()
        self._octets = 0

    def add(self, key: Key, offset: int, more: bool, body: bytes) -> bytes | None:
        """The whole body once its last hole is filled; None until then."""
        found = self.waiting.setdefault(key, _Datagram())
        if offset not in found.parts:
            found.parts[offset] = body
            found.octets += len(body)
            self._octets += len(body)
        if not more:
            found.end = offset + len(body)
        if len(self.waiting) > WAITING or self._octets > MOST:
            _, old = self.waiting.popitem(last=False)
            self._octets -= old.octets
            self.dropped += 1
        if found.end < 0 or found.octets < found.end:
            return None
        whole = bytearray()
        for start in sorted(found.parts):
            if start > len(whole):
                return None
            whole[start : start + len(found.parts[start])] = found.parts[start]
        if len(whole) != found.end:
            return None
        if self.waiting.pop(key, None) is not None:
            self._octets -= found.octets
        return bytes(whole)
