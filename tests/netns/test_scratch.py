"""Scratch folders: there while their process lives, found and removed when it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ikelab.netns import scratch

HOLDER = """
import sys
import tempfile
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


def test_a_run_killed_before_it_had_its_lock_leaves_nothing(place: Path) -> None:
    (place / "ikelab-run-a1b2c3d4").mkdir()
    (place / "ikelab-lab-a1b2c3d4").mkdir()
    (place / "ikelab-lab-a1b2c3d4" / "lock.new").touch()
    (place / "ikelab-run-a1b2c3_4").mkdir()
    (place / "ikelab-run-a1b2c3_4" / "run.json").touch()

    assert scratch.sweep() == []

    assert [path.name for path in place.iterdir()] == ["ikelab-run-a1b2c3_4"]


def test_a_folder_that_is_swept_while_it_is_made_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = tempfile.mkdtemp, []

    def mkdtemp(**words: str) -> str:
        made.append(real(**words))
        if len(made) == 1:
            scratch.sweep()
        return made[-1]

    monkeypatch.setattr("tempfile.mkdtemp", mkdtemp)
    with scratch.Scratch() as kept:
        assert [str(path) for path in place.iterdir()] == [str(kept.path)] == made[1:]


def test_what_is_still_written_to_is_removed_all_the_same(place: Path) -> None:
    killed, left = holder(place)
    writer = (
        "import sys, pathlib\nfor n in range(300): (pathlib.Path(sys.argv[1]) / f'{n}').mkdir()"
    )
    killed.kill()
    killed.communicate()
    late = subprocess.Popen([sys.executable, "-c", writer, str(left)], stderr=-1)

    assert scratch.sweep() == [left]

    late.communicate()
    scratch.sweep()  # the writer may have had the last word
    assert list(place.iterdir()) == []


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
