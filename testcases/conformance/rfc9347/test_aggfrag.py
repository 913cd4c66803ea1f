"""AGGFRAG, agreed on by a notify (RFC 9347 5.1); what ESP makes of it is not tried."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers import typed
from ikelab.layers.iana import Notify, Payload

WANTED = Features(aggfrag=True)


@case("AGG-01", "feature")
@rfc(9347, "5.1")
def test_grants_aggfrag_to_who_asks(peer: Tested, initiator: Initiator) -> None:
    """USE_AGGFRAG in the response has its octet of flags, the reserved ones zero."""
    peer.start(features=WANTED)

    sa = initiator.establish(features=WANTED)

    said = sa.reply.notify(Notify.USE_AGGFRAG)
    assert said is not None, f"{sa.reply.names}\n{sa}"
    value = typed.read(typed.NOTIFY, Notify.USE_AGGFRAG, said.data)
    assert isinstance(value, typed.AggFrag) and not value.reserved, f"{said.data.hex()}\n{sa}"
    assert sa.violations == []


@case("AGG-01")
@rfc(9347, "5.1")
def test_grants_aggfrag_to_nobody_who_does_not_ask(peer: Tested, initiator: Initiator) -> None:
    """Without USE_AGGFRAG in the request there is none in the response."""
    peer.start(features=WANTED)

    sa = initiator.establish()

    assert sa.reply.notify(Notify.USE_AGGFRAG) is None, f"{sa.reply.names}\n{sa}"


@case("AGG-01")
@rfc(7296, "3.10.1")
def test_makes_the_child_whatever_it_makes_of_aggfrag(peer: Tested, initiator: Initiator) -> None:
    """USE_AGGFRAG is a status: who does not know it makes the child without."""
    peer.start()
    sa = initiator.init(features=WANTED)

    reply = sa.auth()

    if not reply.has(Payload.SA):
        peer.needs("child")
    assert (sa.established and reply.has(Payload.SA)) or reply.postponed, f"{reply.names}\n{sa}"
    assert sa.violations == []
