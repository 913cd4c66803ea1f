"""Pseudo-random functions: prf and prf+ (RFC 7296 2.13). Octets in, octets out, no state."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import cache

from ikelab.harness.crypto.xcbc import aes_cmac, aes_xcbc
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.layers.iana import Prf, name

Function = Callable[[bytes, bytes], bytes]
"""prf(key, data) -> octets."""

HMAC_HASHES = {"hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"}


def prf(prf_id: int, key: bytes, *data: bytes) -> bytes:
    """prf(key, data), with `data` joined; UnsupportedAlgorithm where ikelab cannot compute it."""
    return _function(prf_id)(key, data[0] if len(data) == 1 else b"".join(data))


def prf_plus(prf_id: int, key: bytes, seed: bytes, length: int) -> bytes:
    """prf+(key, seed), the first `length` octets: T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n)."""
    function = _function(prf_id)
    block = b""
    stream: list[bytes] = []
    missing, counter = length, 1
    while missing > 0:
        if counter > 255:  # RFC 7296 2.13: the counter is one octet
            raise ValueError(f"prf+ gives at most 255 blocks, {length} octets were asked for")
        block = function(key, block + seed + counter.to_bytes(1, "big"))
        stream.append(block)
        missing -= len(block)
        counter += 1
    return b"".join(stream)[:length]


def output_length(prf_id: int) -> int:
    """Octets of one prf output."""
    return _row(prf_id).output


def key_length(prf_id: int) -> int:
    """The preferred key length in octets: that of SK_d, SK_pi and SK_pr (RFC 7296 2.14)."""
    return _row(prf_id).key


def why_not(prf_id: int) -> str | None:
    """The reason why this function cannot be computed here; None where it can."""
    try:
        _function(prf_id)
    except UnsupportedAlgorithm as error:
        return str(error)
    return None


def cuts_nonces(prf_id: int) -> bool:
    """Whether the key of SKEYSEED is of the first 64 bits of each nonce (RFC 7296 2.14)."""
    return _row(prf_id).primitive in ("aes-xcbc", "aes-cmac")


def nonce_key(prf_id: int, ni: bytes, nr: bytes) -> bytes:
    """The key of SKEYSEED, Ni | Nr.

    RFC 7296 2.14: the two AES functions take only the first 64 bits of each nonce.
    """
    if cuts_nonces(prf_id):
        return ni[:8] + nr[:8]
    return ni + nr


def _row(prf_id: int) -> Prf:
    _function(prf_id)
    return Prf(prf_id)


@cache
def _function(prf_id: int) -> Function:
    try:
        primitive = Prf(prf_id).primitive
    except ValueError:
        raise UnsupportedAlgorithm(f"PRF {prf_id} is no number that IANA assigned") from None
    if primitive in HMAC_HASHES:
        return _hmac(primitive.removeprefix("hmac-"))
    if primitive == "aes-xcbc":
        return _aes_xcbc
    if primitive == "aes-cmac":
        return _aes_cmac
    raise UnsupportedAlgorithm(f"{name(Prf, prf_id)}: its hash is not in OpenSSL's default set")


def _hmac(algorithm: str) -> Function:
    digest = hmac.digest
    hashlib.new(algorithm)  # a build without this hash fails here and not in the middle of an SA

    def function(key: bytes, data: bytes) -> bytes:
        return digest(key, data, algorithm)

    return function


def _aes_xcbc(key: bytes, data: bytes) -> bytes:
    # RFC 4434 2: shorter keys are padded with zeros, longer ones are hashed with a zero key.
    if len(key) > 16:
        key = aes_xcbc(bytes(16), key)
    return aes_xcbc(key.ljust(16, b"\0"), data)


def _aes_cmac(key: bytes, data: bytes) -> bytes:
    # RFC 4615 3: any length but 128 bits is hashed with a zero key.
    if len(key) != 16:
        key = aes_cmac(bytes(16), key)
    return aes_cmac(key, data)
