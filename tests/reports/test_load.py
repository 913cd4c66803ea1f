"""Run folders, whole and damaged: what can be read is read, what cannot is said."""

from __future__ import annotations

import json

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Level, Verdict, Violation
from ikelab.reports.load import load_run


def test_a_whole_run_has_its_facts_and_no_problems(build_run):
    made = build_run("r", "reference", "strongswan@trixie")
    made.test("init_01[128-reference-responder]", "FAIL", case="INIT-01", plan="drop(SK.AUTH)")

    run = load_run(made.path)

    assert (run.name, run.seed, run.topology, run.kernel) == ("r", 7, "direct", "6.12.1")
    assert [p.name for p in run.peers] == ["reference", "strongswan@trixie"]
    assert run.version("strongswan@trixie") == "6.0"
    assert run.version("nobody") == ""
    assert run.problems == ()
    [result] = run.results
    assert (result.case, result.verdict, result.variant) == ("INIT-01", Verdict.FAIL, "128")
    assert (result.name, result.module) == (
        "test_init_01",
        "testcases.conformance.rfc7296.test_init",
    )
    assert str(result.rfc[0]) == "RFC 7296 2.7, 3.3.6"
    assert result.plan == "drop(SK.AUTH)"


@pytest.mark.parametrize(
    ("parameters", "variant"),
    [
        ("reference", ""),
        ("reference-1", "1"),
        ("reference--1", "-1"),
        ("128-reference-responder", "128"),
        ("responder-reference-aes128-sha1", "aes128-sha1"),
        ("references-direct", "references"),
    ],
)
def test_a_variant_is_what_the_columns_do_not_say(build_run, parameters, variant):
    made = build_run()
    made.test("a", id=f"t.py::test_a[{parameters}]")
    assert load_run(made.path).results[0].variant == variant


@pytest.mark.parametrize("reason", ["", "assert [Violation(ru...ls')] == []", "#0 --> IKE_SA_INIT"])
def test_the_headline_is_the_broken_rule_where_the_reason_says_nothing(build_run, reason):
    made = build_run()
    row = {"rule": "r", "rfc": 7296, "section": "2.7", "level": "MUST", "message": "two answers"}
    made.test("a", "FAIL", reason=reason, violations=[row])
    made.test("b", "FAIL", reason="no answer in 2 s", violations=[row])
    made.test("c", "FAIL", reason=reason)
    headlines = [r.headline for r in load_run(made.path).results]
    assert headlines == ["r (RFC 7296 2.7, MUST): two answers", "no answer in 2 s", reason]


def test_violations_are_values_and_an_unknown_level_is_no_crash(build_run):
    made = build_run()
    row = {"rule": "r", "rfc": 7296, "section": "2.7", "level": "MUST", "message": "m", "frame": 3}
    made.test("a", "FAIL", violations=[row, {**row, "level": "PERHAPS", "rfc": "7427"}])

    first, second = load_run(made.path).results[0].violations

    assert first == Violation("r", 7296, "2.7", Level.MUST, "m")
    assert first.frame == 3
    assert (second.level, second.rfc) == (Level.POLICY, 7427)


def test_evidence_is_read_from_the_tests_folder(build_run):
    made = build_run()
    made.test("a")

    evidence = load_run(made.path).results[0].evidence()

    assert [s["exchange"] for s in evidence.conversation().steps] == [
        "IKE_SA_INIT",
        "IKE_SA_INIT",
        "IKE_AUTH",
        "IKE_AUTH",
    ]
    assert evidence.text("peer.log").content.startswith("12[NET]")
    assert evidence.text("peer.log", limit=7).content == "parsed\n"
    assert evidence.text("peer.log", limit=7).cut == 43
    assert [p.name for p in evidence.downloads()][:3] == [
        "capture.pcapng",
        "ikev2_decryption_table",
        "esp_sa",
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "nothing", "no such run folder"),
        (lambda p: p / "file", "not a run folder but a file"),
        (lambda p: p, "neither run.json nor results.jsonl"),
    ],
)
def test_what_is_no_run_folder_is_one_line(tmp_path, make, words):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=words) as error:
        load_run(make(tmp_path))
    assert "\n" not in str(error.value)


def test_the_folder_of_runs_names_a_run(build_run):
    made = build_run("20260301T120000Z-reference")
    with pytest.raises(ConfigError, match=r"it holds runs, such as .*20260301T120000Z-reference"):
        load_run(made.path.parent)


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_result_line_cut_anywhere_is_kept_and_reported(build_run, cut):
    made = build_run()
    made.test("first")
    made.test("second", "FAIL", reason="two proposals")
    file = made.path / "results.jsonl"
    whole = file.read_text()
    start = whole.index("\n") + 1
    file.write_text(whole[: start + cut])

    run = load_run(made.path)

    assert len(run.results) == 2
    last = run.results[1]
    assert last.peer == "reference"
    assert last.verdict in (Verdict.FAIL, Verdict.ERROR)
    assert "results.jsonl line 2 is cut off" in last.reason
    assert any("line 2 is cut off" in p for p in run.problems)


def test_a_cut_line_keeps_the_verdict_that_was_written(build_run):
    made = build_run()
    made.test("a", "FAIL", reason="two proposals")
    file = made.path / "results.jsonl"
    text = file.read_text()
    file.write_text(text[: text.index('"duration"') + 5])

    result = load_run(made.path).results[0]

    assert result.verdict == Verdict.FAIL
    assert result.reason == "two proposals (results.jsonl line 1 is cut off)"


@pytest.mark.parametrize(
    "line", ["[1, 2]", "null", "nonsense", "{", "[" * 100_000, '{"verdict": 1}']
)
def test_a_line_that_is_no_result_is_an_error_with_its_line(build_run, line):
    made = build_run()
    file = made.path / "results.jsonl"
    file.write_text(line + "\n")
    made.test("good")

    run = load_run(made.path)

    assert [r.verdict for r in run.results] == [Verdict.ERROR, Verdict.PASS]
    assert run.results[0].id == "results.jsonl line 1"
    assert run.problems


def test_an_unknown_verdict_is_said_and_never_a_pass(build_run):
    made = build_run()
    made.test("a", "PASSED")
    run = load_run(made.path)
    assert run.results[0].verdict == Verdict.ERROR
    assert run.problems == ("results.jsonl line 1: unknown verdict 'PASSED'",)


def test_a_run_that_died_says_so_and_names_the_test_that_was_running(build_run, steps):
    made = build_run(finished=None)
    made.test("a")
    made.evidence(made.path / "cases" / "b-reference", steps())

    problems = load_run(made.path).problems

    assert any("did not finish" in p for p in problems)
    assert any(p.startswith("cases/b-reference has no result") for p in problems)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema": 99}'])
def test_a_missing_or_spoilt_run_json_leaves_the_results(build_run, content):
    made = build_run()
    made.test("a")
    file = made.path / "run.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)

    run = load_run(made.path)

    assert [r.peer for r in run.results] == ["reference"]
    assert any("run.json" in p for p in run.problems)


def test_a_run_without_results_says_so(build_run):
    made = build_run()
    (made.path / "results.jsonl").unlink()
    run = load_run(made.path)
    assert run.results == ()
    assert any("results.jsonl is missing" in p for p in run.problems)


@pytest.mark.parametrize("folder", ["../../etc", "/etc", "cases/gone", "a\0b"])
def test_a_folder_outside_or_missing_is_not_read(build_run, folder):
    made = build_run()
    made.test("a", folder=False)
    file = made.path / "results.jsonl"
    file.write_text(json.dumps({**json.loads(file.read_text()), "folder": folder}) + "\n")

    run = load_run(made.path)

    assert run.results[0].folder is None
    assert run.results[0].evidence().downloads() == []
    assert any(repr(folder) in p for p in run.problems)


def test_a_damaged_transcript_keeps_its_steps(build_run):
    made = build_run()
    file = made.test("a") / "transcript.jsonl"
    file.write_bytes(file.read_bytes()[:-300] + b"\xff\xfe")

    conversation = load_run(made.path).results[0].evidence().conversation()

    assert len(conversation.steps) == 4
    assert conversation.problems == ("transcript.jsonl line 4 is cut off",)


def test_numbers_that_no_browser_reads_are_left_out(build_run):
    made = build_run()
    file = made.path / "results.jsonl"
    file.write_text('{"id": "a", "verdict": "PASS", "duration": NaN}\n' * 2)
    file.write_text(file.read_text().replace("NaN", "1e999", 1))
    assert [r.duration for r in load_run(made.path).results] == [0.0, 0.0]


def test_any_file_of_a_tests_folder_may_be_missing(build_run):
    made = build_run()
    folder = made.test("a")
    for file in [p for p in folder.rglob("*") if p.is_file()]:
        file.unlink()
    evidence = load_run(made.path).results[0].evidence()
    assert evidence.conversation().steps == ()
    assert evidence.text("peer.log").content == ""
    assert evidence.downloads() == []
