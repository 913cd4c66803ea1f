"""One daemon in a host: its sandbox, its folder, its process, the programs that talk to it.

Shared by drivers whose daemon is a process out of an unpacked tree. Knows no daemon's language. The
folder appears inside as /etc/ikelab; readiness is the daemon's own message to NOTIFY_SOCKET, or a
socket that it opens.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

from ikelab.harness.errors import LabError
from ikelab.harness.peer import leftovers
from ikelab.netns import kernel, xfrm
from ikelab.netns.host import Host
from ikelab.netns.kernel import Ability
from ikelab.netns.sandbox import Bind, Sandbox
from ikelab.netns.xfrm import Database

FOLDER = "/etc/ikelab"
"""Where the daemon finds its own folder."""
OUTPUT = "output"
"""The file in that folder that takes what the daemon prints."""
# Seconds; in a guest kernel everything takes its time.
START_TIMEOUT = ANSWER_TIMEOUT = 30.0 if "IKELAB_GUEST" in os.environ else 10.0
_READY = "notify"


@lru_cache(maxsize=1)
def abilities() -> dict[str, Ability]:
    """What the kernel can do, tried once."""
    return kernel.probe()


class Daemon:
    """`peer` and `program` are the names that errors say; `root` is the unpacked tree.

    `tidy` is called in the host for what a killed daemon leaves in its kernel.
    """

    def __init__(
        self,
        peer: str,
        program: str,
        host: Host,
        folder: Path,
        root: Path,
        binds: Sequence[Bind] = (),
        tidy: Callable[[], None] = leftovers.flush_ipsec,
    ) -> None:
        self.peer, self.program = peer, program
        self.host, self.folder, self.root = host, folder, root
        self.process: subprocess.Popen[bytes] | None = None
        self._binds = [(folder, FOLDER, True), *binds]
        self._tidy = tidy
        self._sandbox: Sandbox | None = None
        self._directory = -1
        self._pump: _Pump | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def sandbox(self) -> Sandbox:
        """The daemon's file system, made when first needed."""
        if self._sandbox is None:
            self._sandbox = self.host.sandbox(self.root, self._binds)
            self._directory = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._sandbox

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        """Run a program to its end; exit status and all that it printed."""
        process = self.host.popen(
            argv,
            sandbox=self.sandbox,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
        try:
            said, _ = process.communicate(timeout=ANSWER_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            name = Path(argv[0]).name
            raise self.death(f"does not answer ({name} took {ANSWER_TIMEOUT:.0f} s)") from None
        return int(process.returncode), str(said)

    def launch(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        ready: re.Pattern[str] | None = None,
    ) -> None:
        """Start the daemon and wait until it is ready; LabError when it ends or stays silent.

        It says so by READY=1 to NOTIFY_SOCKET; or, with `ready`, in what it prints.
        """
        sandbox = self.sandbox
        told = dict(env or {})
        if ready is not None:
            self._start(argv, sandbox, told, subprocess.PIPE)
            self._pump = _Pump(self.process, self.folder / OUTPUT, ready)
            self._await(self._pump.ready, lambda: True)
            return
        (self.folder / _READY).unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
            (self.folder / OUTPUT).open("wb") as output,
        ):
            heard.bind(self._short(_READY))
            told["NOTIFY_SOCKET"] = f"{FOLDER}/{_READY}"
            self._start(argv, sandbox, told, output)
            self._await(heard.fileno(), lambda: b"READY=1" in heard.recv(4096))

    def _start(
        self, argv: Sequence[str], sandbox: Sandbox, env: Mapping[str, str], output: IO[bytes] | int
    ) -> None:
        self.process = self.host.popen(
            argv,
            sandbox=sandbox,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def _await(self, ready: int, heard: Callable[[], bool]) -> None:
        assert self.process is not None
        end = os.pidfd_open(self.process.pid)
        deadline = time.monotonic() + START_TIMEOUT
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                found = select.select([ready, end], [], [], left)[0]
                if ready in found and heard():
                    return
                if end in found:
                    raise self.death("died at start")
                if not found:
                    raise self.death(f"was not ready within {START_TIMEOUT:.0f} s")
        finally:
            os.close(end)

    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it and what it started, without a word on the wire; the kernel's state goes too."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            if self._pump is not None:
                self._pump.close()
                self._pump = None
            self.host.call(self._tidy)

    def close(self) -> None:
        """Kill it and let go of the sandbox; the folder stays readable. Idempotent."""
        self.kill()
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def kernel(self) -> Database | None:
        """What the host's kernel holds of IPsec; None where it has no ESP to hold anything for."""
        return self.host.call(xfrm.read) if abilities()["esp"] else None

    def death(self, what: str, about: str = "") -> LabError:
        """What happened, how the daemon ended, its last lines (`about` something); it is ended."""
        status = self.process.poll() if self.process else None
        lines = (self.read("log") or self.read(OUTPUT)).strip().splitlines()
        self.kill()
        how = f" ({_ending(status)})" if status is not None else ""
        words = [_undated(line) for line in lines if about in line and not _detail(line)][-5:]
        said = "; its last words: " + " | ".join(words) if words else "; it said nothing"
        return LabError(f"{self.peer}: {self.program} {what}{how}{said}")

    def connect(self, name: str) -> socket.socket:
        """A stream connection to the daemon's own socket in the folder; OSError without one."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_TIMEOUT)
        try:
            connection.connect(self._short(name))
        except OSError:
            connection.close()
            raise
        return connection

    def read(self, name: str) -> str:
        """A file of the folder, empty where there is none."""
        try:
            return (self.folder / name).read_text(errors="backslashreplace")
        except OSError:
            return ""

    def _short(self, name: str) -> str:
        """A path to a file of the folder that fits into a socket address (108 octets)."""
        return f"/proc/self/fd/{self._directory}/{name}"


class _Pump:
    """Writes what a process prints to a file; `ready` is readable once a pattern has come."""

    def __init__(
        self, process: subprocess.Popen[bytes] | None, place: Path, pattern: re.Pattern[str]
    ) -> None:
        assert process is not None and process.stdout is not None
        self.ready = os.eventfd(0, os.EFD_CLOEXEC)
        self._source = process.stdout
        self._place, self._pattern = place, pattern
        place.write_bytes(b"")
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        text, waiting = "", True
        with self._place.open("ab", buffering=0) as output:
            while data := os.read(self._source.fileno(), 65536):
                output.write(data)
                if waiting:
                    text += data.decode("ascii", "replace")
                    if self._pattern.search(text):
                        waiting = False
                        os.eventfd_write(self.ready, 1)

    def close(self) -> None:
        """Take what is left to read; the process has ended."""
        self._thread.join(ANSWER_TIMEOUT)
        self._source.close()
        os.close(self.ready)


def _undated(line: str) -> str:
    """A log line without the time, and the thread, that some daemons put before it."""
    return re.sub(r"^(?:[A-Z][a-z]{2} +\d+ [\d:.]+:? |\S+ \d\d(?=\[))", "", line)


def _detail(line: str) -> bool:
    """Whether a line is one of the many that only debugging prints (`| ...`)."""
    return _undated(line).startswith("|")


def _ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
