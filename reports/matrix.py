"""The matrix: rules down, peers and roles across, one verdict where they meet.

A row is one behaviour (a catalogue case and the test that judges it); its parametrised variants,
and repeated runs of it, share a cell that shows the gravest verdict.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ikelab.harness.model import Verdict
from ikelab.reports.load import Reference, Result, Run
from ikelab.reports.sections import heading

GRAVEST_FIRST = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.XPASS,
    Verdict.XFAIL,
    Verdict.UNSUPPORTED,
    Verdict.PASS,
)
UNEXPECTED = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.XPASS})
"""The verdicts that somebody has to look at; a run with one of them exits 1."""


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that stands for several; there must be one."""
    return min(verdicts, key=GRAVEST_FIRST.index)


@dataclass(frozen=True, slots=True)
class Column:
    """One peer in one role and topology of one run; `slug` is what a link calls it."""

    run: int
    peer: str
    version: str
    role: str
    topology: str
    slug: str


@dataclass(slots=True)
class Cell:
    """What one peer got for one row, in the order it was run."""

    results: list[Result] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        return gravest(r.verdict for r in self.results)

    @property
    def flaky(self) -> bool:
        """Whether the same test, repeated, came to different verdicts: a fault of ours."""
        seen: dict[str, Verdict] = {}
        return any(seen.setdefault(r.repeated, r.verdict) != r.verdict for r in self.results)


@dataclass(slots=True)
class Row:
    """One behaviour; `cells` maps a column's index to its cell."""

    slug: str
    case: str
    title: str
    doc: str
    function: str
    rfc: tuple[Reference, ...]
    level: str
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The RFC section that the row stands under."""
        return heading(self.rfc[0].rfc, self.rfc[0].sections[:1]) if self.rfc else "No RFC section"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows by RFC section, columns by run, peer and role."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def counts(self, column: int) -> Counter[Verdict]:
        """How many results of a column have each verdict (variants counted one by one)."""
        cells = (row.cells[column] for row in self.rows if column in row.cells)
        return Counter(result.verdict for cell in cells for result in cell.results)


def build(runs: Sequence[Run]) -> Matrix:
    """Arrange the results of one or several runs."""
    keys: dict[tuple[int, str, str, str], int] = {}
    rows: dict[tuple[str, str], Row] = {}
    for index, run in enumerate(runs):
        for result in run.results:
            key = (index, result.peer, result.role, result.topology)
            column = keys.setdefault(key, len(keys))
            row = rows.setdefault((result.case, result.function), _row(result))
            row.cells.setdefault(column, Cell()).results.append(result)
    order = sorted(rows.values(), key=_by_section)
    _name(order)
    columns, moved = _columns(runs, keys)
    for row in order:
        row.cells = {moved[old]: cell for old, cell in row.cells.items()}
    return Matrix(columns, tuple(order))


def _row(result: Result) -> Row:
    return Row(
        slug="",
        case=result.case,
        title=result.title or result.name,
        doc=result.doc,
        function=result.function,
        rfc=result.rfc,
        level=result.level,
    )


def _by_section(row: Row) -> tuple[object, ...]:
    if not row.rfc:
        return (1, 0, (), row.function)
    first = row.rfc[0]
    section = tuple(int(n) for n in re.findall(r"\d+", "".join(first.sections[:1]))[:2])
    case = tuple((0, int(p)) if p.isdecimal() else (1, p) for p in re.split(r"(\d+)", row.case))
    return (0, -(first.rfc == 7296), first.rfc, section, case, row.function)


def _name(rows: Sequence[Row]) -> None:
    """Give each row its slug: the case where that says which, else case and test."""
    cases = Counter(row.case for row in rows if row.case)
    taken: set[str] = set()
    for row in rows:
        name = row.function.rpartition("::")[2] or row.function
        slug = row.case if cases[row.case] == 1 else f"{row.case}.{name}".strip(".")
        row.slug = row.function if slug in taken else slug
        taken.add(row.slug)


def _columns(
    runs: Sequence[Run], keys: dict[tuple[int, str, str, str], int]
) -> tuple[tuple[Column, ...], dict[int, int]]:
    """Columns by run, peer, topology and role; a slug has only the parts that tell them apart.

    Peers stand in the order in which the run was asked for them, responders before initiators.
    """
    same = Counter((peer, role, topology) for _, peer, role, topology in keys)
    placed = Counter((run, peer, role) for run, peer, role, _ in keys)
    columns: list[Column] = []
    moved: dict[int, int] = {}
    asked = [[p.name for p in run.peers] for run in runs]

    def order(key: tuple[int, str, str, str]) -> tuple[object, ...]:
        run, peer, role, topology = key
        place = asked[run].index(peer) if peer in asked[run] else len(asked[run])
        return (run, place, peer, topology, role != "responder", role)

    for key in sorted(keys, key=order):
        run, peer, role, topology = key
        parts = [peer, role]
        if placed[run, peer, role] > 1:
            parts.append(topology)
        if same[peer, role, topology] > 1:
            parts.append(runs[run].name)
        moved[keys[key]] = len(columns)
        version = runs[run].version(peer)
        columns.append(Column(run, peer, version, role, topology, ".".join(parts)))
    return tuple(columns), moved
