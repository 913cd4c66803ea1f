"""JUnit XML, in the narrow shape that Jenkins' schema, GitLab, GitHub and Azure all accept.

FAIL and XPASS are failures, ERROR is an error, UNSUPPORTED and XFAIL are skipped with their reason.
A suite is one peer in one role; names are stable between runs, so that a CI can show a history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Verdict
from ikelab.reports.evidence import notation
from ikelab.reports.load import Result, Run
from ikelab.reports.matrix import Column, build

ELEMENT = {
    Verdict.FAIL: "failure",
    Verdict.XPASS: "failure",
    Verdict.ERROR: "error",
    Verdict.UNSUPPORTED: "skipped",
    Verdict.XFAIL: "skipped",
}
CONVERSATION_LINES = 200

# XML 1.0 has no way to write these characters, not even escaped.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_junit(runs: Sequence[Run], out: Path) -> None:
    """Write one file for all runs; ConfigError when it cannot be written."""
    root = ET.Element("testsuites", name="ikelab")
    matrix = build(runs)
    suites = [
        _suite(runs[column.run], column, _results(runs[column.run], column))
        for column in matrix.columns
    ]
    suites += [_damage(run) for run in runs if run.problems]
    root.extend(suites)
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(s.get(key, "0")) for s in suites)))
    ET.indent(root)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        ET.ElementTree(root).write(out, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


def _results(run: Run, column: Column) -> list[Result]:
    key = (column.peer, column.role, column.topology)
    return [r for r in run.results if (r.peer, r.role, r.topology) == key]


def _suite(run: Run, column: Column, results: Sequence[Result]) -> ET.Element:
    name = " ".join(p for p in ("ikelab", column.peer, column.role, column.topology) if p)
    elements = [ELEMENT.get(r.verdict, "") for r in results]
    suite = ET.Element("testsuite", name=clean(name), tests=str(len(results)))
    suite.set("failures", str(elements.count("failure")))
    suite.set("errors", str(elements.count("error")))
    suite.set("skipped", str(elements.count("skipped")))
    suite.set("time", seconds(sum(r.duration for r in results)))
    if run.started:
        suite.set("timestamp", clean(run.started.removesuffix("Z")))
    properties = ET.SubElement(suite, "properties")
    facts = {
        "ikelab": run.ikelab,
        "peer": f"{column.peer} {column.version}".strip(),
        "kernel": run.kernel,
        "seed": "" if run.seed is None else str(run.seed),
        "fault": run.fault,
        "folder": run.name,
    }
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=key, value=clean(value))
    suite.extend(_testcase(run, column, result) for result in results)
    return suite


def _testcase(run: Run, column: Column, result: Result) -> ET.Element:
    where = [column.peer, column.role, column.topology, result.module]
    case = ET.Element(
        "testcase",
        classname=clean(".".join(w for w in where if w)),
        name=clean(f"{result.case} {result.id.rpartition('::')[2]}".strip()),
        time=seconds(result.duration),
    )
    if element := ELEMENT.get(result.verdict):
        short = result.headline.strip().partition("\n")[0] or f"{result.verdict} without a reason"
        if result.verdict in (Verdict.XFAIL, Verdict.XPASS):
            short = f"{result.verdict}: {short}"
        child = ET.SubElement(case, element, type=str(result.verdict), message=clean(short))
        if element != "skipped":
            child.text = clean("\n".join(_story(run, result)))
    return case


def _story(run: Run, result: Result) -> Iterable[str]:
    """What a person reads in the CI: rule, reason, violations, conversation, where the rest is."""
    yield f"{result.title} ({', '.join(map(str, result.rfc))})" if result.rfc else result.title
    if result.details or result.reason:
        yield result.details or result.reason
    yield from (f"violation: {violation}" for violation in result.violations)
    if result.folder is None:
        return
    steps = result.evidence().conversation().steps
    yield ""
    yield from (notation(step) for step in steps[:CONVERSATION_LINES])
    if len(steps) > CONVERSATION_LINES:
        yield f"... {len(steps) - CONVERSATION_LINES} more messages"
    yield f"\nfolder: {run.name}/{result.folder.relative_to(run.path)}"


def _damage(run: Run) -> ET.Element:
    """A run folder that is incomplete must not look green."""
    suite = ET.Element("testsuite", name=clean(f"ikelab run folder {run.name}"))
    for key, value in {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}.items():
        suite.set(key, value)
    suite.set("time", seconds(0))
    case = ET.SubElement(
        suite, "testcase", classname="run folder", name="is complete", time=seconds(0)
    )
    error = ET.SubElement(case, "error", type="damage", message=clean(run.problems[0]))
    error.text = clean("\n".join(run.problems))
    return suite


def clean(text: str) -> str:
    """Text that XML 1.0 can carry: a character that it cannot is written as its code point."""
    return _ILLEGAL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def seconds(value: float) -> str:
    return f"{max(0.0, value):.3f}"
