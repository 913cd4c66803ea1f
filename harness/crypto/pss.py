"""EMSA-PSS encoding with a salt that the caller chooses (RFC 8017 9.1.1)."""

from __future__ import annotations

import hashlib

from ikelab.harness.errors import ConfigError


def encode(algorithm: str, digest: bytes, salt: bytes, bits: int) -> bytes:
    """EM, `bits` long, of a message's digest; ConfigError where the key is too short for it."""
    octets = (bits + 7) // 8
    size = len(digest)
    if octets < size + len(salt) + 2:
        raise ConfigError(f"an RSA key of {bits + 1} bits is too short for PSS with {algorithm}")
    h = hashlib.new(algorithm, bytes(8) + digest + salt).digest()
    db = bytes(octets - size - len(salt) - 2) + b"\1" + salt
    masked = int.from_bytes(db, "big") ^ int.from_bytes(_mgf1(algorithm, h, len(db)), "big")
    masked &= (1 << bits - 8 * (octets - len(db))) - 1  # the leftmost bits beyond emBits
    return masked.to_bytes(len(db), "big") + h + b"\xbc"


def _mgf1(algorithm: str, seed: bytes, length: int) -> bytes:
    """The mask generation function of RFC 8017 B.2.1."""
    stream = b""
    counter = 0
    while len(stream) < length:
        stream += hashlib.new(algorithm, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return stream[:length]
