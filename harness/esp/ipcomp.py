"""IPComp with DEFLATE (RFC 3173, RFC 2394): one payload packed and unpacked.

Nothing here remembers a packet: each stands for itself (RFC 3173 2).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from ikelab.harness.esp.seal import Kind, Refused

HEADER = 4  # octets: next header, flags, CPI
MOST = 40 + 65535  # octets of the largest IP packet, IPv6's header included
_RAW = -15  # for zlib: no header, no checksum, a window of 32 KiB


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was compressed, its next header, and what stands behind the end of the compression."""

    data: bytes
    protocol: int
    rest: bytes


def pack(data: bytes, protocol: int, cpi: int) -> bytes | None:
    """The payload behind an IPComp header; None where that is not smaller (RFC 3173 2.2)."""
    squeeze = zlib.compressobj(wbits=_RAW)
    packed = squeeze.compress(data) + squeeze.flush()
    if HEADER + len(packed) >= len(data):
        return None
    return header(protocol, cpi) + packed


def header(protocol: int, cpi: int) -> bytes:
    """Next header, flags of zero, CPI (RFC 3173 3.3)."""
    return struct.pack("!BBH", protocol, 0, cpi)


def unpack(data: bytes, cpi: int | None = None) -> Unpacked:
    """What an IPComp payload held; Refused where it is not whole, too much or of another CPI.

    Who only looks on knows no CPI, and takes any.
    """
    if len(data) < HEADER:
        raise Refused(Kind.COMPRESSION, f"{len(data)} octets are no IPComp header")
    # RFC 3173 3.3: the flags are ignored by a receiver.
    protocol, _, found = struct.unpack_from("!BBH", data)
    if cpi is not None and found != cpi:
        raise Refused(Kind.COMPRESSION, f"CPI {found:04x}, ours is {cpi:04x}")
    inflate = zlib.decompressobj(_RAW)
    try:
        whole = inflate.decompress(data[HEADER:], MOST + 1)
    except zlib.error as error:
        raise Refused(Kind.COMPRESSION, f"no DEFLATE: {error}") from None
    if len(whole) > MOST:
        raise Refused(Kind.COMPRESSION, f"more than {MOST} octets, which no IP packet has")
    if not inflate.eof:
        raise Refused(Kind.COMPRESSION, "the compressed octets have no end")
    return Unpacked(whole, protocol, inflate.unused_data)
