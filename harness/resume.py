"""A run that stopped half-way, to go on with: what it has done, and what it left unfinished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError, plain


def command_of(place: Path) -> list[str]:
    """The words behind `ikelab run` that made a run folder."""
    try:
        facts = json.loads((place / "run.json").read_text(encoding="utf-8"))
        words = [str(word) for word in facts["command"]]
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{place} cannot be gone on with: it has no run.json") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place}/run.json cannot be read: {plain(error)}") from None
    except (KeyError, TypeError):
        raise ConfigError(f"{place}/run.json does not say by what command it was made") from None
    if words[:2] != ["ikelab", "run"]:
        raise ConfigError(f"{place} was not made by 'ikelab run': start it anew as it was started")
    return words[2:]


def done(place: Path) -> list[dict[str, Any]]:
    """The results that a folder has; a line that was cut off is none."""
    rows = []
    for line in _whole_lines(place):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise ConfigError(f"{place}/results.jsonl is damaged ({error}): run anew") from None
    return rows


def tidy(place: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Take away what was begun and has no result: a cut-off line, the folders of its tests."""
    results = place / "results.jsonl"
    if results.exists():
        kept = b"".join(_whole_lines(place))
        if len(kept) < results.stat().st_size:
            results.write_bytes(kept)
    known = {place / row["folder"] for row in rows if row.get("folder")}
    for folder in (place / "cases").glob("*"):
        if folder not in known:
            shutil.rmtree(folder)


def _whole_lines(place: Path) -> list[bytes]:
    try:
        lines = (place / "results.jsonl").read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [line for line in lines if line.endswith(b"\n")]
