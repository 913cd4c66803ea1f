"""IKE SAs whose addresses change (RFC 4555): updates, checks of a path, unwanted NATs."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.ping import ping
from ikelab.harness.exchange import mobike
from ikelab.harness.exchange.features import Features
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify
from ikelab.layers.notify import IKEv2_Notify
from ikelab.testcases.rekeys import agreed
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE, observable

MOBILE = Features(mobike=True)


def mobile(initiator: Initiator, features: Features = MOBILE) -> Session:
    """An IKE SA whose addresses may change; Unsupported where the peer does not agree to that."""
    sa = initiator.establish(features=features)
    if not sa.sa.mobility.agreed:
        raise Unsupported("it does not answer MOBIKE_SUPPORTED")
    return sa


def echoes(sa: Session) -> bool:
    """Whether the peer answers an echo; who cannot move a child makes another one in its place."""
    here = sa.sa.local[0]
    for _ in range(ATTEMPTS):
        pong = ping(sa, patience=SILENCE)
        if pong is not None and pong.datagram.dst[0] == here:
            return True
        if pong is not None:  # to the old address: the child that moves may be on its way
            sa.wait(lambda: False, SILENCE)
    return False


@case("MOB-01", "feature")
@rfc(4555, "3.1", "3.5")
def test_moves_with_its_initiator(peer: Tested, initiator: Initiator) -> None:
    """UPDATE_SA_ADDRESSES from a new address is answered there, with hashes of that path."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)

    reply = sa.move_to(initiator.spare())

    assert not reply.silent, f"no answer at the new address\n{sa}"
    assert reply.errors == [], f"{reply.errors}\n{sa}"
    for kind in (Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP):
        assert reply.notify(kind) is not None, f"{kind.name} is missing\n{sa}"
    if "nat-d-honest" in peer.capabilities:
        assert sa.nat.initiator is sa.nat.responder is False, f"{sa.nat}\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("MOB-01", "feature")
@rfc(4555, "3.5")
def test_its_children_move_with_their_initiator(peer: Tested, initiator: Initiator) -> None:
    """The ping goes on: after the update the child's packets go to the new address."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)
    observable(sa)

    sa.move_to(initiator.spare())

    assert echoes(sa), f"no echo through a child at the new addresses\n{sa}"


@case("MOB-01", "feature")
@rfc(4555, "3.5", "3.7")
def test_tells_of_its_own_move(peer: Tested, responder: Responder) -> None:
    """As initiator whose address changes it sends UPDATE_SA_ADDRESSES, and gives COOKIE2 back."""
    peer.needs("child")  # some look at their children for what has moved
    peer.start(features=MOBILE)
    responder.listen(features=Features(mobike=True, check_path=True))
    peer.initiate()
    sa = responder.accept()
    if not sa.sa.mobility.agreed:
        raise Unsupported("it does not announce MOBIKE_SUPPORTED")
    old = sa.sa.remote
    agreed(peer, sa)  # it has our answer: before that there is nothing to move

    peer.roam()

    assert sa.wait(lambda: sa.sa.mobility.moves == 1, 8.0), f"no update came\n{sa}"
    assert sa.sa.remote[0] != old[0], f"the update came from the old address\n{sa}"
    assert sa.wait(lambda: not sa.sa.window.waiting, 8.0), f"COOKIE2 was not answered\n{sa}"
    assert sa.established, f"COOKIE2 did not come back as it was\n{sa}"
    assert sa.violations == []


@case("MOB-01", "feature")
@rfc(4555, "3.5")
def test_its_children_move_with_itself(peer: Tested, responder: Responder) -> None:
    """The ping goes on after the initiator's address has changed."""
    peer.start(features=MOBILE)
    responder.listen(features=MOBILE)
    peer.initiate()
    sa = responder.accept()
    if not sa.sa.mobility.agreed:
        raise Unsupported("it does not announce MOBIKE_SUPPORTED")
    observable(sa)

    peer.roam()

    assert sa.wait(lambda: sa.sa.mobility.moves == 1, 8.0), f"no update came\n{sa}"
    assert echoes(sa), f"no echo through a child at the new addresses\n{sa}"


@case("MOB-01")
@rfc(4555, "3.7", "4.2.5")
@pytest.mark.parametrize("octets", [8, 16, 64])
def test_gives_cookie2_back_unchanged(peer: Tested, initiator: Initiator, octets: int) -> None:
    """A COOKIE2 in a request stands in its response as it came."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)
    cookie = bytes(range(octets))

    reply = sa.inform([IKEv2_Notify(type=Notify.COOKIE2, notify=cookie)])

    came = reply.notify(Notify.COOKIE2)
    assert came is not None and came.data == cookie, f"{reply.names}\n{sa}"
    assert sa.violations == []


OTHERS = "192.0.2.77", "2001:db8:77::1"


@case("MOB-01", "feature")
@rfc(4555, "3.4", "3.6")
def test_is_told_of_more_addresses(peer: Tested, initiator: Initiator) -> None:
    """Other addresses in IKE_AUTH, others later, and none: each list is taken without a word.

    Which ones the peer has itself is told.
    """
    peer.start(features=MOBILE)
    sa = mobile(initiator, Features(mobike=True, addresses=OTHERS))

    for texts in (OTHERS[:1], ()):
        reply = sa.inform(mobike.addresses(texts))

        assert not reply.silent and reply.errors == [], f"{reply.outcome}\n{sa}"
    peer.observe(", ".join(sa.sa.mobility.others) or "it told of no other address")
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("MOB-02", "feature")
@rfc(4555, "3.9")
def test_tells_of_a_nat_that_is_not_allowed(peer: Tested, initiator: Initiator) -> None:
    """An update whose NO_NATS_ALLOWED names other addresses gets UNEXPECTED_NAT_DETECTED."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)
    payloads = [
        IKEv2_Notify(type=Notify.UPDATE_SA_ADDRESSES),
        IKEv2_Notify(type=Notify.NO_NATS_ALLOWED, notify=bytes([192, 0, 2, 1, 192, 0, 2, 2]) * 1
                     + (4500).to_bytes(2, "big") * 2),
    ]  # fmt: skip

    reply = sa.inform(payloads)

    reply.only(Notify.UNEXPECTED_NAT_DETECTED)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"


@case("MOB-02", "policy")
@rfc(4555, "3.5")
def test_survives_an_update_that_names_a_nat(peer: Tested, initiator: Initiator) -> None:
    """Hashes of other addresses in an update: a NAT is found, and the IKE SA lives on."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)
    edits = [at("SK.N(NAT_DETECTION_SOURCE_IP).notify").xor(b"\1")]
    hashes = [
        IKEv2_Notify(type=Notify.UPDATE_SA_ADDRESSES),
        IKEv2_Notify(type=Notify.NAT_DETECTION_SOURCE_IP, notify=bytes(20)),
        IKEv2_Notify(type=Notify.NAT_DETECTION_DESTINATION_IP, notify=bytes(20)),
    ]

    reply = sa.inform(hashes, edits=edits)

    peer.observe(reply.outcome)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"


@case("MOB-03")
@rfc(7296, "2.11")
def test_answers_where_a_request_came_from(peer: Tested, initiator: Initiator) -> None:
    """Before any update, a request from another address is answered there."""
    peer.start(features=MOBILE)
    sa = mobile(initiator)
    sa.sa.local = (initiator.spare(), sa.sa.local[1])

    reply = sa.inform()

    there = [step for step in sa.received() if step.dst == sa.sa.local]
    assert not reply.silent and there, f"not there\n{sa}"
