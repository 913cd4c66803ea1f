"""Every row of the transform registries is either computed or has a reason why not."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.support import computable
from ikelab.harness.model import Suite, Transform
from ikelab.layers.iana import TRANSFORMS, Encr, Integ, Ke, Prf, Protocol, TransformType

ROWS = [
    Transform(kind, row, row.default_key_bits if kind == TransformType.ENCR else None)
    for kind, registry in TRANSFORMS.items()
    for row in registry
]
# What issue B asks for, and a little more.
POSSIBLE = {
    TransformType.ENCR: {
        *(Encr.ENCR_DES, Encr.ENCR_3DES, Encr.ENCR_BLOWFISH, Encr.ENCR_CAST, Encr.ENCR_IDEA),
        *(Encr.ENCR_NULL, Encr.ENCR_NULL_AUTH_AES_GMAC),
        *(Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR),
        *(Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16),
        *(Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16),
        *(Encr.ENCR_CAMELLIA_CBC, Encr.ENCR_CAMELLIA_CTR),
        *(Encr.ENCR_CAMELLIA_CCM_8, Encr.ENCR_CAMELLIA_CCM_12, Encr.ENCR_CAMELLIA_CCM_16),
        *(Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_CHACHA20_POLY1305_IIV),
        *(Encr.ENCR_AES_CCM_8_IIV, Encr.ENCR_AES_GCM_16_IIV),
    },
    TransformType.PRF: set(Prf) - {Prf.PRF_HMAC_TIGER, Prf.PRF_HMAC_STREEBOG_512},
    TransformType.INTEG: set(Integ)
    - {Integ.AUTH_DES_MAC, Integ.AUTH_KPDK_MD5}
    - {Integ.AUTH_AES_128_GMAC, Integ.AUTH_AES_192_GMAC, Integ.AUTH_AES_256_GMAC},
    TransformType.KE: {row for row in Ke if row <= Ke.CURVE448 or row.primitive == "ml-kem"},
}


@pytest.mark.parametrize("transform", ROWS, ids=lambda t: f"{t.type}-{t.name}")
def test_row(transform):
    reason = computable(transform)
    possible = POSSIBLE.get(transform.type)
    if possible is not None:
        assert (reason is None) == (transform.id in possible), reason
    assert reason is None or len(reason) > 10


def test_every_key_size_of_the_table():
    for row in POSSIBLE[TransformType.ENCR]:
        for bits in row.key_bits:
            assert computable(Transform(TransformType.ENCR, row, bits or None)) is None


def test_words_of_common_suites_are_computable():
    for text in ("3des-sha1-modp1024", "aes128gcm16-prfsha256-x25519", "aes256-sha384-ecp384"):
        assert [computable(t) for t in Suite.parse(text).transforms] == [None] * len(
            Suite.parse(text).transforms
        )
    assert [computable(t) for t in Suite.parse("null-sha1", Protocol.ESP).transforms] == [None] * 3


def test_an_unknown_number_says_so():
    assert "no number" in computable(Transform(TransformType.ENCR, 4711, None))
    assert "no transform of this type" in computable(Transform(200, 1, None))
