"""The run folder, written as the run goes: what a run that dies half-way has done stays readable.

`run.json`, `results.jsonl` and a folder for each test, as design section 9 has them. Folders that
hold keys have mode 0700, key files 0600. Several processes may share a run (`shared=True`).
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ikelab.harness import wireshark
from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.transcript import Transcript

SCHEMA = 1
RESULTS = "results.jsonl"
_FACTS, _CASES = "run.json", "cases"
_LONGEST = 150  # characters of a test's folder name; file systems stop at 255


def now() -> str:
    """The time of day as run folders have it: UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def vacant(path: Path) -> None:
    """ConfigError where the folder holds a run already, or something that is no folder is there."""
    if (path / _FACTS).exists() or (path / RESULTS).exists():
        raise ConfigError(f"{path} holds a run already: give --out another folder")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is not a folder: give --out another name")


class RunFolder:
    """One run's folder. It is made at once; a folder that holds a run already is refused.

    With `shared` the folder may be one that another process of the same run has made; `finish` and
    the list of peers are then the business of whoever started them all. With `again` the folder
    is one of a run that stopped, and its facts stay.
    """

    def __init__(
        self, path: Path, facts: dict[str, Any], *, shared: bool = False, again: bool = False
    ) -> None:
        self.path = path
        if not shared and not again:
            vacant(path)
        self.facts: dict[str, Any] = {
            "schema": SCHEMA,
            "kernel": f"{platform.system()} {platform.release()}",
            "started": now(),
            "peers": [],
            **facts,
        }
        if again:
            self.facts |= json.loads((path / _FACTS).read_text(encoding="utf-8"))
            self.facts = {k: v for k, v in self.facts.items() if k not in ("finished", "stopped")}
        self._shared = shared
        try:
            if not (shared and (path / _FACTS).exists()):
                _place(path, self.facts)
            (path / _CASES).mkdir(parents=True, exist_ok=True)
            self._results = (path / RESULTS).open("ab", buffering=0)
        except OSError as error:
            raise ConfigError(
                f"cannot write to {path} ({error.strerror}): give --out a folder of yours"
            ) from None

    def add_peer(self, name: str, version: str, capabilities: Iterable[str]) -> None:
        """Note a peer that took part, once."""
        row = {"name": name, "version": version, "capabilities": sorted(capabilities)}
        if merge_peers(self.facts, [row]) and not self._shared:
            with writing(self.path):
                self._write_facts()

    def result(self, row: dict[str, Any]) -> None:
        """Append a result in one write; the kernel has it when this returns."""
        line = json.dumps(row).encode() + b"\n"
        with writing(self.path):
            while line:  # a disk that fills up takes a part, and then says why
                line = line[self._results.write(line) :]

    def stopped(self, why: str) -> None:
        """Say why the run cannot come to its end; workers that share it leave that to stderr."""
        if not self._shared:
            self.facts["stopped"] = why
            with writing(self.path):
                self._write_facts()

    def finish(self) -> None:
        """Say that the run came to its end."""
        self._results.close()
        if not self._shared:
            self.facts["finished"] = now()
            with writing(self.path):
                self._write_facts()

    def _write_facts(self) -> None:
        write_facts(self.path, self.facts)


def merge_peers(facts: dict[str, Any], rows: Iterable[dict[str, Any]]) -> bool:
    """Add the peers that the facts lack; whether there was one."""
    known = {peer["name"]: peer for peer in facts["peers"]}
    merged = {row["name"]: row for row in rows} | known
    facts["peers"] = [*known.values(), *(merged[name] for name in merged if name not in known)]
    return len(merged) > len(known)


def finish_shared(path: Path, peers: Iterable[dict[str, Any]], *, whole: bool) -> None:
    """Complete the facts of a run that other processes have written; `whole` if to its end."""
    facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    merge_peers(facts, peers)
    if whole:
        facts["finished"] = now()
    with writing(path):
        write_facts(path, facts)


def _place(path: Path, facts: dict[str, Any]) -> None:
    """Put a folder with its run.json there in one step: a run that is killed leaves both or none.

    A folder that is there already gets the file; so does one that another worker is quicker with.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.parent / f".{path.name}.{os.getpid()}"
        fresh.mkdir()
        write_facts(fresh, facts)
        with contextlib.suppress(OSError):
            fresh.replace(path)
            return
        shutil.rmtree(fresh, ignore_errors=True)
    write_facts(path, facts)


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put run.json in its place, whole or not at all."""
    write_whole(path / _FACTS, json.dumps(facts, indent=1) + "\n")


def write_whole(path: Path, content: str) -> None:
    """Put a file in its place, whole or not at all, whatever was there before."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(content, encoding="utf-8")
    fresh.replace(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that is full, or gone, is the lab's trouble."""
    try:
        yield
    except OSError as error:
        raise LabError(
            f"cannot write to {path} any more ({error.strerror}): what is there so far is readable"
        ) from error


def slug(text: str) -> str:
    """A test's id as a folder name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")[:_LONGEST]


class CaseFolder:
    """One test's folder: conversation, capture, keys, plan, the peer's configuration and log."""

    def __init__(self, run: RunFolder, name: str) -> None:
        with writing(run.path):
            self.path = _fresh(run.path / _CASES / slug(name))
        self.name = str(self.path.relative_to(run.path))

    def write(self, sas: Sequence[IkeSa]) -> None:
        """Write what these SAs said and the keys they had."""
        steps = sorted((s for sa in sas for s in sa.transcript), key=lambda step: step.now)
        self.text("transcript.jsonl", Transcript(steps).jsonl())
        plan = [str(binding) for sa in sas for binding in sa.applied]
        if plan:
            self.text("plan.txt", "\n".join(dict.fromkeys(plan)) + "\n")
        ike, esp = [], []
        for sa in sas:
            if sa.keys is not None:
                ike.append(wireshark.IkeRow.of(sa.spis, sa.keys))
            for child, initiator, responder in children(sa):
                if child.keys is not None:
                    esp += wireshark.esp_rows(child.keys, child.spis, initiator, responder)
        with writing(self.path):
            wireshark.write_profile(self.path / "keys", ike, esp)

    def text(self, name: str, content: str) -> None:
        """A file that only its owner may read: logs and configurations hold secrets."""
        with writing(self.path):
            handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(content)


def _fresh(wanted: Path) -> Path:
    """Make the folder; where two tests have names that look alike, the second one gets a number."""
    place, number = wanted, 1
    while True:
        try:
            place.mkdir(mode=0o700)
            return place
        except FileExistsError:
            number += 1
            place = wanted.with_name(f"{wanted.name}-{number}")


def children(sa: IkeSa) -> Iterable[tuple[Any, str, str]]:
    """Every child the SA ever had, with the addresses of its exchange's initiator and responder."""
    for child in sa.every_child:
        ours, theirs = sa.local[0], sa.remote[0]
        yield (child, ours, theirs) if child.made_by_us else (child, theirs, ours)
