"""Kernel modules without kmod: reads modules.dep, loads a module after what it needs.

For the guest kernel, whose modules lie in an unpacked package and not where modprobe looks.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

_FINIT_MODULE = {"x86_64": 313, "aarch64": 273}


class Modules:
    """The modules below one folder (`.../<kernel release>`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: set[str] = set()

    @cached_property
    def _needs(self) -> dict[str, list[str]]:
        """Module file -> the files it needs, by relative path."""
        rows = (self.folder / "modules.dep").read_text().splitlines()
        pairs = (row.partition(":") for row in rows)
        return {path: needs.split() for path, _, needs in pairs}

    @cached_property
    def _files(self) -> dict[str, str]:
        """Module name -> file; a name has underscores where its file may have dashes."""
        return {Path(path).name.split(".")[0].replace("-", "_"): path for path in self._needs}

    def load(self, name: str) -> bool:
        """Load a module by name or alias; whether it is there now."""
        found = self._files.get(name.replace("-", "_"))
        names = [found] if found else [self._files[m] for m in self._aliases(name)]
        loaded = [self._load(path) for path in names]  # every one, whatever the first says
        return any(loaded)

    def names(self) -> Iterator[str]:
        """What `load` finds by its exact name: modules, and aliases without wildcards."""
        yield from self._files
        for line in (self.folder / "modules.alias").read_text().splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "alias" and not set(words[1]) & set("*?["):
                yield words[1]

    def _aliases(self, alias: str) -> Iterator[str]:
        """The modules that answer to an alias, which is how the kernel asks for them."""
        for line in (self.folder / "modules.alias").read_text().splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "alias" and fnmatchcase(alias, words[1]):
                module = words[2].replace("-", "_")
                if module in self._files:
                    yield module

    def _load(self, path: str) -> bool:
        if path in self._loaded:
            return True
        self._loaded.add(path)
        # modules.dep names what a module needs in the order to unload it.
        for needed in reversed(self._needs[path]):
            self._insert(self.folder / needed)
        return self._insert(self.folder / path)

    @staticmethod
    def _insert(path: Path) -> bool:
        libc = ctypes.CDLL(None, use_errno=True)
        with contextlib.suppress(OSError), path.open("rb") as file:
            number = _FINIT_MODULE[os.uname().machine]
            if libc.syscall(number, file.fileno(), b"", 0) == 0:
                return True
            return ctypes.get_errno() == errno.EEXIST
        return False
