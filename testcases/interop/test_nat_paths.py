"""Real NATs on the path: who is behind one, what floats to port 4500, what follows a rebinding."""

from __future__ import annotations

import pytest

from ikelab.harness.crossing import Crossing
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.ping import Pong, ping
from ikelab.harness.model import Nat
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc, topology
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE

BEHIND = {
    "nat-initiator": Nat(initiator=True, responder=False),
    "nat-responder": Nat(initiator=False, responder=True),
    "nat-both": Nat(initiator=True, responder=True),
}
NATS = topology(*BEHIND)
CHECKS = 1.0  # seconds of silence after which the peer asks whether we live
LATE = 6.0  # seconds within which it has asked, on a slow machine too


def assert_floated(peer: Tested, sa: Session, path: Crossing) -> None:
    """Both sides know who is behind a NAT, and all after IKE_SA_INIT is on port 4500."""
    expected = BEHIND[path.topology.name]
    peer.needs("nat-d-honest")
    assert sa.nat == expected, f"{sa.nat}, the path has {expected}\n{sa}"
    later = [s for s in sa.received() if s.message.exch_type != Exchange.IKE_SA_INIT]
    ends = {side[1] for step in later for side in (step.src, step.dst) if side[0] != _mapped(path)}
    assert ends == {4500}, f"ports {sorted(ends)} after IKE_SA_INIT\n{sa}"
    assert sa.violations == []
    if peer.tells:
        view = peer.sa(sa)
        assert view is not None, f"the peer has no such IKE SA\n{sa}"
        assert view.nat == expected, f"to the peer: {view.nat}, the path has {expected}\n{sa}"
        assert peer.disagreements(sa) == []


def _mapped(path: Crossing) -> str:
    """The address whose ports a NAT chooses."""
    return path.topology.seen_as("initiator")


def echoed(sa: Session) -> Pong:
    """An echo came back through the child; the first may take until the peer has installed it."""
    pong = ping(sa, attempts=ATTEMPTS, patience=SILENCE)
    assert pong is not None, f"no echo was answered\n{sa}"
    return pong


@case("NAT-12")
@rfc(7296, "2.23")
@rfc(3948, "2.1", "2.2")
@NATS
def test_meets_us_across_a_nat(peer: Tested, initiator: Initiator, path: Crossing) -> None:
    """As responder it finds who is translated, and answers wherever the NAT says we are."""
    peer.start()

    sa = initiator.establish()

    assert_floated(peer, sa, path)
    assert echoed(sa).datagram.src[1] == 4500


@case("NAT-12")
@rfc(7296, "2.23")
@rfc(3948, "2.1", "2.2")
@NATS
def test_reaches_us_across_a_nat(peer: Tested, responder: Responder, path: Crossing) -> None:
    """As initiator it finds who is translated, and goes on from and to port 4500."""
    peer.start()
    responder.listen()

    peer.initiate()
    sa = responder.accept()

    assert_floated(peer, sa, path)
    assert echoed(sa).datagram.dst[1] == 4500


@case("NAT-13", "SHOULD")
@rfc(7296, "2.23")
@rfc(3948, "4")
@topology("nat-initiator", "nat-both")
def test_keeps_its_mapping_as_initiator(peer: Tested, responder: Responder, path: Crossing) -> None:
    """Behind a NAT the peer sends keepalives, and they arrive from where its mapping is."""
    peer.needs("child", "keepalives")  # some send them for children only
    peer.start(keepalive=1.0)
    responder.listen()
    peer.initiate()
    sa = responder.accept()
    assert sa.nat.initiator, f"no NAT was found before the initiator\n{sa}"

    assert sa.wait(lambda: sa.sa.keepalives > 0, LATE), f"no keepalive in {LATE:.0f} seconds\n{sa}"

    kept = [p for p in path.seen("outside") if p.payload == b"\xff"]
    assert {p.src for p in kept} == {path.router.outside()}, f"keepalives: {kept}"


@case("NAT-13", "SHOULD")
@rfc(7296, "2.23")
@rfc(3948, "4")
@topology("nat-responder", "nat-both")
def test_keeps_its_mapping_as_responder(peer: Tested, initiator: Initiator) -> None:
    """A responder behind a NAT keeps its mapping, forwarded port or not."""
    peer.needs("child", "keepalives")
    peer.start(keepalive=1.0)
    sa = initiator.establish()
    assert sa.nat.responder, f"no NAT was found before the responder\n{sa}"

    assert sa.wait(lambda: sa.sa.keepalives > 0, LATE), f"no keepalive in {LATE:.0f} seconds\n{sa}"


@case("NAT-09", "SHOULD")
@rfc(7296, "2.23")
@pytest.mark.parametrize("change", ["port", "address", "expiry"])
@topology("nat-initiator")
def test_follows_a_mapping_that_changed(
    peer: Tested, initiator: Initiator, path: Crossing, change: str
) -> None:
    """Not behind a NAT itself, it sends everything to where our last fresh message came from."""
    peer.start(dpd_delay=CHECKS)
    sa = initiator.establish()
    echoed(sa)
    before = path.router.outside()
    match change:
        case "port":
            path.router.rebind(port=45000)
        case "address":
            path.router.rebind(address="203.0.113.9")
        case _:
            path.router.expire()
    after = path.router.outside()
    assert after != before

    assert not sa.inform().silent, f"no answer to what came from {after}\n{sa}"
    asked = len(requests(sa))
    assert sa.wait(lambda: len(requests(sa)) > asked, LATE), f"its own requests go astray\n{sa}"

    late = [p for p in path.seen("outside") if p.dst == before and p.src[1] == 4500]
    tried = [p for p in path.seen("outside") if p.dst == after]
    assert tried, f"nothing was sent to {after}"
    assert not late or late[-1].data != tried[-1].data
    echoed(sa)
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("NAT-09", "SHOULD")
@rfc(7296, "2.23")
@topology("nat-responder")
def test_does_not_follow_behind_a_nat(peer: Tested, initiator: Initiator) -> None:
    """Behind a NAT it answers our new port, and sends what is its own to the old one."""
    peer.start(dpd_delay=CHECKS)
    sa = initiator.establish()
    assert sa.nat.responder, f"no NAT was found before the responder\n{sa}"
    usual = sa.sa.local
    elsewhere = (usual[0], 45000)

    sa.sa.local = elsewhere
    answer = sa.inform()
    sa.sa.local = usual
    assert not answer.silent, f"no answer to what came from port {elsewhere[1]}\n{sa}"
    assert elsewhere in {step.dst for step in sa.received()}, f"answered elsewhere\n{sa}"
    asked = len(requests(sa))
    assert sa.wait(lambda: len(requests(sa)) > asked, LATE), f"it asks for no sign of life\n{sa}"

    assert {step.dst for step in requests(sa)} == {usual}, f"it followed to {elsewhere}\n{sa}"
    assert sa.violations == []


def requests(sa: Session) -> list:
    """The requests that came from the peer."""
    return [step for step in sa.received() if not int(step.message.flags) & 0x20]


@case("NAT-10", "feature")
@rfc(7296, "2.23")
@topology("two-clients")
def test_tells_two_clients_behind_one_nat_apart(
    peer: Tested, initiator: Initiator, path: Crossing
) -> None:
    """Two IKE SAs from one address, each with a child of its own, do not get mixed up."""
    peer.needs("nat-d-honest")
    peer.start(remote_ts="10.1.0.0/24")
    second = path.initiator("client")

    one = initiator.establish(tsi="10.1.0.0/25")
    two = second.establish(tsi="10.1.0.128/25", local_id=initiator.base.local_id)

    if one.wait(lambda: not one.established, SILENCE):
        raise Unsupported("the peer keeps one IKE SA for an identity")
    for sa in (one, two, one):
        assert sa.nat == BEHIND["nat-initiator"], f"{sa.nat}\n{sa}"
        echoed(sa)
        assert not sa.inform().silent, f"no answer\n{sa}"
    two.close()
    echoed(one)
    for sa in (one, two):
        assert sa.violations == []
    assert peer.disagreements(one) == []
