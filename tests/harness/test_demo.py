"""The demo ends well where a daemon has to be left out, says so, and hides no broken run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ikelab.harness import demo


class Commands:
    """Stands in for the command line: leaves a run folder and ends with the status told."""

    def __init__(
        self, statuses: Mapping[tuple[str, ...], int], *, daemon: Sequence[str] = ("PASS", "FAIL")
    ) -> None:
        self.statuses = statuses
        self.daemon = daemon
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, *words: str) -> int:
        self.seen.append(words)
        key = next((k for k in self.statuses if k == words[: len(k)]), None)
        if words[0] == "run":
            folder = Path(words[words.index("--out") + 1])
            folder.mkdir(parents=True)
            (folder / "run.json").write_text("{}")
            rows = [json.dumps({"verdict": v}) + "\n" for v in self.daemon]
            (folder / "results.jsonl").write_text("".join(rows))
        return self.statuses[key] if key else 0


DAEMON_RUN = ("run", "--peer", demo.DAEMON)
REFERENCE_RUN = ("run", "--peer", "reference")


def run_demo(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> tuple[int, list[str]]:
    lines: list[str] = []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(demo, "ikelab", commands)
    monkeypatch.setattr(demo, "say", lines.append)
    return demo.main(), lines


@pytest.mark.parametrize(
    ("statuses", "status", "told"),
    [
        ({}, 0, None),
        ({DAEMON_RUN: 1}, 0, "not as expected"),
        ({DAEMON_RUN: 3}, 3, None),
        ({DAEMON_RUN: 2}, 2, None),
        ({REFERENCE_RUN: 1}, 1, "never should"),
        ({("peers", "add"): 3}, 0, "left out: the run against strongswan@trixie"),
        ({("report",): 2}, 2, None),
    ],
)
def test_status_and_what_is_said(
    statuses: Mapping[tuple[str, ...], int],
    status: int,
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ended, lines = run_demo(Commands(statuses), monkeypatch, tmp_path)

    assert ended == status
    said = [line for line in lines if not line.startswith("the page is")]
    assert said == [] if told is None else told in said[0] and len(said) == 1


@pytest.mark.parametrize(("status", "daemon"), [(3, ()), (0, ("UNSUPPORTED", "UNSUPPORTED"))])
def test_a_daemon_that_cannot_work_here_is_left_out(
    status: int, daemon: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = Commands({DAEMON_RUN: status}, daemon=daemon)
    ended, lines = run_demo(commands, monkeypatch, tmp_path)

    assert ended == 0
    assert lines[0].startswith("left out: the run against strongswan@trixie")


def test_one_page_shows_both_runs_and_is_named_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = Commands({})
    _, lines = run_demo(commands, monkeypatch, tmp_path)

    report, *runs, option, page = commands.seen[-1]
    assert (report, option) == ("report", "--html")
    assert [Path(run).name for run in runs] == ["reference", demo.DAEMON]
    assert lines[-1] == f"the page is {tmp_path / page}"
