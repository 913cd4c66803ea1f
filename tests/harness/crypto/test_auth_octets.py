"""AUTH octets, shared-secret AUTH and NAT detection hashes (RFC 7296 2.15 and 2.23)."""

from __future__ import annotations

import hashlib
import json

from ikelab.harness.crypto.auth import nat_detection, psk_auth, signed_octets
from ikelab.harness.crypto.prf import prf
from ikelab.layers.iana import Prf


def test_octets_are_message_nonce_and_maced_identity():
    octets = signed_octets(Prf.PRF_HMAC_SHA1, b"message", b"nonce", b"identity", b"key")
    assert octets == b"messagenonce" + prf(Prf.PRF_HMAC_SHA1, b"key", b"identity")


def test_psk_goes_through_the_key_pad():
    inner = prf(Prf.PRF_AES128_XCBC, b"a secret of any length", b"Key Pad for IKEv2")
    auth = psk_auth(Prf.PRF_AES128_XCBC, b"a secret of any length", b"octets")
    assert auth == prf(Prf.PRF_AES128_XCBC, inner, b"octets")


def test_nat_detection_of_both_families():
    spis = (b"\1" * 8, bytes(8))
    plain = hashlib.sha1(b"\1" * 8 + bytes(8) + b"\x0a\0\0\1" + b"\x01\xf4").digest()
    assert nat_detection(*spis, "10.0.0.1", 500) == plain
    v6 = hashlib.sha1(b"\1" * 8 + bytes(8) + bytes(15) + b"\1" + b"\x11\x94").digest()
    assert nat_detection(*spis, "::1", 4500) == v6


def test_nat_detection_of_a_real_message(shared):
    """The request of the AOSP vector: 10.80.80.13, port 500, and the peer it wrote to."""
    vectors = json.loads((shared / "vectors" / "ikev2_vectors.json").read_text())
    vector = vectors["aosp_psk_end_to_end"]
    found = nat_detection(bytes.fromhex(vector["spi_i"]), bytes(8), "10.80.80.13", 500)
    assert found.hex() in vector["ike_sa_init_request"]
