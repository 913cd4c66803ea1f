"""A run folder on disk becomes typed values. Tolerant: a damaged run shows what it still has.

Nothing is dropped in silence: what could not be read is a sentence in `Run.problems`, and a result
line that was cut off is still a result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.errors import ConfigError, plain
from ikelab.harness.model import Level, Verdict, Violation
from ikelab.reports.evidence import Evidence, absent
from ikelab.reports.records import (
    Json,
    Record,
    integer,
    number,
    objects,
    parse,
    read_lines,
    word,
    words,
)

SCHEMA = 1
"""The newest `run.json` schema this version reads."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An RFC and the sections of it that a case is about."""

    rfc: int
    sections: tuple[str, ...]

    def __str__(self) -> str:
        return f"RFC {self.rfc}" + (f" {', '.join(self.sections)}" if self.sections else "")


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer as `run.json` names it."""

    name: str
    version: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of results.jsonl: what one test said of one peer in one role."""

    id: str
    case: str
    title: str
    doc: str
    verdict: Verdict
    peer: str
    role: str
    topology: str
    rfc: tuple[Reference, ...]
    level: str
    reason: str
    details: str
    duration: float
    violations: tuple[Violation, ...]
    folder: Path | None
    plan: str
    round: int = 1

    @property
    def repeated(self) -> str:
        """The id without the number of the round: one test, however often it was run."""
        return self.id.replace(f"-round{self.round}]", "]")

    @property
    def function(self) -> str:
        """The test without its parameters: one behaviour, one row of the matrix."""
        return self.id.partition("[")[0]

    @property
    def name(self) -> str:
        """The test's own name, without file and parameters."""
        return self.function.rpartition("::")[2]

    @property
    def module(self) -> str:
        """The dotted module of the test, as JUnit readers group by it."""
        path = self.function.partition("::")[0].removesuffix(".py")
        return path.strip("/").replace("/", ".")

    @property
    def variant(self) -> str:
        """The parameters, less peer, role and topology, which the matrix shows as columns."""
        text = self.id.partition("[")[2].removesuffix("]")
        for part in (self.peer, self.role, self.topology):
            if part:
                name = re.escape(part)  # a dash too many would make -1 and 1 one variant
                text = re.sub(rf"^{name}(?:-|$)|-{name}(?=-|$)", "", text)
        return text

    @property
    def headline(self) -> str:
        """What a person should read first: the rule that was broken, where the reason is only the
        text of a bare assertion (or the conversation that it printed)."""
        bare = not self.reason or self.reason.startswith(("assert ", "#"))
        return str(self.violations[0]) if bare and self.violations else self.reason

    def evidence(self) -> Evidence:
        """What the test's folder holds, read when asked for."""
        return Evidence(self.folder)


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder: its facts, its results in order, and what is wrong with it."""

    path: Path
    ikelab: str
    peers: tuple[PeerInfo, ...]
    topology: str
    kernel: str
    seed: int | None
    fault: str
    started: str
    finished: str
    command: tuple[str, ...]
    results: tuple[Result, ...]
    problems: tuple[str, ...]
    damage: tuple[str, ...] = ()
    """Those of the problems that are more than a run that has not come to its end."""
    unanswered: tuple[str, ...] = ()
    """Those of the problems that are tests without a result."""

    @property
    def stopped(self) -> bool:
        """Whether it did not come to its end: tests may be missing."""
        return not self.finished

    @property
    def name(self) -> str:
        return self.path.name

    def version(self, peer: str) -> str:
        """The version of a peer, empty where run.json does not say."""
        return next((p.version for p in self.peers if p.name == peer), "")


class _Problems(list[str]):
    """What is to be said of a run; `damage` is what cannot come of its being stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.damage: list[str] = []

    def broken(self, text: str) -> None:
        """Something is there and cannot be read, or must not be."""
        self.append(text)
        self.damage.append(text)


def load_run(path: Path) -> Run:
    """Read a run folder; ConfigError when it is missing or is no run folder."""
    path = Path(path)
    _require_run_folder(path)
    problems = _Problems()
    facts = _facts(path, problems)
    if word(facts, "kind") == "craft":
        raise ConfigError(
            f"{path} is what 'ikelab craft' made: a conversation, of which there are no results; "
            f"look at it with 'ikelab inspect {path}'"
        )
    peers = tuple(
        PeerInfo(word(p, "name", "unknown"), word(p, "version"), words(p, "capabilities"))
        for p in objects(facts, "peers")
    )
    finished = word(facts, "finished")
    if facts and not finished:
        why = word(facts, "stopped") or "it was stopped, or it is still going on"
        problems.append(f"the run did not finish: {why}")
    results = tuple(_results(path, facts, peers, problems))
    unanswered = _orphans(path, results)
    problems += unanswered
    if finished:
        for result in results:
            for text in _lacking(result):
                problems.broken(text)
    return Run(
        path=path,
        ikelab=word(facts, "ikelab"),
        peers=peers,
        topology=word(facts, "topology"),
        kernel=word(facts, "kernel"),
        seed=integer(facts.get("seed")),
        fault=word(facts, "fault"),
        started=word(facts, "started"),
        finished=finished,
        command=words(facts, "command"),
        results=results,
        problems=tuple(problems),
        damage=tuple(problems.damage),
        unanswered=tuple(unanswered),
    )


def _require_run_folder(path: Path) -> None:
    if not path.exists():
        raise ConfigError(f"no such run folder: {path}; 'ikelab run' prints where it wrote")
    if not path.is_dir():
        raise ConfigError(f"not a run folder but a file: {path}; give the folder it lies in")
    if any((path / name).is_file() for name in ("run.json", "results.jsonl")):
        return
    inner = sorted(p.parent for p in path.glob("*/run.json"))
    hint = f"; it holds runs, such as {inner[-1]}" if inner else ""
    raise ConfigError(f"not a run folder: {path} has neither run.json nor results.jsonl{hint}")


def _facts(path: Path, problems: _Problems) -> Json:
    file = path / "run.json"
    try:
        facts = parse(file.read_text(encoding="utf-8", errors="replace"))
        if not isinstance(facts, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        problems.broken("run.json is missing: peers and versions are taken from the results")
        return {}
    except (OSError, ValueError, RecursionError) as error:
        problems.broken(f"run.json cannot be read: {plain(error)}")
        return {}
    schema = integer(facts.get("schema"))
    if schema is None or schema > SCHEMA:
        problems.broken(f"run.json has schema {facts.get('schema')}, this ikelab reads {SCHEMA}")
    return facts


def _results(
    path: Path, facts: Json, peers: tuple[PeerInfo, ...], problems: _Problems
) -> Iterator[Result]:
    file = path / "results.jsonl"
    if not file.exists():
        say = problems.broken if word(facts, "finished") else problems.append
        say("results.jsonl is missing: no test had ended when the run did")
        return
    try:
        for record in read_lines(file):
            yield _result(path, record, facts, peers, problems)
    except OSError as error:
        problems.broken(f"results.jsonl cannot be read: {plain(error)}")


def _result(
    path: Path, record: Record, facts: Json, peers: tuple[PeerInfo, ...], problems: _Problems
) -> Result:
    fields = record.fields
    where = f"results.jsonl line {record.line}"
    reason = word(fields, "reason")
    if record.damage:
        # A run that was killed may have written half of its last line.
        half = record.cut and not word(facts, "finished")
        say = problems.append if half else problems.broken
        say(f"{record.damage}; what it still says is shown")
        reason = f"{reason} ({record.damage})".strip()
    verdict, complaint = _verdict(fields)
    if complaint:
        reason = f"{reason} ({complaint})".strip()
        if not record.damage:
            problems.broken(f"{where}: {complaint}")
    only_peer = peers[0].name if len(peers) == 1 else "unknown"
    return Result(
        id=word(fields, "id", where),
        case=word(fields, "case"),
        title=word(fields, "title") or _first_line(word(fields, "doc")),
        doc=word(fields, "doc"),
        verdict=verdict,
        peer=word(fields, "peer", only_peer),
        role=word(fields, "role", "unknown"),
        topology=word(fields, "topology", word(facts, "topology")),
        rfc=tuple(_references(fields)),
        level=word(fields, "level"),
        reason=reason,
        details=word(fields, "details"),
        duration=number(fields, "duration"),
        violations=tuple(violation(v) for v in objects(fields, "violations")),
        folder=_folder(path, facts, word(fields, "folder"), where, problems),
        plan=word(fields, "plan"),
        round=integer(fields.get("round")) or 1,
    )


def _verdict(fields: Json) -> tuple[Verdict, str]:
    """The verdict that was written; a missing or unknown one is our error, and said so."""
    text = fields.get("verdict")
    if text is None:
        return Verdict.ERROR, "no verdict was written"
    try:
        return Verdict(str(text)), ""
    except ValueError:
        return Verdict.ERROR, f"unknown verdict {text!r}"


def _references(fields: Json) -> Iterator[Reference]:
    for entry in objects(fields, "rfc"):
        rfc = integer(entry.get("rfc"))
        if rfc is not None:
            yield Reference(rfc, words(entry, "sections"))


def violation(fields: Json) -> Violation:
    """A violation as it was written; a level that this version does not know counts as policy."""
    try:
        level = Level(word(fields, "level"))
    except ValueError:
        level = Level.POLICY
    return Violation(
        rule=word(fields, "rule", "unnamed rule"),
        rfc=integer(fields.get("rfc")) or 0,
        section=word(fields, "section"),
        level=level,
        message=word(fields, "message"),
        frame=integer(fields.get("frame")),
    )


def _folder(path: Path, facts: Json, name: str, where: str, problems: _Problems) -> Path | None:
    if not name:
        return None
    folder = path / name
    if "\0" in name or not folder.resolve().is_relative_to(path.resolve()):
        problems.broken(f"{where}: folder {name!r} is outside the run folder and was not read")
        return None
    if not folder.is_dir():
        say = problems.broken if word(facts, "finished") else problems.append
        say(f"{where}: folder {name!r} is missing")
        return None
    return folder


def _orphans(path: Path, results: tuple[Result, ...]) -> list[str]:
    """Test folders that no result speaks of: the run ended while the test was running."""
    known = {r.folder.resolve() for r in results if r.folder}
    cases = path / "cases"
    folders = sorted(p for p in cases.iterdir() if p.is_dir()) if cases.is_dir() else []
    return [
        f"{p.relative_to(path)} has no result: the run ended while that test was running"
        for p in folders
        if p.resolve() not in known
    ]


def _lacking(result: Result) -> Iterator[str]:
    """What a test that came to its verdict wrote, and its folder does not have any more.

    Only PASS and FAIL are sure to have had a peer: of the others each may have ended before that,
    and so may what fuzzing and the matrix found.
    """
    elsewhere = result.id.startswith(("fuzz::", "matrix::"))
    if result.folder is None or elsewhere or result.verdict not in (Verdict.PASS, Verdict.FAIL):
        return
    for name, what in absent(result.folder):
        yield f"{result.folder.name}: {name} {what}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
