"""Gateways that send their initiators away, and initiators that go (RFC 5685)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange import redirect
from ikelab.harness.exchange.features import Features, Redirect
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers import typed
from ikelab.layers.iana import Exchange, GatewayId, Notify, Payload

FOLLOWS = Features(follow_redirects=True)
INIT = Exchange.IKE_SA_INIT
ELSEWHERE = "10.0.0.99"
LATE = 8.0  # seconds within which what has to come has come, on a slow machine too
GATEWAYS = 12  # more than twice the default of RFC 5685 7


def said(step: Step, kind: int) -> bytes | None:
    """The data of a notify of a first message."""
    payloads = [p for p in step.message.payloads if p.kind == Payload.N and p.type == kind]
    return bytes(payloads[0].notify) if payloads else None


def arrivals(responder: Responder, address: str) -> list[Step]:
    """The first requests that came to this address of ours."""
    return [step for step in responder.heard(INIT) if step.dst[0] == address]


# -- the peer is sent away -------------------------------------------------------------------


@case("RED-01", "feature")
@rfc(5685, "3", "9.3")
def test_goes_where_it_is_sent_in_ike_sa_init(peer: Tested, responder: Responder) -> None:
    """REDIRECT with its own nonce: it begins anew there, and says where it comes from."""
    peer.start(features=FOLLOWS)
    other = responder.spare()
    responder.listen(features=Features(redirect=Redirect(other)))
    peer.initiate()
    assert responder.pump(lambda: bool(responder.heard(INIT)), LATE), "the peer sent no request"
    first = responder.heard(INIT)[0]
    assert said(first, Notify.REDIRECT_SUPPORTED) is not None, "REDIRECT_SUPPORTED is missing"
    responder.listen()

    assert responder.pump(lambda: bool(arrivals(responder, other)), LATE), "it did not come"
    sa = responder.accept()

    assert sa.sa.local[0] == other
    origin = said(arrivals(responder, other)[0], Notify.REDIRECTED_FROM)
    assert origin == redirect.gateway(first.dst[0]), f"REDIRECTED_FROM is {origin!r}\n{sa}"
    assert sa.violations == []


@case("RED-01", "feature")
@rfc(5685, "6")
def test_goes_where_it_is_sent_in_ike_auth(peer: Tested, responder: Responder) -> None:
    """REDIRECT beside AUTH: the IKE SA ends, and another one begins there."""
    peer.start(features=FOLLOWS)
    other = responder.spare()
    responder.listen(features=Features(redirect=Redirect(other, "auth")))
    peer.initiate()

    came = responder.pump(lambda: bool(arrivals(responder, other)), LATE)
    assert peer.alive(), "it died of REDIRECT"
    assert came, "it did not come"
    assert said(arrivals(responder, other)[0], Notify.REDIRECTED_FROM) is not None


@case("RED-01", "feature")
@rfc(5685, "5")
def test_goes_where_it_is_sent_later(peer: Tested, responder: Responder) -> None:
    """REDIRECT in INFORMATIONAL is answered; then it goes, and the old IKE SA is deleted."""
    peer.start(features=FOLLOWS)
    other = responder.spare()
    responder.listen()
    peer.initiate()
    sa = responder.accept()

    redirect.send(sa.sa, other, responder.transport.clock())

    assert responder.pump(lambda: bool(arrivals(responder, other)), LATE), "it did not come"
    answered = sa.wait(lambda: sa.sa.last_response is not None, LATE)
    assert answered, f"REDIRECT was not answered\n{sa}"
    assert sa.wait(lambda: sa.state is State.CLOSED, LATE), f"the old IKE SA stays\n{sa}"


WRONG = {
    "another nonce": bytes(32),
    "no nonce": b"",
    "a longer nonce": bytes(300),
}


@case("RED-02")
@rfc(5685, "3")
@pytest.mark.parametrize("nonce", WRONG.values(), ids=WRONG)
def test_ignores_a_redirect_with_another_nonce(
    peer: Tested, responder: Responder, nonce: bytes
) -> None:
    """Who has not seen its request sends it nowhere."""
    peer.start(features=FOLLOWS)
    other = responder.spare()
    responder.listen(features=Features(redirect=Redirect(other, nonce=nonce)))

    peer.initiate()

    assert responder.pump(lambda: bool(responder.heard(INIT)), LATE), "the peer sent no request"
    assert not responder.pump(lambda: bool(arrivals(responder, other)), 1.0), "it came"
    assert peer.alive()


ODD = {
    "an unknown type": bytes([77, 4, 192, 0, 2, 1]),
    "nothing": b"",
    "a length beyond the payload": bytes([1, 200, 192, 0, 2, 1]),
    "an address of three octets": bytes([1, 3, 192, 0, 2]),
    "a name of no octets": bytes([GatewayId.FQDN, 0]),
}


@case("RED-02", "policy")
@rfc(5685, "3", "9.2")
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_survives_a_redirect_to_nowhere(peer: Tested, responder: Responder, data: bytes) -> None:
    """An identity that is none is followed by nobody, and an honest gateway serves it later."""
    peer.start(features=FOLLOWS)
    plan = f"IKE_SA_INIT/response: N(REDIRECT).notify = {data!r}"
    responder.listen(features=Features(redirect=Redirect(ELSEWHERE)), plan=plan)
    peer.initiate()
    assert responder.pump(lambda: bool(responder.heard(INIT)), LATE), "the peer sent no request"
    responder.pump(lambda: False, 0.5)

    peer.start(features=FOLLOWS)
    responder.listen()
    peer.initiate()

    assert responder.accept().established


@case("RED-01", "SHOULD")
@rfc(5685, "7")
def test_does_not_follow_redirects_without_end(peer: Tested, responder: Responder) -> None:
    """Two gateways that send it to each other are left alone after a few times.

    Five in five minutes is the RFC's default alone, so twelve are let pass and the number is told.
    """
    peer.start(features=FOLLOWS)
    other = responder.spare()

    def there(address: str) -> None:
        responder.listen(features=Features(redirect=Redirect(address)))

    there(other)
    peer.initiate()
    seen = [0]
    for _ in range(20):
        if not responder.pump(lambda: len(responder.heard(INIT)) > seen[-1], 2.0):
            break
        seen.append(len(responder.heard(INIT)))
        # The next request comes to the other address, and is sent back to this one.
        there(responder.heard(INIT)[-1].dst[0])

    gateways = {(step.dst[0], bytes(step.message.init_SPI)) for step in responder.heard(INIT)}
    peer.observe(f"{len(gateways)} gateways tried, of {GATEWAYS} let pass")
    if len(gateways) < 2:
        raise Unsupported("it follows no redirect")
    assert len(gateways) <= GATEWAYS, f"{len(gateways)} gateways were tried"
    assert peer.alive()


# -- the peer sends us away ------------------------------------------------------------------


@case("RED-01", "feature")
@rfc(5685, "3")
def test_sends_an_initiator_away_in_ike_sa_init(peer: Tested, initiator: Initiator) -> None:
    """REDIRECT in place of an IKE SA names the gateway and repeats the nonce; SPIr is zero."""
    peer.start(features=Features(redirect=Redirect(ELSEWHERE)))
    sa = initiator.session(features=FOLLOWS)

    def answered() -> list[Step]:
        return [step for step in sa.received() if step.message.exch_type == INIT]

    sa.init(patience=0.5)
    sa.wait(lambda: bool(answered()), LATE)

    answers = answered()
    assert answers, f"no answer\n{sa}"
    data = said(answers[0], Notify.REDIRECT)
    nonce = next(bytes(p.nonce) for p in sa.sent()[0].message.payloads if p.kind == Payload.NONCE)
    assert data == redirect.gateway(ELSEWHERE, nonce), f"REDIRECT is {data!r}\n{sa}"
    assert not any(answers[0].message.resp_SPI), f"SPIr is not zero\n{sa}"


@case("RED-01", "feature")
@rfc(5685, "6")
def test_sends_an_initiator_away_in_ike_auth(peer: Tested, initiator: Initiator) -> None:
    """REDIRECT beside its AUTH, without a nonce."""
    peer.start(features=Features(redirect=Redirect(ELSEWHERE, "auth")))
    sa = initiator.init(features=FOLLOWS)

    reply = sa.auth()

    came = reply.notify(Notify.REDIRECT)
    assert reply.has(Payload.AUTH), f"{reply.names}\n{sa}"
    assert came is not None and came.data == redirect.gateway(ELSEWHERE), f"{reply.names}\n{sa}"


@case("RED-01", "feature")
@rfc(5685, "5")
def test_sends_an_initiator_away_later(peer: Tested, initiator: Initiator) -> None:
    """REDIRECT in an INFORMATIONAL request of its own names the gateway."""
    peer.start()
    sa = initiator.establish(features=FOLLOWS)

    peer.redirect(ELSEWHERE)

    def asked() -> bytes | None:
        for step in sa.received():
            for payload in step.inner() or []:
                if payload.kind == Payload.N and payload.type == Notify.REDIRECT:
                    return bytes(payload.notify)
        return None

    assert sa.wait(lambda: asked() is not None, LATE), f"no REDIRECT came\n{sa}"
    value = typed.read(typed.NOTIFY, Notify.REDIRECT, asked() or b"")
    assert value == typed.Gateway(GatewayId.IPV4_ADDRESS, ELSEWHERE), f"{value}\n{sa}"


@case("RED-01")
@rfc(5685, "3")
def test_sends_nobody_away_who_does_not_follow(peer: Tested, initiator: Initiator) -> None:
    """Without REDIRECT_SUPPORTED there is no REDIRECT; what else it says, or nothing, is told."""
    peer.start(features=Features(redirect=Redirect(ELSEWHERE)))
    sa = initiator.session()

    sa.init()
    if sa.state is State.INIT_DONE:
        sa.auth()

    peer.observe(sa.reply.outcome)
    received = [p for step in sa.received() for p in step.inner() or step.message.payloads]
    sent_away = [p for p in received if p.kind == Payload.N and p.type == Notify.REDIRECT]
    assert not sent_away, f"REDIRECT, unasked\n{sa}"
    assert peer.alive()
