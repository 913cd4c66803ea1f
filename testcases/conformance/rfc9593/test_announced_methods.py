"""Authentication methods that a side announces (RFC 9593)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange import small
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import AuthMethod, Exchange, Payload
from ikelab.testcases.conformance.refusals import refused

SHARED = int(AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE)
DIGITAL = int(AuthMethod.DIGITAL_SIGNATURE)


@case("AUT-25", "feature")
@rfc(9593, "3.1", "3.2")
def test_announces_its_methods(peer: Tested, initiator: Initiator) -> None:
    """SUPPORTED_AUTH_METHODS in IKE_SA_INIT can be read, and holds what it is told to take."""
    peer.start(features=Features(methods=(SHARED, DIGITAL)))

    sa = initiator.establish(features=Features(methods=(SHARED,)))

    assert small.heard_methods(sa.sa) == (SHARED, DIGITAL), f"{sa}"
    assert sa.violations == []


@case("AUT-25")
@rfc(9593, "3.1")
def test_proves_itself_by_an_announced_method_only(peer: Tested, responder: Responder) -> None:
    """With nothing in common it sends no AUTH of a method that was not announced."""
    peer.start(features=Features(methods=(SHARED,)))
    responder.listen(features=Features(methods=(DIGITAL,)))

    peer.initiate()
    begun = responder.pump(lambda: bool(responder.heard(Exchange.IKE_SA_INIT)), 8.0)
    assert begun, "the peer sent no request"
    responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 1.0)

    sent = [p for s in responder.heard(Exchange.IKE_AUTH) for p in s.inner() or []]
    assert SHARED not in [p.auth_type for p in sent if p.kind == Payload.AUTH], "a shared key"


@case("AUT-25")
@rfc(9593, "3.1")
def test_refuses_who_takes_none_of_its_methods(peer: Tested, initiator: Initiator) -> None:
    """An initiator that announces other methods only gets no AUTH of the responder."""
    peer.start(features=Features(methods=(SHARED,)))
    sa = initiator.init(features=Features(methods=(DIGITAL,)))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe()
