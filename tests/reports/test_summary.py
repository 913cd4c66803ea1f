"""The table for a terminal."""

from __future__ import annotations

from ikelab.reports.load import load_run
from ikelab.reports.summary import summary


def test_the_table_counts_and_what_is_unexpected_follows_with_its_reason(build_run):
    made = build_run("r", "reference", "strongswan@trixie")
    made.test("a", peer="reference")
    made.test("b", "UNSUPPORTED", peer="reference")
    made.test("a", "FAIL", peer="strongswan@trixie", reason="two proposals\ncame back")

    text = summary([load_run(made.path)])
    lines = text.splitlines()

    assert lines[0].split() == [
        "peer", "role", "topology", "PASS", "FAIL", "ERROR", "UNSUPPORTED", "XFAIL", "XPASS",
        "seconds",
    ]  # fmt: skip
    assert lines[1].split() == ["reference", "6.0", "responder", "direct", *"100100", "0.2"]
    assert lines[2].split() == ["strongswan@trixie", "6.0", "responder", "direct", *"010000", "0.1"]
    assert "FAIL  A strongswan@trixie responder: The peer keeps the rule of A" in lines
    assert lines[lines.index("      two proposals") + 1] == "      came back"
    assert lines[-1] == "3 results, 1 unexpected"
    assert "UNSUPPORTED B" not in text


def test_several_runs_name_themselves_and_damage_is_said(build_run):
    runs = []
    for name in ("monday", "tuesday"):
        made = build_run(name, finished=None)
        made.test("a")
        runs.append(load_run(made.path))
    lines = summary(runs).splitlines()
    assert lines[0].startswith("run")
    assert lines[1].startswith("monday ")
    assert sum("did not finish" in line for line in lines) == 2


def test_a_peers_words_do_not_reach_the_terminal_raw(build_run):
    made = build_run()
    made.test("a", "FAIL", reason="\x1b[2J \ud800 \x9b1m")
    text = summary([load_run(made.path)])
    assert "      \\x1b[2J \\ud800 \\x9b1m" in text
    text.encode()


def test_a_run_with_nothing_in_it_is_a_table_with_nothing_in_it(build_run):
    assert summary([load_run(build_run().path)]).endswith("0 results, 0 unexpected")
