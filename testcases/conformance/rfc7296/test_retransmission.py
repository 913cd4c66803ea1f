"""Retransmission, and what it must not do twice (RFC 7296 2.1, 2.4)."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify
from ikelab.layers.notify import IKEv2_Notify
from ikelab.testcases.each_once import exchanged
from ikelab.testcases.rekeys import agreed


@case("MID-04")
@rfc(7296, "2.1", "2.4")
def test_repeats_its_request_unchanged_and_less_often(peer: Tested, responder: Responder) -> None:
    """Without a response the same octets come again, after growing times."""
    peer.start()
    responder.listen(plan="IKE_AUTH/response: wire.drop()")

    peer.initiate()
    # How long it waits at first is its own affair (OpenIKED: 2 s), and may be so twice (Libreswan).
    responder.pump(lambda: len(responder.heard(Exchange.IKE_AUTH)) >= 4, 15.0)

    requests = responder.heard(Exchange.IKE_AUTH)
    talk = "\n".join(str(s) for s in responder.sessions)
    assert len(requests) >= 3, f"{len(requests)} requests within 15 s\n{talk}"
    assert len({r.data for r in requests}) == 1, f"the repetitions differ\n{talk}"
    gaps = [after.now - before.now for before, after in pairwise(requests)]
    waited = " s, ".join(f"{gap:.2f}" for gap in gaps)
    # Of all pairs: a busy machine may hear of one of them late, which makes two of the times wrong.
    assert any(b > a * 1.2 for a, b in combinations(gaps, 2)), f"waited {waited} s\n{talk}"


@case("MID-12")
@rfc(7296, "2.1")
def test_makes_one_sa_of_doubled_requests(peer: Tested, initiator: Initiator) -> None:
    """Each request that comes twice at once is carried out once."""
    peer.start()

    sa = initiator.establish(plan="*/request: wire.duplicate(2)")
    sa.inform()

    mine = [view for view in peer.view().sas if view.spis.i == sa.spis.i]
    assert len(mine) == 1, f"the peer has {len(mine)} IKE SAs of one initiator SPI\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("MID-13")
@rfc(7296, "2.1")
def test_makes_one_sa_of_an_ike_auth_sent_three_times(peer: Tested, initiator: Initiator) -> None:
    """IKE_AUTH that comes again and again, before and after its response, makes one IKE SA."""
    peer.start()

    sa = initiator.establish(plan="IKE_AUTH/request: wire.duplicate(3, gap=0.15)")
    sa.wait(lambda: False, 0.5)

    answers = {s.data for s in sa.received() if s.message.exch_type == Exchange.IKE_AUTH}
    assert len(answers) == 1, f"{len(answers)} different responses\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("MID-13")
@rfc(7296, "2.1")
def test_takes_one_of_two_responses(peer: Tested, responder: Responder) -> None:
    """A response that comes late and then again, for the repeated request, makes one IKE SA."""
    peer.start()
    responder.listen(plan="IKE_AUTH/response: wire.delay(1.2)")

    peer.initiate()
    sa = responder.accept()
    sa.wait(lambda: False, 1.4)
    agreed(peer, sa)

    mine = [view for view in peer.view().sas if view.spis == sa.spis]
    assert len(mine) == 1, f"the peer has {mine}\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("MID-14", "policy")
@rfc(7296, "2", "2.1")
@pytest.mark.parametrize("exchange", ["IKE_SA_INIT", "IKE_AUTH"])
def test_copes_with_a_response_that_comes_late(
    peer: Tested, responder: Responder, exchange: str
) -> None:
    """Whichever response is lost the first time, the IKE SA comes up with the repetition."""
    peer.start()
    responder.listen(plan=f"{exchange}/response: wire.delay(30)")

    peer.initiate()
    sa = responder.accept()

    assert sa.violations == []
    agreed(peer, sa)


@case("MID-06")
@rfc(7296, "2.1", "2.2")
def test_does_not_carry_out_an_old_request_again(peer: Tested, initiator: Initiator) -> None:
    """A request whose message ID is past gets its stored response or nothing."""
    peer.start()
    sa = initiator.establish()
    request = sa.sa.window.next_request
    sa.create_child()
    asked, answer = exchanged(sa, request)
    sa.inform()
    sa.inform()
    children = len(sa.children)

    again = sa.throw(asked.data, patience=0.5)

    assert set(again) <= {answer}, f"another response came\n{sa}"
    view = peer.sa(sa)
    assert view is not None and len(view.children) == children, f"the peer has {view}\n{sa}"
    assert peer.disagreements(sa) == []


@case("MID-03")
@rfc(7296, "2.1", "2.2")
def test_does_not_take_other_octets_under_the_same_message_id(
    peer: Tested, initiator: Initiator
) -> None:
    """What comes under the message ID of an answered request is no new request."""
    peer.start()
    sa = initiator.establish()
    _, answer = exchanged(sa, 1)

    came = sa.send_as(1, [IKEv2_Notify(type=Notify.INITIAL_CONTACT)])

    assert {s.data for s in came} <= {answer}, f"it was processed as new\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("MID-11", "policy")
@rfc(7296, "2.1", "2.2")
def test_makes_nothing_of_a_replayed_conversation(peer: Tested, initiator: Initiator) -> None:
    """Every datagram of a conversation that is over, sent once more, brings nothing up."""
    peer.start()
    sa = initiator.establish()
    sa.inform()
    sa.close()
    sa.wait(lambda: peer.sa(sa) is None)

    for step in sa.sent():
        sa.throw(step.data, patience=0.2)

    left = [v for v in peer.view().sas if v.state == "ESTABLISHED" and v.spis.i == sa.spis.i]
    assert left == [], f"the peer has {left}\n{sa}"
    assert initiator.probe()
