"""Retransmissions and liveness (RFC 7296 1.4, 2.1 to 2.4)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.testcases.each_once import exchanged


@case("MID-01")
@rfc(7296, "2.1")
def test_answers_a_repeated_ike_sa_init_the_same_way(peer: Tested, initiator: Initiator) -> None:
    """The same IKE_SA_INIT request twice gets the same response twice."""
    peer.start()
    sa = initiator.init()
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    request, answer = exchanged(sa, 0)

    again = sa.repeat(request)

    assert again == [answer], f"{len(again)} other answers came\n{sa}"


@case("MID-02")
@rfc(7296, "2.1")
def test_answers_a_repeated_ike_auth_the_same_way(peer: Tested, initiator: Initiator) -> None:
    """The same IKE_AUTH request twice gets a byte-identical response, and there is one SA."""
    peer.start()
    sa = initiator.establish()
    request, answer = exchanged(sa, 1)

    again = sa.repeat(request)

    assert again == [answer], f"{len(again)} other answers came\n{sa}"
    if peer.tells:
        mine = [v for v in peer.view().sas if v.spis == sa.spis]
        assert len(mine) == 1, f"the peer has {mine}\n{sa}"
    assert peer.disagreements(sa) == []


@case("LIV-01")
@rfc(7296, "1.4", "2.4")
def test_answers_a_liveness_check(peer: Tested, initiator: Initiator) -> None:
    """An empty INFORMATIONAL request gets an empty response."""
    peer.start()
    sa = initiator.establish()

    reply = sa.inform()

    assert not reply.silent, f"no answer to the liveness check\n{sa}"
    assert reply.protected and reply.names == [], f"the response holds {reply.names}\n{sa}"
    assert sa.violations == []


@case("LIV-01")
@rfc(7296, "1.4", "2.4")
def test_answers_a_liveness_check_as_original_initiator(peer: Tested, responder: Responder) -> None:
    """The original initiator answers an empty INFORMATIONAL request too."""
    peer.start()
    responder.listen()
    peer.initiate()
    sa = responder.accept()

    reply = sa.inform()

    assert not reply.silent, f"no answer to the liveness check\n{sa}"
    assert reply.protected and reply.names == [], f"the response holds {reply.names}\n{sa}"
    assert sa.violations == []
