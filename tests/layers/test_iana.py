"""The table of registry rows: complete in itself, quick to import, and what model reads of it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from ikelab.layers import iana
from ikelab.layers.iana import (
    TRANSFORMS,
    Algorithm,
    AuthMethod,
    CfgAttr,
    Code,
    Encr,
    Exchange,
    Integ,
    Ke,
    Kwa,
    Notify,
    Payload,
    Prf,
    Sn,
    TransformType,
    lookup,
    name,
)

REGISTRIES = [
    cls
    for _, cls in inspect.getmembers(iana, inspect.isclass)
    if issubclass(cls, Code) and len(cls)
]
ROWS = [row for registry in REGISTRIES for row in registry]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.__name__)
def test_rows_have_a_name_and_a_source(registry: type[Code]) -> None:
    assert registry.__doc__ and registry.__doc__ != Code.__doc__
    for row in registry:
        assert row.iana and re.match(r"RFC \d{4}|3GPP TS|draft-|Matt Ball", row.reference), row
    names = [row.iana for row in registry]
    assert len(set(names)) == len(names)


def test_identifiers_are_ianas_names_in_capitals() -> None:
    others = {Payload, TransformType, Ke, Sn}  # the contract gives these short names
    spelt = {"IPV4_ADDRESS", "IPV6_ADDRESS", "FQDN", "MAX_CID", "MRRU", "KEY_LENGTH", "RAW_RSA_KEY"}
    for row in ROWS:
        if type(row) not in others and row.name not in spelt and not row.name.startswith("ROHC"):
            plain = re.sub(r"\W+", "_", row.iana.removesuffix(" (reserved)")).strip("_").upper()
            assert row.name == plain, row


@pytest.mark.parametrize(
    ("row", "number"),
    [
        (Exchange.IKE_FOLLOWUP_KE, 44),
        (Payload.SKF, 53),
        (Payload.NOTIFY, 41),
        (Payload.DELETE, 42),
        (Payload.VENDOR, 43),
        (TransformType.ADDKE7, 12),
        (Encr.ENCR_AES_GCM_16, 20),
        (Encr.ENCR_CHACHA20_POLY1305, 28),
        (Prf.PRF_HMAC_SHA2_512, 7),
        (Integ.AUTH_HMAC_SHA2_512_256, 14),
        (Ke.CURVE448, 32),
        (Ke.ML_KEM_1024, 37),
        (Sn.ESN, 1),
        (Kwa.KW_ARX, 4),
        (AuthMethod.PSK, 2),
        (AuthMethod.DIGITAL_SIGNATURE, 14),
        (Notify.STATE_NOT_FOUND, 47),
        (Notify.REGISTRATION_FAILED, 49),
        (Notify.IKEV2_FRAGMENTATION_SUPPORTED, 16430),
        (Notify.ADDITIONAL_KEY_EXCHANGE, 16441),
        (Notify.SUPPORTED_AUTH_METHODS, 16443),
        (CfgAttr.ENCDNS_DIGEST_INFO, 29),
    ],
)
def test_numbers(row: Code, number: int) -> None:
    assert row == number


def test_registries_have_no_gaps_where_iana_has_none() -> None:
    assert list(Exchange) == list(range(34, 45))
    assert [p for p in Payload if p] == list(range(33, 55))
    assert list(TransformType) == list(range(1, 15))
    assert [n for n in Notify if not n.is_error] == list(range(16384, 16448))
    assert sorted(set(range(1, 36)) - set(Encr)) == [10, 17]
    assert list(Prf) == list(range(1, 10)) and list(Integ) == list(range(15))


def test_names_of_known_and_unknown_numbers() -> None:
    assert name(Encr, 12) == "ENCR_AES_CBC" and name(Encr, 1000) == "1000"
    assert lookup(Ke, 14) is Ke.MODP_2048 and lookup(Ke, 3) is None
    assert Payload(35).notation == "IDi" and {p.notation for p in Payload} >= {"SA", "N", "TSr"}
    assert f"{Encr.ENCR_3DES}" == str(Encr.ENCR_3DES) == "3"


def test_errors_are_below_16384() -> None:
    assert Notify.REGISTRATION_FAILED.is_error and not Notify.INITIAL_CONTACT.is_error


def test_sizes_of_ciphers() -> None:
    for row in Encr:
        assert row.aead == (row.icv > 0)
        assert row.key_attribute == (row.default_key_bits is not None)
        if row.default_key_bits is not None:
            assert row.default_key_bits in row.key_bits
    gcm, cbc, tdes = Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_CBC, Encr.ENCR_3DES
    assert (gcm.iv, gcm.salt, gcm.icv, gcm.block) == (8, 4, 16, 1)
    assert (cbc.iv, cbc.salt, cbc.icv, cbc.block) == (16, 0, 0, 16)
    assert (tdes.key_bits, tdes.key_attribute, tdes.block) == ((192,), False, 8)
    assert Encr.ENCR_AES_CCM_8.salt == 3 and Encr.ENCR_AES_CTR.salt == 4


def test_sizes_of_key_exchange_methods() -> None:
    for row in Ke:
        octets = (row.bits + 7) // 8
        expected = {"modp": octets, "ecp": 2 * octets, "brainpool": 2 * octets}
        if row.primitive in expected:
            assert row.public == expected[row.primitive], row
        assert (row.ciphertext is not None) == (row.primitive == "ml-kem")
    assert (Ke.ML_KEM_768.public, Ke.ML_KEM_768.ciphertext) == (1184, 1088)


def test_statuses_are_words_of_the_rfcs() -> None:
    words = {"MUST", "MUST-", "SHOULD+", "SHOULD", "MAY", "SHOULD NOT", "MUST NOT", None}
    for registry in set(TRANSFORMS.values()):
        for row in registry:
            assert {row.ike_status, row.esp_status} <= words
    assert Ke.MODP_1024.ike_status == "SHOULD NOT" and Ke.MODP_2048.ike_status == "MUST"
    assert Encr.ENCR_AES_GCM_16.esp_status == "MUST"
    assert Encr.ENCR_AES_GCM_16.ike_status == "SHOULD"
    assert Encr.ENCR_RC5.deprecated and not Encr.ENCR_3DES.deprecated


def test_words_are_of_one_transform_each() -> None:
    for daemon in ("ikelab", "strongswan"):
        seen: dict[str, Algorithm] = {}
        for registry in dict.fromkeys(TRANSFORMS.values()):
            for row in registry:
                for template in row.words.get(daemon, ()):
                    for bits in row.key_bits or (0,):
                        word = template.format(bits=bits)
                        assert seen.setdefault(word, row) is row, word
                        assert "-" not in word and word == word.lower()
    daemons = {d for r in TRANSFORMS.values() for row in r for d in row.words}
    assert daemons == {"ikelab", "strongswan", "libreswan", "openiked", "ios"}


def test_every_transform_that_can_be_offered_has_a_word() -> None:
    for registry in (Encr, Prf, Integ, Ke, Sn):
        for row in registry:
            assert row.words.get("ikelab") or row is Encr.RESERVED_FOR_IEEE_P1619_XTS_AES


def test_suites_are_read_from_the_words() -> None:
    from ikelab.harness.model import Suite

    assert str(Suite.parse("3des-aes128-sha1-modp1024")) == "3des-aes128-sha1-modp1024"
    (gcm, _, group) = Suite.parse("aes256gcm16-prfsha256-x25519").transforms
    assert (gcm.id, gcm.key_bits, group.id) == (20, 256, 31)


def test_importing_takes_under_25_ms_and_only_the_standard_library() -> None:
    code = (
        "import enum, re, typing, collections.abc, time, sys, ikelab.layers\n"
        "start = time.process_time()\n"
        "import ikelab.layers.iana\n"
        "print(time.process_time() - start, any(m.startswith('scapy') for m in sys.modules))"
    )
    times = []
    for _ in range(3):
        spent, scapy = subprocess.check_output([sys.executable, "-c", code], text=True).split()
        assert scapy == "False"
        times.append(float(spent))
    assert min(times) < 0.025
