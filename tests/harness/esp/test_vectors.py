"""ESP packets that others published: each opens to its plaintext, and is sealed to its octets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.esp import seal
from ikelab.harness.esp.packet import echo
from ikelab.harness.esp.seal import Kind, Refused, SaKeys
from ikelab.harness.model import Transform
from ikelab.layers.iana import Encr, TransformType

# RFC 3602 4, cases 5 to 8: key, packet, payload, next header. They have no ICV.
RFC_3602 = {
    "5": (
        "90d382b410eeba7ad938c46cec1a82bf",
        "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66"
        "cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a"
        "a269add047ad2d5913ac19b7cfbad4a6",
        "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
        "2425262728292a2b2c2d2e2f3031323334353637",
        1,
    ),
    "6": (
        "90d382b410eeba7ad938c46cec1a82bf",
        "000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109689bb379"
        "d2d750c0d915dca346a89f75",
        "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
        1,
    ),
    "7": (
        "0123456789abcdef0123456789abcdef",
        "0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96c"
        "f74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
        "c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
        "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f"
        "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
        4,
    ),
    "8": (
        "0123456789abcdef0123456789abcdef",
        "000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048fe45318e1"
        "1f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3"
        "d2726d9b5ef6affc6d17a0decbb13892",
        "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffff",
        4,
    ),
}


def no_entropy(octets: int) -> bytes:
    raise AssertionError(f"{octets} octets of entropy, although the IV is given")


@pytest.mark.parametrize("case", RFC_3602)
def test_aes_cbc_of_rfc_3602(case: str, proves: Any) -> None:
    proves("RFC 3602 4", Encr.ENCR_AES_CBC, 128)
    key, packet, payload, next_header = RFC_3602[case]
    encr = Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128)
    keys = SaKeys(encr, None, bytes.fromhex(key), b"")

    opened = seal.open(bytes.fromhex(packet), keys)

    assert opened.data == bytes.fromhex(payload)
    assert opened.nh == next_header
    assert opened.padding == seal.monotonic(opened.pad_length)
    opened.padding = opened.pad_length = None
    assert seal.seal(opened, keys, no_entropy).hex() == packet
    if next_header == 4:
        assert echo(opened.data) is not None


# Names as in the documents: `nonce` is salt and IV, `aad` SPI and sequence number, the extended
# number whole; `text` ends with the trailer.
COMBINED: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "esp_combined.json").read_text(encoding="utf-8")
)


def combined_keys(row: dict[str, str]) -> SaKeys:
    number = Encr[row["encr"]]
    encr = Transform(
        TransformType.ENCR, number, len(row["key"]) * 4 if number.key_attribute else None
    )
    material = bytes.fromhex(row["key"] + row["nonce"][:8])
    return SaKeys(encr, None, material, b"", esn=len(row["aad"]) == 24)


@pytest.fixture(params=COMBINED, ids=lambda row: row["source"])
def combined(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_combined_modes(combined: dict[str, str], proves: Any) -> None:
    aad, nonce = combined["aad"], combined["nonce"]
    high = int(aad[8:16], 16) if len(aad) == 24 else 0
    packet = aad[:8] + aad[-8:] + nonce[8:] + combined["sealed"] + combined["icv"]
    keys = combined_keys(combined)

    opened = seal.open(bytes.fromhex(packet), keys, high)

    text = opened.data + opened.padding + bytes([opened.pad_length, opened.nh])
    assert text.hex() == combined["text"]
    assert (opened.spi, opened.seq) == (int(aad[:8], 16), int(aad[-8:], 16))
    opened.icv = b""
    assert seal.seal(opened, keys, no_entropy, high).hex() == packet
    document = combined["source"].rpartition(" ")[0].removesuffix(" appendix")
    proves(document, Encr[combined["encr"]], keys.encr and keys.encr.key_bits)


def test_the_number_that_is_not_sent_is_authenticated(combined: dict[str, str]) -> None:
    """RFC 4303 2.2.1, RFC 4106 5: another upper half is another ICV; without ESN it is nothing."""
    aad, nonce = combined["aad"], combined["nonce"]
    packet = bytes.fromhex(aad[:8] + aad[-8:] + nonce[8:] + combined["sealed"] + combined["icv"])
    keys = combined_keys(combined)
    if keys.esn:
        with pytest.raises(Refused) as refused:
            seal.open(packet, keys, 7)
        assert refused.value.kind is Kind.INTEGRITY
    else:
        assert seal.open(packet, keys, 7).nh == int(combined["text"][-2:], 16)
