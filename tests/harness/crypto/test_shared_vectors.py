"""Every published vector in the shared data, from g^ir to AUTH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.crypto import auth, integ, keys, prf
from ikelab.harness.crypto.cipher import BadIntegrity, cipher
from ikelab.harness.model import Suite
from ikelab.layers.iana import AuthMethod, Encr, Integ, Prf, Protocol


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "vectors" / "ikev2_vectors.json").read_text())


class Octets(dict):
    """Hexadecimal values of a vector, by short name."""

    def __getitem__(self, name: str) -> bytes:
        return bytes.fromhex(super().__getitem__(name))


@pytest.fixture(scope="module")
def aosp(vectors):
    return Octets(vectors["aosp_psk_end_to_end"])


@pytest.fixture(scope="module")
def aosp_keys(aosp):
    return keys.derive_ike(
        Suite.parse("aes128-sha1-modp1024"),
        aosp["IKE_SHARED_DH_KEY_HEX_STRING"],
        aosp["IKE_NONCE_INIT_HEX_STRING"],
        aosp["IKE_NONCE_RESP_HEX_STRING"],
        aosp["spi_i"],
        aosp["spi_r"],
    )


def test_aosp_skeyseed(aosp, proves):
    proves("AOSP", Prf.PRF_HMAC_SHA1)
    seed = keys.skeyseed(
        Prf.PRF_HMAC_SHA1,
        aosp["IKE_SHARED_DH_KEY_HEX_STRING"],
        aosp["IKE_NONCE_INIT_HEX_STRING"],
        aosp["IKE_NONCE_RESP_HEX_STRING"],
    )
    assert seed == aosp["IKE_SKEYSEED_HEX_STRING"]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("sk_d", "IKE_SK_D_HEX_STRING"),
        ("sk_ai", "IKE_SK_AUTH_INIT_HEX_STRING"),
        ("sk_ar", "IKE_SK_AUTH_RESP_HEX_STRING"),
        ("sk_ei", "IKE_SK_ENCR_INIT_HEX_STRING"),
        ("sk_er", "IKE_SK_ENCR_RESP_HEX_STRING"),
        ("sk_pi", "IKE_SK_PRF_INIT_HEX_STRING"),
        ("sk_pr", "IKE_SK_PRF_RESP_HEX_STRING"),
    ],
)
def test_aosp_ike_keys(aosp, aosp_keys, field, name):
    assert getattr(aosp_keys, field) == aosp[name]


def test_aosp_child_keys(aosp, aosp_keys):
    child = keys.derive_child(
        Prf.PRF_HMAC_SHA1,
        aosp_keys.sk_d,
        Suite.parse("aes128-sha1", Protocol.ESP),
        aosp["IKE_NONCE_INIT_HEX_STRING"],
        aosp["IKE_NONCE_RESP_HEX_STRING"],
    )
    assert child.encr_i == aosp["FIRST_CHILD_ENCR_INIT_HEX_STRING"]
    assert child.integ_i == aosp["FIRST_CHILD_AUTH_INIT_HEX_STRING"]
    assert child.encr_r == aosp["FIRST_CHILD_ENCR_RESP_HEX_STRING"]
    assert child.integ_r == aosp["FIRST_CHILD_AUTH_RESP_HEX_STRING"]


def test_aosp_icv(aosp, aosp_keys, proves):
    proves("AOSP", Integ.AUTH_HMAC_SHA1_96)
    message = aosp["ike_auth_request"]
    assert integ.mac(Integ.AUTH_HMAC_SHA1_96, aosp_keys.sk_ai, message[:-12]) == message[-12:]


def test_aosp_decrypts_and_encrypts_back(aosp, aosp_keys, proves):
    proves("AOSP", Encr.ENCR_AES_CBC, 128)
    body = aosp["ike_auth_request"][32:-12]
    iv, ciphertext = body[:16], body[16:]
    aes = cipher(Encr.ENCR_AES_CBC, 128, aosp_keys.sk_ei)

    plain = aes.decrypt(iv, ciphertext)

    inner = aosp["ike_auth_request_plaintext_no_padding"]
    assert plain[: len(inner)] == inner
    assert plain[-1] == len(plain) - len(inner) - 1
    assert aes.encrypt(iv, plain) == ciphertext


def test_aosp_auth(aosp, aosp_keys, proves):
    proves("AOSP", AuthMethod.PSK)
    octets = auth.signed_octets(
        Prf.PRF_HMAC_SHA1,
        aosp["ike_sa_init_request"],
        aosp["IKE_NONCE_RESP_HEX_STRING"],
        aosp["idi_payload_body"],
        aosp_keys.sk_pi,
    )
    assert auth.psk_auth(Prf.PRF_HMAC_SHA1, aosp["psk"], octets) == aosp["auth_i"]


def test_chacha20_poly1305_message(vectors, proves):
    """RFC 7634 appendix B: an INFORMATIONAL message."""
    proves("RFC 7634 B", Encr.ENCR_CHACHA20_POLY1305)
    vector = Octets(vectors["rfc7634_appendix_b_ikev2"])
    chacha = cipher(Encr.ENCR_CHACHA20_POLY1305, None, vector["sk_e_with_salt"])
    sealed = vector["message"][40:]

    assert chacha.encrypt(vector["iv"], vector["plaintext_with_padlen"], vector["aad"]) == sealed
    assert chacha.decrypt(vector["iv"], sealed, vector["aad"]) == vector["plaintext_with_padlen"]
    with pytest.raises(BadIntegrity):
        chacha.decrypt(vector["iv"], sealed, vector["aad"][:-1] + b"\0")


def test_nist_acvp_chain(vectors, proves):
    """First IKE SA, its child with and without KE, and the SKEYSEED of a rekeyed IKE SA."""
    proves("NIST ACVP", Prf.PRF_HMAC_SHA1)
    given = Octets(vectors["nist_acvp_ikev2_tc100"]["inputs"])
    expected = Octets(vectors["nist_acvp_ikev2_tc100"]["expected"])
    nonces = given["nInit"] + given["nResp"]
    function = Prf.PRF_HMAC_SHA1

    seed = keys.skeyseed(function, given["gir"], given["nInit"], given["nResp"])
    assert seed == expected["sKeySeed"]
    spis = given["spiInit"] + given["spiResp"]
    material = expected["derivedKeyingMaterial"]
    assert prf.prf_plus(function, seed, nonces + spis, 132) == material

    suite = Suite.parse("aes128-sha1-modp1024")
    first = keys.derive_ike(
        suite, given["gir"], given["nInit"], given["nResp"], given["spiInit"], given["spiResp"]
    )
    assert first.sk_d + first.sk_ai + first.sk_ar + first.sk_ei == material[:76]

    child = expected["derivedKeyingMaterialChild"]
    assert prf.prf_plus(function, first.sk_d, nonces, 132) == child
    with_ke = expected["derivedKeyingMaterialDh"]
    assert prf.prf_plus(function, first.sk_d, given["girNew"] + nonces, 132) == with_ke

    again = keys.rekey_ike(
        suite,
        first,
        given["girNew"],
        given["nInit"],
        given["nResp"],
        given["spiInit"],
        given["spiResp"],
    )
    new_seed = expected["sKeySeedReKey"]
    assert prf.prf(function, first.sk_d, given["girNew"], nonces) == new_seed
    assert again.sk_d == prf.prf_plus(function, new_seed, nonces + spis, 20)


def test_nist_cavp(vectors, proves):
    """SP 800-135 key derivation: SKEYSEED and prf+ of each hash."""
    for vector in vectors["nist_cavp_sp800_135_ikev2"]:
        octets, function = Octets(vector), Prf[vector["prf"]]
        proves("NIST CAVP SP 800-135", function)
        key, salt, out = octets["key"], octets["salt"], octets["out"]
        if vector["file"] == "kdf_prf.c":
            assert prf.prf(function, salt, key) == out  # the salt is Ni | Nr, the key g^ir
        else:
            assert prf.prf_plus(function, key, salt, len(out)) == out
