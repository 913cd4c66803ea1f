"""Key derivation: lengths, order and what each key depends on (RFC 7296 2.13 to 2.18)."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import keys
from ikelab.harness.crypto.prf import prf, prf_plus
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.model import Suite, Transform
from ikelab.layers.iana import Prf, Protocol, TransformType

NI, NR = bytes(range(32)), bytes(range(32, 64))
SPI_I, SPI_R = b"initiato", b"responde"
SHARED = b"g^ir" * 8


def derive(text: str) -> keys.IkeKeys:
    return keys.derive_ike(Suite.parse(text), SHARED, NI, NR, SPI_I, SPI_R)


@pytest.mark.parametrize(
    ("suite", "own", "integ", "encr"),
    [
        ("3des-sha1-modp1024", 20, 20, 24),
        ("aes256-sha256-modp2048", 32, 32, 32),
        ("aes192-sha384-ecp384", 48, 48, 24),
        ("aes256-sha512-ecp521", 64, 64, 32),
        ("aes128-aesxcbc-modp2048", 16, 16, 16),
        ("aes128-aescmac-modp2048", 16, 16, 16),
        ("aes128gcm16-prfsha256-x25519", 32, 0, 20),
        ("aes256ccm8-prfsha384-x25519", 48, 0, 35),
        ("chacha20poly1305-prfsha512-x25519", 64, 0, 36),
        ("aes128ctr-sha1-modp2048", 20, 20, 20),
    ],
)
def test_lengths_and_order(suite, own, integ, encr):
    """{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr}; the SK_e hold the salt."""
    derived = derive(suite)
    pieces = (
        derived.sk_d,
        derived.sk_ai,
        derived.sk_ar,
        derived.sk_ei,
        derived.sk_er,
        derived.sk_pi,
        derived.sk_pr,
    )
    assert [len(p) for p in pieces] == [own, integ, integ, encr, encr, own, own]
    function = derived.suite.prf.id
    seed = keys.skeyseed(function, SHARED, NI, NR)
    stream = prf_plus(function, seed, NI + NR + SPI_I + SPI_R, sum(map(len, pieces)))
    assert b"".join(pieces) == stream


def test_xcbc_and_cmac_seed_with_half_nonces_and_expand_with_whole_ones():
    """RFC 7296 2.14: the first 64 bits of each nonce for SKEYSEED, all bits for prf+."""
    for text, function in (
        ("aes128-aesxcbc-modp2048", Prf.PRF_AES128_XCBC),
        ("aes128-aescmac-modp2048", Prf.PRF_AES128_CMAC),
    ):
        seed = prf(function, NI[:8] + NR[:8], SHARED)
        assert keys.skeyseed(function, SHARED, NI, NR) == seed
        assert derive(text).sk_d == prf_plus(function, seed, NI + NR + SPI_I + SPI_R, 16)


def test_rekeying_takes_the_old_prf_once_and_then_the_new():
    """RFC 7296 2.18: SKEYSEED = prf(SK_d (old), g^ir | Ni | Nr), with the old SA's PRF."""
    old = derive("aes128-sha1-modp1024")
    suite = Suite.parse("aes256gcm16-prfsha512-x25519")
    new = keys.rekey_ike(suite, old, b"new", NI, NR, SPI_I, SPI_R)
    seed = prf(Prf.PRF_HMAC_SHA1, old.sk_d, b"new" + NI + NR)
    stream = prf_plus(Prf.PRF_HMAC_SHA2_512, seed, NI + NR + SPI_I + SPI_R, 64)
    assert new.sk_d == stream


@pytest.mark.parametrize(
    ("suite", "protocol", "lengths"),
    [
        ("aes128-sha256", Protocol.ESP, (16, 32)),
        ("aes256gcm8", Protocol.ESP, (36, 0)),
        ("chacha20poly1305", Protocol.ESP, (36, 0)),
        ("null-sha1", Protocol.ESP, (0, 20)),
        ("3des-md5", Protocol.ESP, (24, 16)),
        ("sha1", Protocol.AH, (0, 20)),
        ("aes128gmac", Protocol.ESP, (20, 0)),
    ],
)
def test_child_keys(suite, protocol, lengths):
    """RFC 7296 2.17: the initiator's keys come first, encryption before integrity."""
    child = keys.derive_child(
        Prf.PRF_HMAC_SHA2_256, b"d" * 32, Suite.parse(suite, protocol), NI, NR
    )
    pieces = (child.encr_i, child.integ_i, child.encr_r, child.integ_r)
    assert tuple(map(len, pieces)) == lengths * 2
    stream = prf_plus(Prf.PRF_HMAC_SHA2_256, b"d" * 32, NI + NR, 2 * sum(lengths))
    assert b"".join(pieces) == stream


def test_child_with_its_own_key_exchange():
    """KEYMAT = prf+(SK_d, g^ir (new) | Ni | Nr)."""
    suite = Suite.parse("aes128gcm16-x25519", Protocol.ESP)
    child = keys.derive_child(Prf.PRF_HMAC_SHA1, b"d" * 20, suite, NI, NR, SHARED)
    assert child.encr_i == prf_plus(Prf.PRF_HMAC_SHA1, b"d" * 20, SHARED + NI + NR, 20)


def test_keys_stay_out_of_texts():
    derived = derive("aes128-sha1-modp1024")
    assert derived.sk_d.hex() not in repr(derived)
    assert repr(derived.sk_ei) not in repr(derived)


def test_prf_plus_ends_after_255_blocks():
    """RFC 7296 2.13."""
    assert len(prf_plus(Prf.PRF_HMAC_SHA1, b"k", b"s", 255 * 20)) == 5100
    with pytest.raises(ValueError, match="255 blocks"):
        prf_plus(Prf.PRF_HMAC_SHA1, b"k", b"s", 255 * 20 + 1)


def test_a_suite_without_prf_has_no_keys():
    with pytest.raises(ConfigError, match="no PRF"):
        derive("aes128gcm16-x25519")


def test_an_impossible_prf_says_why():
    tiger = Transform(TransformType.PRF, Prf.PRF_HMAC_TIGER)
    suite = Suite((*Suite.parse("aes128gcm16-x25519").transforms, tiger))
    with pytest.raises(UnsupportedAlgorithm, match="PRF_HMAC_TIGER"):
        keys.derive_ike(suite, SHARED, NI, NR, SPI_I, SPI_R)
