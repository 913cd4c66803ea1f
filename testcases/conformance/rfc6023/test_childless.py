"""IKE SAs that begin without a child (RFC 6023)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload

CHILDLESS = Features(childless=True)


def asked_for_a_child(responder: Responder) -> bool:
    """Whether the peer's IKE_AUTH holds an SA payload."""
    heard = responder.heard(Exchange.IKE_AUTH)
    assert heard, "the peer sent no IKE_AUTH"
    return any(p.kind == Payload.SA for p in heard[0].inner() or [])


@case("CHL-01", "feature")
@rfc(6023, "3", "4")
def test_takes_ike_auth_without_a_child(peer: Tested, initiator: Initiator) -> None:
    """It announces that, and answers with IDr and AUTH alone; a child can be made later."""
    peer.start(features=CHILDLESS)
    sa = initiator.init(features=CHILDLESS)
    assert sa.reply.notify(Notify.CHILDLESS_IKEV2_SUPPORTED) is not None, f"not announced\n{sa}"

    reply = sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    kinds = {p.kind for p in reply.payloads}
    assert not kinds & {Payload.SA, Payload.TSI, Payload.TSR}, f"{reply.names}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CHL-01", "feature")
@rfc(6023, "4")
def test_makes_the_child_later(peer: Tested, initiator: Initiator) -> None:
    """CREATE_CHILD_SA makes the first child of a childless IKE SA."""
    peer.start(features=CHILDLESS)
    sa = initiator.establish(features=CHILDLESS)

    reply = sa.create_child()

    assert reply.has(Payload.SA), f"{reply.outcome}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CHL-01", "feature")
@rfc(6023, "4")
def test_begins_without_a_child(peer: Tested, responder: Responder) -> None:
    """As initiator it leaves SA, TSi and TSr out where the responder can do without."""
    peer.start(features=CHILDLESS)
    responder.listen(features=CHILDLESS)

    peer.initiate()
    sa = responder.accept()

    assert not asked_for_a_child(responder), f"it asks for a child\n{sa}"
    assert sa.violations == []


@case("CHL-01")
@rfc(6023, "4")
def test_asks_for_a_child_where_the_responder_needs_one(peer: Tested, responder: Responder) -> None:
    """Without CHILDLESS_IKEV2_SUPPORTED IKE_AUTH has its SA, TSi and TSr."""
    peer.start(features=CHILDLESS)
    responder.listen()

    peer.initiate()
    responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 8.0)

    assert asked_for_a_child(responder), "IKE_AUTH without a child"
