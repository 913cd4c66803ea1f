"""What the page shows, as JSON: a small index that opens at once, and one detail a result.

A detail is deflated and stays text until its cell is opened, so that thousands of cells cost
neither parsing nor memory.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from ikelab.harness.model import Violation
from ikelab.reports.load import Reference, Result, Run
from ikelab.reports.matrix import Cell, Matrix
from ikelab.reports.records import Json, objects, word
from ikelab.reports.sections import heading

MAX_STEPS = 2000
"""Messages of one conversation that the page shows; the rest stays in the run folder."""


@dataclass(slots=True)
class Budget:
    """How many octets of files may still go into the page, and how many from one file."""

    per_file: int
    total: int

    def take(self, size: int) -> bool:
        if size > self.per_file or size > self.total:
            return False
        self.total -= size
        return True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result stands: its run and what the run says of the peer."""

    run: Run
    result: Result


def places(runs: Sequence[Run], matrix: Matrix) -> list[Place]:
    """Every result in the order the index numbers them."""
    return [
        Place(runs[matrix.columns[column].run], result)
        for row in matrix.rows
        for column, cell in sorted(row.cells.items())
        for result in cell.results
    ]


class Asked(Protocol):
    """A requirement as the page needs it: where it stands, whom it binds, which cases test it."""

    @property
    def id(self) -> str: ...
    @property
    def rfc(self) -> int: ...
    @property
    def section(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def who(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def seen(self) -> str: ...
    @property
    def cases(self) -> tuple[str, ...]: ...
    @property
    def why(self) -> str: ...


def index(runs: Sequence[Run], matrix: Matrix, asked: Sequence[Asked] = ()) -> Json:
    """Everything that the matrix, its filters and its search need, without the evidence."""
    results: list[Json] = []
    rows: list[Json] = []
    for row in matrix.rows:
        cells: list[object] = []
        for column, cell in sorted(row.cells.items()):
            first = len(results)
            results += [_brief(result) for result in cell.results]
            cells.append(_cell(column, cell, first))
        rows.append(
            {
                "slug": row.slug,
                "case": row.case,
                "title": row.title,
                "doc": row.doc,
                "function": row.function,
                "group": row.group,
                "rfc": [str(r) for r in row.rfc],
                "level": row.level,
                "cells": cells,
            }
        )
    columns = [
        {
            "run": c.run,
            "peer": c.peer,
            "version": c.version,
            "role": c.role,
            "topology": c.topology,
            "slug": c.slug,
        }
        for c in matrix.columns
    ]
    return {
        "runs": [_run(run) for run in runs],
        "columns": columns,
        "rows": rows,
        "results": results,
        "requirements": [_asked(one) for one in asked],
    }


def _asked(one: Asked) -> Json:
    return {
        "id": one.id,
        "rfc": f"RFC {one.rfc} {one.section}",
        "group": heading(one.rfc, (one.section,)),
        "level": one.level,
        "who": one.who,
        "text": one.text,
        "seen": one.seen,
        "cases": list(one.cases),
        "why": one.why,
    }


def _cell(column: int, cell: Cell, first: int) -> Json:
    numbers = list(range(first, first + len(cell.results)))
    return {
        "column": column,
        "results": numbers,
        "verdict": str(cell.verdict),
        "flaky": cell.flaky,
    }


def _brief(result: Result) -> Json:
    return {
        "verdict": str(result.verdict),
        "variant": result.variant,
        "reason": result.headline[:300],
        "rules": sorted({v.rule for v in result.violations}),
        "seconds": round(result.duration, 3),
    }


def _run(run: Run) -> Json:
    return {
        "name": run.name,
        "ikelab": run.ikelab,
        "kernel": run.kernel,
        "topology": run.topology,
        "seed": run.seed,
        "fault": run.fault,
        "started": run.started,
        "finished": run.finished,
        "command": shlex.join(run.command),
        "peers": [
            {"name": p.name, "version": p.version, "capabilities": list(p.capabilities)}
            for p in run.peers
        ],
        "problems": list(run.problems),
    }


Link = Callable[[Path], str]
"""From a file of a run folder to what the page says as a link to it."""


def detail(place: Place, link: Link, budget: Budget) -> Json:
    """All of one result: what was judged, the conversation, the peer's side, files, commands."""
    run, result = place.run, place.result
    details = result.details or result.reason
    conversation = result.evidence().conversation()
    steps = [_step(step) for step in conversation.steps[:MAX_STEPS]]
    return {
        "id": result.id,
        "peer": result.peer,
        "role": result.role,
        "reason": result.headline,
        "details": details if details.strip() != result.headline.strip() else "",
        "doc": result.doc,
        "rfc": [_reference(r) for r in result.rfc],
        "violations": [_violation(v) for v in result.violations],
        "plan": result.plan or result.evidence().text("plan.txt").content,
        "steps": steps,
        "more": len(conversation.steps) - len(steps),
        "problems": list(conversation.problems),
        "files": list(_files(result, link, budget)),
        "commands": _commands(run, result),
    }


def _step(step: Json) -> Json:
    """A step whose lists are lists and whose octets are hexadecimal, whatever the file said."""
    inner = objects(step, "inner") if isinstance(step.get("inner"), list) else None
    clean: Json = {
        **step,
        "payloads": objects(step, "payloads"),
        "inner": inner,
        "violations": objects(step, "violations"),
    }
    for key in ("raw", "plain"):
        if not _HEX.fullmatch(word(step, key)):
            clean[key] = None
    for key in ("text", "note", "exchange"):
        clean[key] = word(step, key)
    return clean


_HEX = re.compile("(?:[0-9a-f]{2})+")


def _reference(reference: Reference) -> Json:
    base = f"https://www.rfc-editor.org/rfc/rfc{reference.rfc}"
    return {
        "name": f"RFC {reference.rfc}",
        "url": base,
        "sections": [
            {"name": section, "url": f"{base}#section-{quote(section)}"}
            for section in reference.sections
        ],
    }


def _violation(violation: Violation) -> Json:
    return {
        "rule": violation.rule,
        "level": str(violation.level),
        "message": violation.message,
        "frame": violation.frame,
        "rfc": _reference(Reference(violation.rfc, (violation.section,))),
    }


TAIL = 1 << 16


def _files(result: Result, link: Link, budget: Budget) -> Iterator[Json]:
    """Files as text or base64 while the budget lasts; the rest as links."""
    if result.folder is None:
        return
    for path in result.evidence().downloads():
        entry: Json = {"name": path.relative_to(result.folder).as_posix()}
        try:
            entry["size"] = size = path.stat().st_size
            wanted = entry["name"] != "transcript.jsonl"  # the steps are in the page already
            if wanted and budget.take(size):
                entry |= _content(path.read_bytes())
            else:
                entry["href"] = link(path)
                if path.name in ("peer.log", "peer.conf"):
                    text = result.evidence().text(path.name, TAIL)
                    entry |= {"text": text.content, "cut": text.cut}
        except OSError as error:
            entry["damage"] = error.strerror or str(error)
        yield entry


def _content(data: bytes) -> Json:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return {"base64": base64.b64encode(data).decode()} if "\0" in text else {"text": text}


def beside(page: Path) -> Link:
    """Links from a page to where the files are."""
    place = page.resolve().parent

    def link(path: Path) -> str:
        return quote(Path(os.path.relpath(path.resolve(), place)).as_posix())

    return link


def _commands(run: Run, result: Result) -> list[Json]:
    """What to type to see it again: the same test alone, the same capture."""
    again = ["ikelab", "run", "--peer", result.peer, "--role", result.role]
    if result.topology:
        again += ["--topology", result.topology]
    if run.seed is not None:
        again += ["--seed", str(run.seed)]
    if run.fault:
        again += ["--fault", run.fault]
    name = result.id.rpartition("::")[2]
    found = [
        ("Replay this test", [*again, "-k", name if _KEYWORD.fullmatch(name) else result.name])
    ]
    if result.folder is not None:
        capture = result.folder / "capture.pcapng"
        if capture.is_file():
            inspect = ["ikelab", "inspect", str(capture)]
            keys = result.folder / "keys"
            found.append(("Inspect the capture", inspect + ["--keys", str(keys)] * keys.is_dir()))
    return [{"name": name, "command": shlex.join(command)} for name, command in found]


# What pytest's -k takes as one word; anything else would be an expression.
_KEYWORD = re.compile(r"[\w:+\-.\[\]/\\]+")


def embed(value: Json) -> str:
    """JSON that is safe inside a script element: ASCII, and nothing that looks like a tag."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def pack(value: Json) -> str:
    """JSON, deflated without a header, in base64: what the page opens cell by cell."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = json.dumps(value, separators=(",", ":"), default=str).encode()
    return base64.b64encode(squeeze.compress(data) + squeeze.flush()).decode()
