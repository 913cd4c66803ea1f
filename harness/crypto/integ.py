"""Integrity transforms: a keyed MAC, truncated as the transform says (RFC 7296 3.3.2, RFC 8221)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import cache

from ikelab.harness.crypto.prf import HMAC_HASHES
from ikelab.harness.crypto.xcbc import aes_cmac, aes_xcbc
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.layers.iana import Integ, name

Function = Callable[[bytes, bytes], bytes]
"""mac(key, data) -> ICV."""

_UNSPECIFIED = "no document specifies it for IKEv2"
# Nothing would tell that it is right: no vector, no daemon with a word for it, no kernel here.
_GMAC = (
    "of AH alone, whose ICV field has its IV too (RFC 4543 4): there is no published vector, and "
    "Linux's AH takes no MAC that has an IV"
)
_REASONS = {
    Integ.AUTH_DES_MAC: _UNSPECIFIED,
    Integ.AUTH_KPDK_MD5: _UNSPECIFIED,
    Integ.AUTH_AES_128_GMAC: _GMAC,
    Integ.AUTH_AES_192_GMAC: _GMAC,
    Integ.AUTH_AES_256_GMAC: _GMAC,
}


def mac(integ_id: int, key: bytes, data: bytes) -> bytes:
    """The ICV of `data`; `NONE` gives no octets. UnsupportedAlgorithm with its reason otherwise."""
    return _function(integ_id)(key, data)


def key_length(integ_id: int) -> int:
    """Octets of the key: what SK_a and KEYMAT hold for this transform."""
    return _row(integ_id).key


def icv_length(integ_id: int) -> int:
    """Octets of the ICV on the wire."""
    return _row(integ_id).icv


def why_not(integ_id: int) -> str | None:
    """The reason why this transform cannot be computed here; None where it can."""
    try:
        _function(integ_id)
    except UnsupportedAlgorithm as error:
        return str(error)
    return None


def _row(integ_id: int) -> Integ:
    _function(integ_id)
    return Integ(integ_id)


@cache
def _function(integ_id: int) -> Function:
    try:
        row = Integ(integ_id)
    except ValueError:
        raise UnsupportedAlgorithm(f"INTEG {integ_id} is no number that IANA assigned") from None
    primitive, icv = row.primitive, row.icv
    if row == Integ.NONE:
        return lambda key, data: b""
    if primitive in HMAC_HASHES:
        digest, algorithm = hmac.digest, primitive.removeprefix("hmac-")
        return lambda key, data: digest(key, data, algorithm)[:icv]
    if primitive == "aes-xcbc":
        return lambda key, data: aes_xcbc(key, data)[:icv]
    if primitive == "aes-cmac":
        return lambda key, data: aes_cmac(key, data)[:icv]
    reason = _REASONS.get(row, "no library here computes it")
    raise UnsupportedAlgorithm(f"{name(Integ, row)}: {reason}")
