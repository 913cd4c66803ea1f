"""Captured frames out of pcap and pcapng files, plain or gzip, one at a time.

Knows file formats only: no link layer, no IP, no IKE. Reads forward, keeps no more than one record.
A file that stops early or is damaged gives what came before, and `Capture.lost` then says where it
ended and why. (libpcap's pcap-savefile(5); draft-ietf-opsawg-pcapng.)
"""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from ikelab.harness.errors import ConfigError, plain

BUFFER = 1 << 20
# A length beyond this is damage, not a frame: no link layer has a frame of that size.
LARGEST_RECORD = 1 << 24

# Magic in file order -> byte order, ticks a second, octets of a record header.
_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6, 16),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6, 16),
    b"\xa1\xb2\x3c\x4d": (">", 10**9, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9, 16),
    # Kuznetzov's patched format: 8 more octets in each record header.
    b"\xa1\xb2\xcd\x34": (">", 10**6, 24),
    b"\x34\xcd\xb2\xa1": ("<", 10**6, 24),
}
_SHB, _IDB, _PB, _SPB, _EPB, _DSB = 0x0A0D0D0A, 1, 2, 3, 6, 10
# Of a decryption secrets block: tables of IKE keys as text, one line a row. The number is ours, as
# the draft has none for IKE; others skip what they do not know.
SECRETS = int.from_bytes(b"IKEK", "big")
MOST_COMMENTS = 1000
_GZIP = b"\x1f\x8b"
DAMAGE = (EOFError, zlib.error, OSError)
"""What reading a stream may raise that is decompressed on the way."""
_COMPRESSED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zX": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
}


class Record(NamedTuple):
    """One captured frame: its number from 1, seconds since 1970, link type, octets."""

    number: int
    time: float
    linktype: int
    data: bytes


class _Lost(Exception):
    """Reading cannot go on; the text says where and why."""


@dataclass(slots=True)
class _Interface:
    linktype: int
    snaplen: int
    ticks: int = 10**6
    offset: int = 0


class Capture:
    """The frames of one file. Iterate once; afterwards `lost` is a reason, or None if all was read.

    ConfigError where the file cannot be opened or is no capture. `begun` are the first octets of a
    stream that `begin` has opened.
    """

    def __init__(self, source: Path | BinaryIO, begun: bytes = b"", name: str = "") -> None:
        self.name = name or name_of(source)
        self.lost: str | None = None
        self.comments: list[tuple[int, str]] = []  # frame (0: the file), text
        self.secrets: list[str] = []  # tables of keys that the file brings along
        self._read_count = 0
        self._stream, self._magic = begin(source, self.name, begun)
        if not is_capture(self._magic):
            with self._stream, contextlib.suppress(*DAMAGE):
                self._magic += self._stream.read(60)
            raise ConfigError(refusal(self.name, self._magic))

    def __iter__(self) -> Iterator[Record]:
        frames = self._pcap() if self._magic in _PCAP else self._pcapng()
        number, record = 0, partial(tuple.__new__, Record)  # half the time of a call of Record
        try:
            with self._stream:
                for number, (time, linktype, data) in enumerate(frames, 1):
                    yield record((number, time, linktype, data))
        except _Lost as error:
            self.lost = f"{error} (frame {number + 1} at octet {self._read_count})"
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.lost = f"the gzip data end early or are damaged after frame {number}: {error}"
        except OSError as error:
            self.lost = f"reading failed after frame {number}: {error.strerror or error}"

    def _take(self, count: int, what: str) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise _Lost(f"the file ends inside {what}: {len(data)} of {count} octets are there")
        self._read_count += count
        return data

    def _pcap(self) -> Iterator[tuple[float, int, bytes]]:
        order, ticks, header_size = _PCAP[self._magic]
        self._read_count = 4
        (network,) = struct.unpack(f"{order}16xI", self._take(20, "the file header"))
        linktype = network & 0xFFFF  # the upper bits describe a frame check sequence
        unpack = struct.Struct(f"{order}III").unpack_from
        read = self._stream.read
        while header := read(header_size):
            if len(header) < header_size:
                raise _Lost(f"the file ends inside a record header: {len(header)} octets are there")
            seconds, fraction, length = unpack(header)
            if length > LARGEST_RECORD:
                raise _Lost(f"a record claims {length} octets, which is damage")
            data = read(length)
            if len(data) < length:
                raise _Lost(f"the file ends inside a frame: {len(data)} of {length} octets")
            yield seconds + fraction / ticks, linktype, data
            self._read_count += header_size + length

    def _pcapng(self) -> Iterator[tuple[float, int, bytes]]:
        order, number = "<", 0
        interfaces: list[_Interface] = []
        pending: bytes = self._magic
        while head := pending + self._stream.read(8 - len(pending)):
            pending = b""
            if len(head) < 8:
                raise _Lost(f"the file ends inside a block header: {len(head)} octets are there")
            self._read_count += 8
            kind, length = struct.unpack(f"{order}II", head)
            if kind == _SHB:
                mark = self._take(4, "a section header")
                order, length = _section(mark, head)
                body = mark + self._take(_body_length(length) - 4, "a section header")
                interfaces = []
                self._comment(0, body[16:], order)
            else:
                body = self._take(_body_length(length), "a block")
            (again,) = struct.unpack(f"{order}I", self._take(4, "a block"))
            if again != length:
                raise _Lost(f"a block's two lengths differ ({length} and {again}), which is damage")
            if kind == _IDB:
                interfaces.append(_interface(body, order))
            elif kind in (_EPB, _PB, _SPB):
                number += 1
                frame = _frame(kind, body, order, interfaces)
                if kind == _EPB and len(body) > 20 + len(frame[2]) + (-len(frame[2]) % 4):
                    self._comment(number, body[20 + len(frame[2]) + (-len(frame[2]) % 4) :], order)
                yield frame
            elif kind == _DSB and len(body) >= 8:
                secrets, size = struct.unpack_from(f"{order}II", body)
                if secrets == SECRETS:
                    self.secrets.append(body[8 : 8 + size].decode("utf-8", "replace"))

    def _comment(self, number: int, options: bytes, order: str) -> None:
        """Keep the comments among a block's options, each as one line."""
        for code, value in _options(options, order):
            if code == 1 and len(self.comments) < MOST_COMMENTS:
                self.comments.append((number, " ".join(value.decode("utf-8", "replace").split())))


def name_of(source: Path | BinaryIO) -> str:
    """What messages call a source of octets."""
    return str(source) if isinstance(source, Path) else getattr(source, "name", "input")


def begin(source: Path | BinaryIO, name: str, begun: bytes = b"") -> tuple[BinaryIO, bytes]:
    """A stream, decompressed where it is gzip, behind its first octets; and those, four of them.

    It is no capture yet that comes out. ConfigError where it cannot be opened or read.
    """
    if isinstance(source, Path):
        try:
            stream: BinaryIO = source.open("rb", BUFFER)
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"cannot read {name!r}: no file has such a name") from None
    else:
        stream = source
    try:
        magic = begun or stream.read(4)
        if magic[:2] == _GZIP:
            packed = _Unzipped(_Rejoined(magic, stream))
            stream = cast(BinaryIO, io.BufferedReader(packed, BUFFER))
            magic = stream.read(4)
    except DAMAGE as error:
        raise ConfigError(f"cannot read {name}: {plain(error)}") from None
    return stream, magic


def is_capture(magic: bytes) -> bool:
    """Whether a file that begins so is pcap or pcapng."""
    return magic in _PCAP or magic == b"\x0a\x0d\x0d\x0a"


def refusal(name: str, head: bytes) -> str:
    """Why what begins so cannot be read as a capture."""
    for mark, tool in _COMPRESSED.items():
        if head.startswith(mark):
            return f"{name} is compressed with {tool}: decompress it first"
    reason = f"it begins with {head[:4].hex(' ')}" if head else "it is empty"
    if head and all(0x20 <= octet < 0x7F or octet in b"\t\r\n" for octet in head):
        reason = "it is text"
    return f"not a pcap or pcapng file: {name} ({reason})"


class _Rejoined(io.RawIOBase):
    """Octets that were read already, then the rest of the stream (which need not seek)."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        count = size if size >= 0 else len(self._head)
        data, self._head = self._head[:count], self._head[count:]
        return data

    def close(self) -> None:
        self._rest.close()
        super().close()


class _Unzipped(io.RawIOBase):
    """Gzip data as far as they go: an early end raises EOFError only after all that was there."""

    def __init__(self, packed: _Rejoined) -> None:
        self._file = gzip.GzipFile(fileobj=cast(BinaryIO, packed))
        self._source = packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._source.close()
        super().close()


def _section(mark: bytes, head: bytes) -> tuple[str, int]:
    """Byte order and block length of a section header."""
    order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(mark)
    if order is None:
        raise _Lost(f"a section header has the byte order mark {mark.hex()}, which is damage")
    (length,) = struct.unpack(f"{order}4xI", head)
    if length < 28:
        raise _Lost(f"a section header claims {length} octets, which is damage")
    return order, length


def _body_length(length: int) -> int:
    if length < 12 or length % 4 or length > LARGEST_RECORD:
        raise _Lost(f"a block claims {length} octets, which is damage")
    return length - 12


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise _Lost("an interface description is too short, which is damage")
    linktype, snaplen = struct.unpack_from(f"{order}H2xI", body)
    found = _Interface(linktype, snaplen)
    for code, value in _options(body[8:], order):
        if code == 9 and len(value) == 1:  # if_tsresol
            power = value[0] & 0x7F
            found.ticks = 2**power if value[0] & 0x80 else 10**power
        elif code == 14 and len(value) == 8:  # if_tsoffset
            (found.offset,) = struct.unpack(f"{order}q", value)
    return found


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Number and value of the options at the end of a block."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(f"{order}HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + (-length % 4)


def _frame(
    kind: int, body: bytes, order: str, interfaces: list[_Interface]
) -> tuple[float, int, bytes]:
    """Time, link type and octets of an enhanced, simple or (obsolete) packet block."""
    if len(body) < (4 if kind == _SPB else 20):
        raise _Lost("a packet block is too short for its fields, which is damage")
    if kind == _SPB:
        index, high, low, start = 0, 0, 0, 4
        (length,) = struct.unpack_from(f"{order}I", body)
    else:
        layout = "IIII" if kind == _EPB else "HxxIII"
        index, high, low, length = struct.unpack_from(f"{order}{layout}", body)
        start = 20
    if index >= len(interfaces):
        raise _Lost(f"a packet names interface {index}, which no block describes")
    interface = interfaces[index]
    if kind == _SPB:
        length = min(length, len(body) - 4, interface.snaplen or length)
    if start + length > len(body):
        raise _Lost(f"a packet claims {length} octets in a block of {len(body)}, which is damage")
    seconds = (high << 32 | low) / interface.ticks + interface.offset if kind != _SPB else 0.0
    return seconds, interface.linktype, body[start : start + length]
