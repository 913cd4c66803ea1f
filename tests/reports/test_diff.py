"""Two runs compared: verdicts, behaviour, and what chance must not report."""

from __future__ import annotations

import pytest

from ikelab.reports.diff import Kind, diff_runs
from ikelab.reports.load import load_run


def compare(before, after):
    return diff_runs(load_run(before.path), load_run(after.path))


@pytest.mark.parametrize(
    ("old", "new", "kind", "regression"),
    [
        ("PASS", "FAIL", Kind.REGRESSION, True),
        ("PASS", "ERROR", Kind.REGRESSION, True),
        ("XFAIL", "XPASS", Kind.REGRESSION, True),
        ("UNSUPPORTED", "FAIL", Kind.REGRESSION, True),
        ("PASS", "UNSUPPORTED", Kind.REGRESSION, True),
        ("FAIL", "PASS", Kind.FIXED, False),
        ("UNSUPPORTED", "PASS", Kind.FIXED, False),
        ("FAIL", "ERROR", Kind.VERDICT, False),
        ("FAIL", "XFAIL", Kind.VERDICT, False),
    ],
)
def test_a_changed_verdict_has_its_kind(build_run, old, new, kind, regression):
    before, after = build_run("a"), build_run("b")
    before.test("x", old)
    after.test("x", new)

    diff = compare(before, after)

    [change] = diff.changes
    assert change.kind == kind
    assert (change in diff.regressions) == regression
    assert f"{old} -> {new}" in str(diff)


def test_equal_runs_have_no_changes_whatever_chance_decided(build_run, steps):
    before, after = build_run("a"), build_run("b")
    before.test("x")
    again = steps()
    for step in again:
        step |= {"spi_i": "00" * 8, "time": step["time"] * 3, "raw": step["raw"][::-1]}
    again.insert(1, {**again[0], "note": "retransmission", "time": 999.0})
    after.test("x", steps=again)

    diff = compare(before, after)

    assert diff.changes == ()
    assert diff.compared == 1
    assert str(diff).endswith("1 test compared, 0 changed, 0 regressions")


def test_spis_in_a_text_are_chance(build_run, steps):
    runs = build_run("a"), build_run("b")
    for run, spi in zip(runs, ("9506d414", "deadbeef"), strict=True):
        conversation = steps()
        conversation[2]["inner"] = [{"name": "D", "type": 42, "text": f"D(ESP, {spi})"}]
        run.test("x", steps=conversation)
    assert compare(*runs).changes == ()


def test_another_answer_behind_the_same_verdict_is_named(build_run, steps):
    before, after = build_run("a"), build_run("b")
    before.test("x")
    changed = steps()
    changed[3]["inner"] = [
        {"name": "N", "type": 41, "text": "N(TS_UNACCEPTABLE)", "notify": 38, "data": ""}
    ]
    after.test("x", steps=changed)

    diff = compare(before, after)

    [change] = diff.changes
    assert change.kind == Kind.BEHAVIOUR
    assert any("+ <-- IKE_AUTH 1 response: SK, {N(TS_UNACCEPTABLE)}" in d for d in change.details)
    assert diff.regressions == ()


def test_another_group_asked_for_is_another_behaviour(build_run, steps):
    runs = build_run("a"), build_run("b")
    for run, group in zip(runs, ("000e", "0013"), strict=True):
        conversation = steps()[:2]
        conversation[1]["payloads"] = [
            {"name": "N", "type": 41, "text": "N(INVALID_KE_PAYLOAD)", "notify": 17, "data": group}
        ]
        run.test("x", steps=conversation)
    [change] = compare(*runs).changes
    assert change.details == (
        "- <-- IKE_SA_INIT 0 response: N(INVALID_KE_PAYLOAD) 000e",
        "+ <-- IKE_SA_INIT 0 response: N(INVALID_KE_PAYLOAD) 0013",
    )


def test_rules_newly_broken_are_named(build_run):
    before, after = build_run("a"), build_run("b")
    before.test("x")
    after.test("x", violations=[{"rule": "one-proposal", "rfc": 7296, "section": "2.7"}])
    assert compare(before, after).changes[0].details == ("newly broken: one-proposal",)


def test_new_and_gone_tests_are_listed_and_no_regression_by_themselves(build_run):
    before, after = build_run("a"), build_run("b")
    before.test("x")
    after.test("y", "FAIL")
    diff = compare(before, after)
    assert [c.kind for c in diff.changes] == [Kind.NEW, Kind.GONE]
    assert diff.regressions == ()


def test_what_passed_and_was_lost_to_a_run_that_died_is_a_regression(build_run):
    before, after = build_run("a"), build_run("b", finished=None)
    before.test("x")
    before.test("y")
    after.test("x")
    [lost] = compare(before, after).regressions
    assert (lost.kind, lost.before.case) == (Kind.GONE, "Y")


def test_two_releases_of_a_peer_are_compared_by_test(build_run):
    before, after = build_run("a", "strongswan@bookworm"), build_run("b", "strongswan@trixie")
    before.test("x[200-strongswan@bookworm]", "PASS", case="V")
    after.test("x[200-strongswan@trixie]", "FAIL", case="V")
    [change] = compare(before, after).changes
    assert change.kind == Kind.REGRESSION


def test_of_a_repeated_test_the_gravest_verdict_counts(build_run):
    before, after = build_run("a"), build_run("b")
    before.test("x")
    for verdict in ("PASS", "FAIL", "PASS"):
        after.test("x", verdict)
    assert [c.kind for c in compare(before, after).changes] == [Kind.REGRESSION]
