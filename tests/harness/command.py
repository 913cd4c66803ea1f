"""The console script as a user runs it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).with_name("ikelab"))
TIMEOUT = 100.0

BROKEN = """
def test_brings_an_sa_up(peer, initiator):
    peer.start({start})
    initiator.establish()
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How the command ended: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    def refused(self, status: int, *words: str) -> None:
        """It ended with one line on stderr that holds these words, and no traceback."""
        assert self.status == status, f"status {self.status}\n{self.out}\n{self.err}"
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("ikelab: "), self.err
        assert "Traceback" not in self.out
        for word in words:
            assert word in lines[0]


def environment(**env: str) -> dict[str, str]:
    """The variables of this process less those that pytest and its plugins have set."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "IKELAB_W"))}
    return {**clean, "COLUMNS": "200", **env}


def start(
    *words: object, cwd: Path, env: Mapping[str, str] | None = None, script: str = SCRIPT, **options
) -> subprocess.Popen[str]:
    """The command, running in a session of its own, with pipes."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(
        [script, *map(str, words)],
        cwd=cwd,
        env=environment(**(env or {})),
        text=True,
        start_new_session=True,
        **(pipes | options),
    )


def ikelab(*words: object, cwd: Path, env: Mapping[str, str] | None = None, **options) -> Done:
    """The command, run to its end."""
    with start(*words, cwd=cwd, env=env, **options) as process:
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"ikelab {' '.join(map(str, words))} did not end in {TIMEOUT} s")
    return Done(process.returncode, out, err)
