"""Signatures that prove nothing: empty, zero, or of parameters that do not say enough."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import AuthMethod
from ikelab.testcases.conformance.refusals import refused

DIGITAL, RSA = AuthMethod.DIGITAL_SIGNATURE, AuthMethod.RSA_DIGITAL_SIGNATURE
ECDSA = AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE
EMPTY, ZEROS = b"", bytes(256)
NOUGHTS = bytes.fromhex("3006020100020100")  # r and s are zero
ONES = bytes.fromhex("3006020101020101")

Row = tuple[str, str, int, bytes]
"""Kind of key, scheme, authentication method, what stands for the signature."""

WORTHLESS: dict[str, Row] = {
    "empty RSA": ("rsa2048", "rsa-pkcs1-sha256", DIGITAL, EMPTY),
    "zero RSA": ("rsa2048", "rsa-pkcs1-sha256", DIGITAL, ZEROS),
    "empty PSS": ("rsa2048", "rsa-pss-sha256", DIGITAL, EMPTY),
    "zero PSS": ("rsa2048", "rsa-pss-sha256", DIGITAL, ZEROS),
    "empty RSA of method 1": ("rsa2048", "rsa-pkcs1-sha256", RSA, EMPTY),
    "zero RSA of method 1": ("rsa2048", "rsa-pkcs1-sha256", RSA, ZEROS),
    "empty ECDSA": ("p256", "ecdsa-sha256", DIGITAL, EMPTY),
    "zero ECDSA": ("p256", "ecdsa-sha256", DIGITAL, NOUGHTS),
    "ECDSA of ones": ("p256", "ecdsa-sha256", DIGITAL, ONES),
    "empty ECDSA of method 9": ("p256", "ecdsa-sha256", ECDSA, EMPTY),
    "zero ECDSA of method 9": ("p256", "ecdsa-sha256", ECDSA, bytes(64)),
    "empty Ed25519": ("ed25519", "ed25519", DIGITAL, EMPTY),
    "zero Ed25519": ("ed25519", "ed25519", DIGITAL, bytes(64)),
}


@case("REG-06")
@rfc(7296, "2.15", "3.8")
@rfc(7427, "3")
@pytest.mark.parametrize("name", WORTHLESS)
def test_refuses_a_signature_of_nothing(
    peer: Tested, initiator: Initiator, certificates: Certificates, name: str
) -> None:
    """No octets, zeros and the smallest numbers are no signature, whatever the key."""
    key, scheme, method, signature = WORTHLESS[name]
    peer.start(**certificates.theirs(key))
    said = SCHEMES[scheme].identifier
    load = bytes([len(said)]) + said + signature if method == DIGITAL else signature
    sa = initiator.init(**certificates.ours(key, scheme=scheme))

    edits = [at("SK.AUTH.auth_type").set(int(method)), at("SK.AUTH.load").set(load)]
    reply = sa.auth(edits=edits)

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours(key, scheme=scheme)), f"nobody is served\n{sa}"


_OID = "06092a864886f70d01010a"  # id-RSASSA-PSS
_HASH = "a00f300d06096086480165030402010500"  # SHA2-256
_SALT = "a203020120"  # 32 octets
VAGUE = {
    "no parameters": "300b" + _OID,
    "NULL": "300d" + _OID + "0500",
    "all that RFC 4055 leaves out": "300d" + _OID + "3000",
    "no mask generation": "3023" + _OID + "3016" + _HASH + _SALT,
    "a mask of no algorithm": "3025" + _OID + "3018" + _HASH + "a100" + _SALT,
    "a mask of nothing": "3027" + _OID + "301a" + _HASH + "a1023000" + _SALT,
}


@case("REG-07")
@rfc(7427, "3")
@pytest.mark.parametrize("name", VAGUE)
def test_refuses_pss_of_other_parameters(
    peer: Tested, initiator: Initiator, certificates: Certificates, name: str
) -> None:
    """What the parameters leave out is SHA-1 by default: no signature with SHA2-256 is of those."""
    peer.start(**certificates.theirs("rsa2048"))
    said, scheme = bytes.fromhex(VAGUE[name]), "rsa-pss-sha256"
    sa = initiator.init(**certificates.ours("rsa2048", scheme=scheme, identifier=said))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours("rsa2048", scheme=scheme)), f"nobody is served\n{sa}"
