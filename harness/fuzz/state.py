"""How a fuzzing run stands, on disk at any moment: whoever ends it, it can be gone on with.

`fuzz.json` is put in its place whole, at the beginning, once a second and with each finding.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz.finding import FACTS, Seen
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.record import write_whole, writing

STATE = "fuzz.json"
EVERY = 1.0  # seconds between two writings while nothing is found
_ENDS = {"corpus.txt": b"\n\n", "progress.jsonl": b"\n", "results.jsonl": b"\n"}
"""What an entry of each file ends with; after it stands what was being written in the end."""
_ASKED = ("targets", "campaigns", "rate", "fault", "topology", "kernel", "compare")


@dataclass(frozen=True, slots=True)
class Request:
    """What `ikelab fuzz` was asked for; `peer` may be empty where a run is gone on with."""

    peer: str = ""
    targets: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    cases: int | None = None
    seconds: float | None = None
    seed: int | None = None
    rate: float = 0.0
    out: str = ""
    resume: str = ""
    corpus: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    coverage: str = ""
    authorised: bool = False
    compare: bool = False  # with the reference, when the run is over
    fault: str = ""
    topology: str = ""
    kernel: str = ""  # "guest" or "host"; "" is the host's where no run before says otherwise

    @property
    def limits(self) -> Limits:
        """A thousand cases where nothing was said."""
        if self.cases is None and self.seconds is None:
            return Limits()
        return Limits(self.cases, self.seconds)


@dataclass(frozen=True, slots=True)
class Before:
    """What a run that is gone on with had come to."""

    place: Path
    state: dict[str, Any]

    @classmethod
    def read(cls, folder: str) -> Before:
        """ConfigError where the folder is of no fuzzing run."""
        place = Path(folder)
        try:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            whole = isinstance(state, dict) and {"peer", "seed", "cases"} <= state.keys()
        except (OSError, ValueError):
            whole = False
        if not whole:
            raise ConfigError(f"{folder} is not the folder of a fuzzing run: no {STATE}")
        return cls(place, state)

    def going_on(self, request: Request) -> Request:
        """The request, with what the run was asked for where it says nothing of its own.

        Without a limit of its own it does what was left to do.
        """
        peer = str(self.state["peer"])
        if request.peer not in ("", peer):
            raise ConfigError(
                f"{self.place} is a run against {peer}: leave out --peer, or begin a new run with "
                f"--corpus {self.place / 'corpus.txt'}"
            )
        if request.out:
            raise ConfigError(f"--resume goes on in {self.place}: leave out --out")
        asked: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name in _ASKED
            if (value := self.state.get(name)) and not getattr(request, name)
        }
        if request.targets or request.campaigns:
            asked |= {"targets": request.targets, "campaigns": request.campaigns}
        if request.cases is None and request.seconds is None:
            asked |= self.state.get("left") or {}
        # The same stream again would make the same cases again.
        seed = int(self.state["seed"]) + 1 if request.seed is None else request.seed
        return replace(request, peer=peer, seed=seed, **asked)

    def mend(self) -> None:
        """Take away what the run was writing when it was killed."""
        for name, end in _ENDS.items():
            file = self.place / name
            if file.is_file():
                octets = file.read_bytes()
                whole = octets.rfind(end) + len(end) if end in octets else 0
                if whole < len(octets):
                    os.truncate(file, whole)

    def restore(self, tally: Tally) -> None:
        """What was found before is known: it is counted, not reported again."""
        tally.reached.update(self.state.get("reached", {}))
        tally.findings.update(self._findings())
        repeats = {Seen.parse(text): n for text, n in self.state.get("repeats", {}).items()}
        tally.repeats.update(Counter(repeats))

    def _findings(self) -> Iterator[tuple[Seen, Path]]:
        known = self.state.get("findings", {})
        yield from ((Seen.parse(text), self.place / folder) for text, folder in known.items())
        # One that was found just before the end may stand in its folder only.
        for file in sorted(self.place.glob(f"cases/*/{FACTS}")):
            try:
                seen = str(json.loads(file.read_text(encoding="utf-8"))["seen"])
            except (OSError, ValueError, KeyError):
                continue
            if seen not in known:
                yield Seen.parse(seen), file.parent


class Keeper:
    """Writes how a run stands; called with the tally after each step."""

    def __init__(self, place: Path, request: Request, seed: int, before: Before | None) -> None:
        self.place, self.request, self.seed = place, request, seed
        self._before = before.state if before is not None else {}
        self._due, self._known = 0.0, 0

    def showing(self, show: Callable[[Tally], None]) -> Callable[[Tally], None]:
        """The same, and what it is told is kept as well."""

        def both(tally: Tally) -> None:
            if time.monotonic() >= self._due or len(tally.findings) != self._known:
                self.keep(tally)
            show(tally)

        return both

    def keep(self, tally: Tally) -> None:
        """Put fuzz.json in its place."""
        self._due, self._known = time.monotonic() + EVERY, len(tally.findings)
        asked = self.request
        state = {
            "peer": asked.peer,
            "seed": self.seed,
            **{name: getattr(asked, name) for name in _ASKED},
            "left": _left(asked.limits, tally),
            "cases": tally.cases + self._before.get("cases", 0),
            "seconds": round(tally.seconds + self._before.get("seconds", 0.0), 1),
            "reached": dict(tally.reached),
            "classes": tally.kinds,
            "findings": {str(s): str(p.relative_to(self.place)) for s, p in tally.findings.items()},
            "repeats": {str(s): n for s, n in tally.repeats.items()},
            "skipped": tally.skipped,
        }
        with writing(self.place):
            write_whole(self.place / STATE, json.dumps(state, indent=1) + "\n")


@contextlib.contextmanager
def held(place: Path) -> Iterator[None]:
    """The folder for this process alone; ConfigError where another one writes it."""
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(f"a run is still going on in {place}: wait for its end") from None
    finally:
        os.close(handle)


def _left(limits: Limits, tally: Tally) -> dict[str, float]:
    """What is left of the limits; nothing where one of them is reached."""
    left: dict[str, float] = {}
    if limits.cases is not None:
        left["cases"] = limits.cases - tally.cases
    if limits.seconds is not None:
        left["seconds"] = round(limits.seconds - tally.seconds, 1)
    return left if all(value > 0 for value in left.values()) else {}
