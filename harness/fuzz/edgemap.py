"""Coverage of an instrumented peer: the shared-memory edge map that AFL++ and libFuzzer fill.

The map is an array of counters, one octet an edge, in a System V segment (AFL++ names its number
in __AFL_SHM_ID) or in a file of /dev/shm. Which edges were ever reached is what counts here.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from pathlib import Path

from ikelab.harness.errors import ConfigError

SIZE = 65536


class EdgeMap:
    """`new` says how many edges were reached since it was asked that had never been before."""

    def __init__(self, read: Callable[[], bytes], clear: Callable[[], None]) -> None:
        self._read, self._clear = read, clear
        self._known = bytearray()

    @classmethod
    def open(cls, name: str) -> EdgeMap:
        """A map by the number of its segment, or by the name of its file; ConfigError if none."""
        if name.isdecimal():
            return cls(*_segment(int(name)))
        return cls(*_file(Path(name)))

    def new(self) -> int:
        """Take what was reached, and clear the counters for what comes next."""
        now = self._read()
        self._clear()
        if len(self._known) < len(now):
            self._known.extend(bytes(len(now) - len(self._known)))
        if not any(now):
            return 0
        fresh = [edge for edge, count in enumerate(now) if count and not self._known[edge]]
        for edge in fresh:
            self._known[edge] = 1
        return len(fresh)

    @property
    def edges(self) -> int:
        """How many edges were ever reached."""
        return sum(self._known)


def _file(path: Path) -> tuple[Callable[[], bytes], Callable[[], None]]:
    try:
        with path.open("r+b") as file:
            area = mmap.mmap(file.fileno(), 0)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"no edge map at {path} ({why}): give the number of a shared-memory segment, or a file "
            "of /dev/shm"
        ) from None
    return lambda: area[:], lambda: _zero(area)


def _zero(area: mmap.mmap) -> None:
    area[:] = bytes(len(area))


def _segment(number: int) -> tuple[Callable[[], bytes], Callable[[], None]]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(number, None, 0)
    if place in (None, ctypes.c_void_p(-1).value):
        raise ConfigError(f"no shared memory segment {number}: is the instrumented peer running?")
    area = (ctypes.c_ubyte * SIZE).from_address(place)

    def clear() -> None:
        ctypes.memset(area, 0, SIZE)

    return lambda: bytes(area), clear
