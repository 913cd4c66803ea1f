"""The matrix as JSON and as Markdown."""

from __future__ import annotations

import json

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports.export import write_json, write_markdown
from ikelab.reports.load import load_run


@pytest.fixture
def run(build_run):
    made = build_run("r", "reference", "strongswan@trixie")
    made.test("a", "FAIL", case="INIT-01")
    made.test("a", case="INIT-01", peer="strongswan@trixie", role="initiator")
    made.test("b[1-reference]", "XFAIL", case="TS-02", reason="known | since 5.9")
    made.test("b[2-reference]", "XFAIL", case="TS-02", reason="known | since 5.9")
    return load_run(made.path)


def test_the_matrix_as_json(run, tmp_path):
    write_json([run], tmp_path / "new/matrix.json")

    found = json.loads((tmp_path / "new/matrix.json").read_text())
    assert [(c["peer"], c["role"], c["verdicts"]) for c in found["columns"]] == [
        ("reference", "responder", {"FAIL": 1, "XFAIL": 2}),
        ("strongswan@trixie", "initiator", {"PASS": 1}),
    ]
    first, second = found["rows"]
    assert (first["case"], second["case"]) == ("INIT-01", "TS-02")
    assert [cell and cell["verdict"] for cell in first["cells"]] == ["FAIL", "PASS"]
    assert second["cells"][1] is None
    assert set(second["cells"][0]["reasons"].values()) == {"known | since 5.9"}


def test_the_matrix_as_markdown(run, tmp_path):
    write_markdown([run], tmp_path / "notes.md")

    lines = (tmp_path / "notes.md").read_text().splitlines()
    assert sum(line.startswith("| reference ") for line in lines) == 1
    unexpected, known = lines.index("## Unexpected"), lines.index("## Known deviations")
    assert lines[unexpected + 2].startswith("- reference as responder, INIT-01 ")
    told = [line for line in lines[known:] if line.startswith("- ")]
    assert len(told) == 1 and told[0].endswith(": known \\| since 5.9")


@pytest.mark.parametrize("write", [write_json, write_markdown])
def test_a_place_that_cannot_be_written(write, run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        write([run], tmp_path / "file/out")
