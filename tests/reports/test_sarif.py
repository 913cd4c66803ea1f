"""SARIF 2.1.0: what its schema requires is there, and a FAIL is found where it happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports.load import load_run
from ikelab.reports.sarif import write_sarif
from tests.harness.command import ikelab

RULE = {"rule": "one-proposal", "rfc": 7296, "section": "2.7", "level": "MUST"}
RULE |= {"message": "two proposals came back"}

# Of sarif-schema-2.1.0.json: the required members of each object that is written here.
REQUIRED = {
    "document": {"version", "runs"},
    "run": {"tool"},
    "tool": {"driver"},
    "driver": {"name"},
    "reportingDescriptor": {"id"},
    "result": {"message"},
    "invocation": {"executionSuccessful"},
    "notification": {"message"},
    "suppression": {"kind"},
}
LEVELS = {"none", "note", "warning", "error"}


def has(thing: dict[str, Any], kind: str) -> dict[str, Any]:
    assert REQUIRED[kind] <= thing.keys(), (kind, thing)
    return thing


def text_of(message: dict[str, Any]) -> str:
    """`message`: text or id is required; a text is not empty."""
    assert isinstance(message["text"], str) and message["text"].strip(), message
    return message["text"]


def check(document: dict[str, Any]) -> None:
    """The schema's requirements for everything that write_sarif can write."""
    has(document, "document")
    assert document["version"] == "2.1.0" and document["$schema"].endswith("sarif-2.1.0.json")
    for run in document["runs"]:
        driver = has(has(run, "run")["tool"], "tool")["driver"]
        rules = [has(rule, "reportingDescriptor") for rule in has(driver, "driver")["rules"]]
        names = [rule["id"] for rule in rules]
        assert len(names) == len(set(names))
        for rule in rules:
            text_of(rule["shortDescription"])
            text_of(rule["fullDescription"])
            assert rule["defaultConfiguration"]["level"] in LEVELS
        for invocation in run["invocations"]:
            assert isinstance(has(invocation, "invocation")["executionSuccessful"], bool)
            for told in invocation["toolExecutionNotifications"]:
                text_of(has(told, "notification")["message"])
        for result in run["results"]:
            text_of(has(result, "result")["message"])
            assert names[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in LEVELS
            assert all(isinstance(v, str) for v in result["partialFingerprints"].values())
            for place in result["locations"]:
                assert place["logicalLocations"][0]["fullyQualifiedName"]
                assert place.get("physicalLocation", {"region": {"startLine": 1}})["region"] == {
                    "startLine": 1
                }
            for suppression in result.get("suppressions", ()):
                assert has(suppression, "suppression")["kind"] in {"inSource", "external"}


@pytest.fixture
def written(build_run, tmp_path):
    made = build_run("r", "reference", "strongswan@trixie")
    made.test("a", "FAIL", case="INIT-01", violations=[RULE, RULE], reason="")
    made.test("b", "FAIL", case="TS-02", level="SHOULD", folder=False)
    made.test("c", "FAIL", case="CP-01", level="feature", peer="strongswan@trixie")
    made.test("d", "XFAIL", case="MID-01", reason="known since 5.9")
    made.test("e", "UNSUPPORTED", case="MID-02")
    made.test("f", case="MID-03")
    out = tmp_path / "new" / "found.sarif"
    write_sarif([load_run(made.path)], out)
    return out, json.loads(out.read_text())


def test_what_the_schema_requires_is_there(written):
    check(written[1])


def test_a_fail_is_a_result_and_so_is_each_rule_that_was_broken(written):
    results = written[1]["runs"][0]["results"]
    found = [(r["ruleId"], r["level"], "suppressions" in r) for r in results]
    assert found == [
        ("INIT-01", "error", False),
        ("one-proposal", "error", False),
        ("TS-02", "warning", False),
        ("CP-01", "note", False),
        ("MID-01", "error", True),
    ]
    assert results[1]["message"]["text"] == "reference as responder: two proposals came back"
    assert results[4]["suppressions"][0]["justification"] == "known since 5.9"
    assert len({r["partialFingerprints"]["test/v1"] for r in results}) == 5


def test_a_result_leads_to_its_conversation_and_a_rule_to_its_section(written):
    out, document = written
    [run] = document["runs"]
    first, *_ = run["results"]
    uri = first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (out.parent / unquote(uri)).is_file()
    assert "physicalLocation" not in run["results"][2]["locations"][0]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["INIT-01"]["helpUri"] == "https://www.rfc-editor.org/rfc/rfc7296#section-2.7"
    assert (
        "2.7 Cryptographic Algorithm Negotiation"
        in rules["one-proposal"]["fullDescription"]["text"]
    )
    assert rules["TS-02"]["properties"]["tags"] == ["SHOULD", "RFC 7296"]


def test_an_error_and_a_damaged_run_are_no_success(build_run, tmp_path):
    broken = build_run("broken")
    broken.test("a", "ERROR", reason="the peer did not start")
    stopped = build_run("stopped", finished=None)
    stopped.test("a")
    whole = build_run("whole")
    whole.test("a")
    out = tmp_path / "all.sarif"

    write_sarif([load_run(made.path) for made in (broken, stopped, whole)], out)

    document = json.loads(out.read_text())
    check(document)
    invocations = [run["invocations"][0] for run in document["runs"]]
    assert [i["executionSuccessful"] for i in invocations] == [False, False, True]
    [told] = invocations[0]["toolExecutionNotifications"]
    assert told["message"]["text"].endswith("the peer did not start")
    assert all(run["results"] == [] for run in document["runs"])


def test_the_command_writes_it(build_run, tmp_path):
    made = build_run("r")
    made.test("a", "FAIL", case="INIT-01")

    said = ikelab("report", str(made.path), "--sarif", "found.sarif", cwd=tmp_path)

    assert said.status == 0
    check(json.loads((tmp_path / "found.sarif").read_text()))


def test_a_place_that_cannot_be_written_is_named(build_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        write_sarif([load_run(build_run().path)], Path(tmp_path, "file", "x.sarif"))
