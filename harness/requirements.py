"""What the RFCs ask for, sentence by sentence, and which cases hold a peer to it.

The rows lie in `testcases/requirements/rfc<number>.toml`: id, section, level, whom it binds, our
own words for it, and either the cases or the reason why there is none. Knows no peer and no pytest.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError, plain

CASES = Path(__file__).resolve().parent.parent / "testcases"
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
PARTIES = ("initiator", "responder", "both")
KINDS = ("wire", "host")
"""Whether somebody on the wire can tell that it is not kept, or the host alone."""
_KEYS = frozenset(("id", "section", "level", "who", "text", "seen", "cases", "why"))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of an RFC. Without cases, `why` says why there is none."""

    id: str
    rfc: int
    section: str
    level: str
    who: str
    text: str
    seen: str
    cases: tuple[str, ...] = ()
    why: str = ""

    @property
    def order(self) -> tuple[int, tuple[int, ...]]:
        """By RFC and section; the file's order within one."""
        return self.rfc, tuple(int(part) for part in self.section.split("."))


@cache
def requirements(folder: Path = CASES / "requirements") -> tuple[Requirement, ...]:
    """Every row of every file, by section; ConfigError names a row that is wrong."""
    rows = [row for path in sorted(folder.glob("rfc*.toml")) for row in _read(path)]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ConfigError(f"two requirements are called {row.id}")
        seen.add(row.id)
    return tuple(sorted(rows, key=lambda row: row.order))


def _read(path: Path) -> Iterator[Requirement]:
    try:
        number = int(path.stem.removeprefix("rfc"))
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["requirement"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: {plain(error)}") from None
    for table in tables:
        yield _row(path, number, table)


def _row(path: Path, rfc: int, table: dict[str, Any]) -> Requirement:
    name = table.get("id", "a requirement without an id")
    if unknown := set(table) - _KEYS:
        raise ConfigError(f"{path}: {name}: unknown key {sorted(unknown)[0]!r}")
    cases = tuple(table.get("cases", ()))
    try:
        row = Requirement(rfc=rfc, **{"seen": "wire", **table, "cases": cases})
        _ = row.order
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {name}: {error}") from None
    for value, known in ((row.level, LEVELS), (row.who, PARTIES), (row.seen, KINDS)):
        if value not in known:
            raise ConfigError(f"{path}: {name}: {value!r} is none of {', '.join(known)}")
    if bool(row.cases) == bool(row.why):
        raise ConfigError(f"{path}: {name}: either cases, or why there is none")
    return row


@dataclass(frozen=True, slots=True)
class Shipped:
    """A shipped case as its source has it: id, level and the sections that it is about."""

    id: str
    level: str
    rfcs: tuple[tuple[int, tuple[str, ...]], ...]
    place: str


@cache
def shipped(folder: Path = CASES) -> tuple[Shipped, ...]:
    """Every case of the shipped files, read without importing them."""
    found: list[Shipped] = []
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found += _shipped(node, path.relative_to(folder).as_posix())
    return tuple(found)


def _shipped(node: ast.FunctionDef, place: str) -> Iterator[Shipped]:
    marks: dict[str, list[list[Any]]] = {"case": [], "rfc": []}
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id in marks:
            marks[mark.func.id].append([ast.literal_eval(argument) for argument in mark.args])
    for name, *level in marks["case"]:
        rfcs = tuple((number, tuple(sections)) for number, *sections in marks["rfc"])
        yield Shipped(name, level[0] if level else "MUST", rfcs, f"{place}::{node.name}")


@dataclass(frozen=True, slots=True)
class Totals:
    """How many requirements of a level there are, can be seen, and have a case."""

    level: str
    all: int
    visible: int
    covered: int


def totals(rows: Iterable[Requirement]) -> list[Totals]:
    """A line a level."""
    rows = list(rows)
    found = []
    for level in LEVELS:
        own = [row for row in rows if row.level == level]
        visible = [row for row in own if row.seen == "wire"]
        covered = sum(bool(row.cases) for row in visible)
        found.append(Totals(level, len(own), len(visible), covered))
    return found
