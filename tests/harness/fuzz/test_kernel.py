"""`fuzz --kernel guest`: for daemons of our labs only, and a run goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness.cli import main
from ikelab.harness.commands.provision import goes_to_guest
from ikelab.harness.fuzz.state import Before, Request


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
