"""SARIF 2.1.0, as forges' code scanning reads it: a result for each FAIL, a rule for each case.

What broke is a message and no line of a program, so a result stands at its conversation in the run
folder and, by name, at the peer in its role. A known deviation (XFAIL) is a result that is
suppressed, with its reason; an ERROR says nothing of the peer and is a notification of the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Verdict, Violation
from ikelab.reports.load import Reference, Result, Run
from ikelab.reports.records import Json
from ikelab.reports.sections import heading

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://www.rfc-editor.org/rfc/rfc"
LEVELS = {"MUST": "error", "MUST NOT": "error", "SHOULD": "warning", "SHOULD NOT": "warning"}
"""What a FAIL of a case of that level is; one of a feature or a policy is a note."""


def write_sarif(runs: Sequence[Run], out: Path) -> None:
    """Write one file with a run of its own for each run folder; ConfigError when it cannot be."""
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [_run(run, out.resolve().parent) for run in runs],
    }
    text = json.dumps(document, indent=1) + "\n"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


def _run(run: Run, base: Path) -> Json:
    rules: dict[str, Json] = {}
    results: list[Json] = []
    for result in run.results:
        if result.verdict in (Verdict.FAIL, Verdict.XFAIL):
            results += _results(result, rules, base)
    numbers = {name: number for number, name in enumerate(rules)}
    for found in results:
        found["ruleIndex"] = numbers[str(found["ruleId"])]
    driver = {"name": "ikelab", "version": run.ikelab or "unknown", "rules": list(rules.values())}
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"ikelab/{run.name}"},
        "invocations": [_invocation(run)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }


def _invocation(run: Run) -> Json:
    errors = [r for r in run.results if r.verdict is Verdict.ERROR]
    told = [*run.problems, *(f"{r.id}: {r.headline or 'ERROR'}" for r in errors)]
    invocation: Json = {
        "executionSuccessful": bool(run.finished) and not told,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": text}} for text in told
        ],
    }
    for name, moment in (("startTimeUtc", run.started), ("endTimeUtc", run.finished)):
        if moment:
            invocation[name] = moment
    return invocation


def _results(result: Result, rules: dict[str, Json], base: Path) -> Iterable[Json]:
    """The case that failed, and each rule of the engine that the peer broke in it."""
    name = result.case or result.name
    rules.setdefault(name, _case(name, result))
    text = result.headline.strip().partition("\n")[0] or f"{result.title or name}: {result.verdict}"
    yield _result(result, name, LEVELS.get(result.level, "note"), text, base)
    if result.verdict is Verdict.FAIL:
        for violation in {v.rule: v for v in result.violations}.values():
            rules.setdefault(violation.rule, _rule(violation))
            level = LEVELS.get(str(violation.level), "note")
            yield _result(result, violation.rule, level, violation.message, base)


def _result(result: Result, rule: str, level: str, text: str, base: Path) -> Json:
    peer = f"{result.peer} as {result.role}" if result.role else result.peer
    who = "/".join(part for part in (result.peer, result.role, result.topology) if part)
    location: Json = {"logicalLocations": [{"fullyQualifiedName": who, "kind": "module"}]}
    if result.folder is not None:
        path = os.path.relpath(result.folder.resolve() / "transcript.jsonl", base)
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(Path(path).as_posix())},
            "region": {"startLine": 1},
        }
    mark = sha256(f"{rule}\n{result.id}\n{who}".encode()).hexdigest()
    found: Json = {
        "ruleId": rule,
        "level": level,
        "message": {"text": f"{peer}: {text}"},
        "locations": [location],
        "partialFingerprints": {"test/v1": mark},
        "properties": {"test": result.id, "verdict": str(result.verdict)},
    }
    if result.verdict is Verdict.XFAIL:
        why = result.reason or "a known deviation"
        found["suppressions"] = [{"kind": "external", "justification": why}]
    return found


def _case(name: str, result: Result) -> Json:
    sections = [s for reference in result.rfc for s in _headings(reference)]
    rule: Json = {
        "id": name,
        "shortDescription": {"text": result.title or name},
        "fullDescription": {"text": "; ".join([result.doc or result.title or name, *sections])},
        "defaultConfiguration": {"level": LEVELS.get(result.level, "note")},
        "properties": {"tags": [result.level, *(f"RFC {r.rfc}" for r in result.rfc)]},
    }
    if result.rfc:
        rule["helpUri"] = _link(result.rfc[0].rfc, *result.rfc[0].sections[:1])
    return rule


def _rule(violation: Violation) -> Json:
    where = heading(violation.rfc, (violation.section,))
    return {
        "id": violation.rule,
        "shortDescription": {"text": violation.rule.replace("-", " ")},
        "fullDescription": {"text": where},
        "helpUri": _link(violation.rfc, violation.section),
        "defaultConfiguration": {"level": LEVELS.get(str(violation.level), "note")},
        "properties": {"tags": [str(violation.level), f"RFC {violation.rfc}"]},
    }


def _headings(reference: Reference) -> list[str]:
    return [heading(reference.rfc, (section,)) for section in reference.sections]


def _link(rfc: int, section: str = "") -> str:
    return f"{HOME}{rfc}#section-{section}" if section else f"{HOME}{rfc}"
