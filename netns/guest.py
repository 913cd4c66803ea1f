"""A guest kernel: the whole command inside Debian's user-mode Linux, an ordinary process.

Where the host's kernel lacks ESP, AF_KEY or netem, the guest has them, and no right is needed to
boot it. Its root is the host's file system, so paths, Python and the cache are the same; /dev, /run
and temporary files are its own. It has no network but the namespaces that are made in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from ikelab.harness.errors import LabError
from ikelab.netns import calls, scratch

MARK = "IKELAB_GUEST"
MEMORY = "2G"
_SHARED_MEMORY = Path("/dev/shm")
BOOT_LOG = "boot.log"
_KEEPER = "read -r group && { read -r _; kill -s KILL -- -$group; }"


def inside() -> bool:
    """Whether this process runs in a guest kernel of ikelab's."""
    return MARK in os.environ


def run(root: Path, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Boot the kernel unpacked below `root`, run a command in it, return its exit status.

    The command has this process's working directory, terminal and variables. LabError where the
    kernel does not come up, with the last lines that it said.
    """
    kernel = root / "usr/bin/linux.uml"
    [release] = sorted((root / "usr/lib/uml/modules").iterdir())[-1:]
    scratch.sweep()
    with scratch.Scratch("guest") as made:
        place = made.path
        spec = {
            "argv": list(argv),
            "cwd": str(Path.cwd()),
            "env": {**(os.environ if env is None else env), MARK: "1"},
            "modules": str(release),
            "status": str(place / "status"),
            "terminal": sys.stdout.isatty(),
        }
        (place / "spec").write_text(json.dumps(spec))
        first = place / "init"
        words = [sys.executable, "-m", "ikelab.netns.guest_init", str(place / "spec")]
        first.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
        first.chmod(0o700)
        with (place / BOOT_LOG).open("wb") as log:
            code = _boot(kernel, first, log.fileno())
        status = place / "status"
        if not status.exists():
            raise LabError(_why(code, (place / BOOT_LOG).read_text(errors="replace")))
        return int(status.read_text())


def _boot(kernel: Path, first: Path, log: int) -> int:
    """Run the kernel until it halts; its console goes to the log, tty1 and tty2 are our own."""
    command = [
        str(kernel),
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "rw",
        f"mem={MEMORY}",
        f"init={first}",
        f"uml_dir={first.parent}/",
        "umid=guest",
        "quiet",
        "con=null",
        f"con0=null,fd:{log}",
        "con1=fd:0,fd:1",
        "con2=null,fd:2",
    ]
    env = {**os.environ, "TMPDIR": str(_memory_folder())}
    try:
        with _Group() as group:
            return group.run(command, env, log)
    except OSError as error:
        raise LabError(f"cannot start the guest kernel: {error.strerror}") from error
    finally:
        _restore_terminal()


class _Group:
    """The processes of one guest kernel, which end together, however this process ends.

    The kernel traces the guest's processes. Were it killed alone, they would be let go and run on
    in the host's kernel, where what they print is ours: a signal to the whole group has them all.
    """

    def __init__(self) -> None:
        self._guest: subprocess.Popen[bytes] | None = None
        # Where we are killed there is nobody to do it but a process that reads until we are gone.
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        calls.collect_orphans(True)
        return self

    def run(self, command: Sequence[str], env: Mapping[str, str], log: int) -> int:
        """Run the kernel until it ends; its exit status."""
        assert self._keeper.stdin is not None
        self._guest = subprocess.Popen(
            command,
            env=env,
            pass_fds=[log],
            start_new_session=True,
            # One write: threads are no danger to it.
            preexec_fn=partial(_tell, self._keeper.stdin.fileno()),  # noqa: PLW1509
        )
        # While it is not collected, nobody else can have the number of its group.
        with contextlib.suppress(ChildProcessError):  # who started us may ignore SIGCHLD
            os.waitid(os.P_PID, self._guest.pid, os.WEXITED | os.WNOWAIT)
        self._end(self._guest)
        return self._guest.returncode

    def __exit__(self, *_: object) -> None:
        """Let nothing of the guest be left, nor the keeper; it ends a kernel unknown to us."""
        if self._guest is not None:
            if self._guest.returncode is None:
                self._end(self._guest)
            self._keeper.kill()
        self._keeper.communicate()
        calls.collect_orphans(False)

    def _end(self, guest: subprocess.Popen[bytes]) -> None:
        """Kill the group, and wait for what the kernel has left, which are our children now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guest.pid, signal.SIGKILL)
        guest.wait()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-guest.pid, 0)


def _tell(keeper: int) -> None:
    """Say, in the process that is about to be the kernel, which group it leads."""
    os.write(keeper, f"{os.getpid()}\n".encode())


def _memory_folder() -> Path:
    """Where the guest's memory lies: a file system that allows programs in memory."""
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else 0
    return _SHARED_MEMORY if free > 1 << 30 else Path(tempfile.gettempdir())


def _restore_terminal() -> None:
    """The kernel puts the terminal into raw mode."""
    if sys.stdin.isatty():
        with contextlib.suppress(OSError):
            subprocess.run(["stty", "sane"], check=False)


def _why(code: int, log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = "; ".join(lines[-2:]) or "it said nothing"
    return f"the guest kernel ended ({code}) before the command did: {said}"
