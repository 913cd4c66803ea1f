"""Ciphers without integrity, against the vectors of their documents."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.cipher import BadIntegrity, cipher, key_material_length
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.layers.iana import Encr

COUNTING = bytes(range(64)).hex()
SINGLE = b"Single block msg".hex()
CAMELLIA_KEY = "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff"

# Where a document gives ECB alone, one block of CBC with a zero IV is the same.
CBC = {
    # RFC 3602 4, cases 1 and 2
    "aes-1": (
        Encr.ENCR_AES_CBC,
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        SINGLE,
        "e353779c1079aeb82708942dbe77181a",
    ),
    "aes-2": (
        Encr.ENCR_AES_CBC,
        "c286696d887c9aa0611bbb3e2025a45a",
        "562e17996d093d28ddb3ba695a2e6f58",
        COUNTING[:64],
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    ),
    # SP 800-38A F.2.3 and F.2.5, first block
    "nist-192": (
        Encr.ENCR_AES_CBC,
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        COUNTING[:32],
        "6bc1bee22e409f96e93d7e117393172a",
        "4f021db243bc633d7178183a9fa071e8",
    ),
    "nist-256": (
        Encr.ENCR_AES_CBC,
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        COUNTING[:32],
        "6bc1bee22e409f96e93d7e117393172a",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
    ),
    # FIPS 81, table C2
    "des": (
        Encr.ENCR_DES,
        "0123456789abcdef",
        "1234567890abcdef",
        b"Now is the time for all ".hex(),
        "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6",
    ),
    # SP 800-67, appendix B, first block
    "3des": (
        Encr.ENCR_3DES,
        "0123456789abcdef23456789abcdef01456789abcdef0123",
        "00" * 8,
        b"The qufc".hex(),
        "a826fd8ce53b855f",
    ),
    # RFC 2144 B.1
    "cast-128": (
        Encr.ENCR_CAST,
        "0123456712345678234567893456789a",
        "00" * 8,
        "0123456789abcdef",
        "238b4fe5847e44b2",
    ),
    "cast-80": (
        Encr.ENCR_CAST,
        "01234567123456782345",
        "00" * 8,
        "0123456789abcdef",
        "eb6a711a2c02271b",
    ),
    "cast-40": (Encr.ENCR_CAST, "0123456712", "00" * 8, "0123456789abcdef", "7ac816d16e9b302e"),
    # Schneier's published vectors for Blowfish, CBC mode
    "blowfish-128": (
        Encr.ENCR_BLOWFISH,
        "0123456789abcdeff0e1d2c3b4a59687",
        "fedcba9876543210",
        b"7654321 Now is the time for ".ljust(32, b"\0").hex(),
        "6b77b4d63006dee605b156e27403979358deb9e7154616d959f1652bd5ff92cc",
    ),
    # The IDEA reference vector (Lai)
    "idea": (
        Encr.ENCR_IDEA,
        "00010002000300040005000600070008",
        "00" * 8,
        "0000000100020003",
        "11fbed2b01986de5",
    ),
    # RFC 3713 appendix A
    "camellia-128": (
        Encr.ENCR_CAMELLIA_CBC,
        CAMELLIA_KEY[:32],
        "00" * 16,
        CAMELLIA_KEY[:32],
        "67673138549669730857065648eabe43",
    ),
    "camellia-192": (
        Encr.ENCR_CAMELLIA_CBC,
        CAMELLIA_KEY[:48],
        "00" * 16,
        CAMELLIA_KEY[:32],
        "b4993401b3e996f84ee5cee7d79b09b9",
    ),
    "camellia-256": (
        Encr.ENCR_CAMELLIA_CBC,
        CAMELLIA_KEY,
        "00" * 16,
        CAMELLIA_KEY[:32],
        "9acc237dff16d76c20ef7c919e3a7509",
    ),
}

# Key, salt (the documents' nonce), IV, text, expected.
COUNTER = {
    # RFC 3686 6, vectors 1 to 4 and 7
    "aes-1": (
        Encr.ENCR_AES_CTR,
        "ae6852f8121067cc4bf7a5765577f39e",
        "00000030",
        "0000000000000000",
        SINGLE,
        "e4095d4fb7a7b3792d6175a3261311b8",
    ),
    "aes-2": (
        Encr.ENCR_AES_CTR,
        "7e24067817fae0d743d6ce1f32539163",
        "006cb6db",
        "c0543b59da48d90b",
        COUNTING[:64],
        "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
    ),
    "aes-3": (
        Encr.ENCR_AES_CTR,
        "7691be035e5020a8ac6e618529f9a0dc",
        "00e0017b",
        "27777f3f4a1786f0",
        COUNTING[:72],
        "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
    ),
    "aes-4": (
        Encr.ENCR_AES_CTR,
        "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515",
        "00000048",
        "36733c147d6d93cb",
        SINGLE,
        "4b55384fe259c9c84e7935a003cbe928",
    ),
    "aes-7": (
        Encr.ENCR_AES_CTR,
        "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104",
        "00000060",
        "db5672c97aa8f0b2",
        SINGLE,
        "145ad01dbf824ec7560863dc71e3e0c0",
    ),
    # RFC 5528 3, vectors 1 and 2
    "camellia-1": (
        Encr.ENCR_CAMELLIA_CTR,
        "ae6852f8121067cc4bf7a5765577f39e",
        "00000030",
        "0000000000000000",
        SINGLE,
        "d09dc29a8214619a20877c76db1f0b3f",
    ),
    "camellia-2": (
        Encr.ENCR_CAMELLIA_CTR,
        "7e24067817fae0d743d6ce1f32539163",
        "006cb6db",
        "c0543b59da48d90b",
        COUNTING[:64],
        "dbf3c78dc08396d4da7c907765bbcb442b8e8e0f31f0dca72c7417e35360e048",
    ),
}
# Where the vectors of a name's first word stand.
CBC_SOURCES = {
    "aes": "RFC 3602 4",
    "nist": "SP 800-38A F.2",
    "des": "FIPS 81 C2",
    "3des": "SP 800-67 B",
    "cast": "RFC 2144 B.1",
    "blowfish": "Schneier's vectors",
    "idea": "Lai's vector",
    "camellia": "RFC 3713 A",
}
COUNTER_SOURCES = {"aes": "RFC 3686 6", "camellia": "RFC 5528 3"}


def bits(transform: Encr, key: bytes) -> int | None:
    return len(key) * 8 if transform.key_attribute else None


@pytest.mark.parametrize("name", CBC)
def test_cbc(name, proves):
    transform = CBC[name][0]
    key, iv, text, expected = (bytes.fromhex(item) for item in CBC[name][1:])
    proves(CBC_SOURCES[name.partition("-")[0]], transform, bits(transform, key))
    one = cipher(transform, bits(transform, key), key)
    assert one.encrypt(iv, text) == expected
    assert one.decrypt(iv, expected) == text


@pytest.mark.parametrize("name", COUNTER)
def test_counter(name, proves):
    """The counter block is salt, IV and a counter that starts with 1 (RFC 3686 4)."""
    transform = COUNTER[name][0]
    key, salt, iv, text, expected = (bytes.fromhex(item) for item in COUNTER[name][1:])
    proves(COUNTER_SOURCES[name.partition("-")[0]], transform, len(key) * 8)
    one = cipher(transform, len(key) * 8, key + salt)
    assert one.encrypt(iv, text) == expected
    assert one.decrypt(iv, expected) == text


def test_camellia_counter_of_no_octets_and_of_odd_length():
    one = cipher(Encr.ENCR_CAMELLIA_CTR, 256, bytes(36))
    assert one.encrypt(bytes(8), b"") == b""
    whole = one.encrypt(bytes(8), bytes(100))
    assert one.encrypt(bytes(8), bytes(37)) == whole[:37]


def test_null_is_the_text_itself():
    """RFC 2410: no key, no IV, no change."""
    null = cipher(Encr.ENCR_NULL, None, b"")
    assert (null.iv_length, null.icv_length, null.aead) == (0, 0, False)
    assert null.decrypt(b"", null.encrypt(b"", b"text")) == b"text"


def test_a_cipher_is_made_once_for_a_key():
    assert cipher(Encr.ENCR_AES_CBC, 128, bytes(16)) is cipher(Encr.ENCR_AES_CBC, 128, bytes(16))


@pytest.mark.parametrize("length", [1, 15, 17])
def test_cbc_refuses_parts_of_blocks(length):
    """What came in is BadIntegrity, a peer's fault; what should go out is the caller's mistake."""
    one = cipher(Encr.ENCR_AES_CBC, 128, bytes(16))
    with pytest.raises(BadIntegrity):
        one.decrypt(bytes(16), bytes(length))
    with pytest.raises(ValueError, match="whole blocks"):
        one.encrypt(bytes(16), bytes(length))


@pytest.mark.parametrize("transform", [Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR])
def test_an_iv_of_the_wrong_length_is_refused(transform):
    key = bytes(key_material_length(transform, 128))
    one = cipher(transform, 128, key)
    with pytest.raises(BadIntegrity):
        one.decrypt(bytes(one.iv_length - 1), bytes(16))
    with pytest.raises(ValueError, match="IV"):
        one.encrypt(bytes(one.iv_length + 1), bytes(16))


@pytest.mark.parametrize(
    ("transform", "key_bits", "length"),
    [
        (Encr.ENCR_DES, None, 8),
        (Encr.ENCR_3DES, None, 24),
        (Encr.ENCR_NULL, None, 0),
        (Encr.ENCR_BLOWFISH, None, 16),
        (Encr.ENCR_CAST, None, 16),
        (Encr.ENCR_BLOWFISH, 448, 56),
        (Encr.ENCR_AES_CBC, 192, 24),
        (Encr.ENCR_AES_CTR, 256, 36),
        (Encr.ENCR_AES_CCM_8, 128, 19),
        (Encr.ENCR_AES_GCM_16, 128, 20),
        (Encr.ENCR_NULL_AUTH_AES_GMAC, 256, 36),
        (Encr.ENCR_CAMELLIA_CCM_16, 192, 27),
        (Encr.ENCR_CHACHA20_POLY1305, None, 36),
    ],
)
def test_key_material_counts_the_salt(transform, key_bits, length):
    """RFC 4106 8.1, RFC 4309 7.1, RFC 3686 5.1, RFC 7634 2; RFC 2451 2.2 for missing lengths."""
    assert key_material_length(transform, key_bits) == length


@pytest.mark.parametrize(
    ("transform", "key_bits", "reason"),
    [
        (Encr.ENCR_AES_CBC, None, "needs a Key Length attribute"),
        (Encr.ENCR_AES_CBC, 200, "keys of 128, 192, 256 bits"),
        (Encr.ENCR_RC5, 128, "without RC5"),
        (Encr.ENCR_3IDEA, None, "no document"),
        (Encr.ENCR_KUZNYECHIK_MGM_KTREE, None, "cryptography has no such cipher"),
        (1234, None, "no number that IANA assigned"),
    ],
)
def test_what_cannot_be_done_says_why(transform, key_bits, reason):
    with pytest.raises(UnsupportedAlgorithm, match=reason):
        key_material_length(transform, key_bits)


def test_key_material_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="takes 20 octets of key material, not 16"):
        cipher(Encr.ENCR_AES_GCM_16, 128, bytes(16))
