"""A fuzzing run that Ctrl-C or SIGKILL ended: what it found is kept, reported, gone on with."""

from __future__ import annotations

import json
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.fuzz import case
from tests.harness.command import TIMEOUT, ikelab, start

WORDS = ("fuzz", "--fault", "accepts-any-key", "--campaign", "auth", "--seed", "7")
ENDLESS = ("--cases", "1000000")


def state(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "fuzz.json").read_text())
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


def ended(place: Path, number: signal.Signals) -> tuple[int, str]:
    """A run that has found something, ended by a signal; its status and what it said."""
    with start(*WORDS, *ENDLESS, "--out", "run", cwd=place) as process:
        until(lambda: (place / "run/fuzz.json").exists() and bool(state(place / "run")["findings"]))
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_a_signal_ended_is_gone_on_with(number: signal.Signals, tmp_path: Path) -> None:
    status, err = ended(tmp_path, number)
    if number == signal.SIGKILL:
        assert status == -number
    else:
        assert status == 128 + number
        assert err == (
            "ikelab: stopped; what was found is in run; go on with it: ikelab fuzz --resume run\n"
        )
    run = tmp_path / "run"
    before = state(run)
    # What was being written when the run was killed is taken away.
    halves = {"corpus.txt": "# campaign auth\nIKE_AUTH/request#0: SK.ID", "progress.jsonl": '{"se'}
    for name, half in halves.items():
        with (run / name).open("a") as file:
            file.write(half)

    done = ikelab("fuzz", "--resume", "run", "--cases", "60", cwd=tmp_path)

    assert done.status == 1, done.out + done.err
    after = state(run)
    assert (after["peer"], after["fault"]) == ("reference", "accepts-any-key")
    assert after["campaigns"] == ["auth"]
    assert after["seed"] == before["seed"] + 1
    assert after["cases"] == before["cases"] + 60
    # What was found before is counted there, and not reported again.
    assert before["findings"].items() <= after["findings"].items()
    assert case.read(run / "corpus.txt")
    counts = [json.loads(line)["cases"] for line in (run / "progress.jsonl").open()]
    assert counts == sorted(counts)


def test_a_run_that_was_killed_is_reported(tmp_path: Path) -> None:
    ended(tmp_path, signal.SIGKILL)

    report = ikelab("report", "run", cwd=tmp_path)

    assert report.status == 0
    assert report.err.startswith("ikelab: run is incomplete: the run did not finish")
    assert "the run did not finish" in report.out
    for seen in state(tmp_path / "run")["findings"]:
        assert seen in report.out


def test_without_a_limit_of_its_own_it_does_what_was_left(tmp_path: Path) -> None:
    first = ikelab(*WORDS, "--cases", "60", "--out", "run", cwd=tmp_path)
    assert first.status == 1, first.err
    file = tmp_path / "run/fuzz.json"
    file.write_text(json.dumps(state(tmp_path / "run") | {"left": {"cases": 30}}))

    done = ikelab("fuzz", "--resume", "run", cwd=tmp_path)

    assert done.status == 1, done.err
    assert state(tmp_path / "run")["cases"] == 90


def test_only_one_process_writes_a_run(tmp_path: Path) -> None:
    with start(*WORDS, *ENDLESS, "--out", "run", cwd=tmp_path) as process:
        until((tmp_path / "run/fuzz.json").exists)

        ikelab("fuzz", "--resume", "run", cwd=tmp_path).refused(2, "is still going on in run")

        process.kill()
        process.communicate(timeout=TIMEOUT)


def test_a_campaign_that_found_nothing_has_a_result(tmp_path: Path) -> None:
    words = ("fuzz", "--cases", "20", "--campaign", "init-nonce", "--out", "run")
    assert ikelab(*words, cwd=tmp_path).status == 0

    report = ikelab("report", "run", cwd=tmp_path)

    assert "1 result, 0 unexpected" in report.out
    assert "incomplete" not in report.out


def test_a_campaign_without_a_case_has_no_result_until_it_has_one(tmp_path: Path) -> None:
    words = ("--campaign", "init-nonce", "--campaign", "init-sa", "--campaign", "auth")

    def passed() -> set[str]:
        rows = map(json.loads, (tmp_path / "run/results.jsonl").read_text().splitlines())
        return {row["id"] for row in rows if row["verdict"] == "PASS"}

    first = ikelab("fuzz", *words, "--cases", "10", "--seed", "1", "--out", "run", cwd=tmp_path)

    assert first.status == 0, first.err
    assert "not done: init-sa, auth: the run ended before they had a case\n" in first.out
    assert passed() == {"fuzz::init-nonce"}

    on = ("fuzz", "--resume", "run", "--campaign", "auth", "--campaign", "init-nonce")
    again = ikelab(*on, "--cases", "10", cwd=tmp_path)

    assert again.status == 0, again.err
    assert "not done" not in again.out  # one had its cases before
    assert passed() == {"fuzz::init-nonce", "fuzz::auth"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--time", "nan"), "give a number from 0.1 to"),
        (("--time", "inf"), "give a number from 0.1 to"),
        (("--rate", "-1"), "give a number from 0 to"),
        (("--coverage", "frob"), "a shared-memory segment, or a file of /dev/shm"),
        (("--fault", "frob"), "ikelab fuzz --fault '?'"),
        (("--peer", "planted", "--fault", "accepts-any-key"), "leave out --fault"),
        (("--peer", "planted", "--topology", "direct"), "leave out --topology"),
    ],
)
def test_what_cannot_be_leaves_no_folder(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ikelab("fuzz", *words, "--out", "run", cwd=tmp_path).refused(2, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--peer", "planted"), "is a run against reference"),
        (("--out", "other"), "leave out --out"),
    ],
)
def test_a_run_is_gone_on_with_as_it_was(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "run").mkdir()
    kept = {"peer": "reference", "seed": 1, "cases": 3}
    (tmp_path / "run/fuzz.json").write_text(json.dumps(kept))

    ikelab("fuzz", "--resume", "run", *words, cwd=tmp_path).refused(2, said)
