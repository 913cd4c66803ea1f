"""What an initiator does with answers that it must not follow (RFC 7296 1.2, 2.6, 3.3.6, 3.4)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, duplicate
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.negotiate import offers
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Payload
from ikelab.testcases.conformance.refusals import ENDING

CBC = "aes128-sha256-modp2048"
TWO_GROUPS, SECOND_GROUP = "aes128-sha256-modp2048-ecp256", "aes128-sha256-ecp256"
MORE = "aes256-aes128-sha256-prfsha384-prfsha256-modp2048"
NEVER_OFFERED = 15
MOST = 20  # requests after which nobody can say that they are limited


def group_of(request: Step) -> int:
    """The group of a request's KE payload."""
    found = [p for p in request.message.payloads if p.kind == Payload.KE]
    return int(found[0].group) if found else 0


def offered_groups(request: Step) -> set[int]:
    """The groups in a request's SA payload."""
    found = [p for p in request.message.payloads if p.kind == Payload.SA]
    return {t.id for payload in found for o in offers(payload) for t in o.suite.of(4)}


@case("INIT-14")
@rfc(7296, "1.2", "3.4")
def test_never_uses_a_group_that_it_did_not_offer(peer: Tested, responder: Responder) -> None:
    """INVALID_KE_PAYLOAD with another group than offered does not lead to KE of that group.

    A KE payload's group has to be among those of the SA payload beside it, and that holds all
    suites that the initiator accepts, whatever an unauthenticated answer says.
    """
    peer.start(ike=[TWO_GROUPS])
    wrong = NEVER_OFFERED.to_bytes(2, "big")
    plan = f"IKE_SA_INIT/response: N(INVALID_KE_PAYLOAD).notify = {wrong!r}"
    responder.listen(ike=[SECOND_GROUP], plan=plan)

    begin(peer, responder)
    responder.pump(lambda: len(responder.heard(Exchange.IKE_SA_INIT)) > 2, 2.0)

    requests = responder.heard(Exchange.IKE_SA_INIT)
    assert all(group_of(r) != NEVER_OFFERED for r in requests), "KE of a group never offered"
    assert all(NEVER_OFFERED not in offered_groups(r) for r in requests), "it offers that group now"
    assert peer.alive()


@case("INIT-15", "policy")
@rfc(7296, "1.2", "2.21.1")
def test_does_not_change_groups_without_end(peer: Tested, responder: Responder) -> None:
    """However often another group is asked for, the initiator comes to an end; how is recorded."""
    peer.start(ike=[TWO_GROUPS])
    responder.listen(ike=[SECOND_GROUP], conduct=Conduct().but("accept_ke_retry"))

    begin(peer, responder)
    responder.pump(lambda: len(responder.heard(Exchange.IKE_SA_INIT)) > MOST, 2.0)

    count = len(responder.heard(Exchange.IKE_SA_INIT))
    peer.observe(f"{count} requests within 2 s")
    assert 0 < count <= MOST, f"{count} requests"
    assert peer.alive()


ANSWERS = {
    "a PRF that was not offered": [at("SA.proposal[0].transform[1].transform_id").set(7)],
    "a cipher that was not offered": [at("SA.proposal[0].transform[0].transform_id").set(23)],
}
DOUBLED = {
    "two ciphers": [
        duplicate("SA.proposal[0].transform[0]"),
        at("SA.proposal[0].transform[1].key_length").set(256),
    ],
    "two PRFs": [
        duplicate("SA.proposal[0].transform[1]"),
        at("SA.proposal[0].transform[2].transform_id").set(6),
    ],
}


def begin(peer: Tested, responder: Responder) -> None:
    """Have the peer begin; returns with its first request, which some take seconds for."""
    peer.initiate()
    asked = responder.pump(lambda: bool(responder.heard(Exchange.IKE_SA_INIT)), 8.0)
    assert asked, "the peer sent no request"


def goes_on(peer: Tested, responder: Responder, edits: list[Edit], offer: str = CBC) -> bool:
    """Whether the peer sends IKE_AUTH after an answer with these edits."""
    peer.start(ike=[offer])
    plan = "\n".join(f"IKE_SA_INIT/response: {edit}" for edit in edits)
    responder.listen(ike=[CBC], plan=plan)

    begin(peer, responder)
    went_on = responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 0.6)

    assert peer.alive()
    return went_on


@case("INIT-16")
@rfc(7296, "3.3.6")
@pytest.mark.parametrize("edits", ANSWERS.values(), ids=ANSWERS)
def test_ends_when_the_answer_was_not_offered(
    peer: Tested, responder: Responder, edits: list[Edit]
) -> None:
    """The initiator ends the exchange when the accepted offer is none of its proposals."""
    went_on = goes_on(peer, responder, edits)

    assert not went_on, f"the peer went on with IKE_AUTH\n{responder.sessions[-1]}"


@case("INIT-16", "policy")
@rfc(7296, "3.3.1", "3.3.6")
def test_survives_an_answer_with_a_number_that_was_not_offered(
    peer: Tested, responder: Responder
) -> None:
    """Whether the initiator minds the number of the accepted proposal is recorded.

    RFC 7296 3.3.1 binds the responder; the suite itself is one that was offered.
    """
    went_on = goes_on(peer, responder, [at("SA.proposal[0].number").set(7)])

    peer.observe("it goes on" if went_on else "it ends the exchange")


@case("INIT-17")
@rfc(7296, "2.7", "3.3.6")
def test_ends_when_the_answer_has_two_proposals(peer: Tested, responder: Responder) -> None:
    """The initiator ends the exchange when the answer is not one of its proposals."""
    went_on = goes_on(peer, responder, [duplicate("SA.proposal[0]")])

    assert not went_on, f"the peer went on with IKE_AUTH\n{responder.sessions[-1]}"


@case("INIT-17", "policy")
@rfc(7296, "2.7", "3.3.6")
@pytest.mark.parametrize("edits", DOUBLED.values(), ids=DOUBLED)
def test_survives_an_answer_that_leaves_a_choice(
    peer: Tested, responder: Responder, edits: list[Edit]
) -> None:
    """Whether the initiator minds two transforms of one type, both offered, is recorded.

    RFC 7296 2.7 asks the responder for exactly one; 3.3.6 has the initiator check that the answer
    is consistent with one of its proposals, and a part of one that leaves a choice may be.
    """
    went_on = goes_on(peer, responder, edits, MORE)

    peer.observe("it goes on" if went_on else "it ends the exchange")


@case("INIT-18")
@rfc(7296, "3.3.5", "3.3.6")
def test_ends_when_the_key_length_was_not_offered(peer: Tested, responder: Responder) -> None:
    """Attributes come back unchanged: another key length than offered ends the exchange."""
    went_on = goes_on(peer, responder, [at("SA.proposal[0].transform[0].key_length").set(256)])

    assert not went_on, f"the peer went on with IKE_AUTH\n{responder.sessions[-1]}"


@case("INIT-29", "SHOULD")
@rfc(7296, "2.6")
@pytest.mark.parametrize("kind", ["COOKIE", "INVALID_KE_PAYLOAD"])
def test_follows_a_refusal_with_a_responder_spi(
    peer: Tested, responder: Responder, kind: str
) -> None:
    """A COOKIE or INVALID_KE_PAYLOAD is not rejected only because its SPIr is not zero."""
    peer.start(ike=[TWO_GROUPS])
    cookies = kind == "COOKIE"
    ike = [TWO_GROUPS] if cookies else [SECOND_GROUP]
    conduct = Conduct().but("zero_spi_in_refusals")
    responder.listen(ike=ike, cookies=cookies, conduct=conduct)

    peer.initiate()
    sa = responder.accept()

    assert len(responder.heard(Exchange.IKE_SA_INIT)) > 1, f"nothing was refused\n{sa}"
    assert sa.violations == []


@case("INF-05")
@rfc(7296, "3.10.1")
def test_takes_an_unknown_error_for_a_failure(
    peer: Tested, responder: Responder, initiator: Initiator
) -> None:
    """An unknown error notify in a response means that the request failed entirely."""
    peer.start()
    responder.listen(plan='IKE_AUTH/response: insert("SK", payload=notify(1000))')

    peer.initiate()
    asked = responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 8.0)
    assert asked, "the peer sent no IKE_AUTH"
    sa = responder.sessions[-1]
    sa.wait(lambda: not sa.established, 1.0)

    def failed() -> bool:
        kept = peer.sa(sa)
        return kept is None or kept.state != "ESTABLISHED"

    assert sa.wait(failed, 4.0), f"the request is taken as done\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


FATES = {
    "NO_PROPOSAL_CHOSEN": 14,
    "SINGLE_PAIR_REQUIRED": 34,
    "INTERNAL_ADDRESS_FAILURE": 36,
    "FAILED_CP_REQUIRED": 37,
    "TS_UNACCEPTABLE": 38,
}


@case("INF-10")
@rfc(7296, "1.2", "2.21.2")
@pytest.mark.parametrize("error", FATES)
def test_does_not_fail_authentication_for_a_lack_of_child(
    peer: Tested, responder: Responder, error: str
) -> None:
    """When the responder refuses the child alone, the initiator keeps the IKE SA or deletes it.

    It must not fail the authentication; to delete the IKE SA later is its right.
    """
    peer.start(esp=["aes128gcm16"])
    responder.listen(
        esp=["aes256-sha512"], plan=f"IKE_AUTH/response: SK.N[0].type = {FATES[error]}"
    )

    peer.initiate()
    sa = responder.accept()
    sa.wait(lambda: not sa.established, 0.6)

    def deleted() -> bool:
        return any(p.kind == Payload.D for s in sa.received() for p in s.inner() or [])

    def decided() -> bool:
        seen = peer.sa(sa)
        return seen is None or seen.state in ("ESTABLISHED", *ENDING)

    sa.wait(decided, 8.0)
    view = peer.sa(sa)
    gone = view is None or view.state in ENDING
    peer.observe("deleted" if gone else "kept")
    assert not gone or sa.wait(deleted, 4.0), f"the IKE SA is gone without a Delete\n{sa}"
    failed = [s.text() for s in sa.received() if "AUTHENTICATION_FAILED" in s.text()]
    assert not failed, f"the authentication was failed\n{sa}"
    assert view is None or gone or (view.state == "ESTABLISHED" and not view.children)
