"""`fuzz --kernel guest`: for daemons of our labs only, and a run goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness import collector
from ikelab.harness.cli import main
from ikelab.harness.commands.provision import goes_to_guest
from ikelab.harness.fuzz import command
from ikelab.harness.fuzz.state import Before, Request
from ikelab.harness.peer.faults import fault
from ikelab.harness.rig import Settings


@pytest.mark.parametrize("words", [["fuzz", "--peer", "reference"], ["fuzz"]])
def test_the_built_in_peer_needs_no_guest(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ikelab", *words, "--kernel", "guest"])

    assert main() == 2
    assert "reference is none of them" in capsys.readouterr().err


def test_the_host_kernel_is_where_this_is_already() -> None:
    assert not goes_to_guest("openiked@trixie", "host")


def test_a_run_goes_on_in_the_kernel_that_it_was_in(tmp_path: Path) -> None:
    before = Before(tmp_path, {"peer": "openiked@trixie", "seed": 1, "cases": 1, "kernel": "guest"})

    assert before.going_on(Request(resume=str(tmp_path))).kernel == "guest"


@pytest.mark.parametrize(("kernel", "words"), [("guest", " --kernel guest"), ("host", "")])
def test_a_finding_is_replayed_in_the_kernel_that_it_was_made_in(
    kernel: str,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collector, "settle", lambda: None)  # this process has other work
    request = Request(
        peer="reference", campaigns=("auth",), cases=200, seed=7, fault="accepts-any-key",
        out=str(tmp_path / "run"), kernel=kernel,
    )  # fmt: skip

    status, place = command.fuzz(request, Settings(fault=fault("accepts-any-key")), ("ikelab",))

    assert status == 1
    assert f"  ikelab replay {place}/cases/finding-1{words}\n" in capsys.readouterr().out
