"""The run folder, written as the run goes: what a run that dies half-way has done stays readable.

`run.json`, `results.jsonl` and a folder for each test, as design section 9 has them. Folders that
hold keys have mode 0700, key files 0600.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ikelab.harness import wireshark
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.transcript import Transcript

SCHEMA = 1


def now() -> str:
    """The time of day as run folders have it: UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunFolder:
    """One run's folder. It is made at once; a folder that holds a run already is refused."""

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path = path
        if (path / "run.json").exists():
            raise ConfigError(f"{path} holds a run already: give --out another folder")
        try:
            (path / "cases").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {path}: {error.strerror}") from None
        self.facts = {
            "schema": SCHEMA,
            "kernel": f"{platform.system()} {platform.release()}",
            "started": now(),
            **facts,
        }
        self._write_facts()
        self._results = (path / "results.jsonl").open("a", encoding="utf-8")

    def add_peer(self, name: str, version: str, capabilities: Iterable[str]) -> None:
        """Note a peer that took part, once."""
        peers = self.facts.setdefault("peers", [])
        if not any(p["name"] == name for p in peers):
            peers.append(
                {"name": name, "version": version, "capabilities": sorted(capabilities)}
            )
            self._write_facts()

    def result(self, row: dict[str, Any]) -> None:
        """Append a result; it is on disk when this returns."""
        self._results.write(json.dumps(row) + "\n")
        self._results.flush()

    def finish(self) -> None:
        """Say that the run came to its end."""
        self.facts["finished"] = now()
        self._write_facts()
        self._results.close()

    def _write_facts(self) -> None:
        fresh = self.path / ".run.json.new"
        fresh.write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.path / "run.json")


def slug(text: str) -> str:
    """A test's id as a folder name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[:150]


class CaseFolder:
    """One test's folder: conversation, capture, keys, plan, the peer's configuration and log."""

    def __init__(self, run: RunFolder, name: str) -> None:
        self.path = run.path / "cases" / slug(name)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        wireshark.write_profile(self.path / "keys", ike, esp)

    def text(self, name: str, content: str) -> None:
        """A file that only its owner may read: logs and configurations hold secrets."""
        handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(content)


def children(sa: IkeSa) -> Iterable[tuple[Any, str, str]]:
    """Every child the SA ever had, with the addresses of its exchange's initiator and responder."""
    for child in sa.every_child:
        ours, theirs = sa.local[0], sa.remote[0]
        yield (child, ours, theirs) if child.made_by_us else (child, theirs, ours)
