"""Messages that are not whole, not in place, or not IKEv2 (RFC 7296 2.21, 3.1, 3.2, 3.14)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, drop, duplicate, sealed, wire
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.model import HONEST
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Payload
from ikelab.testcases.conformance.refusals import forgotten

WAIT = 0.6  # seconds of silence that stand for "no answer"
UNASSIGNED_EXCHANGE = 100


def not_up(peer: Tested, sa: Session) -> bool:
    """Whether the peer has no established IKE SA of this session."""
    return all(v.state != "ESTABLISHED" for v in peer.view().sas if v.spis.i == sa.spis.i)


def taken_at_once(sa: Session) -> bool:
    """Whether the first answer takes the offer.

    Who asks for another group by INVALID_KE_PAYLOAD has refused, and gets a whole request next.
    """
    return any(p.kind == Payload.SA for step in sa.received()[:1] for p in step.message.payloads)


def with_payload(sa: Session, kind: int) -> list[Step]:
    """The messages of the peer that hold such a payload in clear."""
    return [s for s in sa.received() if any(p.kind == kind for p in s.message.payloads)]


@case("VER-10")
@rfc(7296, "1.2", "2.21")
@pytest.mark.parametrize("missing", ["SA", "KE", "Nonce"])
def test_makes_no_ike_sa_without_its_payloads(
    peer: Tested, initiator: Initiator, missing: str
) -> None:
    """IKE_SA_INIT without SA, KE or nonce gets no SA payload in answer."""
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=[drop(missing)], patience=WAIT)

    assert not taken_at_once(sa), f"accepted without {missing}\n{sa}"
    peer.observe(reply.outcome)
    assert initiator.probe()


@case("VER-10")
@rfc(7296, "1.2", "2.21.2")
@pytest.mark.parametrize("missing", ["IDi", "AUTH"])
def test_authenticates_nobody_without_identity_and_auth(
    peer: Tested, initiator: Initiator, missing: str
) -> None:
    """IKE_AUTH without IDi or without AUTH brings no IKE SA up."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[drop(f"SK.{missing}")], patience=WAIT)

    assert not sa.established and not reply.has(Payload.SA), f"up without {missing}\n{sa}"
    assert not_up(peer, sa), f"the peer has {peer.view()}\n{sa}"
    peer.observe(reply.outcome)
    assert initiator.probe()


@case("VER-10")
@rfc(7296, "1.2", "2.21.2")
@pytest.mark.parametrize("missing", ["SA", "TSi", "TSr"])
def test_makes_no_child_without_its_payloads(
    peer: Tested, initiator: Initiator, missing: str
) -> None:
    """IKE_AUTH without SA, TSi or TSr makes no CHILD_SA."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[drop(f"SK.{missing}")], patience=WAIT)

    assert not reply.has(Payload.SA), f"a child came up without {missing}\n{sa}"
    view = peer.sa(sa)
    assert view is None or not view.children, f"the peer has {view}\n{sa}"
    peer.observe(reply.outcome)
    assert initiator.probe()


@case("VER-11", "policy")
@rfc(7296, "1.2", "2.5")
@pytest.mark.parametrize("twice", ["SA", "KE", "Nonce", "SK.IDi", "SK.AUTH", "SK.TSi"])
def test_survives_a_payload_that_comes_twice(
    peer: Tested, initiator: Initiator, twice: str
) -> None:
    """A payload that belongs into a message once does no harm twice; its fate is recorded."""
    peer.start()
    first = [] if twice.startswith("SK") else [duplicate(twice)]
    sa = initiator.session()
    reply = sa.init(edits=first, patience=WAIT if first else HONEST)
    if not first:
        reply = sa.auth(edits=[duplicate(twice)], patience=WAIT)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


LAST = "N(NAT_DETECTION_DESTINATION_IP)"
BROKEN = {
    "first of length 0": at("SA.length").set(0),
    "first of length 3": at("SA.length").set(3),
    "nonce of length 2": at("Nonce.length").set(2),
    "first too long": at("SA.length").set(60000),
    "last longer than the message": at(f"{LAST}.length").add(8),
    "chain longer than the message": at(f"{LAST}.next_payload").set(Payload.V),
}


@case("VER-13")
@rfc(7296, "2.21", "3.2", "3.10.1")
@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN)
def test_makes_no_sa_of_a_chain_that_breaks(peer: Tested, initiator: Initiator, edit: Edit) -> None:
    """A payload length below the header's or beyond the message is an error: there is no SA."""
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=[edit], patience=WAIT)

    assert not taken_at_once(sa), f"a malformed message was accepted\n{sa}"
    peer.observe(reply.outcome)
    assert initiator.probe()


@case("VER-13")
@rfc(7296, "3.3")
@pytest.mark.parametrize("field", ["proposal[0].length", "proposal[0].transform[0].length"])
@pytest.mark.parametrize("delta", [-4, 8])
def test_checks_the_lengths_inside_an_sa_payload(
    peer: Tested, initiator: Initiator, field: str, delta: int
) -> None:
    """An SA payload whose inner lengths do not add up is not accepted."""
    peer.start()
    # Twice the same: who reads on behind the broken one finds what it can take at once.
    sa = initiator.session(ike=initiator.base.ike[:1] * 2)

    sa.init(edits=[at(f"SA.{field}").add(delta)], patience=WAIT)

    assert not taken_at_once(sa), f"a malformed SA payload was accepted\n{sa}"
    assert initiator.probe()


def crowd(kind: int, payload: bytes, count: int) -> list[Edit]:
    """Edits that put `count` payloads of a type behind the last one; `payload` is one of them."""
    chained = [bytes([kind]) + payload[1:]] * (count - 1) + [bytes(1) + payload[1:]]
    octets = b"".join(chained)
    return [
        at(f"{LAST}.next_payload").set(kind),
        at("header.length").add(len(octets)),
        wire.append(octets),
    ]


CROWDS = {
    "255 unknown payloads": crowd(100, bytes.fromhex("00000004"), 255),
    "1000 notifies": crowd(Payload.N, bytes.fromhex("0000000800009c40"), 1000),
}


@case("VER-14", "policy")
@rfc(7296, "2", "3.1")
@pytest.mark.parametrize("edits", CROWDS.values(), ids=CROWDS)
def test_survives_very_many_payloads(peer: Tested, initiator: Initiator, edits: list[Edit]) -> None:
    """Very many payloads do no harm and hold nothing up; what becomes of them is recorded."""
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=edits, patience=2.0)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


BEHIND = bytes.fromhex("000000080000ea60")  # a status notify as the last payload


@case("VER-15", "policy")
@rfc(7296, "3.1", "3.14")
@pytest.mark.parametrize("counted", [True, False], ids=["inside the length", "beyond the length"])
def test_survives_a_payload_behind_sk(peer: Tested, initiator: Initiator, counted: bool) -> None:
    """SK that is not the last payload does no harm; what becomes of the message is recorded."""
    peer.start()
    sa = initiator.init()

    edits = [sealed.append("icv", BEHIND)]
    if counted:
        edits.append(at("header.length").add(len(BEHIND)))
    reply = sa.auth(edits=edits, patience=WAIT)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("VER-16")
@rfc(7296, "2.21.4", "3.1")
def test_starts_nothing_under_an_unknown_exchange_type(peer: Tested, initiator: Initiator) -> None:
    """What is no IKE_SA_INIT, and of no IKE SA, is answered with INVALID_IKE_SPI or not at all."""
    peer.start()
    sa = initiator.session()

    sa.init(edits=[at("header.exch_type").set(UNASSIGNED_EXCHANGE)], patience=WAIT)

    assert with_payload(sa, Payload.SA) == [], f"exchange type 100 was taken\n{sa}"
    assert forgotten(peer, sa), f"state was kept\n{sa}"
    assert initiator.probe()


@case("VER-16", "policy")
@rfc(7296, "2.21.3", "3.1")
def test_survives_an_unknown_exchange_type_inside_an_ike_sa(
    peer: Tested, initiator: Initiator
) -> None:
    """A protected request of an unknown exchange type does no harm; its fate is recorded."""
    peer.start()
    sa = initiator.establish()

    came = sa.send_as(sa.sa.window.next_request, exchange=UNASSIGNED_EXCHANGE)

    peer.observe(came[0].text() if came else "silence")
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


OTHER_TYPES = [Exchange.IKE_AUTH, Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL]


@case("VER-17")
@rfc(7296, "1.4", "2.21.4")
@pytest.mark.parametrize("exchange", OTHER_TYPES, ids=lambda e: e.name)
def test_starts_nothing_under_another_exchange_type(
    peer: Tested, initiator: Initiator, exchange: Exchange
) -> None:
    """The payloads of IKE_SA_INIT in another exchange type make no IKE SA."""
    peer.start()
    sa = initiator.session()

    sa.init(edits=[at("header.exch_type").set(int(exchange))], patience=WAIT)

    assert with_payload(sa, Payload.SA) == [], f"{exchange.name} was taken\n{sa}"
    assert forgotten(peer, sa), f"state was kept\n{sa}"
    assert initiator.probe()


@case("VER-17")
@rfc(7296, "1.2", "1.4")
def test_authenticates_nobody_in_informational(peer: Tested, initiator: Initiator) -> None:
    """The payloads of IKE_AUTH in an INFORMATIONAL exchange bring no IKE SA up."""
    peer.start()
    sa = initiator.init()

    sa.auth(edits=[at("header.exch_type").set(int(Exchange.INFORMATIONAL))], patience=WAIT)

    assert not_up(peer, sa), f"the peer has {peer.view()}\n{sa}"
    assert initiator.probe()


MAIN_MODE = bytes.fromhex(
    "01100200000000000000005000000034000000010000000100000028010100010000002001010000"
    "8001000780020002800300018004000e80" + "0b0001800c0e10"
)


@case("VER-18", "policy")
@rfc(7296, "2.5", "3.1")
def test_survives_a_message_of_ikev1(peer: Tested, initiator: Initiator) -> None:
    """IKEv1 main mode does no harm; how it is refused is recorded.

    RFC 7296 says what a receiver does with a higher major version only.
    """
    peer.start()
    sa = initiator.session()

    answers = sa.throw(sa.spis.i + bytes(8) + MAIN_MODE, patience=WAIT)

    peer.observe(f"{len(answers)} answers")
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("VER-19", "policy")
@rfc(7296, "2", "3.1")
@pytest.mark.parametrize("length", ["as it was", "corrected"])
def test_survives_truncation_at_every_octet(
    peer: Tested, initiator: Initiator, length: str
) -> None:
    """IKE_SA_INIT that ends after any number of octets does no harm."""
    peer.start()
    whole = initiator.init()
    assert whole.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{whole}"
    data = whole.sent()[0].data

    for size in range(len(data)):
        sa = initiator.session()
        cut = sa.spis.i + data[8:size] if size > 8 else sa.spis.i[:size]
        if length == "corrected" and size >= 28:
            cut = cut[:24] + size.to_bytes(4, "big") + cut[28:]
        sa.throw(cut, patience=0)

    assert initiator.probe(), "no honest IKE SA comes up afterwards"
