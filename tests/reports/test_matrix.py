"""Rows, columns, cells and counts."""

from __future__ import annotations

from ikelab.harness.model import Verdict
from ikelab.reports.load import load_run
from ikelab.reports.matrix import build, gravest


def test_the_gravest_verdict_stands_for_a_cell():
    assert gravest([Verdict.PASS, Verdict.UNSUPPORTED]) == Verdict.UNSUPPORTED
    assert gravest(list(Verdict)) == Verdict.FAIL
    assert gravest([Verdict.XPASS, Verdict.ERROR, Verdict.XFAIL]) == Verdict.ERROR


def test_peers_and_roles_are_columns_in_the_order_asked_for(build_run):
    made = build_run("r", "strongswan", "libreswan")
    for peer in ("libreswan", "strongswan"):
        for role in ("initiator", "responder"):
            made.test("a", peer=peer, role=role)

    matrix = build([load_run(made.path)])

    assert [c.slug for c in matrix.columns] == [
        "strongswan.responder",
        "strongswan.initiator",
        "libreswan.responder",
        "libreswan.initiator",
    ]
    assert [sorted(row.cells) for row in matrix.rows] == [[0, 1, 2, 3]]
    assert matrix.rows[0].cells[2].results[0].peer == "libreswan"


def test_variants_share_a_cell_and_are_counted_one_by_one(build_run):
    made = build_run()
    made.test("a[128-reference-responder]", case="VER-06")
    made.test("a[200-reference-responder]", "FAIL", case="VER-06")
    made.test("a[255-reference-responder]", case="VER-06")

    matrix = build([load_run(made.path)])

    [row] = matrix.rows
    assert row.cells[0].verdict == Verdict.FAIL
    assert [r.variant for r in row.cells[0].results] == ["128", "200", "255"]
    assert not row.cells[0].flaky
    assert matrix.counts(0) == {Verdict.PASS: 2, Verdict.FAIL: 1}


def test_a_repeated_test_with_two_verdicts_is_flaky(build_run):
    made = build_run()
    for verdict in ("PASS", "FAIL", "PASS"):
        made.test("a", verdict)
    assert build([load_run(made.path)]).rows[0].cells[0].flaky


def test_rows_stand_under_their_section_in_the_rfcs_order(build_run):
    made = build_run()
    for case, section in [("C-1", "2.10"), ("B-2", "2.9.1"), ("B-10", "2.9"), ("A-1", "1.2")]:
        made.test(case.lower(), case=case, rfc=[{"rfc": 7296, "sections": [section]}])
    made.test("x", case="X-1", rfc=[{"rfc": 7383, "sections": ["2.5"]}])
    made.test("y", case="Y-1", rfc=[])

    rows = build([load_run(made.path)]).rows

    assert [r.case for r in rows] == ["A-1", "B-2", "B-10", "C-1", "X-1", "Y-1"]
    assert rows[1].group == rows[2].group == "RFC 7296 2.9 Traffic Selector Negotiation"
    assert rows[4].group == "RFC 7383 Message Fragmentation"
    assert rows[5].group == "No RFC section"


def test_two_tests_of_one_case_are_two_rows_with_their_own_slugs(build_run):
    made = build_run()
    made.test("one", case="TS-02")
    made.test("two", case="TS-02")
    made.test("three", case=None)
    slugs = [r.slug for r in build([load_run(made.path)]).rows]
    assert sorted(slugs) == ["TS-02.test_one", "TS-02.test_two", "test_three"]


def test_the_same_peer_in_two_runs_is_two_columns_that_name_the_run(build_run):
    runs = []
    for name in ("monday", "tuesday"):
        made = build_run(name)
        made.test("a")
        runs.append(load_run(made.path))
    matrix = build(runs)
    assert [c.slug for c in matrix.columns] == [
        "reference.responder.monday",
        "reference.responder.tuesday",
    ]
    assert len(matrix.rows) == 1


def test_no_results_make_an_empty_matrix(build_run):
    matrix = build([load_run(build_run().path)])
    assert (matrix.columns, matrix.rows) == ((), ())
