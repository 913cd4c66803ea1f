"""The map of requirements: whole, true to the cases that there are, and what its command prints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.requirement_page import markdown
from ikelab.harness.requirements import requirements, shipped, totals
from tests.harness.command import ikelab

PAGE = Path(__file__).parents[2] / "docs/requirements.md"
LEAST = 0.85
"""Of what RFC 7296 makes a MUST and the wire shows, so much has a case."""
NEW = """
[[requirement]]
id = "1-1"
section = "2.1"
level = "MUST"
who = "both"
text = "does"
cases = ["INIT-01"]
"""


def test_every_case_that_is_named_is_there() -> None:
    known = {case.id for case in shipped()}
    assert {case for row in requirements() for case in row.cases} <= known


def test_every_case_about_a_must_of_rfc_7296_stands_for_one() -> None:
    named = {case for row in requirements() for case in row.cases}
    judges = {
        case.id
        for case in shipped()
        if case.level in ("MUST", "SHOULD") and any(rfc == 7296 for rfc, _ in case.rfcs)
    }
    assert judges - named == set()


def test_most_of_what_the_wire_shows_is_tested() -> None:
    rows = [row for row in requirements() if row.rfc == 7296]
    musts = [t for t in totals(rows) if t.level in ("MUST", "MUST NOT")]
    visible, covered = (sum(getattr(t, name) for t in musts) for name in ("visible", "covered"))
    assert visible > 100
    assert covered >= LEAST * visible


def test_no_two_rows_say_the_same() -> None:
    assert [text for text, n in Counter(row.text for row in requirements()).items() if n > 1] == []


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text() == markdown(requirements(), [])


def test_the_command(tmp_path: Path) -> None:
    assert ikelab("run", "-q", "--case", "MID-0*", "--out", "run", cwd=tmp_path).status == 0

    one = ikelab("requirements", "run", "--rfc", "7296", "--section", "2.1", cwd=tmp_path)
    rest = ikelab("requirements", "--untested", cwd=tmp_path)

    assert one.status == 0 and "reference: PASS" in one.out
    assert "7296-2.1-" in one.out and "7296-2.2-" not in one.out
    assert rest.status == 0 and "(host) " in rest.out
    ikelab("requirements", "--rfc", "1", cwd=tmp_path).refused(2, "no requirement is of that kind")
    ikelab("requirements", "nowhere", cwd=tmp_path).refused(2, "no such run folder")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NEW + NEW, "two requirements are called 1-1"),
        (NEW.replace('"MUST"', '"MAY"'), "'MAY' is none of MUST"),
        (NEW.replace("cases", "case"), "unknown key 'case'"),
        (NEW + 'why = "no"\n', "either cases, or why"),
        (NEW.replace('cases = ["INIT-01"]', ""), "either cases, or why"),
        (NEW.replace('"2.1"', '"two"'), "1-1: "),
        (NEW.replace('text = "does"', ""), "1-1: .*text"),
        ("requirement", "rfc1.toml: "),
    ],
)
def test_a_row_that_is_wrong_is_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "rfc1.toml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        requirements(tmp_path)
