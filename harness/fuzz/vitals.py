"""How a peer's process fares: memory, descriptors, threads, CPU, and whether they only grow.

A leak is growth that goes on after everything that may be kept for a while has had its time; one
step up, or a plateau after a rise, is none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RISES = 5  # looks in a row that have to show growth
LEAST = {"memory": 8 << 20, "descriptors": 16, "threads": 16, "half-open": 32, "held": 1 << 16}
"""Growth over those looks that is no leak yet, by resource."""
STEP = {"memory": 1 << 18, "descriptors": 1, "threads": 1, "half-open": 1, "held": 1}
"""The least growth of each look."""

FAST, FAST_EACH = 64 << 20, 32 << 10
"""Octets of memory since the last look, in all and for each case, that do not wait for the next."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Numbers of one moment by resource, and the CPU seconds spent so far."""

    counts: dict[str, int]
    cpu: float = 0.0


def process(pid: int) -> Vitals | None:
    """What /proc says of a process; None where it is gone."""
    place = Path(f"/proc/{pid}")
    try:
        pages = int((place / "statm").read_text().split()[1])
        words = (place / "stat").read_text().rpartition(")")[2].split()
        descriptors = sum(1 for _ in (place / "fd").iterdir())
    except (OSError, IndexError, ValueError):
        return None
    cpu = (int(words[11]) + int(words[12])) / TICKS
    counts = {"memory": pages * PAGE, "descriptors": descriptors, "threads": int(words[17])}
    return Vitals(counts, cpu)


def of(driver: Any) -> Vitals | None:
    """The vitals of a peer: of its process, or what the driver counts; None where neither."""
    pid = getattr(driver, "pid", None)
    found = process(pid) if pid else None
    counted = getattr(driver, "counts", None)
    if counted is not None:
        counts = {**(found.counts if found else {}), **counted()}
        return Vitals(counts, found.cpu if found else 0.0)
    return found


@dataclass
class Watch:
    """Looks at the same peer from time to time; `grows` names what only grows."""

    looks: list[tuple[int, Vitals]] = field(default_factory=list)

    def look(self, cases: int, vitals: Vitals | None) -> None:
        """Note the vitals after so many cases."""
        if vitals is not None:
            self.looks.append((cases, vitals))
            del self.looks[: -4 * RISES]

    def swells(self, cases: int, vitals: Vitals | None) -> bool:
        """Whether memory grew so fast since the last look that there is no time for the next one.

        No honest IKE SA that is kept for a while takes so much.
        """
        if vitals is None or not self.looks:
            return False
        before, then = self.looks[-1]
        grown = vitals.counts.get("memory", 0) - then.counts.get("memory", 0)
        return grown >= max(FAST, FAST_EACH * (cases - before))

    def forget(self) -> None:
        """The peer was started anew."""
        self.looks.clear()

    def grows(self) -> tuple[str, float] | None:
        """A resource that grew at each of the last looks, and by how much a case."""
        last = self.looks[-RISES - 1 :]
        if len(last) <= RISES:
            return None
        cases = max(last[-1][0] - last[0][0], 1)
        for name in last[0][1].counts:
            values = [vitals.counts.get(name, 0) for _, vitals in last]
            rises = [b - a for a, b in pairwise(values)]
            total = values[-1] - values[0]
            if total >= LEAST.get(name, 1) and min(rises) >= STEP.get(name, 1):
                return name, total / cases
        return None
