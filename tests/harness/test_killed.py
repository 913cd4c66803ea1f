"""Runs that are killed at any moment: nothing stays that `lab down --all` does not remove.

`IKELAB_KILLS=50` kills as many; what a run had done can be reported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.command import Remains, _descendants, ikelab, start

KILLS = int(os.environ.get("IKELAB_KILLS", "6"))
SHARES = 2  # of the kills, so that two workers have one each
START, CASE = 1.5, 0.5  # seconds at most: of a run's beginning, of a case
RUNS = [
    ("strongswan@trixie", "direct", "test_nat"),
    ("reference", "nat-both", ""),
    ("strongswan@trixie", "two-clients", ""),
    ("reference", "loss", ""),
]
SET_CHILD_SUBREAPER = 36


@pytest.fixture
def orphans() -> Iterator[None]:
    """Whoever loses its parent becomes a child of this process, where it is seen."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def living(before: set[int]) -> set[int]:
    """The processes that came from this one since then; who has ended is collected."""
    found = set(_descendants(os.getpid())) - before
    for pid in found:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return set(_descendants(os.getpid())) - before


def wait(process: subprocess.Popen[str], cases: Path, chance: random.Random) -> None:
    """Until some moment of its beginning, or of one of its first cases."""
    wanted = chance.choice([0, 0, 1, 1, 2, 3])
    deadline = time.monotonic() + 60
    while len(list(cases.glob("*"))) < wanted and process.poll() is None:
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.0, CASE if wanted else START))


def killed(process: subprocess.Popen[str], cases: Path, chance: random.Random) -> Remains:
    """Let it run for a while, then kill one of its processes, whichever."""
    wait(process, cases, chance)
    remains = Remains(process.pid)
    victim = chance.choice(sorted(remains.pids))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    # A daemon that is killed is no end of the run; the run's own processes are.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return remains


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_stays_of_a_killed_run(
    trixie: str, orphans: None, tmp_path: Path, share: int
) -> None:
    (tmp_path / "tmp").mkdir()
    env = {"TMPDIR": str(tmp_path / "tmp")}
    chance = random.Random(share)
    before = set(_descendants(os.getpid()))
    mounts = Path("/proc/self/mountinfo").read_text()
    reported = 0
    for number in range(share, KILLS, SHARES):
        peer, topology, cases = RUNS[number % len(RUNS)]
        out = tmp_path / f"run{number}"
        words = ["run", "--peer", peer, "--topology", topology, "--out", out]
        process = start(*words, *(["-k", cases] if cases else []), cwd=tmp_path, env=env)

        remains = killed(process, out / "cases", chance)
        down = ikelab("lab", "down", "--all", cwd=tmp_path, env=env)

        assert (down.status, down.err) == (0, "")
        assert remains.left() == []
        deadline = time.monotonic() + 10
        while (stayed := living(before)) and time.monotonic() < deadline:
            select.select([], [], [], 0.02)
        assert not stayed, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in stayed]
        assert list((tmp_path / "tmp").glob("ikelab-*")) == []
        assert Path("/proc/self/mountinfo").read_text() == mounts
        if out.exists():
            report = ikelab("report", out, cwd=tmp_path)
            assert report.status == 0 and len(report.err.splitlines()) <= 1, report
            reported += 1
    assert reported
    print(f"{KILLS // SHARES} runs killed, {reported} of them had a run folder")
