"""How `ikelab report` and `ikelab diff` end, and what they say, where a run is not whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ikelab.harness.cli import main
from tests.harness.command import SCRIPT, environment
from tests.harness.inspect.lab import Lab

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command: its status, what it printed, what it said on stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main([*map(str, words)])
        done = capsys.readouterr()
        assert "Traceback" not in done.err
        return status, done.out, done.err

    return run


def torn(made) -> Path:
    """The last of two results cut in its middle."""
    made.test("a")
    made.test("b")
    file = made.path / "results.jsonl"
    file.write_text(file.read_text()[:-20])
    return made.path


def test_a_run_that_did_not_finish_is_reported_with_a_line(build_run, told: Told) -> None:
    made = build_run(finished=None)
    made.test("a")
    status, out, err = told("report", made.path)
    assert (status, "1 result, 0 unexpected" in out) == (0, True)
    assert err.startswith(f"ikelab: {made.path} is incomplete: the run did not finish")
    assert len(err.splitlines()) == 1


def test_half_a_line_is_no_damage_where_the_run_was_killed(build_run, told: Told) -> None:
    status, _, err = told("report", torn(build_run(finished=None)))
    assert (status, "is incomplete: the run did not finish" in err) == (0, True)


@pytest.mark.parametrize("option", [[], ["--junit", "found.xml"], ["--html", "page.html"]])
def test_a_damaged_run_is_shown_as_far_as_it_goes_and_ends_with_2(
    option: list[str], build_run, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = torn(build_run())
    status, out, err = told("report", made, *option)
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith(f"ikelab: {made} is damaged: results.jsonl line 2 is cut off;")
    assert "wrote" in out if option else "2 results" in out


@pytest.mark.parametrize("content", [None, "{", '{"schema": 99}'])
def test_a_spoilt_run_json_is_damage(content: str | None, build_run, told: Told) -> None:
    made = build_run()
    made.test("a")
    (made.path / "run.json").unlink()
    if content is not None:
        (made.path / "run.json").write_text(content)
    status, _, err = told("report", made.path)
    assert (status, "is damaged: run.json" in err) == (2, True)


@pytest.mark.parametrize("short", ["before", "after"])
def test_a_run_cut_short_cannot_show_that_nothing_regressed(
    short: str, build_run, told: Told
) -> None:
    before = build_run("a", **({"finished": None} if short == "before" else {}))
    after = build_run("b", **({"finished": None} if short == "after" else {}))
    before.test("x")
    after.test("x")
    status, out, err = told("diff", before.path, after.path)
    assert (status, "1 test compared" in out) == (2, True)
    cut = before if short == "before" else after
    assert err.startswith(f"ikelab: {cut.path} is incomplete: the run did not finish")


def test_a_regression_counts_more_than_a_run_cut_short(build_run, told: Told) -> None:
    before, after = build_run("a"), build_run("b", finished=None)
    before.test("x")
    after.test("x", "FAIL", reason="two proposals")
    status, _, err = told("diff", before.path, after.path)
    assert (status, "is incomplete" in err) == (1, True)


def test_a_finished_run_with_lines_deleted_cannot_show_that_nothing_regressed(
    build_run, told: Told
) -> None:
    before, after = build_run("a"), build_run("b")
    for made in (before, after):
        made.test("x")
        made.test("y")
    file = after.path / "results.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    status, out, err = told("diff", before.path, after.path)
    assert (status, "gone: Y" in out) == (2, True)
    assert err.startswith(f"ikelab: {after.path} is incomplete: cases/y-reference-responder has no")
    assert told("report", after.path)[0] == 0


def spoil(folder: Path, what: str) -> None:
    """Take away a test's folder, empty its transcript (`transcript.jsonl=`), or take a file."""
    if what == "folder":
        shutil.rmtree(folder)
    elif what.endswith("="):
        (folder / what[:-1]).write_bytes(b"")
    else:
        (folder / what).unlink()


SPOILT = ["folder", "capture.pcapng", "capture.pcapng=", "transcript.jsonl", "transcript.jsonl="]


@pytest.mark.parametrize("verdict", ["PASS", "FAIL"])
@pytest.mark.parametrize("what", SPOILT)
def test_a_finished_run_that_lacks_a_file_is_damaged(
    what: str, verdict: str, build_run, told: Told
) -> None:
    made = build_run()
    made.test("a")
    spoil(made.test("b", verdict), what)
    status, _, err = told("report", made.path)
    assert (status, f"{made.path} is damaged: " in err, err.count("\n")) == (2, True, 1)
    assert told("diff", made.path, made.path)[0] == 2


@pytest.mark.parametrize("what", SPOILT)
def test_a_run_that_did_not_finish_may_lack_any_file(what: str, build_run, told: Told) -> None:
    made = build_run(finished=None)
    spoil(made.test("a"), what)
    status, _, err = told("report", made.path)
    assert (status, "is incomplete" in err) == (0, True)


def test_what_a_test_never_had_is_no_damage(build_run, told: Told) -> None:
    made = build_run()
    for verdict in ("UNSUPPORTED", "ERROR", "XFAIL"):
        for name in ("capture.pcapng", "transcript.jsonl"):
            spoil(made.test(f"{verdict}_{name}", verdict), name)
    spoil(made.test("fuzzed", "FAIL", id="fuzz::init::silence"), "transcript.jsonl")
    spoil(made.test("two", id="matrix::strongswan[psk]"), "transcript.jsonl")
    silent = made.test("silent", steps=[])
    (silent / "keys" / "ikev2_decryption_table").write_text("")
    assert told("report", made.path)[::2] == (0, "")


def test_whole_runs_say_nothing_on_stderr(build_run, told: Told) -> None:
    before, after = build_run("a"), build_run("b")
    before.test("x")
    after.test("x")
    assert told("diff", before.path, after.path)[::2] == (0, "")
    assert told("report", before.path, after.path)[::2] == (0, "")


def test_runs_without_a_common_test_are_not_compared(build_run, told: Told) -> None:
    before, after = build_run("a"), build_run("b")
    before.test("x")
    after.test("y")
    status, _, err = told("diff", before.path, after.path)
    assert (status, "have no test in common: nothing was compared" in err) == (2, True)


def test_a_run_given_twice_is_refused(build_run, told: Told) -> None:
    made = build_run()
    status, _, err = told("report", made.path, made.path / ".")
    assert (status, "is given twice" in err) == (2, True)


@pytest.mark.parametrize("command", ["report", "diff"])
def test_what_craft_made_is_called_by_its_name(command: str, tmp_path: Path, told: Told) -> None:
    folder = tmp_path / "kept"
    assert told("craft", "--seed", "1", "--out", folder)[0] == 0
    status, _, err = told(command, *[folder] * (1 if command == "report" else 2))
    assert status == 2
    assert "is what 'ikelab craft' made" in err and f"'ikelab inspect {folder}'" in err


def test_json_on_standard_output_is_json_whatever_that_is(build_run, tmp_path: Path) -> None:
    made = build_run()
    made.test("a")
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run([SCRIPT, "report", made.path, "--json", "/dev/stdout"], stdout=out,
                              cwd=tmp_path, env=environment(), check=False)  # fmt: skip
    assert done.returncode == 0
    assert json.loads((tmp_path / "out").read_text())["columns"]


@pytest.mark.parametrize(("cut", "other", "status"), [("a", "b", 2), ("a", "c", 1)])
def test_a_capture_that_was_cut_off_is_compared_as_far_as_it_goes(
    cut: str, other: str, status: int, tmp_path: Path, told: Told
) -> None:
    octets = Lab().up().pcap()
    (tmp_path / "a").write_bytes(octets + bytes(7))
    (tmp_path / "b").write_bytes(octets)
    (tmp_path / "c").write_bytes(octets[:24])
    found, _, err = told("diff", tmp_path / cut, tmp_path / other)
    assert (found, err.count("\n")) == (status, 1)
    assert err.startswith(f"ikelab: {tmp_path / cut}: the file ends inside a record header")
