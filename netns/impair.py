"""What a bad line does to packets: by ikelab itself, reproducibly, or by the kernel's netem.

`Line` is pure and seeded: the same packets meet the same fate. It never does a bad thing to two
packets of a direction one after the other, so that who sends again gets through.
"""

from __future__ import annotations

import heapq
import random
import struct
from itertools import count

from ikelab.netns.nl import attribute, nested
from ikelab.netns.packets import parse
from ikelab.netns.topology import Impairment

HELD = 0.02  # seconds that an overtaken packet waits at most for the one that overtakes it
_CERTAIN = 0xFFFFFFFF


class Line:
    """One direction. `take` a packet, then fetch what is `due`; `next` is when more will be."""

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self.impairment = impairment
        self._random = random.Random(seed)
        self._spared = False  # whether the packet before this one met its fate
        self._held: bytes | None = None
        self._held_until = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self._number = count()

    def take(self, data: bytes, now: float) -> None:
        """A packet enters the line."""
        wrong = self.impairment
        packet = parse(data)
        if wrong.drop_fragments and packet is not None and packet.fragment:
            return
        if self._happens(wrong.loss):
            return
        if self._happens(wrong.corrupt) and packet is not None:
            data = self._flipped(data, packet.header)
        again = self._happens(wrong.duplicate)
        if self._held is None and self._happens(wrong.reorder):
            self._held, self._held_until = data, now + HELD
            return
        for _ in range(2 if again else 1):
            self._push(data, now)
        if self._held is not None:
            self._push(self._held, now)
            self._held = None

    def due(self, now: float) -> list[bytes]:
        """What leaves the line by now, in order."""
        if self._held is not None and self._held_until <= now:
            self._push(self._held, now)
            self._held = None
        left = []
        while self._waiting and self._waiting[0][0] <= now:
            left.append(heapq.heappop(self._waiting)[2])
        return left

    @property
    def next(self) -> float | None:
        """When something is due; None for never."""
        times = [self._waiting[0][0]] if self._waiting else []
        times += [self._held_until] if self._held is not None else []
        return min(times, default=None)

    def _push(self, data: bytes, now: float) -> None:
        entry = (now + self.impairment.delay, next(self._number), data)
        heapq.heappush(self._waiting, entry)

    def _happens(self, share: float) -> bool:
        if not share:
            return False
        self._spared = self._random.random() < share and not self._spared
        return self._spared

    def _flipped(self, data: bytes, header: int) -> bytes:
        bit = self._random.randrange(header * 8, len(data) * 8) if len(data) > header else 0
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)


def netem(wrong: Impairment) -> bytes | None:
    """The options of a netem queue (`struct tc_netem_qopt` and what follows); None: it cannot.

    It drops no fragments by choice, and damages any number of packets in a row.
    """
    if wrong.drop_fragments or wrong.corrupt:
        return None
    # Who is to be overtaken has to wait: netem lets a share of packets jump the queue.
    delay = wrong.delay or (HELD / 2 if wrong.reorder else 0.0)
    head = struct.pack("IIIIII", 0, 1000, 0, 0, _share(wrong.duplicate), 0)
    options = [head, attribute(10, struct.pack("q", int(delay * 1e9)))]  # TCA_NETEM_LATENCY64
    if wrong.reorder:
        options.append(attribute(3, struct.pack("II", _share(wrong.reorder), 0)))
    if wrong.loss:
        # The model of Gilbert and Elliot: a bad state that loses one packet and is over, so that
        # p packets come to each lost one.
        bad = wrong.loss / (1 - wrong.loss)
        model = struct.pack("IIII", _share(bad), _CERTAIN, 0, 0)
        options.append(nested(5, attribute(2, model)))
    return b"".join(options)


def _share(share: float) -> int:
    return min(int(share * _CERTAIN), _CERTAIN)
