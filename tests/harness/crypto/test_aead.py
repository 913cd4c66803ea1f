"""Combined-mode ciphers, against the vectors of their documents."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from ikelab.harness.crypto import aead
from ikelab.harness.crypto.cipher import BadIntegrity, cipher, key_material_length
from ikelab.layers.iana import Encr

GCM_KEY = "feffe9928665731c6d6a8f9467308308"
GCM_TEXT = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_AAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
GCM = {
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4, 10 and 16
    128: (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    192: (
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
        "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c",
    ),
    256: (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}
SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
    b"future, sunscreen would be it."
)
ALL = [row for row in Encr if row.aead and row.primitive]


@pytest.mark.parametrize(
    "transform", [Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16]
)
@pytest.mark.parametrize("bits", GCM)
def test_gcm(bits, transform, proves):
    """The shorter ICVs are the first octets of the tag (RFC 4106 6)."""
    proves("McGrew and Viega, GCM", transform, bits)
    text, aad = bytes.fromhex(GCM_TEXT), bytes.fromhex(GCM_AAD)
    ciphertext, tag = map(bytes.fromhex, GCM[bits])
    expected = ciphertext + tag[: transform.icv]
    key = (bytes.fromhex(GCM_KEY) * 2)[: bits // 8] + bytes.fromhex("cafebabe")
    gcm = cipher(transform, bits, key)
    iv = bytes.fromhex("facedbaddecaf888")

    assert gcm.encrypt(iv, text, aad) == expected
    assert gcm.decrypt(iv, expected, aad) == text


def test_chacha20_poly1305(proves):
    """RFC 8439 2.8.2."""
    proves("RFC 8439 2.8.2", Encr.ENCR_CHACHA20_POLY1305)
    key = bytes(range(0x80, 0xA0)) + bytes.fromhex("07000000")
    chacha = cipher(Encr.ENCR_CHACHA20_POLY1305, None, key)
    sealed = chacha.encrypt(
        bytes(range(0x40, 0x48)), SUNSCREEN, bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    )
    assert sealed.hex() == (
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
        "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
        "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
        "3ff4def08e4b7a9de576d26586cec64b6116"
        "1ae10b594f09e26a7e902ecbd0600691"
    )


@pytest.mark.parametrize(
    ("transform", "key", "expected"),
    [
        # RFC 3610 8, packet vector 1
        pytest.param(
            Encr.ENCR_AES_CCM_8,
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
            "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
            id="aes",
        ),
        # RFC 5528 4, packet vector 1
        pytest.param(
            Encr.ENCR_CAMELLIA_CCM_8,
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
            "ba737185e719310492f38a5f1251da55fafbc949848a0dfcaece746b3db9ad",
            id="camellia",
        ),
    ],
)
def test_ccm(transform, key, expected, proves):
    """Their nonces have 13 octets where ESP's have 11 (RFC 4309 4): the salt takes up two more."""
    proves("RFC 3610 8" if transform == Encr.ENCR_AES_CCM_8 else "RFC 5528 4", transform, 128)
    nonce = bytes.fromhex("00000003020100a0a1a2a3a4a5")
    packet = bytes(range(31))
    one = aead.BUILDERS[transform.primitive](transform, bytes.fromhex(key), nonce[:5])
    assert one.encrypt(nonce[5:], packet[8:], packet[:8]).hex() == expected
    assert one.decrypt(nonce[5:], bytes.fromhex(expected), packet[:8]) == packet[8:]


@pytest.mark.parametrize("icv", [8, 12, 16])
@pytest.mark.parametrize("size", [0, 1, 16, 33, 70000])
def test_own_ccm_equals_openssl_over_aes(monkeypatch, icv, size):
    """The lines written for Camellia give what OpenSSL gives, with AES in Camellia's place."""
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    from ikelab.harness.crypto import block

    monkeypatch.setattr(aead, "Camellia", AES)
    monkeypatch.setattr(block, "Camellia", AES)
    row = {
        8: Encr.ENCR_CAMELLIA_CCM_8,
        12: Encr.ENCR_CAMELLIA_CCM_12,
        16: Encr.ENCR_CAMELLIA_CCM_16,
    }
    key, salt, iv = bytes(range(16)), b"abc", b"12345678"
    text, aad = bytes(size), b"a" * size
    own = aead.BUILDERS["camellia-ccm"](row[icv], key, salt)
    assert own.encrypt(iv, text, aad) == AESCCM(key, icv).encrypt(salt + iv, text, aad)


def test_gmac_authenticates_the_text_and_leaves_it_clear():
    """RFC 4543 3: SPI, sequence number, IV and text are authenticated data of GCM over nothing."""
    key, salt, iv, aad = bytes(range(16)), b"salt", b"12345678", b"spi and sequence"
    gmac = cipher(Encr.ENCR_NULL_AUTH_AES_GMAC, 128, key + salt)
    sealed = gmac.encrypt(iv, b"clear text", aad)
    assert sealed[:-16] == b"clear text"
    assert sealed[-16:] == AESGCM(key).encrypt(salt + iv, b"", aad + iv + b"clear text")


@pytest.mark.parametrize("transform", ALL, ids=lambda row: row.name)
def test_every_octet_is_protected(transform):
    bits = 256 if transform.key_attribute else None
    key = bytes(range(key_material_length(transform, bits)))
    one = cipher(transform, bits, key)
    iv, text, aad = b"\x01" * 8, b"text to be sealed", b"header"
    sealed = one.encrypt(iv, text, aad)
    assert one.aead
    assert len(sealed) == len(text) + one.icv_length
    assert one.decrypt(iv, sealed, aad) == text
    for position in range(len(sealed)):
        wrong = bytearray(sealed)
        wrong[position] ^= 1
        with pytest.raises(BadIntegrity):
            one.decrypt(iv, bytes(wrong), aad)
    with pytest.raises(BadIntegrity):
        one.decrypt(iv, sealed, aad + b"\0")
    with pytest.raises(BadIntegrity):
        one.decrypt(b"\x02" + iv[1:], sealed, aad)
    for short in (b"", sealed[: one.icv_length - 1]):
        with pytest.raises(BadIntegrity):
            one.decrypt(iv, short, aad)
    with pytest.raises(BadIntegrity):
        one.decrypt(iv[1:], sealed, aad)
    with pytest.raises(ValueError, match="IV"):
        one.encrypt(iv[1:], text, aad)
