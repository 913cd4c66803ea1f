"""Netlink in its plain form: requests with attributes, acknowledged or answered by a list.

For what has to be quick (`rtnl` has the figures) and for what pyroute2 0.9 has no messages for: SAs
and policies (XFRM), and netem's loss that never takes two packets in a row.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_REQUEST, _ACK, _CREATE, _EXCL = 0x1, 0x4, 0x400, 0x200
_DUMP = 0x300
_HEADER = struct.Struct("=IHHII")
_NLMSG_ERROR, _NLMSG_DONE = 2, 3


@dataclass(frozen=True, slots=True)
class Request:
    """One message: its type, and its body with the family's header and attributes."""

    kind: int
    body: bytes
    create: bool = False
    ack: bool = True

    def pack(self, sequence: int) -> bytes:
        flags = _REQUEST | (_ACK if self.ack else 0) | (_CREATE | _EXCL if self.create else 0)
        return _HEADER.pack(16 + len(self.body), self.kind, flags, sequence, 0) + self.body


def attribute(kind: int, data: bytes) -> bytes:
    """A netlink attribute, padded to four octets."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | 0x8000, b"".join(attributes))


def text(word: str) -> bytes:
    """A string as netlink wants it."""
    return word.encode() + b"\0"


def talk(family: int, requests: Sequence[Request]) -> None:
    """Send messages in one go and wait for each acknowledgement; OSError as the kernel says."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as channel:
        channel.bind((0, 0))
        channel.settimeout(5)
        channel.send(b"".join(r.pack(number) for number, r in enumerate(requests)))
        awaited = {number for number, request in enumerate(requests) if request.ack}
        while awaited:
            data = channel.recv(1 << 16)
            while len(data) >= 20:
                length, kind, _, sequence, _ = _HEADER.unpack_from(data)
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", data, 16)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    awaited.discard(sequence)
                data = data[(length + 3) & ~3 :]


def dump(family: int, kind: int, body: bytes = b"") -> list[bytes]:
    """Ask for everything of one type; the bodies of the answers. OSError as the kernel says."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as channel:
        channel.bind((0, 0))
        channel.settimeout(5)
        channel.send(_HEADER.pack(16 + len(body), kind, _REQUEST | _DUMP, 0, 0) + body)
        found: list[bytes] = []
        while True:
            data = channel.recv(1 << 18)
            while len(data) >= 16:
                length, answer, *_ = _HEADER.unpack_from(data)
                if answer == _NLMSG_DONE:
                    return found
                if answer == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", data, 16)[0]
                    raise OSError(number, os.strerror(number))
                found.append(data[16:length])
                data = data[(length + 3) & ~3 :]
