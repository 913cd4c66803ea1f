"""Campaigns against the reference peer: honest ones find nothing, planted faults are found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import replay
from ikelab.harness.fuzz.campaign import Campaign, Limits, Tally
from ikelab.harness.fuzz.drive import goal
from ikelab.harness.peer.faults import fault
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings, rig
from tests.harness.command import ikelab

FOUND = {
    "accepts-any-key": "established although no AUTH that was sent proves an identity",
    "dies-of-what-it-refuses": "no honest IKE SA comes up",
    "hangs-on-a-wrong-length": "no honest IKE SA comes up",
}


def campaign(place: Path, cases: int, seed: int, planted: str = "", *targets: str) -> Tally:
    settings = Settings(fault=fault(planted) if planted else None, seed=1)
    with rig("reference", settings) as made:
        run = RunFolder(place, {})
        tally = Campaign(made, run, seed, targets).go(Limits(cases=cases), lambda tally: None)
        run.finish()
    return tally


def test_an_honest_peer_is_accused_of_nothing(tmp_path: Path) -> None:
    tally = campaign(tmp_path / "run", 400, seed=7)

    assert tally.cases == 400
    assert tally.findings == {}
    assert len(tally.answers) > 10, tally.answers


def test_the_same_seed_gives_the_same_campaign(tmp_path: Path) -> None:
    first = campaign(tmp_path / "a", 150, seed=3)
    second = campaign(tmp_path / "b", 150, seed=3)
    third = campaign(tmp_path / "c", 150, seed=4)

    assert first.answers == second.answers
    corpus = [(tmp_path / name / "corpus.txt").read_text() for name in "abc"]
    assert corpus[0] == corpus[1] != corpus[2]
    assert third.answers != first.answers


@pytest.mark.parametrize("planted", FOUND)
def test_a_planted_fault_is_found_made_small_and_replays(tmp_path: Path, planted: str) -> None:
    tally = campaign(tmp_path / "run", 400, 7, planted)

    [(seen, folder)] = tally.findings.items()
    assert seen.startswith(FOUND[planted])
    facts = json.loads((folder / "finding.json").read_text())
    assert facts["replayed"] == "3 of 3"
    assert len(Plan.parse((folder / "plan.txt").read_text()).bindings) == 1
    recorded = replay.read(folder)
    with rig("reference", Settings(fault=fault(planted))) as made:
        assert replay.replay(made, recorded.plan).seen == seen
    with rig("reference", Settings()) as made:
        assert replay.replay(made, recorded.plan).seen is None


def test_a_campaign_can_be_held_to_one_exchange(tmp_path: Path) -> None:
    tally = campaign(tmp_path / "run", 40, 1, "", "IKE_SA_INIT")

    assert {answer.partition(":")[0] for answer in tally.answers} == {"IKE_SA_INIT"}


def test_an_exchange_that_cannot_be_fuzzed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot fuzz IKE_FUN; there are IKE_SA_INIT"):
        campaign(tmp_path / "run", 1, 1, "", "IKE_FUN")


def test_a_plan_tells_how_far_it_goes() -> None:
    text = "IKE_SA_INIT/request: header.flags |= 1\nIKE_AUTH/request: drop('SK.AUTH')"
    assert goal(Plan.parse(text)) == "IKE_AUTH"
    with pytest.raises(ConfigError, match="changes no request"):
        goal(Plan.parse("IKE_AUTH/response: drop('SK.AUTH')"))


def test_the_commands_say_what_they_found(tmp_path: Path) -> None:
    out = tmp_path / "run"
    found = ikelab("fuzz", "--fault", "accepts-any-key", "--cases", "120", "--seed", "7",
                   "--out", out, cwd=tmp_path)  # fmt: skip
    assert found.status == 1, found.out + found.err
    assert f"ikelab replay {out}/cases/finding-1" in found.out

    again = ikelab("replay", out / "cases/finding-1", "--fault", "accepts-any-key", cwd=tmp_path)
    assert again.status == 1 and ": reproduced" in again.out
    honest = ikelab("replay", out / "cases/finding-1", cwd=tmp_path)
    assert honest.status == 0 and "not reproduced" in honest.out


def test_a_plan_file_is_played_as_it_is(tmp_path: Path) -> None:
    plan = tmp_path / "mine.txt"
    plan.write_text("# one octet too many\nIKE_SA_INIT/request: append('Nonce.nonce', b'x')\n")

    done = ikelab("replay", plan, "--peer", "reference", cwd=tmp_path)

    assert done.status == 0, done.err
    assert "edits: append('Nonce.nonce', b'x')" in done.out
    assert "answer: IKE_SA_INIT: SA, KE, Nonce" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay", "nothing-there"), "no such plan or folder: nothing-there"),
        (("replay", "."), "holds no plan.txt"),
        (("replay", "empty.txt"), "holds no edit"),
        (("replay", "wrong.txt"), "line 1: unknown operator 'flop'"),
        (("replay", "good.txt"), "give --peer NAME"),
        (("fuzz", "--peer", "strongswn@trixie"), "did you mean 'strongswan@trixie'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "wrong.txt").write_text("IKE_AUTH/request: flop('SK.AUTH')\n")
    (tmp_path / "good.txt").write_text("IKE_AUTH/request: drop('SK.AUTH')\n")

    ikelab(*words, cwd=tmp_path).refused(2, said)
