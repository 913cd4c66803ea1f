"""The verdicts as plain text for a terminal: one line a column, then what has to be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ikelab.harness.model import Verdict
from ikelab.reports.load import Result, Run
from ikelab.reports.matrix import UNEXPECTED, Matrix, build
from ikelab.reports.records import printable

ORDER = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.UNSUPPORTED,
    Verdict.XFAIL,
    Verdict.XPASS,
)


def summary(runs: Sequence[Run]) -> str:
    """The table, the unexpected results with their reasons, and what is damaged."""
    matrix = build(runs)
    lines = [*_table(runs, matrix), ""]
    unexpected = [(run, r) for run in runs for r in run.results if r.verdict in UNEXPECTED]
    for run, result in unexpected:
        lines += _unexpected(run, result)
    lines += [line for run in runs for line in _flaky(run)]
    lines += [f"incomplete: {run.path}: {p}" for run in runs for p in run.problems]
    total = sum(len(run.results) for run in runs)
    lines.append(f"{total} result{'s' * (total != 1)}, {len(unexpected)} unexpected")
    return printable("\n".join(lines))


def _table(runs: Sequence[Run], matrix: Matrix) -> Iterator[str]:
    rows: list[list[str]] = [["peer", "role", "topology", *ORDER, "seconds"]]
    for index, column in enumerate(matrix.columns):
        counts = matrix.counts(index)
        spent = sum(
            result.duration
            for row in matrix.rows
            if index in row.cells
            for result in row.cells[index].results
        )
        peer = f"{column.peer} {column.version}".strip()
        numbers = [str(counts[verdict]) for verdict in ORDER]
        rows.append([peer, column.role, column.topology, *numbers, f"{spent:.1f}"])
    if len(runs) > 1:
        names = ["run", *(runs[c.run].name for c in matrix.columns)]
        rows = [[name, *row] for name, row in zip(names, rows, strict=True)]
    words = len(rows[0]) - len(ORDER) - 1
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            text.ljust(width) if i < words else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _flaky(run: Run) -> Iterator[str]:
    """Tests whose rounds (`--repeat`) do not have one verdict: that is about us, not the peer."""
    rounds: dict[tuple[str, str], Counter[Verdict]] = {}
    for result in run.results:
        rounds.setdefault((result.repeated, result.peer), Counter())[result.verdict] += 1
    for (test, _), counts in rounds.items():
        if len(counts) > 1:
            told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts))
            yield f"flaky: {test}: {told}"


def _unexpected(run: Run, result: Result) -> Iterator[str]:
    where = " ".join(p for p in (result.case, result.peer, result.role) if p)
    variant = f" [{result.variant}]" if result.variant else ""
    yield f"{result.verdict:5} {where}{variant}: {result.title or result.name}"
    for line in result.reason.strip().splitlines()[:3]:
        yield f"      {line}"
    for violation in result.violations[:3]:
        yield f"      {violation}"
    if result.folder:
        yield f"      {result.folder}"
