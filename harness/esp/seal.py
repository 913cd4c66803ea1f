"""Seal and open one ESP packet (RFC 4303 2, 3.3, 3.4): where its layer and the ciphers meet.

Nothing here remembers a packet; what a failure means is for others.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ikelab.harness.crypto.cipher import BadIntegrity, Cipher, cipher
from ikelab.harness.crypto.integ import icv_length, mac
from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Transform
from ikelab.layers.esp import ESP_Decrypted

Entropy = Callable[[int], bytes]
HEADER = 8  # octets of SPI and sequence number


class Kind(StrEnum):
    """Why a packet of ESP or AH is dropped."""

    LENGTH = "length"  # too short, or not whole blocks
    SPI = "spi"
    REPLAY = "replay"
    INTEGRITY = "integrity"
    PADDING = "padding"
    NEXT_HEADER = "next-header"  # what the mode of the SA does not have
    DUMMY = "dummy"  # dropped as it should be (RFC 4303 2.6)
    COMPRESSION = "compression"  # not what was agreed on, or nothing that can be undone
    INNER = "inner"  # no IP packet inside
    SELECTORS = "selectors"


class Refused(Exception):
    """A packet of ESP or AH that is dropped, and why."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class SaKeys:
    """What protects one direction; `key` ends with its salt, `auth` is empty for AEAD.

    `encr` None is AH. `esn`: the sequence number has 64 bits (RFC 4303 2.2.1).
    """

    encr: Transform | None
    integ: Transform | None
    key: bytes = field(repr=False)
    auth: bytes = field(repr=False)
    esn: bool = False

    @property
    def icv_length(self) -> int:
        """Octets of the ICV on the wire."""
        if self.encr is not None and (box := self.cipher()).aead:
            return box.icv_length
        return icv_length(self.integ.id) if self.integ else 0

    def cipher(self) -> Cipher:
        """The cipher; ConfigError for AH, which has none."""
        if self.encr is None:
            raise ConfigError("an SA without an encryption transform cannot be used for ESP")
        return cipher(self.encr.id, self.encr.key_bits, self.key)


def seal(packet: ESP_Decrypted, keys: SaKeys, entropy: Entropy, high: int = 0) -> bytes:
    """Pad, encrypt and authenticate. `high` is the upper half of an extended sequence number.

    `padding` None is computed (1, 2, 3 ..., RFC 4303 2.4), as is an empty IV or ICV; what is given
    is sent as it is, but a block cipher pads up what then is no whole block with zeros.
    """
    box = keys.cipher()
    head = struct.pack("!II", packet.spi & 0xFFFFFFFF, packet.seq & 0xFFFFFFFF)
    iv = bytes(packet.iv) or entropy(box.iv_length)
    text = _plain(packet, max(4, box.block))
    text += bytes(-len(text) % box.block)
    icv = bytes(packet.icv)
    if box.aead:
        # RFC 4106 5, RFC 4309 5, RFC 7634 2.1: SPI and the sequence number, whole.
        aad = _aad(head, keys, high)
        body = box.encrypt(iv or _implicit_iv(head, high), text, aad)
        cut = len(body) - box.icv_length
        return head + iv + body[:cut] + (icv or body[cut:])
    body = head + iv + box.encrypt(iv, text)
    return body + (icv or _icv(body, keys, high))


def open(data: bytes, keys: SaKeys, high: int = 0, *, verify: bool = True) -> ESP_Decrypted:
    """The packet in clear; TFC padding is still part of its data, for only IP can tell them apart.

    Raises Refused: length, integrity, padding (its length goes beyond the data). `verify` False
    does not look at the ICV, but for combined modes, which give no plaintext without it.
    """
    box = keys.cipher()
    icv_octets = keys.icv_length
    if len(data) < HEADER + box.iv_length + icv_octets + 2:
        raise Refused(Kind.LENGTH, f"{len(data)} octets cannot hold IV, trailer and ICV")
    head, cut = data[:HEADER], len(data) - icv_octets
    iv, icv = data[HEADER : HEADER + box.iv_length], data[cut:]
    rest = data[HEADER + box.iv_length :]
    if box.aead:
        try:
            text = box.decrypt(iv or _implicit_iv(head, high), rest, _aad(head, keys, high))
        except BadIntegrity:
            raise Refused(Kind.INTEGRITY, "the ICV does not match") from None
    else:
        if verify and not hmac.compare_digest(icv, _icv(data[:cut], keys, high)):
            raise Refused(Kind.INTEGRITY, "the ICV does not match")
        sealed = rest[: len(rest) - icv_octets]
        if len(sealed) % box.block:
            raise Refused(Kind.LENGTH, f"{len(sealed)} octets are not whole cipher blocks")
        text = box.decrypt(iv, sealed)
    return _split(head, iv, text, icv)


def _split(head: bytes, iv: bytes, text: bytes, icv: bytes) -> ESP_Decrypted:
    pad_length, next_header = text[-2:]
    end = len(text) - 2 - pad_length
    if end < 0:
        raise Refused(
            Kind.PADDING, f"pad length {pad_length} exceeds the {len(text)} octets decrypted"
        )
    spi, seq = struct.unpack("!II", head)
    return ESP_Decrypted(
        spi=spi,
        seq=seq,
        iv=iv,
        data=text[:end],
        padding=text[end:-2],
        pad_length=pad_length,
        nh=next_header,
        icv=icv,
    )


def monotonic(octets: int) -> bytes:
    """The padding that receivers may expect: 1, 2, 3 ... (RFC 4303 2.4)."""
    return bytes(n & 0xFF for n in range(1, octets + 1))


def _plain(packet: ESP_Decrypted, block: int) -> bytes:
    """Payload, TFC padding, padding so that the trailer ends a block, pad length, next header."""
    payload = bytes(packet.data) + bytes(packet.tfc)
    padding = packet.padding
    if padding is None:
        padding = monotonic(-(len(payload) + 2) % block)
    length = len(padding) if packet.pad_length is None else packet.pad_length
    return payload + bytes(padding) + bytes([length & 0xFF, packet.nh & 0xFF])


def _aad(head: bytes, keys: SaKeys, high: int) -> bytes:
    return head[:4] + struct.pack("!I", high) + head[4:] if keys.esn else head


def _implicit_iv(head: bytes, high: int) -> bytes:
    """RFC 8750 3: the IV that is not sent is the sequence number in eight octets."""
    return struct.pack("!I", high) + head[4:]


def _icv(protected: bytes, keys: SaKeys, high: int) -> bytes:
    """RFC 4303 2.2.1, 3.3.2.1: the upper half of an extended number is authenticated, not sent."""
    if keys.integ is None:
        return b""
    tail = struct.pack("!I", high) if keys.esn else b""
    return mac(keys.integ.id, keys.auth, protected + tail)
