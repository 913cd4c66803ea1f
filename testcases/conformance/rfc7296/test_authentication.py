"""Proofs that do not hold, certificates that are not to be trusted, identities (RFC 7296 2.15).

Which error a refusal carries is only a SHOULD (2.21.2); that nobody is let in is what counts here.
"""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.edits import Edit, at
from ikelab.harness.endpoint import Initiator, Responder, Session
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Identity
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.tested import Tested
from ikelab.layers.iana import CertEncoding, IdType, Payload

AUTH = "SK.AUTH.load"
REFUSALS = ("AUTHENTICATION_FAILED", "INVALID_SYNTAX")


def refused(peer: Tested, sa: Session, reply: Reply) -> None:
    """Nobody was let in, and what was said of it came protected."""
    assert sa.state is not State.ESTABLISHED, f"the peer accepted it\n{sa}"
    assert not reply.has(Payload.AUTH), f"the response authenticates the peer\n{sa}"
    if not reply.silent:
        assert reply.protected, f"the refusal came in clear\n{sa}"
        assert reply.errors and reply.errors[0] in REFUSALS, f"no refusal: {reply.names}\n{sa}"
    seen = peer.sa(sa)
    dropped = reply.silent and seen is not None and seen.state != "ESTABLISHED"
    assert seen is None or dropped, "the peer keeps an IKE SA that failed to authenticate"
    assert sa.violations == []


def sent(sa: Session, kind: int) -> list[Any]:
    """The payloads of a type that the peer sent, inside SK or in clear."""
    found = []
    for step in sa.received():
        found += [p for p in (*step.message.payloads, *(step.inner() or ())) if p.kind == kind]
    return found


@case("AUT-02")
@rfc(7296, "2.15", "2.21.2")
@pytest.mark.parametrize(
    "edit",
    [
        at("SK.IDi.IDtype").set(int(IdType.ID_KEY_ID)),
        at("SK.IDi.ID").xor(b"\0\0\0\1"),
        at("SK.IDi.ID").append(b"\0"),
        at("SK.IDi.res2").set(1),
    ],
    ids=["type", "bit", "longer", "reserved"],
)
def test_refuses_auth_over_another_identity(peer: Tested, initiator: Initiator, edit: Edit) -> None:
    """AUTH covers the ID payload: type, reserved octets and data."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[edit])

    refused(peer, sa, reply)
    assert initiator.probe()


@case("AUT-03")
@rfc(7296, "2.15")
@pytest.mark.parametrize("proof", ["shared key", "certificate"])
def test_refuses_auth_over_the_responders_octets(
    peer: Tested, initiator: Initiator, certificates: Certificates, proof: str
) -> None:
    """An initiator's AUTH over what the responder signs is no proof of the initiator."""
    certified = proof == "certificate"
    peer.start(**certificates.theirs() if certified else {})
    options = certificates.ours() if certified else {}
    sa = initiator.init(**options, conduct=Conduct().but("sign_own_octets"))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**options)


@case("AUT-04")
@rfc(7296, "2.15", "2.21.2")
@pytest.mark.parametrize("proof", ["shared key", "certificate"])
@pytest.mark.parametrize(
    "edit",
    [
        at(AUTH).xor(bytes(20) + b"\1"),
        at(AUTH).truncate(-1),
        at(AUTH).append(b"\0"),
        at(AUTH).set(b""),
        at(AUTH).append(bytes(6000)),
        at(AUTH).append(bytes(10240)),
    ],
    ids=["bit", "shorter", "longer", "empty", "6k", "10k"],
)
def test_refuses_auth_that_is_not_exact(
    peer: Tested, initiator: Initiator, certificates: Certificates, proof: str, edit: Edit
) -> None:
    """One bit, one octet, nothing, thousands of octets too many: none of it is a proof."""
    certified = proof == "certificate"
    peer.start(**certificates.theirs() if certified else {})
    options = certificates.ours() if certified else {}
    sa = initiator.init(**options)

    reply = sa.auth(edits=[edit])

    refused(peer, sa, reply)
    assert peer.alive()
    assert initiator.probe(**options)


@case("AUT-05")
@rfc(7296, "2.15", "3.8")
@pytest.mark.parametrize("method", [0, 1, 3, 9, 12, 13, 14, 200, 255])
def test_refuses_another_method_than_the_shared_key(
    peer: Tested, initiator: Initiator, method: int
) -> None:
    """The right octets under another authentication method are no proof."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[at("SK.AUTH.auth_type").set(method)])

    refused(peer, sa, reply)
    assert initiator.probe()


@case("AUT-05")
@rfc(7296, "2.15", "3.8")
def test_refuses_a_shared_key_where_a_certificate_is_wanted(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """A peer whose policy wants a certificate does not take a shared key that it knows."""
    config = peer.start(**certificates.theirs())
    sa = initiator.init(**{**certificates.ours(), "own": None, "psk": config.psk})

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours())


# -- certificates --------------------------------------------------------------------------------


@case("AUT-12", "SHOULD")
@rfc(7296, "3.6", "3.7")
def test_sends_its_certificate_to_who_asks(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """CERTREQ in our IKE_SA_INIT is answered with CERT, the signing key's certificate first."""
    peer.start(**certificates.theirs())
    responder.listen(**certificates.ours())
    peer.initiate()

    sa = responder.accept()

    found = sent(sa, Payload.CERT)
    assert found, f"no CERT payload came\n{sa}"
    own = certificates.pki.member("initiator").chain[0]
    assert found[0].cert_encoding == CertEncoding.X_509_CERTIFICATE_SIGNATURE
    assert bytes(found[0].cert_data) == own, f"the first certificate is not the signer's\n{sa}"
    assert sa.violations == []


@case("AUT-12", "policy")
@rfc(7296, "3.6", "3.7")
def test_answers_a_responder_that_asks_for_no_certificate(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """Without CERTREQ a peer may send its certificate or not; who holds it can tell."""
    pki = certificates.pki
    known = pki.member("initiator").chain[:1]
    trust = pki.trust(certreq=False, known=known, intermediates=pki.intermediates)
    peer.start(**certificates.theirs(send="asked"))
    responder.listen(**{**certificates.ours(), "trust": trust})
    peer.initiate()

    sa = responder.accept()

    peer.observe("sent a certificate unasked" if sent(sa, Payload.CERT) else "sent none")
    assert sa.violations == []


UNTRUSTED = ["expired", "not-yet-valid", "unknown-ca", "pathlen", "not-a-ca", "wrong-key"]


@case("AUT-13")
@rfc(7296, "2.21.2", "3.6")
@rfc(5280, "6.1")
@pytest.mark.parametrize("flaw", UNTRUSTED)
def test_refuses_a_certificate_that_is_not_to_be_trusted(
    peer: Tested, initiator: Initiator, certificates: Certificates, flaw: str
) -> None:
    """Out of time, from a stranger, too deep, from who is no CA, without its key."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**certificates.ours(flaw=flaw))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours())


@case("AUT-13", "policy")
@rfc(4945, "5.1.3.2", "5.1.3.12")
@pytest.mark.parametrize("flaw", ["wrong-eku", "wrong-usage"])
def test_looks_at_what_the_key_is_for(
    peer: Tested, initiator: Initiator, certificates: Certificates, flaw: str
) -> None:
    """Who supports extended key usage refuses one without ipsecIKE; who does not need not look."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**certificates.ours(flaw=flaw))

    reply = sa.auth()

    peer.observe("accepted" if sa.state is State.ESTABLISHED else "refused")
    assert not reply.silent, f"the peer did not answer\n{sa}"
    assert reply.has(Payload.AUTH) or reply.protected
    sa.close()
    assert initiator.probe(**certificates.ours())


@case("AUT-14")
@rfc(7296, "2.21.2")
@rfc(5280, "6.3")
def test_refuses_a_revoked_certificate(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """What the CRL lists is not trusted any more, and only that."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**certificates.ours(flaw="revoked"))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours())


STRANGERS = {
    "fqdn": "stranger.ikelab.test",
    "rfc822": "stranger@ikelab.test",
    "ipv4": "192.0.2.77",
    "ipv6": "2001:db8:77::1",
}


def named(certificates: Certificates, kind: str) -> Identity:
    """An identity of that type that is not in our certificate."""
    if kind == "dn":
        subject = certificates.pki.member("initiator").subject
        return Identity(subject.type, subject.data.replace(b"initiator", b"strangers"))
    return Identity.parse(STRANGERS[kind])


@case("AUT-15")
@rfc(7296, "2.21.2", "3.5")
@rfc(4945, "3.1")
@pytest.mark.parametrize("kind", [*STRANGERS, "dn"])
def test_refuses_an_identity_that_the_certificate_does_not_hold(
    peer: Tested, initiator: Initiator, certificates: Certificates, kind: str
) -> None:
    """The identity is the one that the peer expects, the trusted certificate somebody else's."""
    wanted = named(certificates, kind)
    peer.start(**{**certificates.theirs(), "remote_id": wanted})
    sa = initiator.init(**{**certificates.ours(), "local_id": wanted})

    reply = sa.auth()

    refused(peer, sa, reply)


@case("AUT-16")
@rfc(4945, "3.1.2")
def test_refuses_a_name_that_only_the_common_name_holds(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """A right common name does not mend a wrong subjectAltName."""
    peer.start(**certificates.theirs())
    sa = initiator.init(**certificates.ours(flaw="wrong-san"))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours())


@case("AUT-16")
@rfc(4945, "3.1.5")
def test_refuses_a_distinguished_name_with_another_attribute(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """One bit of an attribute's object identifier makes another name of it."""
    subject = certificates.pki.member("initiator").subject
    oid = bytes.fromhex("0603550403")  # commonName
    wrong = subject.data.replace(oid, bytes.fromhex("0603550402"))
    assert wrong != subject.data
    other = Identity(IdType.ID_DER_ASN1_DN, wrong)
    peer.start(**{**certificates.theirs(), "remote_id": other})
    sa = initiator.init(**{**certificates.ours(), "local_id": other})

    reply = sa.auth()

    refused(peer, sa, reply)


# -- identities ----------------------------------------------------------------------------------


def own_identity(kind: IdType) -> Identity:
    data = {
        IdType.ID_IPV4_ADDR: bytes([192, 0, 2, 1]),
        IdType.ID_FQDN: b"gw.example.org",
        IdType.ID_RFC822_ADDR: b"user@example.org",
        IdType.ID_IPV6_ADDR: bytes.fromhex("20010db8") + bytes(11) + b"\1",
        IdType.ID_DER_ASN1_DN: bytes.fromhex("300d310b3009060355040613024652"),
        IdType.ID_DER_ASN1_GN: b"\x82\x0egw.example.org",
        IdType.ID_KEY_ID: bytes.fromhex("00ff107f"),
    }
    return Identity(kind, data[kind])


@case("AUT-18", "feature")
@rfc(7296, "3.5", "4")
@pytest.mark.parametrize("kind", [1, 2, 3, 5, 9, 10, 11], ids=lambda k: IdType(k).name)
def test_takes_every_type_of_identity(peer: Tested, initiator: Initiator, kind: int) -> None:
    """With a shared key; types 1, 2, 3 and 11 are those that everybody has to accept."""
    identity = own_identity(IdType(kind))
    peer.start(remote_id=identity)

    sa = initiator.establish(local_id=identity)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-18", "feature")
@rfc(7296, "1.2", "2.15")
def test_answers_who_names_no_responder(peer: Tested, initiator: Initiator) -> None:
    """IDr in the request is optional; the response has the peer's identity all the same."""
    config = peer.start()

    sa = initiator.establish(send_idr=False)

    identity = sa.reply.one(Payload.IDR)
    assert (identity.IDtype, bytes(identity.ID)) == (config.local_id.type, config.local_id.data)
    assert sa.violations == []


ODD = {
    "nul": b"gw\0.example.org",
    "not ascii": "gw.exämple.org".encode(),
    "not utf-8": b"\xff\xfe\xfd",
    "format": b"%s%n%d$(id)",
    "empty": b"",
    "4k": b"x" * 4096,
    "60k": b"x" * 60000,
}


@case("AUT-19", "policy")
@rfc(7296, "2.21.2", "3.5")
@pytest.mark.parametrize("name", ODD)
def test_survives_identities_of_odd_octets(peer: Tested, initiator: Initiator, name: str) -> None:
    """An identity that no host has is refused or dropped, and the next one is served."""
    peer.start()
    sa = initiator.init(local_id=Identity(IdType.ID_FQDN, ODD[name]))

    reply = sa.auth()

    refused(peer, sa, reply)
    peer.observe(reply.outcome)
    assert peer.alive()
    assert initiator.probe()
