"""Other ways through a run: several cases at once, some more than once, what a stopped one left."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from ikelab.harness.runner import CASES
from tests.harness.command import TIMEOUT, Terminal, ikelab, start

MANY = """
import pytest

@pytest.mark.parametrize("n", range(120))
def test_comes_up(peer, initiator, n):
    peer.start()
    initiator.establish()
    assert n != 5
"""
PARAMETERS = """
import pytest

@pytest.mark.parametrize("n", ["a b", "c"])
def test_one(peer, n):
    assert n != "a b"
"""
WAVERS = """
from pathlib import Path

def test_wavers(peer, initiator):
    peer.start()
    initiator.establish()
    again = Path("again").exists()
    Path("again").touch()
    assert again

def test_stands(peer, initiator):
    peer.start()
    initiator.establish()
"""


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").open()]


@pytest.mark.long
def test_several_at_once_are_the_same_run(tmp_path: Path) -> None:
    """The same verdicts, folders and exit status, and a line for each case."""
    (tmp_path / "test_many.py").write_text(MANY)

    alone = ikelab("run", "--out", "alone", "test_many.py", cwd=tmp_path)
    four = ikelab("run", "-j", "4", "--out", "four", "test_many.py", cwd=tmp_path)

    assert (alone.status, four.status) == (1, 1), four.out + four.err
    assert sorted(alone.out.splitlines()[:120]) == sorted(four.out.splitlines()[:120])
    one, other = ({r["id"]: r["verdict"] for r in rows(tmp_path / w)} for w in ("alone", "four"))
    assert one == other and len(rows(tmp_path / "four")) == 120
    assert len({row["folder"] for row in rows(tmp_path / "four")}) == 120
    facts = json.loads((tmp_path / "four/run.json").read_text())
    assert facts["finished"] and [peer["name"] for peer in facts["peers"]] == ["reference"]


def test_a_bar_moves_with_several_at_once_too(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(MANY)
    terminal = Terminal("run", "-j", "2", "--out", "run", "test_many.py", cwd=tmp_path)

    assert terminal.end() == 1
    assert "comes up [119]" in terminal.text and "120 results, 1 unexpected" in terminal.text


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_was_killed_goes_on(jobs: str, tmp_path: Path) -> None:
    """What is done is not done again; what was begun is."""
    (tmp_path / "test_many.py").write_text(MANY)
    with start("run", "-j", jobs, "--out", "run", "test_many.py", cwd=tmp_path) as process:
        assert process.stdout
        for _ in range(8):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)
    before = rows(tmp_path / "run")
    with (tmp_path / "run/results.jsonl").open("a") as file:
        file.write('{"id": "cut off')
    (tmp_path / "run/cases/begun").mkdir()

    done = ikelab("run", "--resume", "run", cwd=tmp_path)

    assert done.status == 1, done.out + done.err
    after = rows(tmp_path / "run")
    assert 8 <= len(before) < 120 and after[: len(before)] == before
    assert len({row["id"] for row in after}) == len(after) == 120
    assert not (tmp_path / "run/cases/begun").exists()
    assert json.loads((tmp_path / "run/run.json").read_text())["finished"]
    report = ikelab("report", "run", cwd=tmp_path)
    assert "120 results, 1 unexpected" in report.out and "incomplete" not in report.out


def test_a_run_that_is_complete_has_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(MANY)
    assert ikelab("run", "--out", "run", "test_many.py", cwd=tmp_path).status == 1
    before = (tmp_path / "run/results.jsonl").read_bytes()

    done = ikelab("run", "--resume", "run", cwd=tmp_path)

    assert done.status == 1 and "120 results, 1 unexpected" in done.out
    assert (tmp_path / "run/results.jsonl").read_bytes() == before


def test_what_cannot_be_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    ikelab("run", "--resume", "run", cwd=tmp_path).refused(2, "cannot be gone on with")
    ikelab("run", "--resume", "run", "-k", "x", cwd=tmp_path).refused(2, "as it was started")
    (tmp_path / "run/run.json").write_text('{"command": ["pytest", "-x"]}')
    ikelab("run", "--resume", "run", cwd=tmp_path).refused(2, "was not made by 'ikelab run'")


def test_a_case_that_wavers_is_seen(tmp_path: Path) -> None:
    """Nothing is retried in silence: each round has its result, and the summary names the case."""
    (tmp_path / "test_waver.py").write_text(WAVERS)

    done = ikelab("run", "--repeat", "3", "--out", "run", "test_waver.py", cwd=tmp_path)

    assert done.status == 1
    found = Counter((row["title"], row["verdict"]) for row in rows(tmp_path / "run"))
    assert found == {("wavers", "FAIL"): 1, ("wavers", "PASS"): 2, ("stands", "PASS"): 3}
    assert {row["round"] for row in rows(tmp_path / "run")} == {1, 2, 3}
    assert "flaky: test_waver.py::test_wavers[reference]: 1 FAIL, 2 PASS" in done.out
    assert "stands[reference]:" not in done.out


def test_a_known_deviation_of_one_parameter_is_known_in_every_round(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(PARAMETERS)
    (tmp_path / "known").mkdir()
    (tmp_path / "known/reference.toml").write_text(
        "[[deviation]]\nid = 'test_some.py::test_one[reference-a b]'\nreason = 'it is known'\n"
    )
    words = ["--repeat", "2", "--expected", "known", "--out", "run", "test_some.py"]

    done = ikelab("run", *words, cwd=tmp_path)

    assert done.status == 0, done.out
    assert Counter(row["verdict"] for row in rows(tmp_path / "run")) == {"XFAIL": 2, "PASS": 2}


def test_ids_do_not_depend_on_where_the_user_stands(tmp_path: Path) -> None:
    """Known deviations name them."""
    mine, away = tmp_path / "mine", tmp_path / "away"
    mine.mkdir()
    away.mkdir()
    (mine / "test_waver.py").write_text(WAVERS)
    packaged = CASES / "interop/test_seed.py"

    for out, file in (("own", mine / "test_waver.py"), ("packaged", packaged)):
        ikelab("run", "-k", "stands or walk_through", "--out", out, str(file), cwd=away)

    assert [row["id"] for row in rows(away / "own")] == ["test_waver.py::test_stands[reference]"]
    found = {row["id"].partition("::")[0] for row in rows(away / "packaged")}
    assert found == {"testcases/interop/test_seed.py"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--case", "init-0?"], {"INIT-01", "INIT-02", "INIT-03"}),
        (["--case", "TS-01", "--case", "NAT-01"], {"TS-01", "NAT-01"}),
        (["--rfc", "7296:2.6", "--level", "must"], {"COO-02", "COO-06"}),
        (["--rfc", "RFC 7383", "--role", "initiator"], {"FRG-01"}),
    ],
    ids=["glob", "two", "section-and-level", "rfc"],
)
def test_cases_are_chosen(words: list[str], told: set[str], tmp_path: Path) -> None:
    """By id, RFC, section and level; the folder holds those and no others."""
    done = ikelab("run", "-q", *words, "--out", "run", cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    found = rows(tmp_path / "run")
    assert told <= {row["case"] for row in found}
    for row in found:
        if "7296:2.6" in words:
            assert row["level"] == "MUST"
            sections = [s for r in row["rfc"] if r["rfc"] == 7296 for s in r["sections"]]
            assert {s[:3] for s in sections} >= {"2.6"} and "2.60" not in sections
        elif "RFC 7383" in words:
            assert row["role"] == "initiator" and 7383 in {r["rfc"] for r in row["rfc"]}
        else:
            assert row["case"][:6] in {"INIT-0", "TS-01", "NAT-01"}


def test_a_choice_that_is_none(tmp_path: Path) -> None:
    ikelab("run", "--rfc", "IKEv2", cwd=tmp_path).refused(2, "write 7296 or 7296:2.9")
    ikelab("run", "--level", "musst", cwd=tmp_path).refused(2, "unknown level 'musst'", "MUST")
    ikelab("run", "--case", "XYZ-*", cwd=tmp_path).refused(2, "no test case is XYZ-*")
