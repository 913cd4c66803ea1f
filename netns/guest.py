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

from ikelab.harness.errors import LabError
from ikelab.netns import calls, scratch

MARK = "IKELAB_GUEST"
MEMORY = "2G"
_SHARED_MEMORY = Path("/dev/shm")
BOOT_LOG = "boot.log"


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
        guest = subprocess.Popen(
            command,
            env=env,
            pass_fds=[log],
            start_new_session=False,
            # One call of the kernel's and nothing of Python's: threads are no danger to it.
            preexec_fn=partial(calls.die_with_parent, signal.SIGKILL),  # noqa: PLW1509
        )
    except OSError as error:
        raise LabError(f"cannot start the guest kernel: {error.strerror}") from error
    try:
        return guest.wait()
    except BaseException:
        guest.kill()
        guest.wait()
        raise
    finally:
        _restore_terminal()


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
