"""AES-XCBC and AES-CMAC as MAC and PRF: RFC 3566, 4434, 4493, 4494, 4615."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.integ import mac
from ikelab.harness.crypto.prf import nonce_key, prf
from ikelab.harness.crypto.xcbc import aes_cmac, aes_xcbc
from ikelab.layers.iana import Integ, Prf

COUNTING = bytes(range(64))
KEY = COUNTING[:16]
SP800_38B_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
SP800_38B_TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", "75f0251d528ac01c4573dfd584d79f29"),
        (COUNTING[:3], "5b376580ae2f19afe7219ceef172756f"),
        (COUNTING[:16], "d2a246fa349b68a79998a4394ff7a263"),
        (COUNTING[:20], "47f51b4564966215b8985c63055ed308"),
        (COUNTING[:32], "f54f0ec8d2b9f3d36807734bd5283fd4"),
        (COUNTING[:34], "becbb3bccdb518a30677d5481fb6b4d8"),
        (bytes(1000), "f0dafee895db30253761103b5d84528f"),
    ],
)
def test_xcbc(message, expected, proves):
    """RFC 3566 4.6; the MAC takes the first 96 bits (4.2)."""
    proves("RFC 3566 4.6", Integ.AUTH_AES_XCBC_96)
    assert aes_xcbc(KEY, message).hex() == expected
    assert mac(Integ.AUTH_AES_XCBC_96, KEY, message).hex() == expected[:24]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (COUNTING[:16], "47f51b4564966215b8985c63055ed308"),
        (COUNTING[:10], "0fa087af7d866e7653434e602fdde835"),
        (COUNTING[:16] + b"\xed\xcb", "8cd3c93ae598a9803006ffb67c40e9e4"),
    ],
)
def test_xcbc_prf_takes_keys_of_any_length(key, expected, proves):
    """RFC 4434 2: short keys are padded, long ones hashed (vectors of section 4)."""
    proves("RFC 4434 4", Prf.PRF_AES128_XCBC)
    assert prf(Prf.PRF_AES128_XCBC, key, COUNTING[:20]).hex() == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac(length, expected, proves):
    """RFC 4493 4; the MAC takes the first 96 bits (RFC 4494)."""
    proves("RFC 4493 4", Integ.AUTH_AES_CMAC_96)
    message = SP800_38B_TEXT[:length]
    assert aes_cmac(SP800_38B_KEY, message).hex() == expected
    assert mac(Integ.AUTH_AES_CMAC_96, SP800_38B_KEY, message).hex() == expected[:24]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (COUNTING[:16] + b"\xed\xcb", "84a348a4a45d235babfffc0d2b4da09a"),
        (COUNTING[:16], "980ae87b5f4c9c5214f5b6a8455e4c2d"),
        (COUNTING[:10], "290d9e112edb09ee141fcf64c0b72f3d"),
    ],
)
def test_cmac_prf_takes_keys_of_any_length(key, expected, proves):
    """RFC 4615 4."""
    proves("RFC 4615 4", Prf.PRF_AES128_CMAC)
    assert prf(Prf.PRF_AES128_CMAC, key, COUNTING[:20]).hex() == expected


def test_aes_functions_take_eight_octets_of_each_nonce():
    """RFC 7296 2.14: SKEYSEED uses the first 64 bits of Ni and Nr with XCBC and CMAC alone."""
    ni, nr = COUNTING[:32], COUNTING[32:64]
    for function in (Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC):
        assert nonce_key(function, ni, nr) == ni[:8] + nr[:8]
    assert nonce_key(Prf.PRF_HMAC_SHA2_256, ni, nr) == ni + nr
