"""pcapng files written block by block (draft-ietf-opsawg-pcapng): frames, interfaces, keys."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.pcap import SECRETS

_SHB, _IDB, _EPB, _DSB = 0x0A0D0D0A, 1, 6, 10
_NANOSECONDS = struct.pack("<HHBxxx", 9, 1, 9)  # if_tsresol: 10^-9 s


class Writer:
    """A file being written; ConfigError where it cannot be. `secret` ones are for their owner.

    A file that could not be written to its end is removed. What is no file (a device, a pipe) is
    written to and left alone otherwise.
    """

    def __init__(self, path: Path, *, secret: bool = False) -> None:
        self._path = path
        self._interfaces: dict[int, int] = {}
        try:
            if secret and _own(path):
                path.unlink()  # somebody may have it open
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600 if secret else 0o666)
            self._file = os.fdopen(descriptor, "wb")
            if secret and stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        name = b"ikelab"
        options = struct.pack("<HH", 4, len(name)) + _padded(name) + bytes(4)
        self._block(_SHB, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            self._remove()
            raise ConfigError(f"cannot write {self._path}: {failure.strerror}") from None
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        if _own(self._path):
            self._path.unlink()

    def keys(self, text: str) -> None:
        """A decryption secrets block with lines of our key table."""
        data = text.encode()
        self._block(_DSB, struct.pack("<II", SECRETS, len(data)) + _padded(data))

    def frame(self, time: float, linktype: int, data: bytes, comment: str = "") -> None:
        """One frame, on an interface of its link type."""
        number = self._interfaces.get(linktype)
        if number is None:
            number = self._interfaces[linktype] = len(self._interfaces)
            self._block(_IDB, struct.pack("<HHI", linktype, 0, 0) + _NANOSECONDS + bytes(4))
        ticks = max(0, round(time * 1e9))
        head = struct.pack(
            "<IIIII", number, ticks >> 32 & 0xFFFFFFFF, ticks & 0xFFFFFFFF, len(data), len(data)
        )
        text = comment.encode()
        options = struct.pack("<HH", 1, len(text)) + _padded(text) + bytes(4) if text else b""
        self._block(_EPB, head + _padded(data) + options)

    def _block(self, kind: int, body: bytes) -> None:
        size = 12 + len(body)
        try:
            self._file.write(struct.pack("<II", kind, size) + body + struct.pack("<I", size))
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error.strerror}") from None


def _own(path: Path) -> bool:
    """Whether a file is there that nothing else stands for."""
    return path.is_file() and not path.is_symlink()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
