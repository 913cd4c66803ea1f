"""Handshakes between two engines over a wire that can lose, change and translate, as captures.

Time is virtual: silence costs nothing. The tap stands where a test puts it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ikelab.harness import frames
from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.model import Datagram
from ikelab.harness.options import overridden
from ikelab.harness.wireshark import IkeRow
from tests.harness.talk import config, mirrored

Path = Callable[[Datagram], Datagram | None]
START = 1.78e9
"""A day in 2026, within the validity of what `ikelab pki` makes."""


def through(datagram: Datagram) -> Datagram | None:
    """A wire that loses nothing."""
    return datagram


@dataclass
class Lab:
    """An initiator and a responder. `out` is the way there, `back` the way back; None is lost.

    `tap` says at which end the capture is taken: what is lost on the way shows at its sender only.
    `fault` is what the responder itself does to what it sends.
    """

    out: Path = through
    back: Path = through
    fault: Path = through
    tap: str = "initiator"
    i: dict[str, Any] = field(default_factory=dict)
    r: dict[str, Any] = field(default_factory=dict)
    both: dict[str, Any] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        common = config(**self.both)
        self.left = overridden(common, **self.i)
        self.right = overridden(mirrored(common), **self.r)
        self.sa = IkeSa(self.left, initiator=True, entropy=entropy(self.seed, "initiator"))
        self.listener = Listener(self.right, entropy(self.seed, "responder"))
        self.wire: list[Datagram] = []
        self.now = 0.0
        self.sas = [self.sa]
        self.sa.on_successor = self.sas.append

    @property
    def peer(self) -> IkeSa:
        """The responder's newest SA."""
        return self.listener.sas[-1]

    def run(self, seconds: float = 30.0) -> Lab:
        """Let things happen until nobody has anything to do, or that much time has passed."""
        end = self.now + seconds
        while self.now <= end:
            if self._carry():
                continue
            timers = [sa.timer() for sa in self.sas] + [self.listener.timer()]
            due = min((t for t in timers if t is not None), default=None)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            for sa in self.sas:
                sa.handle_timer(self.now)
            self.listener.handle_timer(self.now)
        return self

    def _carry(self) -> bool:
        there = [d for sa in self.sas for d in sa.datagrams(self.now)]
        here = self.listener.datagrams(self.now)
        for datagram in there:
            if (arrived := self._pass(datagram, self.out, self.tap == "initiator")) is not None:
                self.listener.receive(arrived, self.now)
        for datagram in filter(None, map(self.fault, here)):
            if (arrived := self._pass(datagram, self.back, self.tap == "responder")) is not None:
                for sa in self.sas:
                    sa.receive(arrived, self.now)
        return bool(there or here)

    def _pass(self, datagram: Datagram, way: Path, before: bool) -> Datagram | None:
        self.now += 0.01
        sent = replace(datagram, now=self.now)
        arrived = way(sent)
        seen = sent if before else arrived
        if seen is not None:
            self.wire.append(seen)
        return arrived

    def init(self, *edits: Any) -> Lab:
        self.sa.start_init(self.now, edits)
        return self.run()

    def auth(self, *edits: Any) -> Lab:
        if self.sa.state is State.INIT_DONE:
            self.sa.start_auth(self.now, edits)
            self.run()
        return self

    def up(self) -> Lab:
        """Both exchanges, as far as they go."""
        return self.init().auth()

    def later(self, seconds: float) -> Lab:
        """Let time pass."""
        self.now += seconds
        return self

    # -- what was captured -----------------------------------------------------------------------

    def pcap(self) -> bytes:
        """The capture as a file of raw IP packets."""
        file = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
        for datagram in self.wire:
            data, at = frames.packet(datagram), START + datagram.now
            micros = round(at % 1 * 1e6)
            file.append(struct.pack("<IIII", int(at), micros, len(data), len(data)) + data)
        return b"".join(file)

    def ring(self, *psks: bytes) -> KeyRing:
        """The keys of every IKE SA, and shared keys to verify AUTH with."""
        ring = KeyRing(psks=list(psks))
        for sa in (*self.sas, *self.listener.sas):
            if sa.keys is not None:
                ring.add(IkeRow.of(sa.spis, sa.keys))
        return ring

    def inspect(self, *psks: bytes, keys: bool = True) -> Inspection:
        """What the inspection makes of it."""
        ring = self.ring(*psks) if keys else KeyRing(psks=list(psks))
        return inspect_capture(Capture(io.BytesIO(self.pcap())), ring)


def drop(condition: Callable[[Datagram], bool]) -> Path:
    """A way that loses what the condition holds for."""
    return lambda d: None if condition(d) else d
