"""JUnit: the mapping of verdicts, and the shape that CI systems accept.

`check` states the rules of Jenkins' xunit schema (junit-10.xsd), the strictest reader we know.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports.junit import write_junit
from ikelab.reports.load import load_run

TIME = re.compile(r"\d+\.\d{3}")
OUTCOMES = ("failure", "error", "skipped")


def check(root: ET.Element) -> None:
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors"}
    for suite in root:
        assert suite.tag == "testsuite"
        assert {"name", "tests", "failures", "errors"} <= set(suite.attrib)
        assert set(suite.attrib) <= {
            "name", "tests", "failures", "errors", "skipped", "time", "timestamp",
        }  # fmt: skip
        assert {child.tag for child in suite} <= {"properties", "testcase"}
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        for tag, key in zip(OUTCOMES, ("failures", "errors", "skipped"), strict=True):
            assert int(suite.attrib[key]) == len(suite.findall(f"testcase/{tag}"))
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert TIME.fullmatch(case.attrib["time"])
            assert len(case) <= 1
            for outcome in case:
                assert outcome.tag in OUTCOMES
                assert set(outcome.attrib) == {"type", "message"}
        for entry in suite.findall("properties/property"):
            assert set(entry.attrib) == {"name", "value"}
    for key in ("tests", "failures", "errors"):
        assert int(root.attrib[key]) == sum(int(s.attrib[key]) for s in root)


@pytest.fixture
def junit(tmp_path):
    def write(*runs):
        out = tmp_path / "out" / "junit.xml"
        write_junit(runs, out)
        root = ET.parse(out).getroot()
        check(root)
        return root

    return write


@pytest.mark.parametrize(
    ("verdict", "element"),
    [
        ("PASS", None),
        ("FAIL", "failure"),
        ("XPASS", "failure"),
        ("ERROR", "error"),
        ("UNSUPPORTED", "skipped"),
        ("XFAIL", "skipped"),
    ],
)
def test_each_verdict_has_its_element_with_its_reason(build_run, junit, verdict, element):
    made = build_run()
    made.test("a", verdict, reason="" if verdict == "PASS" else "why it is so")

    case = junit(load_run(made.path)).find("testsuite/testcase")

    assert [child.tag for child in case] == ([element] if element else [])
    if element:
        assert "why it is so" in case[0].attrib["message"]
        assert case[0].attrib["type"] == verdict


def test_a_failure_tells_the_story(build_run, junit):
    made = build_run()
    row = {"rule": "one-proposal", "rfc": 7296, "section": "2.7", "level": "MUST", "message": "m"}
    made.test("a", "FAIL", violations=[row])

    text = junit(load_run(made.path)).find("testsuite/testcase/failure").text

    assert "one-proposal (RFC 7296 2.7, MUST): m" in text
    assert "#0 --> IKE_SA_INIT  HDR(SPIi=f0.., 0), SAi1(" in text
    assert "cases/a-reference-responder" in text


def test_peers_and_roles_are_suites_and_no_two_tests_have_one_name(build_run, junit):
    made = build_run("r", "reference", "strongswan@trixie")
    for peer in made.peers:
        for role in ("responder", "initiator"):
            made.test("a", peer=peer, role=role)
            made.test("b", peer=peer, role=role)

    root = junit(load_run(made.path))

    assert [s.attrib["name"] for s in root][:2] == [
        "ikelab reference responder direct",
        "ikelab reference initiator direct",
    ]
    names = [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
    assert len(set(names)) == 8


def test_an_incomplete_run_is_not_green(build_run, junit):
    made = build_run(finished=None)
    made.test("a")
    root = junit(load_run(made.path))
    assert root.attrib["errors"] == "1"
    assert "did not finish" in root.findall("testsuite")[-1].find("testcase/error").text


def test_text_that_xml_cannot_carry_is_written_as_code_points(build_run, junit):
    made = build_run("r", "peer\x00<&>")
    made.test("a", "FAIL", folder=False, reason="bad \x1b[31m \x00 \ud800 ]]> <b>&amp; \ufffe")
    failure = junit(load_run(made.path)).find("testsuite/testcase/failure")
    assert failure.attrib["message"] == ("bad \\u001b[31m \\u0000 \\ud800 ]]> <b>&amp; \\ufffe")


def test_a_place_that_cannot_be_written_is_one_line(build_run, tmp_path):
    made = build_run()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write_junit([load_run(made.path)], tmp_path / "file" / "junit.xml")
