"""How a run stands, when it ends, and the lines that tell of it over time."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikelab.harness.fuzz.answers import manner
from ikelab.harness.fuzz.finding import Seen
from ikelab.harness.fuzz.vitals import process


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends: cases, seconds, whichever comes first."""

    cases: int | None = 1000
    seconds: float | None = None


@dataclass
class Tally:
    """How a run stands."""

    cases: int = 0
    impossible: int = 0  # plans of which no message can be made
    answers: Counter[str] = field(default_factory=Counter)  # cases by the kind of their answer
    reached: Counter[str] = field(default_factory=Counter)  # cases by campaign, earlier runs' too
    kinds: int = 0
    corpus: int = 0
    campaign: str = ""
    memory: int = 0  # octets that the peer has in memory
    starts: int = 0
    findings: dict[Seen, Path] = field(default_factory=dict)
    repeats: Counter[Seen] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Cases a second."""
        return self.cases / max(self.seconds, 1e-6)

    def unreached(self, campaigns: Iterable[str]) -> list[str]:
        """Those that the limits came before: nothing can be said about them, not even PASS."""
        return [n for n in campaigns if not self.reached[n] and n not in self.skipped]


class Progress:
    """A line of progress.jsonl now and then, for curves over time; it goes on where one ended."""

    def __init__(self, place: Path) -> None:
        before = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        last: dict[str, Any] = json.loads(before[-1]) if before else {"seconds": 0.0, "cases": 0}
        self._seconds, self._cases = last["seconds"], last["cases"]
        self._answers = Counter[str](last.get("answers", {}))
        self._file = place.open("a", encoding="utf-8")
        self._due = 0.0

    def note(self, tally: Tally, *, force: bool = False) -> None:
        """Write how the run stands, once a second at most."""
        if not force and tally.seconds < self._due:
            return
        self._due = tally.seconds + 1.0
        row = {
            "seconds": round(self._seconds + tally.seconds, 2),
            "cases": self._cases + tally.cases,
            "classes": tally.kinds,
            "corpus": tally.corpus,
            "findings": len(tally.findings),
            "memory": tally.memory,
            "own_memory": _resident(),
            "answers": self._manners(tally),
            "campaign": tally.campaign,
        }
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def _manners(self, tally: Tally) -> dict[str, int]:
        """How many cases were met in each manner, from the beginning."""
        found = self._answers.copy()
        for kind, cases in tally.answers.items():
            found[manner(kind)] += cases
        return dict(found)


def _resident() -> int:
    """Octets that ikelab itself has in memory."""
    found = process(os.getpid())
    return found.counts["memory"] if found is not None else 0
