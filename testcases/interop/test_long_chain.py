"""A certificate chain of 8 KiB over a path of 576 octets: only fragments of RFC 7383 carry it."""

from __future__ import annotations

from functools import cache

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pki import Certificates, Pki
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload

PATH = 576  # octets of an IP datagram
CHAIN = 8192
ORDERS = {
    "in order": "",
    "last first": "wire.reverse()",
    "each twice": "wire.duplicate(2)",
    "last first, each twice": "wire.reverse()\n{target}wire.duplicate(2)",
}


@cache
def pki() -> Pki:
    """Two intermediates with much to say."""
    return Pki(depth=2, bulk=2400, seed=576)


def plan(target: str, order: str) -> Plan:
    """What happens to the fragments of our IKE_AUTH on their way."""
    text = ORDERS[order]
    return Plan.parse(target + text.format(target=target)) if text else Plan()


def assert_carried(peer: Tested, sa: Session) -> None:
    """Both chains went through in fragments that fit the path."""
    largest = max(len(step.data) for step in sa.transcript)
    assert largest <= PATH - 20 - 8, f"a message of {largest} octets does not fit\n{sa}"
    for steps in (sa.sent(), sa.received()):
        fragments = [s for s in steps if any(p.kind == Payload.SKF for p in s.message.payloads)]
        assert len(fragments) > CHAIN // PATH, f"{len(fragments)} fragments\n{sa}"
    sent = next(s.plain for s in sa.sent() if s.plain and len(s.plain) > 1000)
    assert len(sent) >= CHAIN
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("FRG-01")
@rfc(7383, "2.5", "2.6")
@pytest.mark.parametrize("order", ORDERS)
def test_a_long_chain_of_ours_arrives(peer: Tested, initiator: Initiator, order: str) -> None:
    """Our chain and the peer's both come through, in whatever order ours arrive."""
    both = Certificates(pki(), "initiator")
    peer.start(fragment=PATH, **both.theirs())

    sa = initiator.establish(fragment=PATH, plan=plan("IKE_AUTH/request: ", order), **both.ours())

    assert_carried(peer, sa)


@case("FRG-01")
@rfc(7383, "2.5", "2.6")
@pytest.mark.parametrize("order", ORDERS)
def test_a_long_chain_of_the_initiator_arrives(
    peer: Tested, responder: Responder, order: str
) -> None:
    """The same with the peer as initiator."""
    both = Certificates(pki(), "responder")
    peer.start(fragment=PATH, **both.theirs())
    responder.listen(fragment=PATH, plan=plan("IKE_AUTH/response: ", order), **both.ours())

    peer.initiate()
    sa = responder.accept()

    assert_carried(peer, sa)
