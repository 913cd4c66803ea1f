"""Signatures: which method, which hash, which scheme, and what is none (RFC 7427, RFC 8420)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.edits import drop
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import AuthMethod, Exchange, Hash, Notify, Payload
from ikelab.testcases.conformance.refusals import refused

DIGITAL, RSA = AuthMethod.DIGITAL_SIGNATURE, AuthMethod.RSA_DIGITAL_SIGNATURE
SILENCE = drop("N(SIGNATURE_HASH_ALGORITHMS)")


def with_hashes(options: dict[str, Any], *hashes: int) -> dict[str, Any]:
    """The same side, announcing these hashes and no other."""
    return {**options, "trust": replace(options["trust"], hashes=hashes)}


def auth_of_peer(sa: Session) -> Any:
    """The AUTH payload that the peer sent."""
    for step in sa.received():
        for payload in step.inner() or ():
            if payload.kind == Payload.AUTH:
                return payload
    raise AssertionError(f"the peer sent no AUTH\n{sa}")


def identifier(auth: Any) -> bytes:
    """The AlgorithmIdentifier of a digital signature."""
    load = bytes(auth.load)
    return load[1 : 1 + load[0]] if load else b""


@case("AUT-06", "feature")
@rfc(7296, "3.8")
def test_takes_rsa_with_sha1_where_nothing_else_is_known(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """Method 1 with SHA-1 is the default of RFC 7296 and against today's advice (RFC 8247 3.1)."""
    peer.start(**with_hashes(certificates.theirs("rsa2048", method=RSA)))
    sa = initiator.init(**with_hashes(certificates.ours("rsa2048", method=RSA)))

    reply = sa.auth()

    if sa.state is State.ESTABLISHED:
        peer.observe("accepted SHA-1")
        assert auth_of_peer(sa).auth_type == RSA, f"{sa}"
        assert peer.disagreements(sa) == []
    else:
        refused(peer, sa, reply)
        peer.observe("refused SHA-1")
    assert sa.violations == []


@case("AUT-07", "SHOULD")
@rfc(7427, "3", "4")
@rfc(8247, "3.1")
def test_announces_hashes_and_signs_with_method_14(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """Both ends announce; then signatures are digital signatures."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**certificates.ours())
    told = sa.reply.notify(Notify.SIGNATURE_HASH_ALGORITHMS)
    assert told is not None, f"the response has no SIGNATURE_HASH_ALGORITHMS\n{sa}"
    assert told.data and len(told.data) % 2 == 0, f"{told.data.hex()} is no list of hashes"

    sa.auth()

    assert sa.state is State.ESTABLISHED, f"{sa}"
    assert auth_of_peer(sa).auth_type == DIGITAL, f"{sa}"
    assert sa.violations == []


@case("AUT-07")
@rfc(7427, "3")
def test_signs_without_method_14_for_who_announced_nothing(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """Method 14 is allowed only where both ends sent SIGNATURE_HASH_ALGORITHMS."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**with_hashes(certificates.ours()))

    reply = sa.auth()

    if sa.state is State.ESTABLISHED:
        assert auth_of_peer(sa).auth_type != DIGITAL, f"{sa}"
    else:
        refused(peer, sa, reply)
        peer.observe("authenticates with digital signatures only")
    assert sa.violations == []


def answered(responder: Responder) -> Session:
    """The session in which the peer sent its AUTH, however that ended."""
    ends = (State.ESTABLISHED, State.CLOSED)
    responder.pump(lambda: any(s.state in ends for s in responder.sessions), 8.0)
    assert responder.heard(Exchange.IKE_AUTH), "the peer sent no IKE_AUTH"
    return responder.sessions[-1]


@case("AUT-07")
@rfc(7427, "3", "4")
def test_an_initiator_that_announces_hashes_signs_with_method_14(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """The same with the roles exchanged; who announces nothing has an older method."""
    peer.start(**certificates.theirs())
    responder.listen(**certificates.ours())
    peer.initiate()

    sa = answered(responder)

    assert sa.state is State.ESTABLISHED, f"{sa}"
    request = Inbound(sa.received()[0].message)
    told = request.notify(Notify.SIGNATURE_HASH_ALGORITHMS) is not None
    peer.observe("announces hashes" if told else "announces no hashes")
    assert (auth_of_peer(sa).auth_type == DIGITAL) is told, f"{sa}"
    assert sa.violations == []


@case("AUT-07")
@rfc(7427, "3")
def test_an_initiator_signs_without_method_14_where_nothing_was_announced(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """A responder that sends no SIGNATURE_HASH_ALGORITHMS gets an older method, or nothing."""
    peer.start(**certificates.theirs())
    responder.listen(**with_hashes(certificates.ours()))
    peer.initiate()
    ends = (State.ESTABLISHED, State.CLOSED)

    responder.pump(lambda: any(s.state in ends for s in responder.sessions), 8.0)

    assert responder.sessions, "the peer sent nothing"
    sa = responder.sessions[-1]
    if sa.state is State.ESTABLISHED:
        assert auth_of_peer(sa).auth_type != DIGITAL, f"{sa}"
    else:
        peer.observe("authenticates with digital signatures only")
    assert sa.violations == []


def matrix() -> list[Any]:
    """Every kind of key with the schemes that RFC 8247 knows for it."""
    found = []
    for size in ("rsa2048", "rsa3072", "rsa4096"):
        for scheme in SCHEMES:
            if scheme.startswith("rsa") and "sha1" not in scheme:
                found.append((size, scheme))
    found += [("p256", "ecdsa-sha256"), ("p384", "ecdsa-sha384"), ("p521", "ecdsa-sha512")]
    found += [("ed25519", "ed25519"), ("ed448", "ed448")]
    # The signature of a long key is no other code than that of a short one: each size once.
    return [
        pytest.param(key, scheme, id=f"{key}-{scheme}")
        for key, scheme in found
        if key in ("rsa2048", "p256", "p384", "p521", "ed25519", "ed448")
        or scheme.endswith(("pkcs1-sha256", "pss-sha512"))
    ]


@case("AUT-08", "feature")
@rfc(7427, "3", "4")
@rfc(8420, "2")
@pytest.mark.parametrize(("key", "scheme"), matrix())
def test_signs_and_verifies_each_scheme(
    peer: Tested, initiator: Initiator, certificates: Certificates, key: str, scheme: str
) -> None:
    """The responder signs with the scheme it was told, and takes our signature with it."""
    peer.start(**certificates.theirs(key, scheme=scheme))

    sa = initiator.establish(**certificates.ours(key, scheme=scheme))

    auth = auth_of_peer(sa)
    assert auth.auth_type == DIGITAL, f"{sa}"
    assert identifier(auth) == SCHEMES[scheme].identifier, f"signed with {identifier(auth).hex()}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-08", "feature")
@rfc(7427, "3", "4")
@pytest.mark.parametrize("key", ["rsa2048", "p256", "p384", "p521", "ed25519", "ed448"])
def test_an_initiator_signs_and_verifies_with_each_kind_of_key(
    peer: Tested, responder: Responder, certificates: Certificates, key: str
) -> None:
    """The same with the roles exchanged."""
    peer.start(**certificates.theirs(key))
    responder.listen(**certificates.ours(key))
    peer.initiate()

    sa = responder.accept()

    assert auth_of_peer(sa).auth_type == DIGITAL, f"{sa}"
    assert sa.violations == []


@case("AUT-08", "feature")
@rfc(4754, "3", "7")
@pytest.mark.parametrize(("key", "method"), [("p256", 9), ("p384", 10), ("p521", 11)])
def test_signs_and_verifies_with_the_methods_of_rfc4754(
    peer: Tested, initiator: Initiator, certificates: Certificates, key: str, method: int
) -> None:
    """ECDSA with a method of its own for each curve, r and s without any DER."""
    peer.start(**with_hashes(certificates.theirs(key, method=method)))

    sa = initiator.establish(**with_hashes(certificates.ours(key, method=method)))

    auth = auth_of_peer(sa)
    assert auth.auth_type == method, f"{sa}"
    assert len(auth.load) == {9: 64, 10: 96, 11: 132}[method]
    assert sa.violations == []


@case("AUT-09")
@rfc(7427, "4")
@pytest.mark.parametrize("wanted", [Hash.SHA2_256, Hash.SHA2_384, Hash.SHA2_512], ids=str)
@pytest.mark.parametrize("key", ["rsa2048", "p256"])
def test_signs_with_a_hash_that_was_announced_to_it(
    peer: Tested, initiator: Initiator, certificates: Certificates, key: str, wanted: Hash
) -> None:
    """The signer picks one of the algorithms that the other end sent.

    That holds for method 14; the older ones have their own hash (RFC 7296 3.8, RFC 4754 3).
    """
    peer.start(**certificates.theirs(key))
    sa = initiator.init(**with_hashes(certificates.ours(key), wanted))

    reply = sa.auth()

    assert sa.violations == [], f"{sa.violations[0]}\n{sa}"
    if sa.state is State.ESTABLISHED and auth_of_peer(sa).auth_type != DIGITAL:
        peer.observe(f"signs by method {int(auth_of_peer(sa).auth_type)}")
    elif sa.state is State.ESTABLISHED:
        said = identifier(auth_of_peer(sa))
        assert said in [s.identifier for s in SCHEMES.values() if s.hash == wanted], said.hex()
    else:
        refused(peer, sa, reply)
        peer.observe(f"does not sign with {wanted.iana} and this key")


@case("AUT-09", "policy")
@rfc(7427, "4")
@rfc(8247, "3.2")
@pytest.mark.parametrize("key", ["rsa2048", "p256"])
def test_chooses_between_sha1_and_a_better_hash(
    peer: Tested, initiator: Initiator, certificates: Certificates, key: str
) -> None:
    """Of SHA-1 and SHA-256 it may sign with either; which one is told."""
    peer.start(**certificates.theirs(key))
    both = with_hashes(certificates.ours(key), Hash.SHA1, Hash.SHA2_256)

    sa = initiator.establish(**both)

    said = identifier(auth_of_peer(sa))
    weak = said in [s.identifier for s in SCHEMES.values() if s.hash == Hash.SHA1]
    peer.observe("SHA-1" if weak else "SHA-256")
    assert sa.violations == []


@case("AUT-09", "policy")
@rfc(7427, "4")
@rfc(8247, "3.2")
def test_looks_at_a_hash_that_it_did_not_announce(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """Only the signer is bound to the list; a verifier may refuse what it did not announce."""
    peer.start(**certificates.theirs("rsa2048"))
    sa = initiator.init(**certificates.ours("rsa2048", scheme="rsa-pkcs1-sha1"))
    told = sa.reply.notify(Notify.SIGNATURE_HASH_ALGORITHMS)
    announced = told is not None and bytes([0, Hash.SHA1]) in _pairs(told.data)

    reply = sa.auth()

    accepted = sa.state is State.ESTABLISHED
    peer.observe(f"SHA-1 {'announced' if announced else 'not announced'}, "
                 f"{'accepted' if accepted else 'refused'}")  # fmt: skip
    if not accepted:
        refused(peer, sa, reply)
    sa.close()
    assert initiator.probe(**certificates.ours("rsa2048"))


def _pairs(data: bytes) -> list[bytes]:
    return [data[i : i + 2] for i in range(0, len(data), 2)]


PKCS1 = SCHEMES["rsa-pkcs1-sha256"].identifier
PSS = SCHEMES["rsa-pss-sha256"].identifier
FALSE = {
    "another hash": ("rsa-pkcs1-sha256", SCHEMES["rsa-pkcs1-sha384"].identifier),
    "another padding": ("rsa-pkcs1-sha256", PSS),
    "another key": ("rsa-pkcs1-sha256", SCHEMES["ecdsa-sha256"].identifier),
    "unknown": ("rsa-pkcs1-sha256", PKCS1.replace(b"\x01\x01\x0b", b"\x01\x01\x7f")),
    "salt of 20": ("rsa-pss-sha256", PSS.replace(b"\x02\x01\x20", b"\x02\x01\x14")),
    "salt of 0": ("rsa-pss-sha256", PSS.replace(b"\x02\x01\x20", b"\x02\x01\x00")),
    "other hash of MGF1": ("rsa-pss-sha256", PSS[:-8] + b"\x02" + PSS[-7:]),
    "no octets": ("rsa-pkcs1-sha256", b""),
    "cut": ("rsa-pkcs1-sha256", PKCS1[:-3]),
}  # fmt: skip


@case("AUT-10")
@rfc(7427, "3")
@pytest.mark.parametrize("name", FALSE)
def test_refuses_a_signature_under_another_identifier(
    peer: Tested, initiator: Initiator, certificates: Certificates, name: str
) -> None:
    """The signature is right, what the AlgorithmIdentifier says of it is not."""
    scheme, said = FALSE[name]
    assert said != SCHEMES[scheme].identifier
    peer.start(**certificates.theirs("rsa2048"))
    sa = initiator.init(**certificates.ours("rsa2048", scheme=scheme, identifier=said))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours("rsa2048", scheme=scheme))


ODD = {
    "trailing octet": PKCS1 + b"\0",
    "long form of the length": b"\x30\x81" + PKCS1[1:],
    "indefinite length": b"\x30\x80" + PKCS1[2:] + b"\0\0",
    "without NULL": bytes([0x30, PKCS1[1] - 2]) + PKCS1[2:-2],
}


@case("AUT-10", "policy")
@rfc(7427, "3")
@pytest.mark.parametrize("name", ODD)
def test_looks_at_an_identifier_in_odd_der(
    peer: Tested, initiator: Initiator, certificates: Certificates, name: str
) -> None:
    """It says the right thing in another encoding than RFC 7427 A.1 has: accepted or refused."""
    peer.start(**certificates.theirs("rsa2048"))
    own = certificates.ours("rsa2048", scheme="rsa-pkcs1-sha256", identifier=ODD[name])
    sa = initiator.init(**own)

    reply = sa.auth()

    peer.observe("accepted" if sa.state is State.ESTABLISHED else "refused")
    if sa.state is not State.ESTABLISHED:
        refused(peer, sa, reply)
    sa.close()
    assert peer.alive()
    assert initiator.probe(**certificates.ours("rsa2048"))


@case("AUT-11")
@rfc(7427, "3")
@rfc(7296, "3.8")
@pytest.mark.parametrize("octets", [0, 16, 31])
@pytest.mark.parametrize("method", [DIGITAL, RSA], ids=["method14", "method1"])
def test_refuses_a_signature_over_a_part_of_the_hash(
    peer: Tested, initiator: Initiator, certificates: Certificates, method: int, octets: int
) -> None:
    """PKCS#1 over the first octets of the hash, with a DigestInfo that is otherwise right."""
    peer.start(**certificates.theirs("rsa2048"))
    scheme = "rsa-pkcs1-sha256"
    own = certificates.ours("rsa2048", scheme=scheme, hash_octets=octets, method=method)
    sa = initiator.init(**own)

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours("rsa2048", scheme=scheme))
