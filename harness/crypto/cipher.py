"""Encryption transforms by number: one object a key, cached, with the same two verbs for all.

A key is the slice of KEYMAT or SK_e: cipher key, then salt where there is one (RFC 4106 8.1,
RFC 4309 7.1, RFC 3686 5.1, RFC 7634 2). The IV is what travels in the message.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from ikelab.harness.crypto import aead, block
from ikelab.harness.crypto.errors import BadIntegrity
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.layers.iana import Encr, name

__all__ = ["BadIntegrity", "Cipher", "cipher", "key_bits_of", "key_material_length", "why_not"]


class Cipher(Protocol):
    """One key of one transform. Lengths in octets; `block` is what padding has to fill."""

    @property
    def iv_length(self) -> int: ...
    @property
    def block(self) -> int: ...
    @property
    def icv_length(self) -> int: ...
    @property
    def aead(self) -> bool: ...

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        """Ciphertext, followed by the ICV where `aead`. ValueError where lengths do not fit."""

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        """Plaintext; `ciphertext` ends with the ICV where `aead`; BadIntegrity if it is wrong."""


_REASONS = {
    Encr.ENCR_DES_IV64: "no document specifies it for IKEv2",
    Encr.ENCR_DES_IV32: "no document specifies it for IKEv2",
    Encr.ENCR_3IDEA: "no document specifies it",
    Encr.ENCR_RC5: "OpenSSL is built without RC5",
}


def cipher(encr_id: int, key_bits: int | None, key: bytes) -> Cipher:
    """The cipher for a slice of key material; UnsupportedAlgorithm where ikelab has none.

    `key_bits` is the Key Length attribute, None where the transform carries none.
    """
    return _cipher(encr_id, key_bits, key)


def key_material_length(encr_id: int, key_bits: int | None = None) -> int:
    """Octets that this transform takes from KEYMAT or for SK_e, the salt included."""
    return key_bits_of(encr_id, key_bits) // 8 + Encr(encr_id).salt


@lru_cache(maxsize=256)
def key_bits_of(encr_id: int, key_bits: int | None = None) -> int:
    """The length of the cipher key alone in bits, given the Key Length attribute or None.

    UnsupportedAlgorithm where the pair means nothing that can be computed (RFC 7296 3.3.5).
    """
    row = _row(encr_id)
    if key_bits is not None:
        if key_bits not in row.key_bits:
            sizes = ", ".join(map(str, row.key_bits))
            raise UnsupportedAlgorithm(f"{row.iana} has keys of {sizes} bits, not of {key_bits}")
        return key_bits
    if not row.key_attribute and row.key_bits:
        return row.key_bits[-1]
    if row.primitive == "null":
        return 0
    if row.primitive in block.DEFAULT_BITS:
        return block.DEFAULT_BITS[row.primitive]
    raise UnsupportedAlgorithm(f"{row.iana} needs a Key Length attribute (RFC 7296 3.3.5)")


def why_not(encr_id: int, key_bits: int | None = None) -> str | None:
    """The reason why this transform cannot be computed here; None where it can."""
    try:
        _cipher(encr_id, key_bits, bytes(key_material_length(encr_id, key_bits)))
    except UnsupportedAlgorithm as error:
        return str(error)
    return None


def _row(encr_id: int) -> Encr:
    try:
        row = Encr(encr_id)
    except ValueError:
        raise UnsupportedAlgorithm(f"ENCR {encr_id} is no number that IANA assigned") from None
    if row.primitive not in block.BUILDERS and row.primitive not in aead.BUILDERS:
        reason = _REASONS.get(row, "cryptography has no such cipher")
        raise UnsupportedAlgorithm(f"{name(Encr, encr_id)}: {reason}")
    return row


@lru_cache(maxsize=512)
def _cipher(encr_id: int, key_bits: int | None, key: bytes) -> Cipher:
    row = _row(encr_id)
    length = key_material_length(encr_id, key_bits)
    if len(key) != length:
        raise ValueError(f"{row.iana} takes {length} octets of key material, not {len(key)}")
    split = length - row.salt
    if build := aead.BUILDERS.get(row.primitive or ""):
        return build(row, key[:split], key[split:])
    return block.BUILDERS[row.primitive or ""](row, key[:split], key[split:])
