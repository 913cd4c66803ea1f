"""EAP in IKE_AUTH: its methods, its key in AUTH, and what must not get through (RFC 7296 2.16)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, Plan, at, drop
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.features import Features
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.eap import EapType
from ikelab.layers.iana import Exchange, Payload
from ikelab.testcases.conformance.eap import METHODS, gate, initiating, responding, user, word
from ikelab.testcases.conformance.refusals import refused
from ikelab.testcases.rekeys import agreed

MSCHAP, MD5, TLS = EapType.MSCHAPV2, EapType.MD5_CHALLENGE, EapType.TLS


@case("AUT-23", "feature")
@rfc(7296, "2.16")
@pytest.mark.parametrize("kind", METHODS, ids=word)
def test_lets_a_user_in_by_eap(
    peer: Tested, initiator: Initiator, certificates: Certificates, kind: int
) -> None:
    """It signs, asks for EAP, and both sides' last AUTH is made from the key of EAP."""
    peer.start(**responding(certificates.theirs, gate(certificates, kind)))

    sa = initiator.establish(**initiating(certificates.ours, user(certificates, kind)))

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-23", "feature")
@rfc(7296, "2.16")
@pytest.mark.parametrize("kind", METHODS, ids=word)
def test_proves_itself_as_a_user_by_eap(
    peer: Tested, responder: Responder, certificates: Certificates, kind: int
) -> None:
    """As initiator it leaves out AUTH, answers each request, and proves the key at the end."""
    peer.start(**initiating(certificates.theirs, user(certificates, kind)))
    responder.listen(**responding(certificates.ours, gate(certificates, kind)))

    peer.initiate()
    sa = responder.accept()

    assert sa.violations == []
    agreed(peer, sa)


@case("AUT-23", "feature")
@rfc(9190, "2.1.1", "2.3")
def test_lets_a_user_in_by_tls_1_3(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """The octet of zero ends the handshake, and the MSK comes of TLS 1.3's own exporter."""
    peer.start(**responding(certificates.theirs, gate(certificates, TLS, "1.3")))

    sa = initiator.establish(**initiating(certificates.ours, user(certificates, TLS, "1.3")))

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-23", "feature")
@rfc(9190, "2.1.1", "2.3")
def test_proves_itself_as_a_user_by_tls_1_3(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """The same as initiator."""
    peer.start(**initiating(certificates.theirs, user(certificates, TLS, "1.3")))
    responder.listen(**responding(certificates.ours, gate(certificates, TLS, "1.3")))

    peer.initiate()
    sa = responder.accept()

    assert sa.violations == []
    agreed(peer, sa)


@case("AUT-23")
@rfc(7296, "2.16")
@pytest.mark.parametrize("kind", METHODS[:3], ids=word)
def test_refuses_a_user_with_a_wrong_password(
    peer: Tested, initiator: Initiator, certificates: Certificates, kind: int
) -> None:
    """Who fails EAP is not let in."""
    peer.start(**responding(certificates.theirs, gate(certificates, kind)))
    mine = user(certificates, kind)
    wrong = type(mine)(mine.name, b"wrong", mine.methods)
    sa = initiator.init(**initiating(certificates.ours, wrong))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**initiating(certificates.ours, mine))


@case("AUT-22")
@rfc(7296, "2.16")
@pytest.mark.parametrize("kind", [MSCHAP, MD5], ids=word)
def test_refuses_auth_that_is_not_made_from_the_key_of_eap(
    peer: Tested, initiator: Initiator, certificates: Certificates, kind: int
) -> None:
    """EAP succeeded, and AUTH is made from another key (or not from SK_pi, where EAP has none)."""
    peer.start(**responding(certificates.theirs, gate(certificates, kind)))
    liar = user(certificates, kind, key=b"another key")
    sa = initiator.init(**initiating(certificates.ours, liar))

    reply = sa.auth()

    assert sa.sa.rounds.finishing, f"EAP did not succeed\n{sa}"
    refused(peer, sa, reply)
    assert initiator.probe(**initiating(certificates.ours, user(certificates, kind)))


@case("AUT-22")
@rfc(7296, "2.16")
def test_drops_a_responder_whose_auth_is_not_of_the_key_of_eap(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """Who asked for the password and does not have its key at the end is not the gateway."""
    kind = MSCHAP
    peer.start(**initiating(certificates.theirs, user(certificates, kind)))
    gateway = responding(certificates.ours, gate(certificates, kind))
    responder.listen(**gateway, features=Features(eap_key=b"another key"))

    peer.initiate()
    sa = responder.accept()

    def let_go() -> bool:
        seen = peer.sa(sa)
        return seen is None or seen.state != "ESTABLISHED"

    assert sa.wait(let_go, 8.0), f"the peer is up with who has no key\n{sa}"
    assert peer.alive()


ODD = {
    "a length beyond the payload": [at("SK.EAP.eap_length").set(600)],
    "a length of zero": [at("SK.EAP.eap_length").set(0)],
    "another identifier": [at("SK.EAP.identifier").xor(1)],
    "a request for an answer": [at("SK.EAP.code").set(1)],
    "an unknown code": [at("SK.EAP.code").set(77)],
    "an unknown type": [at("SK.EAP.type").set(200)],
    "nothing": [drop("SK.EAP")],
}


@case("AUT-24", "policy")
@rfc(7296, "2.16", "3.16")
@pytest.mark.parametrize("place", [1, 2], ids=["the name", "the method"])
@pytest.mark.parametrize("edits", ODD.values(), ids=ODD)
def test_survives_odd_messages_of_eap(
    peer: Tested, initiator: Initiator, certificates: Certificates, edits: list[Edit], place: int
) -> None:
    """What answers nothing lets nobody in, and an honest user is served afterwards."""
    peer.start(**responding(certificates.theirs, gate(certificates, MSCHAP)))
    honest = initiating(certificates.ours, user(certificates, MSCHAP))
    plan = Plan.parse("\n".join(f"IKE_AUTH/request#{place}: {edit}" for edit in edits))
    sa = initiator.init(**honest, plan=plan)

    reply = sa.auth(patience=1.0)

    peer.observe(reply.outcome)
    assert peer.alive()
    assert initiator.probe(**honest), f"no honest IKE SA afterwards\n{sa}"


@case("AUT-24")
@rfc(3748, "4.2")
@pytest.mark.parametrize("place", [0, 1], ids=["the name", "the method"])
def test_takes_no_success_before_the_method_is_over(
    peer: Tested, responder: Responder, certificates: Certificates, place: int
) -> None:
    """EAP Success that comes early is discarded: the initiator goes on to no AUTH."""
    peer.start(**initiating(certificates.theirs, user(certificates, MSCHAP)))
    early = f"""
        IKE_AUTH/response#{place}: SK.EAP.code = 3
        IKE_AUTH/response#{place}: SK.EAP.type = None
        IKE_AUTH/response#{place}: SK.EAP.load = b''
    """
    gateway = responding(certificates.ours, gate(certificates, MSCHAP))
    responder.listen(**gateway, plan=Plan.parse(early))

    peer.initiate()
    responder.pump(lambda: len(responder.heard(Exchange.IKE_AUTH)) > 1 + place, 4.0)

    heard = responder.heard(Exchange.IKE_AUTH)
    assert heard, "the peer did not begin EAP"
    assert not any(p.kind == Payload.AUTH for s in heard for p in s.inner() or []), "AUTH, early"
    assert peer.alive()


# -- EAP alone (RFC 5998) --------------------------------------------------------------------


@case("AUT-23", "feature")
@rfc(5998, "3")
def test_does_without_its_own_signature_where_eap_proves_both(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """EAP_ONLY_AUTHENTICATION asked for: no AUTH before EAP, and the key proves both sides."""
    peer.start(**responding(certificates.theirs, gate(certificates, MSCHAP, only=True)))
    mine = initiating(certificates.ours, user(certificates, MSCHAP, only=True))

    sa = initiator.establish(**mine)

    first = next(s for s in sa.received() if s.message.exch_type == Exchange.IKE_AUTH)
    early = [p.kind for p in first.inner() or []]
    peer.observe("with AUTH" if Payload.AUTH in early else "without AUTH")
    assert sa.violations == []
    assert peer.disagreements(sa) == []
