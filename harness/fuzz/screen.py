"""What is shown while a run goes on: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ikelab.harness.fuzz.tally import Tally

EVERY = 2.0  # seconds between two lines in a pipe
MOVING = 0.25  # and between two pictures on a terminal


def line(tally: Tally) -> str:
    """How a run stands, in one line."""
    known = sum(tally.repeats.values())
    return (
        f"{tally.cases} cases, {tally.rate:.0f}/s, {tally.kinds} kinds of answer, "
        f"{len(tally.findings)} findings ({known} repeated)"
    )


@contextmanager
def shown(name: str) -> Iterator[Callable[[Tally], None]]:
    """A function that is told of each step and shows some of them."""
    if not sys.stdout.isatty():
        yield _Lines()
        return
    from rich.live import Live

    with Live(transient=True, auto_refresh=False) as live:
        yield _Table(name, live)


class _Lines:
    """A line now and then."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            print(line(tally), flush=True)


class _Table:
    """A picture that moves."""

    def __init__(self, name: str, live: Any) -> None:
        self._name, self._live = name, live
        self._next = 0.0
        self._last = (time.monotonic(), 0)

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + MOVING
        then, cases = self._last
        rate = (tally.cases - cases) / max(now - then, 1e-6)
        self._last = (now, tally.cases)
        self._live.update(self._picture(tally, rate), refresh=True)

    def _picture(self, tally: Tally, rate: float) -> Any:
        from rich.table import Table

        table = Table(title=f"fuzzing {self._name}", show_header=False)
        memory = f"{tally.memory / (1 << 20):.1f} MB" if tally.memory else "not known"
        rows = {
            "campaign": tally.campaign,
            "cases": f"{tally.cases} in {tally.seconds:.0f} s",
            "cases a second": f"{rate:.0f} (on an average {tally.rate:.0f})",
            "kinds of answer": str(tally.kinds),
            "corpus": str(tally.corpus),
            "the peer's memory": memory,
            "starts of the peer": str(tally.starts),
            "findings": f"{len(tally.findings)} ({sum(tally.repeats.values())} repeated)",
        }
        for key, value in rows.items():
            table.add_row(key, value)
        for seen in list(tally.findings)[-8:]:
            table.add_row("", str(seen))
        return table
