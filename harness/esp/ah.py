"""Seal and open one AH packet (RFC 4302): the ICV covers the IP header, so whole packets come in.

Fields that routers change are zero while the ICV is computed (3.3.3.1, appendix A).
"""

from __future__ import annotations

import hmac
import struct

from ikelab.harness.crypto.integ import icv_length, mac
from ikelab.harness.errors import ConfigError
from ikelab.harness.esp.packet import ip_packet
from ikelab.harness.esp.seal import Kind, Refused, SaKeys
from ikelab.layers.esp import AH, IpProtocol

HEADER = 12  # octets of AH before its ICV
_IMMUTABLE_OPTIONS = {0x82, 0x85, 0x86, 0x94, 0x95}  # RFC 4302 appendix A1
_OPTIONS_HEADERS = {0, 60}  # hop-by-hop, destination
_MUTABLE = 0x20  # of an IPv6 option's type: may change on the way (RFC 8200 4.2)


def seal(packet: AH, keys: SaKeys, payload: bytes, ends: tuple[str, str], high: int = 0) -> bytes:
    """The IP packet with this header and what it protects; `ends` are source and destination.

    An empty ICV is computed; `high` is the upper half of an extended sequence number.
    """
    if keys.integ is None:
        raise ConfigError("an SA without an integrity transform cannot be used for AH")
    octets = icv_length(keys.integ.id)
    # RFC 4302 3.3.3.2.1: the header is whole 32-bit words, under IPv6 whole 64-bit words.
    filling = bytes(-(HEADER + octets) % (8 if ":" in ends[0] else 4))
    given = bytes(packet.icv)
    head = AH(
        nh=packet.nh,
        payloadlen=packet.payloadlen,
        reserved=packet.reserved,
        spi=packet.spi,
        seq=packet.seq,
        icv=given or bytes(octets) + filling,
    )
    body = bytes(head)
    # The identification is under the ICV, and a kernel writes its own over a zero.
    number = packet.seq % 0xFFFF + 1 if isinstance(packet.seq, int) else 1
    whole = ip_packet(*ends, IpProtocol.AH, body + payload, number=number)
    if given:
        return whole
    start = len(whole) - len(body) - len(payload)
    at = start + HEADER
    return whole[:at] + _icv(whole, start, octets, keys, high) + whole[at + octets :]


def open(data: bytes, keys: SaKeys, high: int = 0) -> AH:
    """The header of an IP packet that AH protects, with what it protects behind it.

    Raises Refused: length, integrity.
    """
    if keys.integ is None:
        raise ConfigError("an SA without an integrity transform cannot be used for AH")
    start, octets = where(data), icv_length(keys.integ.id)
    size = (data[start + 1] + 2) * 4
    if size < HEADER + octets or start + size > len(data):
        raise Refused(Kind.LENGTH, f"an AH header of {size} octets cannot hold the ICV")
    at = start + HEADER
    icv = data[at : at + octets]
    if not hmac.compare_digest(icv, _icv(data, start, octets, keys, high)):
        raise Refused(Kind.INTEGRITY, "the ICV does not match")
    return AH(data[start:])


def where(data: bytes) -> int:
    """Where the AH header begins in an IP packet; Refused where there is none."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        protocol, start = data[9], (data[0] & 15) * 4
    elif version == 6 and len(data) >= 40:
        protocol, start = data[6], 40
        while protocol in _OPTIONS_HEADERS and start + 8 <= len(data):
            protocol, start = data[start], start + (data[start + 1] + 1) * 8
    else:
        raise Refused(Kind.LENGTH, f"{len(data)} octets are no IP packet")
    if protocol != IpProtocol.AH or start < 20 or start + HEADER > len(data):
        raise Refused(Kind.LENGTH, "an IP packet without a whole AH header")
    return start


def _icv(data: bytes, start: int, octets: int, keys: SaKeys, high: int) -> bytes:
    """Over the IP header, AH and what follows, with zeros for what changes and for the ICV."""
    assert keys.integ is not None
    at = start + HEADER
    covered = frozen(data[:start]) + data[start:at] + bytes(octets) + data[at + octets :]
    # RFC 4302 3.3.3.2.2: the half of the number that is not sent comes last.
    tail = struct.pack("!I", high) if keys.esn else b""
    return mac(keys.integ.id, keys.auth, covered + tail)


def frozen(header: bytes) -> bytes:
    """An IP header with its options, mutable fields zero (RFC 4302 3.3.3.1).

    Raises Refused where options are cut off.
    """
    try:
        return _frozen4(header) if header[0] >> 4 == 4 else _frozen6(header)
    except IndexError:
        raise Refused(Kind.LENGTH, "IP options are cut off") from None


def _frozen4(header: bytes) -> bytes:
    """TOS, flags and offset, TTL, checksum; options that routers write into, from end to end."""
    out = bytearray(header)
    for place, size in ((1, 1), (6, 2), (8, 1), (10, 2)):
        out[place : place + size] = bytes(size)
    here = 20
    while here < len(out) and out[here]:
        if out[here] == 1:
            here += 1
            continue
        size = max(out[here + 1], 2)
        if out[here] not in _IMMUTABLE_OPTIONS:
            end = min(here + size, len(out))
            out[here:end] = bytes(end - here)
        here += size
    return bytes(out)


def _frozen6(header: bytes) -> bytes:
    """Traffic class, flow label, hop limit; the data of options whose type says that it changes."""
    out = bytearray(header)
    out[0:4], out[7] = b"\x60\0\0\0", 0
    start = 40
    while start < len(out):
        end = start + (out[start + 1] + 1) * 8
        here = start + 2
        while here < end:
            if out[here] == 0:
                here += 1
                continue
            size = min(out[here + 1], len(out) - here - 2)
            if out[here] & _MUTABLE:
                out[here + 2 : here + 2 + size] = bytes(size)
            here += 2 + size
        start = end
    return bytes(out)
