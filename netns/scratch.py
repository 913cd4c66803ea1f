"""Folders for what runs leave on the disk while they run, and the removal of what killed ones left.

A scratch folder lies below the folder for temporary files, belongs to one process and has a lock
that the kernel lets go of when that process ends, however it does and whatever PID namespace it
lives in. Whoever finds a folder of his own that nobody has locked may remove it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

PREFIX = "ikelab-"
_LOCK, _FRESH = "lock", "lock.new"
_MADE = re.compile(PREFIX + r"[a-z]+-[a-z0-9_]{8}")  # as mkdtemp() names it
PATIENCE, MOMENT = 5.0, 0.02  # seconds


class Scratch:
    """A folder of this process, removed at the end of the block; `path` is where it is."""

    def __init__(self, kind: str = "run") -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-"))
            # Who sweeps meanwhile takes a folder without a lock for a dead run's: make another.
            with contextlib.suppress(FileNotFoundError):
                self._lock = _locked(self.path)
                return

    def close(self) -> None:
        """Remove the folder. Twice is fine."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(path: Path) -> int:
    """Put the lock into a new folder; nobody may find it before it is locked."""
    fresh = path / _FRESH
    lock = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh.rename(path / _LOCK)
    except OSError:
        os.close(lock)
        raise
    return lock


def folders(kind: str = "") -> Iterator[Path]:
    """The scratch folders of this user, of one kind or of all, whoever lives."""
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}{kind}*")):
        with contextlib.suppress(OSError):
            if path.is_dir() and path.stat().st_uid == os.getuid() and (path / _LOCK).exists():
                yield path


def abandoned(path: Path) -> bool:
    """Whether the process that a scratch folder belongs to is gone."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def sweep() -> list[Path]:
    """Remove what killed runs of this user left: folders, and guest kernels that still run."""
    found = [path for path in folders() if abandoned(path)]
    for path in found:
        _end_guest(path)
        _remove(path)
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _MADE.fullmatch(path.name):
            _unfinished(path)
    return found


def _remove(path: Path) -> None:
    """Remove a folder, its lock at the end: what is left at the first try is found at the next.

    The processes of a killed run may be on their way out still, and write.
    """
    until = time.monotonic() + PATIENCE
    while path.exists():
        for entry in path.iterdir():
            if entry.name != _LOCK:
                with contextlib.suppress(OSError):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        with contextlib.suppress(OSError):
            if {entry.name for entry in path.iterdir()} <= {_LOCK}:
                shutil.rmtree(path)
                return
        if time.monotonic() > until:
            return
        time.sleep(MOMENT)


def _unfinished(path: Path) -> None:
    """Remove what a process left that was killed before its lock was there: next to nothing."""
    with contextlib.suppress(OSError):
        if path.stat().st_uid != os.getuid() or not {e.name for e in path.iterdir()} <= {_FRESH}:
            return
        fresh = path / _FRESH
        if fresh.exists():
            lock = os.open(fresh, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fresh.unlink()
            finally:
                os.close(lock)
        path.rmdir()


def _end_guest(path: Path) -> None:
    """Kill what is left of a guest kernel that was booted from a folder: its helpers survive it."""
    word = f"uml_dir={path}/".encode()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and word in (entry / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
