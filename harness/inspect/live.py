"""Frames from a network interface as they come, here or in another network namespace (packet(7)).

Gives records like a capture file does, until somebody interrupts, the time is over, or enough
frames came. Sees both directions; what the kernel had no room for is counted.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.pcap import Record
from ikelab.netns.calls import elsewhere

_ALL = 3  # ETH_P_ALL
_SOL_PACKET, _STATISTICS = 263, 6
_ETHERNETS = frozenset({1, 772})  # ARPHRD_ETHER, and the loopback, which has such a header too
_SNAPLEN, _BUFFER = 1 << 18, 8 << 20
_NETNS = Path("/run/netns")


class Live:
    """One interface. Iterate once; ConfigError where it cannot be opened.

    `seconds` and `frames` end it; None stands for no end.
    """

    comments: tuple[tuple[int, str], ...] = ()
    secrets: tuple[str, ...] = ()

    def __init__(
        self,
        device: str,
        namespace: str = "",
        *,
        seconds: float | None = None,
        frames: int | None = None,
    ) -> None:
        self.name = f"{device} in {namespace}" if namespace else device
        self.lost: str | None = None
        self._seconds, self._frames = seconds, frames
        self._socket = _opened(device, namespace)
        hardware = self._socket.getsockname()[3]
        self._linktype = 1 if hardware in _ETHERNETS else 101

    def __iter__(self) -> Iterator[Record]:
        end = None if self._seconds is None else time.monotonic() + self._seconds
        number = 0
        try:
            with self._socket:
                while self._frames is None or number < self._frames:
                    left = None if end is None else max(0.0, end - time.monotonic())
                    if not select.select([self._socket], [], [], left)[0]:
                        break
                    data = self._socket.recv(_SNAPLEN)
                    number += 1
                    yield Record(number, time.time(), self._linktype, data)
                self._count_drops()
        except KeyboardInterrupt:
            return
        except OSError as error:
            self.lost = f"{self.name} can be read no more: {error.strerror}"

    def _count_drops(self) -> None:
        dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]
        if dropped:
            self.lost = f"{dropped} frames came faster than they were read"


def _opened(device: str, namespace: str) -> socket.socket:
    def bound() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            sock.bind((device, _ALL))
        except OSError:
            sock.close()
            raise
        return sock

    where = f" in namespace {namespace}" if namespace else ""
    try:
        if not namespace:
            return bound()
        handle = os.open(_place(namespace), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return elsewhere(bound, net=handle)
        finally:
            os.close(handle)
    except PermissionError:
        raise ConfigError(
            f"listening on {device}{where} takes the right CAP_NET_RAW: run it as root"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot listen on {device}{where}: {error.strerror}") from None


def _place(namespace: str) -> Path:
    """A name as `ip netns` has it, a process number, or a path."""
    if "/" in namespace:
        return Path(namespace)
    return Path(f"/proc/{namespace}/ns/net") if namespace.isdigit() else _NETNS / namespace
