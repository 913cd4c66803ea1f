"""A capture with nothing but IKE, ESP and AH in it: pcap and pcapng, Ethernet, octets to octets.

A management session on the same wire would bring its passwords along, and a pcapng file the names
and secrets that a program has put into it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ikelab.harness.errors import LabError

_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
          b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}  # fmt: skip
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_ETHERNET = 1
_IKE_PORTS = frozenset({500, 4500})


def only_ike(data: bytes) -> bytes:
    """The capture less everything else. LabError where it is of a kind that cannot be read."""
    if data[:4] == _PCAPNG:
        return b"".join(_blocks(data))
    order = _MAGIC.get(data[:4])
    if order is None or len(data) < 24:
        raise LabError("the capture is neither pcap nor pcapng: nothing of it is kept")
    _ethernet(struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF)
    record = struct.Struct(order + "IIII")
    kept, place = [data[:24]], 24
    while place + record.size <= len(data):
        end = place + record.size + record.unpack_from(data, place)[2]
        if _is_ike(data[place + record.size : end]):
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _blocks(data: bytes) -> Iterator[bytes]:
    """Section and interface blocks, their options taken off, and the packets that stay."""
    place, order = 0, "<"
    while place + 12 <= len(data):
        kind = struct.unpack_from(order + "I", data, place)[0]
        if kind == _SECTION:
            order = "<" if data[place + 8 : place + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        length = struct.unpack_from(order + "I", data, place + 4)[0]
        body = data[place + 8 : place + length - 4]
        if length < 12 or len(data) < place + length:
            return
        if kind == _SECTION:
            yield _block(order, kind, body[:16])
        elif kind == _INTERFACE:
            _ethernet(struct.unpack_from(order + "H", body)[0])
            yield _block(order, kind, body[:8] + _resolution(body[8:], order))
        elif kind == _PACKET:
            size = struct.unpack_from(order + "I", body, 12)[0]
            if _is_ike(body[20 : 20 + size]):
                yield _block(order, kind, body[: 20 + size + -size % 4])
        place += length


def _resolution(options: bytes, order: str) -> bytes:
    """The option that says what a timestamp counts (if_tsresol); names and comments go."""
    place = 0
    while place + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, place)
        size = 4 + length + -length % 4
        if code == 9:
            return options[place : place + size] + bytes(4)
        place += size
    return b""


def _block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def _ethernet(link: int) -> None:
    if link != _ETHERNET:
        raise LabError("the capture is not of Ethernet: nothing of it is kept")


def _is_ike(frame: bytes) -> bool:
    """Whether a frame carries UDP on IKE's ports, ESP or AH, or a later fragment of UDP."""
    at, kind = 12, frame[12:14]
    while kind in (b"\x81\x00", b"\x88\xa8"):  # a VLAN's tag
        at += 4
        kind = frame[at : at + 2]
    packet = frame[at + 2 :]
    if kind == b"\x08\x00" and len(packet) >= 20:
        protocol, payload = packet[9], packet[(packet[0] & 15) * 4 :]
        if int.from_bytes(packet[6:8]) & 0x1FFF:
            return protocol == 17  # it has no ports
    elif kind == b"\x86\xdd" and len(packet) >= 40:
        protocol, payload = packet[6], packet[40:]
    else:
        return False
    if protocol == 17 and len(payload) >= 4:
        return bool(_IKE_PORTS & set(struct.unpack_from("!HH", payload)))
    return protocol in (50, 51)
