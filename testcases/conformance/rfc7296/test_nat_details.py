"""NAT detection with several hashes, with none, and port 4500 from the start (RFC 7296 2.23)."""

from __future__ import annotations

from ikelab.harness.edits import at, insert, notify
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.rig import Tested

SOURCE = "N(NAT_DETECTION_SOURCE_IP)"
ELSEWHERE = bytes(range(20))  # no hash of any address of ours


@case("NAT-04")
@rfc(7296, "2.23")
def test_finds_the_source_hash_among_several(peer: Tested, initiator: Initiator) -> None:
    """One NAT_DETECTION_SOURCE_IP of several that matches is enough: there is no NAT."""
    peer.needs("nat-d-honest")
    peer.start()

    others = [
        insert(before=SOURCE, payload=notify("NAT_DETECTION_SOURCE_IP", ELSEWHERE)),
        insert(before=SOURCE, payload=notify("NAT_DETECTION_SOURCE_IP", ELSEWHERE[::-1])),
    ]
    sa = initiator.session()
    sa.init(edits=others)
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    view = peer.sa(sa)
    assert view is not None and not view.nat.initiator, f"the peer's view: {view}\n{sa}"
    assert not peer.child(sa).encap, "the peer encapsulates ESP"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("NAT-04")
@rfc(7296, "2.23")
def test_finds_a_nat_when_no_source_hash_matches(peer: Tested, initiator: Initiator) -> None:
    """When none of several source hashes matches, the sender is behind a NAT."""
    peer.start()

    sa = initiator.session()
    sa.init(
        edits=[
            insert(before=SOURCE, payload=notify("NAT_DETECTION_SOURCE_IP", ELSEWHERE)),
            at(f"{SOURCE}[1].notify").xor(b"\x01"),
        ]
    )
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.move_to_4500()
    sa.auth()

    assert sa.established, f"no answer on port 4500\n{sa}"
    view = peer.sa(sa)
    assert view is not None and view.nat.initiator is True, f"the peer's view: {view}\n{sa}"
    assert sa.violations == []


@case("NAT-05")
@rfc(7296, "2.23")
def test_encapsulates_nothing_without_nat_detection(peer: Tested, initiator: Initiator) -> None:
    """An initiator without NAT_DETECTION notifies gets an IKE SA on port 500 and plain ESP."""
    peer.needs("nat-d-honest")
    peer.start()

    sa = initiator.establish(nat_detection=False)

    assert sa.received()[-1].src[1] == 500
    view = peer.sa(sa)
    assert view is not None and not view.nat.initiator and not view.nat.responder, f"{view}\n{sa}"
    assert not peer.child(sa).encap, "the peer encapsulates ESP"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("NAT-06")
@rfc(7296, "2.11", "2.23")
def test_answers_on_port_4500_from_the_start(peer: Tested, initiator: Initiator) -> None:
    """IKE_SA_INIT from and to port 4500 is answered there, with the non-ESP marker."""
    peer.start()
    sa = initiator.session()
    sa.move_to_4500()

    sa.init()
    assert sa.state is State.INIT_DONE, f"no answer on port 4500\n{sa}"
    sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert {(s.src[1], s.dst[1]) for s in sa.received()} == {(4500, 4500)}
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("NAT-06")
@rfc(7296, "2.11", "2.23")
def test_answers_to_the_port_that_a_request_came_from(peer: Tested, initiator: Initiator) -> None:
    """A request from any port is accepted, and answered to that port from where it was sent to."""
    peer.start()
    sa = initiator.session()
    sa.sa.local = (sa.sa.local[0], 40500)

    sa.init()

    assert sa.state is State.INIT_DONE, f"no answer to port 40500\n{sa}"
    assert {(answer.src[1], answer.dst[1]) for answer in sa.received()} == {(500, 40500)}
    assert sa.violations == []
