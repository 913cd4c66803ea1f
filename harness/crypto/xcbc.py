"""AES-XCBC-MAC (RFC 3566) and AES-CMAC (RFC 4493), both 128 bits, as MACs and PRFs share them."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 16
_ZERO = bytes(_BLOCK)


def aes_xcbc(key: bytes, data: bytes) -> bytes:
    """AES-XCBC-MAC of `data`, 16 octets, not truncated; the key has 16 octets (RFC 3566 4)."""
    mac, whole, partial = _xcbc_keys(key)
    return _cbc_mac(mac, whole, partial, data)


def aes_cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC of `data`, 16 octets, not truncated; the key has 16 octets (RFC 4493 2.4)."""
    mac, whole, partial = _cmac_keys(key)
    return _cbc_mac(mac, whole, partial, data)


def _cbc_mac(mac: Cipher[modes.CBC], whole: int, partial: int, data: bytes) -> bytes:
    """CBC-MAC whose last block is XORed with one of two keys: for a whole block or a padded one."""
    split = max(len(data) - 1, 0) // _BLOCK * _BLOCK
    last = data[split:]
    if len(last) == _BLOCK:
        mask = whole
    else:
        mask = partial
        last = (last + b"\x80").ljust(_BLOCK, b"\0")
    last = (int.from_bytes(last, "big") ^ mask).to_bytes(_BLOCK, "big")
    return mac.encryptor().update(data[:split] + last)[-_BLOCK:]


@lru_cache(maxsize=256)
def _xcbc_keys(key: bytes) -> tuple[Cipher[modes.CBC], int, int]:
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    k1, k2, k3 = (block.update(bytes([n]) * _BLOCK) for n in (1, 2, 3))
    mac = Cipher(algorithms.AES(k1), modes.CBC(_ZERO))
    return mac, int.from_bytes(k2, "big"), int.from_bytes(k3, "big")


@lru_cache(maxsize=256)
def _cmac_keys(key: bytes) -> tuple[Cipher[modes.CBC], int, int]:
    zero = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(_ZERO)
    whole = _double(int.from_bytes(zero, "big"))
    return Cipher(algorithms.AES(key), modes.CBC(_ZERO)), whole, _double(whole)


def _double(value: int) -> int:
    """Multiplication by x in GF(2^128)."""
    return (value << 1) & ((1 << 128) - 1) ^ (0x87 if value >> 127 else 0)
