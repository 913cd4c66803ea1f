"""Requirements as a table: for a terminal, and as the page of the docs.

With run folders, each row has the gravest verdict that its cases came to, peer by peer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ikelab.harness.model import Verdict
from ikelab.harness.requirements import Requirement, totals
from ikelab.reports.load import Run
from ikelab.reports.matrix import gravest

Found = dict[str, dict[str, Verdict]]
"""Peer, case: the gravest verdict."""


def text(rows: Sequence[Requirement], runs: Sequence[Run]) -> str:
    """A line a requirement, then the totals."""
    found = verdicts(runs)
    lines = []
    for row in rows:
        told = " ".join(row.cases) or f"({row.seen}) {row.why}"
        lines.append(f"{row.id:<14} {row.level:<10} {row.who:<9} {row.text}")
        lines.append(f"{'':14} {told}")
        lines += [f"{'':14} {peer}: {verdict}" for peer, verdict in judged(row, found)]
    lines.append("")
    for t in totals(rows):
        seen = f"{t.visible} seen on the wire, {t.covered} of them with a case"
        lines.append(f"{t.level:<10} {t.all:>4} in all, {seen}")
    return "\n".join(lines) + "\n"


def markdown(rows: Sequence[Requirement], runs: Sequence[Run]) -> str:
    """The page: totals, then a table for each section."""
    return "\n".join(_markdown(rows, runs)) + "\n"


def _markdown(rows: Sequence[Requirement], runs: Sequence[Run]) -> Iterator[str]:
    found = verdicts(runs)
    yield "# Requirements"
    yield ""
    yield (
        "What the RFCs ask for, in our words, and the cases that hold a peer to it. "
        "Written by `ikelab requirements --out`."
    )
    yield "*Wire* is what another machine can see; *host* is what it cannot, and no case can judge."
    for rfc in sorted({row.rfc for row in rows}):
        own = [row for row in rows if row.rfc == rfc]
        yield from ("", f"## RFC {rfc}", "", "| level | all | on the wire | with a case |")
        yield "| --- | ---: | ---: | ---: |"
        for t in totals(own):
            yield f"| {t.level} | {t.all} | {t.visible} | {t.covered} |"
        peers = sorted(found)
        yield from ("", "| id | level | binds | what | cases |" + "".join(f" {p} |" for p in peers))
        yield "| --- " * (5 + len(peers)) + "|"
        for row in own:
            told = ", ".join(row.cases) or f"*{row.seen}*: {row.why}"
            ours = dict(judged(row, found))
            marks = "".join(f" {ours.get(peer, '')} |" for peer in peers)
            cells = [row.id, row.level, row.who, _flat(row.text), _flat(told)]
            yield "| " + " | ".join(cells) + " |" + marks


def verdicts(runs: Iterable[Run]) -> Found:
    """What each peer's results say of each case."""
    every: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for result in run.results:
            every[result.peer][result.case].append(result.verdict)
    return {peer: {c: gravest(v) for c, v in cases.items()} for peer, cases in every.items()}


def judged(row: Requirement, found: Found) -> Iterator[tuple[str, Verdict]]:
    """Each peer that a case of this requirement was run on, with the gravest verdict."""
    for peer, cases in found.items():
        if told := [cases[case] for case in row.cases if case in cases]:
            yield peer, gravest(told)


def _flat(words: str) -> str:
    return words.replace("|", "\\|")
