"""Every packet of a lab's links into one pcapng file, as it happens.

Packets come out of the kernel's ring (packet(7), TPACKET_V2), so a burst waits in memory and not
in a socket buffer whose size an ordinary user cannot raise. A thread writes and flushes them: what
a killed run leaves behind is readable. Headers are python-pcapng's; packet blocks are packed here,
because there they cost 24 us each.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import select
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from ikelab.harness.errors import LabError
from ikelab.netns import calls

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TP_STATUS_USER = 1
_FRAMES = 1024
_HEADROOM = 128  # tpacket2_hdr, sockaddr_ll and alignment before each packet
_FRAME = struct.Struct("IIIHHII")  # status, length, captured, mac, net, seconds, nanoseconds
_BLOCK = struct.Struct("<IIIIIII")


@dataclass(frozen=True, slots=True)
class Tap:
    """Where to listen: a device in a network namespace, and what the file calls it."""

    name: str
    text: str
    net: int
    device: str
    mtu: int = 1500


class Capture:
    """A running capture; `stop()` writes what is left and closes the file.

    `packets` are in the file by now; `dropped`, known at the end, found no place in the ring.
    """

    def __init__(self, path: Path | str, taps: Sequence[Tap], *, keep: bool = False) -> None:
        self.path = Path(path)
        self.packets = 0
        self._keep = keep
        self._kept: list[bytes] = []
        self._draining = threading.Lock()
        self.dropped = 0
        self._rings: list[_Ring] = []
        self._stopped = threading.Event()
        self._failure: OSError | None = None
        self._wake, self._woken = os.pipe()
        try:
            for tap in taps:
                self._rings.append(calls.elsewhere(partial(_Ring, tap), net=tap.net))
            self._file: BinaryIO = self.path.open("wb", buffering=1 << 18)
            self._file.write(_headers(taps))
            self._file.flush()
        except OSError as error:
            self._release()
            raise LabError(f"cannot capture into {self.path}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._loop, name="capture", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write every packet that was on a link before this call, and close. Twice is fine.

        LabError where the file could not be written to its end (a full disk).
        """
        if self._stopped.is_set():
            return
        self._stopped.set()
        os.write(self._woken, b"x")
        self._thread.join()
        self._release()
        if self._failure:
            text = f"the capture {self.path} is incomplete: {self._failure.strerror}"
            raise LabError(text) from self._failure

    def kept(self) -> list[bytes]:
        """Every frame so far, those on the link at this moment included; where `keep` was asked."""
        if not self._stopped.is_set():
            self._drain()
        return list(self._kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _loop(self) -> None:
        try:
            with self._file:
                self._follow()
        except OSError as error:
            self._failure = error

    def _follow(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        sockets = {ring.socket.fileno(): ring.socket for ring in self._rings}
        for fd in sockets:
            poll.register(fd, select.POLLIN)
        while not self._stopped.is_set():
            for fd, events in poll.poll():
                if events & select.POLLERR:  # the link went down; reading the error clears it
                    sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._drain()
        self._drain()

    def _drain(self) -> None:
        """Move all waiting packets of all links to the file, in order of time."""
        with self._draining:
            self._move()

    def _move(self) -> None:
        waiting = [
            (seconds, nanoseconds, number, length, data)
            for number, ring in enumerate(self._rings)
            for seconds, nanoseconds, length, data in ring.read()
        ]
        if len(self._rings) > 1:
            waiting.sort(key=lambda packet: packet[:2])
        for seconds, nanoseconds, number, length, data in waiting:
            self._file.write(_packet(number, seconds * 10**9 + nanoseconds, length, data))
            if self._keep:
                self._kept.append(data)
        if waiting:
            self._file.flush()
            self.packets += len(waiting)

    def _release(self) -> None:
        for ring in self._rings:
            self.dropped += ring.close()
        for fd in (self._wake, self._woken):
            with contextlib.suppress(OSError):
                os.close(fd)


class _Ring:
    """A packet socket on one device with its receive ring; made in the device's namespace."""

    def __init__(self, tap: Tap) -> None:
        size = _HEADROOM
        while size < _HEADROOM + tap.mtu + 18:
            size *= 2
        block = max(size, mmap.PAGESIZE)
        total = size * _FRAMES
        self._size = size
        self._next = 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, 1)
            ring = struct.pack("IIII", block, total // block, size, _FRAMES)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, ring)
            self._ring = mmap.mmap(self.socket.fileno(), total)
            self.socket.bind((tap.device, _ETH_P_ALL))
        except OSError:
            self.socket.close()
            raise

    def read(self) -> list[tuple[int, int, int, bytes]]:
        """The waiting packets: seconds, nanoseconds, length on the wire, octets."""
        found = []
        for _ in range(_FRAMES):
            at = self._next * self._size
            status, length, kept, mac, _, seconds, nanos = _FRAME.unpack_from(self._ring, at)
            if not status & _TP_STATUS_USER:
                break
            found.append((seconds, nanos, length, self._ring[at + mac : at + mac + kept]))
            struct.pack_into("I", self._ring, at, 0)
            self._next = (self._next + 1) % _FRAMES
        return found

    def close(self) -> int:
        """Free the ring; the number of packets that did not fit into it."""
        counts = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._ring.close()
        self.socket.close()
        return int(struct.unpack("II", counts)[1])


def _headers(taps: Sequence[Tap]) -> bytes:
    """A section header and an interface description for each tap, as python-pcapng writes them."""
    from pcapng import FileWriter
    from pcapng.blocks import InterfaceDescription, SectionHeader

    section = SectionHeader(options={"shb_userappl": "ikelab"}, endianness="<")
    for tap in taps:
        options = {"if_name": tap.name, "if_description": tap.text, "if_tsresol": b"\x09"}
        section.new_member(InterfaceDescription, link_type=1, snaplen=0, options=options)
    stream = io.BytesIO()
    FileWriter(stream, section)
    return stream.getvalue()


def _packet(interface: int, time: int, length: int, data: bytes) -> bytes:
    """An enhanced packet block (pcapng, 4.3); time in nanoseconds."""
    size = 32 + len(data) + -len(data) % 4
    head = _BLOCK.pack(6, size, interface, time >> 32, time & 0xFFFFFFFF, len(data), length)
    return head + data + bytes(-len(data) % 4) + size.to_bytes(4, "little")
