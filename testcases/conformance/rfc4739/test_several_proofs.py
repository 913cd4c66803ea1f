"""An initiator that proves itself more than once (RFC 4739)."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.features import Features, Round
from ikelab.harness.model import Identity
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.eap import EapType
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.conformance.eap import gate, user
from ikelab.testcases.conformance.refusals import refused
from ikelab.testcases.rekeys import agreed

MSCHAP = EapType.MSCHAPV2
SECOND = Identity.parse("second@ikelab.test")


def twice(certificates: Certificates, **own: Any) -> Features:
    """A proof by EAP behind the first one."""
    return Features(more=(Round(SECOND, user(certificates, MSCHAP, **own)),))


def wants_twice(certificates: Certificates) -> Features:
    """The same from the responder's side."""
    return Features(more_trust=(gate(certificates, MSCHAP),))


@case("AUT-21", "feature")
@rfc(4739, "2.1", "2.2")
def test_takes_a_certificate_and_then_eap(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """MULTIPLE_AUTH_SUPPORTED is in IKE_SA_INIT, and the child comes with the last AUTH."""
    peer.start(**certificates.theirs(), features=wants_twice(certificates))

    sa = initiator.establish(**certificates.ours(), features=twice(certificates))

    assert sa.sa.rounds.number == 1, f"one proof was enough\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-21", "feature")
@rfc(4739, "2.1", "2.2")
def test_proves_itself_with_a_certificate_and_then_by_eap(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """ANOTHER_AUTH_FOLLOWS goes with the first AUTH, and another IDi begins the second proof."""
    peer.start(**certificates.theirs(), features=twice(certificates))
    responder.listen(**certificates.ours(), features=wants_twice(certificates))

    peer.initiate()
    sa = responder.accept()

    assert sa.sa.rounds.number == 1, f"it proved itself once\n{sa}"
    assert sa.violations == []
    agreed(peer, sa)


@case("AUT-21")
@rfc(4739, "2.2")
@pytest.mark.parametrize("second", ["none", "a wrong password", "a wrong key at the end"])
def test_refuses_one_proof_of_two(
    peer: Tested, initiator: Initiator, certificates: Certificates, second: str
) -> None:
    """Whose policy asks for two proofs is not content with the first."""
    peer.start(**certificates.theirs(), features=wants_twice(certificates))
    wrong = twice(certificates, key=b"another key")
    if second == "a wrong password":
        known = user(certificates, MSCHAP)
        wrong = Features(more=(Round(SECOND, type(known)(known.name, b"wrong", known.methods)),))
    features = Features() if second == "none" else wrong
    sa = initiator.init(**certificates.ours(), features=features)

    sa.auth()

    assert not sa.established or peer.sa(sa) is None or sa.children == [], f"it is up\n{sa}"
    if second != "none":
        refused(peer, sa, sa.reply)
    assert initiator.probe(**certificates.ours(), features=twice(certificates))


@case("AUT-21")
@rfc(4739, "2.1")
def test_says_nothing_of_a_second_proof_to_who_does_not_know_it(
    peer: Tested, responder: Responder, certificates: Certificates
) -> None:
    """Without MULTIPLE_AUTH_SUPPORTED of the responder there is no ANOTHER_AUTH_FOLLOWS."""
    peer.start(**certificates.theirs(), features=twice(certificates))
    responder.listen(**certificates.ours())

    peer.initiate()
    responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 4.0)

    heard = responder.heard(Exchange.IKE_AUTH)
    if not heard:
        peer.observe("it goes no further without a second proof")
    told = [p.type for s in heard for p in s.inner() or [] if p.kind == Payload.N]
    assert Notify.ANOTHER_AUTH_FOLLOWS not in told, "ANOTHER_AUTH_FOLLOWS"
    assert peer.alive()
