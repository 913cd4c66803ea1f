"""Which transforms ikelab can compute itself, and why not the others."""

from __future__ import annotations

from functools import cache

from ikelab.harness.crypto import cipher, integ, ke, prf
from ikelab.harness.model import Transform
from ikelab.layers.iana import Encr, Ke, TransformType, name

# RFC 7296 3.14: an SK payload is encrypted. RFC 8750 3: implicit IVs are for ESP alone.
ESP_ONLY = frozenset(
    {
        Encr.ENCR_NULL,
        Encr.ENCR_NULL_AUTH_AES_GMAC,
        Encr.ENCR_AES_CCM_8_IIV,
        Encr.ENCR_AES_GCM_16_IIV,
        Encr.ENCR_CHACHA20_POLY1305_IIV,
    }
)


def for_ike(transform: Transform) -> bool:
    """Whether an IKE SA may use this transform at all."""
    return transform.type != TransformType.ENCR or transform.id not in ESP_ONLY


@cache
def computable(transform: Transform) -> str | None:
    """The reason why ikelab cannot compute this transform; None where it can."""
    kind = transform.type
    if kind == TransformType.ENCR:
        return cipher.why_not(transform.id, transform.key_bits)
    if kind == TransformType.PRF:
        return prf.why_not(transform.id)
    if kind == TransformType.INTEG:
        return integ.why_not(transform.id)
    if kind == TransformType.SN:
        return None
    if kind == TransformType.KE or TransformType.ADDKE1 <= kind <= TransformType.ADDKE7:
        return None if transform.id == Ke.NONE else ke.why_not(transform.id)
    return f"{name(TransformType, kind)}: ikelab computes no transform of this type"
