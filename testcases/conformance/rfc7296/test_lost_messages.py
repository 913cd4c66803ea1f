"""Every message of the first exchanges is lost once: who began says it again (RFC 7296 2.1)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange
from ikelab.testcases.on_path import Loss, meddle
from ikelab.testcases.rekeys import agreed

FIRST = [Exchange.IKE_SA_INIT, Exchange.IKE_AUTH]
REPETITION = 20.0  # seconds; a daemon repeats a request after four


@case("MID-14")
@rfc(7296, "2.1")
@pytest.mark.parametrize("response", [False, True], ids=["request", "response"])
@pytest.mark.parametrize("exchange", FIRST, ids=lambda exchange: exchange.name)
def test_answers_when_a_message_was_lost(
    peer: Tested, initiator: Initiator, exchange: Exchange, response: bool
) -> None:
    """Our request or its response is lost: the request comes again, and is answered."""
    peer.start()
    on_path = meddle(initiator)
    on_path.lose(Loss(ours=not response, response=response, exchange=exchange))
    sa = initiator.session()
    sa.init(patience=REPETITION)
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.auth(patience=REPETITION)

    assert on_path.losses == [], "nothing was lost"
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert sa.violations == []
    agreed(peer, sa)


@case("MID-14")
@rfc(7296, "2.1")
@pytest.mark.parametrize("response", [False, True], ids=["request", "response"])
@pytest.mark.parametrize("exchange", FIRST, ids=lambda exchange: exchange.name)
def test_asks_again_when_a_message_was_lost(
    peer: Tested, responder: Responder, exchange: Exchange, response: bool
) -> None:
    """Its request or our response is lost: it has to send the request again."""
    peer.start()
    on_path = meddle(responder)
    on_path.lose(Loss(ours=response, response=response, exchange=exchange))
    responder.listen()

    peer.initiate()
    sa = responder.accept(REPETITION)

    assert on_path.losses == [], "nothing was lost"
    assert sa.violations == []
    agreed(peer, sa)
