"""The console script as a user runs it, in a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).with_name("ikelab"))
TIMEOUT = 300.0

LONG = """
def test_first(peer, initiator):
    peer.start()
    initiator.establish()


def test_second(peer, initiator):
    peer.start()
    sa = initiator.establish()
    open("waiting", "w").close()
    sa.wait(lambda: False, 90)
"""
"""A test file whose second test, on a network that keeps time, has to be interrupted.

It makes the file `waiting` when it has an SA.
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
    *words: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
    **options,
) -> subprocess.Popen[str]:
    """The command, running in a session of its own, with pipes; `under` another command."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(
        [*under, SCRIPT, *map(str, words)],
        cwd=cwd,
        env=environment(**(env or {})),
        text=True,
        start_new_session=True,
        **(pipes | options),
    )


def ikelab(*words: object, cwd: Path, **options) -> Done:
    """The command, run to its end; options as for `start`."""
    with start(*words, cwd=cwd, **options) as process:
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"ikelab {' '.join(map(str, words))} did not end in {TIMEOUT} s")
    return Done(process.returncode, out, err)


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *words: object, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            variables = environment(TERM="xterm-256color", **(env or {}))
            os.execve(SCRIPT, [SCRIPT, *map(str, words)], variables)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.text = ""
        self.status: int | None = None

    def until(self, text: str) -> None:
        """Read until this text has been shown."""
        while text not in self.text:
            assert self._read(), f"it ended without {text!r}:\n{self.text}"

    def type(self, keys: bytes) -> None:
        """Press keys; b"\\x03" is Ctrl-C."""
        os.write(self._fd, keys)

    def end(self) -> int:
        """Wait for the end; the exit status."""
        while self._read():
            pass
        os.close(self._fd)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], TIMEOUT)
        assert ready, f"nothing for {TIMEOUT} s after:\n{self.text}"
        try:
            octets = os.read(self._fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += octets.decode(errors="replace")
        return bool(octets)


class Remains:
    """What a running command has in the kernel, to be looked for when it has ended.

    The command is found by its process and all that come of it.
    """

    def __init__(self, pid: int) -> None:
        self.pids = {pid, *_descendants(pid)}
        self.networks = {name for p in self.pids for name in _networks(p)} - set(_networks(1))
        self.networks -= set(_networks(os.getpid()))

    def left(self) -> list[str]:
        """Processes and network namespaces that are still there, once the kernel had its time."""
        deadline = time.monotonic() + 10
        while (found := self._found()) and time.monotonic() < deadline:
            select.select([], [], [], 0.02)
        return found

    def _found(self) -> list[str]:
        running = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
        alive = [f"process {pid}" for pid in running if pid in self.pids and _alive(pid)]
        return alive + [f"{name} of {p}" for p in running for name in _networks(p) & self.networks]


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def _networks(pid: int) -> set[str]:
    """The network namespaces that a process lives in or holds open."""
    found = set()
    places = [Path(f"/proc/{pid}/ns/net")]
    with contextlib.suppress(OSError):
        places += Path(f"/proc/{pid}/fd").iterdir()
    for place in places:
        with contextlib.suppress(OSError):
            found.add(str(place.readlink()))
    return {name for name in found if name.startswith("net:")}
