"""Campaigns against the reference peer: honest ones find nothing, planted faults are found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import campaigns, case, replay
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.peer.faults import fault
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings, rig
from tests.harness.command import ikelab

FOUND = {
    "accepts-any-key": ("auth", "rule: establishes an IKE SA although no AUTH that was sent"),
    "dies-of-what-it-refuses": ("auth", "hang: "),
    "hangs-on-a-wrong-length": ("init", "hang: "),
}


def fuzzed(
    place: Path,
    cases: int,
    seed: int,
    planted: str = "",
    *names: str,
    kept: list[Case] | None = None,
) -> Tally:
    settings = Settings(fault=fault(planted) if planted else None, seed=1)
    keep = None if kept is None else kept.append
    with rig("reference", settings) as made:
        run = RunFolder(place, {})
        fuzzer = Fuzzer(made, run, seed, campaigns.find(names), keep=keep)
        tally = fuzzer.go(Limits(cases=cases), lambda tally: None)
        run.finish()
    return tally


def test_an_honest_peer_is_accused_of_nothing(tmp_path: Path) -> None:
    tally = fuzzed(tmp_path / "run", 600, 7)

    assert tally.cases == 600
    assert tally.findings == {}
    assert tally.kinds > 12


def test_the_same_seed_gives_the_same_cases(tmp_path: Path) -> None:
    kept: list[list[Case]] = [[], [], []]
    for n, seed in enumerate((3, 3, 4)):
        fuzzed(tmp_path / str(n), 300, seed, "", "init", "informational", kept=kept[n])

    texts = [list(map(str, cases)) for cases in kept]
    assert texts[0] == texts[1] != texts[2]
    assert (tmp_path / "0/corpus.txt").read_text() == (tmp_path / "1/corpus.txt").read_text()


@pytest.mark.long
def test_the_first_ten_thousand_cases_are_the_same(tmp_path: Path) -> None:
    kept: list[list[Case]] = [[], []]
    for n in range(2):
        fuzzed(tmp_path / str(n), 10_000, 3, "", "init", kept=kept[n])

    assert len(kept[0]) >= 10_000
    assert case.text(kept[0]) == case.text(kept[1])


@pytest.mark.parametrize("planted", FOUND)
def test_a_planted_fault_is_found_made_small_and_replays(tmp_path: Path, planted: str) -> None:
    campaign, sign = FOUND[planted]
    tally = fuzzed(tmp_path / "run", 300, 7, planted, campaign)

    seen, folder = next((s, f) for s, f in tally.findings.items() if str(s).startswith(sign))
    facts = json.loads((folder / "finding.json").read_text())
    assert facts["replayed"] == "3 of 3"
    assert facts["seen"] == str(seen)
    recorded = replay.read(folder)
    assert len(recorded.case.plan.bindings) == 1
    assert (folder / "capture.pcapng").is_file()
    assert "3 of 3" in (folder / "about.txt").read_text()
    with rig("reference", Settings(fault=fault(planted))) as made:
        assert str(seen) in replay.replay(made, recorded.case, recorded.seen).seen
    with rig("reference", Settings()) as made:
        assert replay.replay(made, recorded.case).seen == []


def test_a_run_can_be_held_to_one_campaign(tmp_path: Path) -> None:
    kept: list[Case] = []
    fuzzed(tmp_path / "run", 60, 1, "", "init-sa", kept=kept)

    assert {one.campaign for one in kept} == {"init-sa"}
    edits = [str(b).partition(": ")[2] for one in kept for b in one.plan.bindings]
    assert all(edit.startswith(("SA", "append('SA", "drop('SA", "duplicate('SA", "swap('SA"))
               for edit in edits), edits  # fmt: skip


def test_campaigns_have_names() -> None:
    assert [c.name for c in campaigns.find(["init-ke"])] == ["init-ke"]
    assert len(campaigns.find(["all"])) == len(campaigns.CAMPAIGNS) > 30
    assert {c.exchange for c in campaigns.find([], ["IKE_AUTH"])} == {"IKE_AUTH"}
    with pytest.raises(ConfigError, match="did you mean 'init-nonce'"):
        campaigns.find(["init-nonse"])
    with pytest.raises(ConfigError, match="cannot fuzz IKE_FUN; there are IKE_SA_INIT"):
        campaigns.find([], ["IKE_FUN"])


def test_a_corpus_is_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "corpus.txt"
    fuzzed(tmp_path / "run", 200, 5, "", "init")
    cases = case.read(tmp_path / "run/corpus.txt")

    file.write_text(case.text(cases))

    assert len(cases) > 5
    assert case.read(file) == cases


def test_the_commands_say_what_they_found(tmp_path: Path) -> None:
    out = tmp_path / "run"
    found = ikelab("fuzz", "--fault", "accepts-any-key", "--cases", "200", "--seed", "7",
                   "--campaign", "auth", "--out", out, cwd=tmp_path)  # fmt: skip
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
        (("fuzz", "--campaign", "ini"), "did you mean 'init'"),
        (("fuzz", "--resume", "."), "is not the folder of a fuzzing run"),
        (("corpus", "merge", "nothing", "--out", "x"), "no such corpus: nothing"),
        (("fuzz", "--peer", "strongswn@trixie"), "did you mean 'strongswan@trixie'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "wrong.txt").write_text("IKE_AUTH/request: flop('SK.AUTH')\n")
    (tmp_path / "good.txt").write_text("IKE_AUTH/request: drop('SK.AUTH')\n")

    ikelab(*words, cwd=tmp_path).refused(2, said)


def test_a_case_of_a_run_is_replayed_against_the_peer_that_its_run_names(tmp_path: Path) -> None:
    words = ["-k", "skips_an_unknown_payload", "--out", "run"]
    assert ikelab("run", "-q", *words, cwd=tmp_path).status == 0
    folder = next(p.parent for p in sorted((tmp_path / "run/cases").glob("*/plan.txt")))

    done = ikelab("replay", folder, cwd=tmp_path)

    assert (done.status, done.err) == (0, "") and "no oracle fires" in done.out
    ikelab("replay", "run", cwd=tmp_path).refused(2, "is a run: give the folder of one")
