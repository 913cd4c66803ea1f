"""The same cases at the reference: where a peer answers otherwise it is told, and never accused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.fuzz import campaigns, differential
from ikelab.harness.fuzz.answers import Outcome, manner
from ikelab.harness.fuzz.case import Case, parse
from ikelab.harness.fuzz.differential import Differences, Sample, compare
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.places import rig
from ikelab.harness.fuzz.tally import Limits
from ikelab.harness.peer.faults import fault
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings
from tests.harness.command import ikelab

LONG = 1e6  # seconds, where time is not what a test is about
CRITICAL = "insert('{}', payload=unknown(200, critical=True))"


def case(campaign: str, edit: str) -> Case:
    exchange = campaigns.CAMPAIGNS[campaign].exchange
    return parse(f"# campaign {campaign}\n{exchange}/request#0: {edit}\n")


def compared(peer: str, *cases: Case, planted: str = "", seconds: float = LONG) -> Differences:
    settings = Settings(fault=fault(planted) if planted else None, seed=1)
    with rig(peer, settings) as made:
        return compare(made, cases, seconds)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("silence", "silence"),
        ("SA, KE, Nonce, N(NAT_DETECTION_SOURCE_IP)", "takes it"),
        ("empty", "takes it"),
        ("N(INVALID_SYNTAX)", "refuses it with N(INVALID_SYNTAX)"),
        ("N(9999)", "refuses it with N(9999)"),
        ("N(40000)", "takes it"),
        ("IDr, AUTH, N(TS_UNACCEPTABLE)", "takes it, but for N(TS_UNACCEPTABLE)"),
        ("N(COOKIE)", "asks for a cookie"),
        ("SK, unreadable", "answers what we cannot open"),
        ("request IKE_AUTH: SK; request IKE_AUTH: SK", "goes on with IKE_AUTH"),
        ("request INFORMATIONAL: N(INVALID_SYNTAX)", "complains with N(INVALID_SYNTAX)"),
    ],
)
def test_an_answer_is_of_a_manner(kind: str, said: str) -> None:
    assert manner(kind) == said


def test_what_only_one_of_them_takes_is_told() -> None:
    taken = case("init", CRITICAL.format(""))
    both = case("init", "KE.group = 5")

    found = compared("reference", taken, both, planted="skips-critical-payloads")

    [one] = found.ranked
    assert (one.peer, one.count, one.case) == ("takes it", 1, taken)
    assert one.reference == "refuses it with N(UNSUPPORTED_CRITICAL_PAYLOAD)"
    assert (found.compared, found.asked, found.skipped) == (2, 2, {})
    assert compared("reference", taken, both).ranked == []


def test_the_peer_as_initiator_is_compared_too() -> None:
    text = "IKE_AUTH/response#0: insert('SK', payload=notify(9999))"
    answer = Case("answer-auth", Plan.parse(text))

    found = compared("reference", answer, planted="overlooks-unknown-errors")

    assert [(one.campaign, one.count) for one in found.ranked] == [("answer-auth", 1)]
    assert compared("reference", answer).ranked == []


def test_what_differs_over_an_honest_message_too_says_nothing_of_a_case() -> None:
    """A peer that makes no children refuses those that a case changes as well."""
    changed = case("create-child", "SK.Nonce.nonce = b'0123456789abcdef0123456789abcdef'")

    found = compared("reference", changed, planted="refuses-rekeys")

    assert (found.ranked, found.compared) == ([], 1)


def test_nothing_is_said_of_a_peer_that_is_not_well() -> None:
    """What a hang or a crash makes of the answers is the business of other oracles."""
    hang, crash = case("init", "SA.proposal[0].length = 0"), case("init", "N.SPIsize = 200")

    found = compared("planted:proposal-loop,notify-spi-size", hang, crash)

    assert found.ranked == []


def test_an_honest_peer_differs_in_nothing(tmp_path: Path) -> None:
    sample = Sample(1)
    names = ("init", "auth", "informational", "eap-mschap")
    with rig("reference", Settings(seed=2)) as made:
        run = RunFolder(tmp_path, {})
        fuzzer = Fuzzer(made, run, 3, campaigns.find(names), sample=sample.take)
        fuzzer.go(Limits(cases=4 * 128), lambda _: None)

    some = sample.cases[:60]
    assert len(some) == 60
    assert compared("reference", *some).ranked == []


def test_a_sample_has_some_of_each_class_and_is_drawn_alike_each_time() -> None:
    outcomes = [Outcome(case("init", f"header.id = {n}"), kind=f"kind {n % 3}") for n in range(300)]
    drawn = [Sample(7), Sample(7)]
    for outcome in outcomes:
        for sample in drawn:
            sample.take(outcome)

    first, second = (sample.cases for sample in drawn)
    assert first == second
    assert len(first) == 3 * differential.OF_EACH
    kinds = {str(outcome.case): outcome.kind for outcome in outcomes}
    assert {kinds[str(one)] for one in first[:3]} == {"kind 0", "kind 1", "kind 2"}
    assert any(one not in [o.case for o in outcomes[: len(first)]] for one in first)


def test_it_ends_when_its_time_is_over() -> None:
    found = compared("reference", *[case("init", f"header.id = {n}") for n in range(9)], seconds=0)

    assert (found.compared, found.asked) == (0, 9)


def test_a_difference_is_a_note_and_no_finding(tmp_path: Path) -> None:
    """Whoever refuses what others pass over breaks no rule that the fuzzer judges by."""
    words = "--fault refuses-unknown-payloads --campaign init-shape --cases 128 --seed 3 --compare"
    done = ikelab("fuzz", *words.split(), "--out", "run", cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    assert "difference: init-shape: the peer: refuses it with" in done.out
    rows = [json.loads(line) for line in (tmp_path / "run/differences.jsonl").open()]
    assert {row["campaign"] for row in rows} == {"init-shape"}
    assert all(parse(row["plan"]).campaign == "init-shape" for row in rows)
    results = [json.loads(line) for line in (tmp_path / "run/results.jsonl").open()]
    assert {row["verdict"] for row in results} == {"PASS"}
