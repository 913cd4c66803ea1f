"""What comes before IKE_AUTH is over: nothing is made of it, and nothing breaks."""

from __future__ import annotations

import struct

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Payload

INITIATOR = 0x08
WAIT = 0.8  # seconds of silence that stand for "no answer"
BOGUS = {
    "of nothing": (0, b""),
    "of a notify in clear": (Payload.N, bytes.fromhex("0000000800004000")),
    "of SK without content": (Payload.SK, bytes.fromhex("00000004")),
    "of noise in SK": (Payload.SK, bytes.fromhex("29000064") + bytes(range(96))),
}


def begun(initiator: Initiator) -> Session:
    """An IKE SA of which there is IKE_SA_INIT and no more."""
    sa = initiator.init()
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    return sa


@case("REG-01", "policy")
@rfc(7296, "1.4", "2.21.2")
@pytest.mark.parametrize("exchange", [Exchange.INFORMATIONAL, Exchange.CREATE_CHILD_SA],
                         ids=lambda e: e.name)  # fmt: skip
@pytest.mark.parametrize("name", BOGUS)
def test_survives_bogus_messages_in_place_of_ike_auth(
    peer: Tested, initiator: Initiator, name: str, exchange: Exchange
) -> None:
    """After IKE_SA_INIT comes something else than IKE_AUTH, and no keys were needed to make it."""
    peer.start()
    sa = begun(initiator)
    kind, body = BOGUS[name]
    header = struct.pack(
        "!8s8sBBBBII", sa.spis.i, sa.spis.r, kind, 0x20, exchange, INITIATOR, 1, 28 + len(body)
    )

    came = sa.throw(header + body, patience=WAIT)

    peer.observe("answered" if came else "dropped")
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("REG-01", "policy")
@rfc(7296, "1.4", "2.21.2")
def test_survives_an_informational_exchange_in_place_of_ike_auth(
    peer: Tested, initiator: Initiator
) -> None:
    """The same with the keys of IKE_SA_INIT: an empty request in SK."""
    peer.start()
    sa = begun(initiator)

    reply = sa.inform(patience=WAIT)

    peer.observe(reply.outcome)
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("REG-02")
@rfc(7296, "1.3", "2.18")
def test_rekeys_no_ike_sa_of_strangers(peer: Tested, initiator: Initiator) -> None:
    """A rekey of an IKE SA that nobody has authenticated makes no IKE SA."""
    peer.start()
    sa = begun(initiator)

    following = sa.rekey(patience=WAIT)

    assert not sa.reply.has(Payload.SA), f"an IKE SA came up before IKE_AUTH\n{sa}"
    assert following is None or not following.established, f"{following}"
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("REG-02")
@rfc(7296, "1.3", "2.18")
def test_lets_no_stranger_rekey_the_ike_sa_that_it_begins(
    peer: Tested, responder: Responder
) -> None:
    """While it waits for the proof of the responder it takes no rekey of the responder's."""
    peer.start()
    responder.listen(plan="IKE_AUTH/response: wire.drop()")
    peer.initiate()
    assert responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 8.0), "no IKE_AUTH"
    sa = responder.sessions[-1]

    sa.rekey(patience=WAIT)

    answered = [
        payload.kind
        for step in sa.received()
        if step.message.exch_type == Exchange.CREATE_CHILD_SA and int(step.message.flags) & 0x20
        for payload in step.inner() or []
    ]
    assert Payload.SA not in answered, f"it was rekeyed without a proof of ours\n{sa}"
    assert peer.alive(), f"the peer ended\n{sa}"
