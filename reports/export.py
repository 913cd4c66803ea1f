"""The matrix for other programs (JSON) and for people who write release notes (Markdown)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Verdict
from ikelab.reports.load import Result, Run
from ikelab.reports.matrix import UNEXPECTED, Cell, Matrix, build
from ikelab.reports.records import Json, printable
from ikelab.reports.summary import ORDER


def write_json(runs: Sequence[Run], out: Path) -> None:
    """Columns, and for each rule a verdict a column; ConfigError when it cannot be written."""
    matrix = build(runs)
    columns = [
        {
            "run": runs[column.run].name,
            "peer": column.peer,
            "version": column.version,
            "role": column.role,
            "topology": column.topology,
            "verdicts": {str(v): n for v, n in sorted(matrix.counts(number).items())},
        }
        for number, column in enumerate(matrix.columns)
    ]
    rows: list[Json] = [
        {
            "case": row.case or None,
            "title": row.title,
            "test": row.function,
            "level": row.level,
            "rfc": [{"rfc": r.rfc, "sections": list(r.sections)} for r in row.rfc],
            "cells": [_cell(row.cells.get(n)) for n in range(len(columns))],
        }
        for row in matrix.rows
    ]
    text = json.dumps({"columns": columns, "rows": rows}, indent=1) + "\n"
    _write(out, text)


def _cell(cell: Cell | None) -> Json | None:
    if cell is None:
        return None
    reasons = {r.variant: r.headline for r in cell.results if r.headline}
    return {"verdict": str(cell.verdict), "flaky": cell.flaky, "reasons": reasons}


def write_markdown(runs: Sequence[Run], out: Path) -> None:
    """Counts a column, then what is unexpected and what is known; as `write_json` for errors."""
    matrix = build(runs)
    lines = ["# IKEv2 interoperability", "", *_table(runs, matrix)]
    for title, wanted in (("Unexpected", UNEXPECTED), ("Known deviations", {Verdict.XFAIL})):
        told = list(dict.fromkeys(_told(runs, wanted)))
        lines += ["", f"## {title}", "", *(told or ["None."])]
    _write(out, printable("\n".join(lines)) + "\n")


def _table(runs: Sequence[Run], matrix: Matrix) -> Iterator[str]:
    yield "| peer | version | role | topology | " + " | ".join(ORDER) + " |"
    yield "| --- " * (4 + len(ORDER)) + "|"
    for number, column in enumerate(matrix.columns):
        counts = matrix.counts(number)
        words = [column.peer, column.version, column.role, column.topology]
        words += [str(counts[verdict]) for verdict in ORDER]
        yield "| " + " | ".join(words) + " |"


def _told(runs: Sequence[Run], wanted: set[Verdict] | frozenset[Verdict]) -> Iterator[str]:
    """A line a rule and peer; variants with one reason are one line."""
    for run in runs:
        for result in run.results:
            if result.verdict in wanted:
                yield f"- {result.peer} as {result.role}, {_rule(result)}: {_flat(result.headline)}"


def _rule(result: Result) -> str:
    sections = "; ".join(str(reference) for reference in result.rfc)
    name = f"{result.case} {result.title or result.name}".strip()
    return f"{name} ({sections})" if sections else name


def _flat(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None
