"""Certificates that are sent, and those that are not to be trusted (RFC 7296 3.6, RFC 5280)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.crypto.certs import HashAndUrl, bundled
from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Identity
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.rig import Tested
from ikelab.harness.session import Session
from ikelab.layers.iana import CertEncoding, Exchange, IdType, Notify, Payload
from ikelab.testcases.conformance.refusals import refused

HASH_AND_URL = CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE


def sent(sa: Session, kind: int) -> list[Any]:
    """The payloads of a type that the peer sent, inside SK or in clear."""
    found = []
    for step in sa.received():
        found += [p for p in (*step.message.payloads, *(step.inner() or ())) if p.kind == kind]
    return found


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


@case("AUT-13")
@rfc(7296, "2.21.2", "3.6")
@rfc(5280, "6.1")
@pytest.mark.parametrize("flaw", [*UNTRUSTED, "wrong-san", "revoked"])
def test_an_initiator_refuses_a_certificate_that_is_not_to_be_trusted(
    peer: Tested, responder: Responder, certificates: Certificates, flaw: str
) -> None:
    """Whether it says so in an INFORMATIONAL exchange is its choice (MAY); that it stops is not."""
    peer.start(**certificates.theirs())
    responder.listen(**certificates.ours(flaw=flaw))
    peer.initiate()

    asked = responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 8.0)
    responder.pump(lambda: any(s.state is State.CLOSED for s in responder.sessions), 4.0)

    assert asked, "the peer sent no IKE_AUTH"
    assert not [s for s in peer.view().sas if s.state == "ESTABLISHED"], (
        f"the peer accepted it\n{responder.sessions[-1]}"
    )
    assert peer.alive()


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


@case("AUT-14", "policy")
@rfc(7296, "3.6")
@pytest.mark.parametrize("flaw", ["", "revoked"], ids=lambda flaw: flaw or "honest")
def test_takes_crls_beside_the_certificates(
    peer: Tested, initiator: Initiator, certificates: Certificates, flaw: str
) -> None:
    """CERT payloads may hold CRLs: what becomes of who is listed, and of who is not, is told.

    The peer has no CRL of its own here, and need not take any in CERT.
    """
    theirs = certificates.theirs()
    peer.start(**{**theirs, "trust": replace(theirs["trust"], crls=())})
    sa = initiator.init(**certificates.ours(flaw=flaw, crls=certificates.pki.crls))

    reply = sa.auth()

    peer.observe("accepted" if sa.state is State.ESTABLISHED else "refused")
    if sa.state is not State.ESTABLISHED:
        refused(peer, sa, reply)
    assert sa.violations == []
    assert initiator.probe(**certificates.ours())


PLACE = "http://certificates.ikelab.test/initiator"


@case("AUT-26", "feature")
@rfc(7296, "3.6", "3.10.1")
@pytest.mark.parametrize("form", ["certificate", "bundle"])
def test_takes_certificates_that_lie_elsewhere(
    peer: Tested, initiator: Initiator, certificates: Certificates, form: str
) -> None:
    """Who says HTTP_CERT_LOOKUP_SUPPORTED looks up the certificate, or the bundle of a chain."""
    chain = certificates.pki.member("initiator").chain
    bundle = bundled(chain, certificates.pki.crls) if form == "bundle" else b""
    shelf = {PLACE: bundle or chain[0]}
    theirs = certificates.theirs()
    peer.start(**{**theirs, "trust": replace(theirs["trust"], fetch=shelf.__getitem__)})
    sa = initiator.init(**certificates.ours(url=PLACE, bundle=bundle))
    if sa.reply.notify(Notify.HTTP_CERT_LOOKUP_SUPPORTED) is None:
        raise Unsupported("the peer does not say HTTP_CERT_LOOKUP_SUPPORTED")

    sa.auth()

    assert sa.established, f"it was not looked up\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


PLACES = {
    "loopback": "http://127.0.0.1:9/initiator.der",
    "nowhere": "http://192.0.2.1/initiator.der",
    "file": "file:///etc/passwd",
    "no scheme": "%s%n",
    "long": "http://127.0.0.1/" + "a" * 4000,
}


@case("AUT-26", "policy")
@rfc(7296, "3.6", "5")
@pytest.mark.parametrize("name", PLACES)
def test_is_not_held_up_by_a_url(
    peer: Tested, initiator: Initiator, certificates: Certificates, name: str
) -> None:
    """A certificate that lies at an odd place: the peer refuses it, and serves others meanwhile."""
    peer.start(**certificates.theirs())
    leaf = certificates.pki.member("initiator").chain[0]
    reference = bytes(HashAndUrl.of(leaf, PLACES[name]))
    sa = initiator.init(**certificates.ours())

    reply = sa.auth(
        edits=[
            at("SK.CERT[0].cert_encoding").set(int(HASH_AND_URL)),
            at("SK.CERT[0].cert_data").set(reference),
        ]
    )

    refused(peer, sa, reply)
    peer.observe(reply.outcome)
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
