"""Whether a peer still does its work: one that is slow, or waits for its turn, does not hang.

A machine may be busy, and a peer may have much to read before it comes to an honest question. What
counts as silence is only a time in which it had the processor and nothing to say, or wanted none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikelab.harness.endpoint import Initiator
from ikelab.harness.fuzz.vitals import TICKS

PROBES = 3  # honest attempts without an answer before a peer counts as hanging
MOST = 10  # attempts altogether, of which some do not count
LONGEST = 30.0  # seconds of the longest one
LISTEN = 0.3  # seconds to listen after an attempt whether it answers others
WAITED = 0.1  # the share of an attempt that a process may have waited for a processor


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU seconds a process has had, those it waited for a processor, whether it wants one now."""

    had: float
    waited: float
    wants: bool


def turn(pid: int | None) -> Turn | None:
    """What /proc says of all threads; None where it is gone or nobody knows its number."""
    had = waited = 0.0
    wants = False
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir()) if pid else []
    except OSError:
        return None
    for task in tasks:
        try:
            words = (task / "stat").read_text().rpartition(")")[2].split()
            delays = (task / "schedstat").read_text().split()
        except OSError:  # a thread that has ended, or a kernel that does not count
            continue
        had += (int(words[11]) + int(words[12])) / TICKS
        waited += int(delays[1]) / 1e9
        wants = wants or words[0] == "R"
    return Turn(had, waited, wants) if tasks else None


def silence(before: Turn | None, after: Turn | None, seconds: float, patience: float) -> float:
    """How much of an attempt counts as silence, from 0 to 1.

    All of it where the process wanted nothing; where it was running or waiting, what it had.
    """
    if before is None or after is None:
        return 1.0
    if after.wants or after.waited - before.waited > WAITED * seconds:
        return min((after.had - before.had) / patience, 1.0)
    return 1.0


def answers(ends: Initiator, driver: Any, patience: float, comes_up: Callable[[], bool]) -> bool:
    """Whether an honest IKE SA still comes up, which an attempt by `ends` tells."""
    transport, pid = ends.transport, getattr(driver, "pid", None)
    ends.patience, silent = patience, 0.0
    for _ in range(MOST):
        before, since = turn(pid), transport.clock()
        up = comes_up()
        ends.sessions.clear()
        if up or not driver.alive():
            return up
        others = transport.receive(transport.clock() + LISTEN) is not None
        counts = 0.0
        if not others:
            counts = silence(before, turn(pid), transport.clock() - since, patience)
        silent += counts
        if silent >= PROBES - 0.5:
            return False
        if counts < 1.0:  # it may be at work for long on what came before
            ends.patience = min(ends.patience * 2, LONGEST)
    return False
