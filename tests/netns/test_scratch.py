"""Scratch folders: there while their process lives, found and removed when it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.netns import scratch

HOLDER = """
import sys
from ikelab.netns.scratch import Scratch
with Scratch("run") as made:
    print(made.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def helper(folder: Path) -> subprocess.Popen[bytes]:
    """What a guest kernel leaves behind, named by its command line as soon as it has spoken."""
    program = "print('up', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, f"uml_dir={folder}/"], stdin=-1, stdout=-1
    )
    assert process.stdout
    # exec() is over for its parent before /proc shows the new command line: its word is later.
    assert process.stdout.readline() == b"up\n"
    return process


def test_what_lives_stays_and_what_was_killed_goes(place: Path) -> None:
    alive, kept = holder(place)
    killed, left = holder(place)
    assert list(scratch.folders()) == sorted([kept, left])
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    assert scratch.sweep() == [left]

    assert not left.exists()
    assert kept.exists()
    alive.communicate("")
    assert not kept.exists()


def test_folders_of_others_are_left_alone(place: Path) -> None:
    (place / "ikelab-of-old").mkdir()  # nobody's lock is in it

    assert scratch.sweep() == []
    assert (place / "ikelab-of-old").exists()


def test_the_helpers_of_a_dead_guest_are_ended(place: Path) -> None:
    killed, left = holder(place)
    other, doomed = helper(place), helper(left)
    killed.kill()
    killed.communicate()

    assert scratch.sweep() == [left]

    assert doomed.wait(10) == -signal.SIGKILL
    assert other.poll() is None
    other.communicate(b"\n")
    doomed.communicate()


def test_closing_twice_is_closing_once(place: Path) -> None:
    made = scratch.Scratch()
    made.close()
    made.close()
    assert list(place.iterdir()) == []
