"""NAT detection and what follows from it (RFC 7296 2.23, RFC 3948)."""

from __future__ import annotations

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Nat
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested

SOURCE = "N(NAT_DETECTION_SOURCE_IP).notify"
DESTINATION = "N(NAT_DETECTION_DESTINATION_IP).notify"


@case("NAT-01")
@rfc(7296, "2.23")
def test_finds_no_nat_where_there_is_none(peer: Tested, initiator: Initiator) -> None:
    """Hashes that match on both sides leave IKE on port 500 and ESP without encapsulation."""
    peer.needs("nat-d-honest")
    peer.start()

    sa = initiator.establish()

    assert sa.nat == Nat(initiator=False, responder=False), f"{sa.nat}\n{sa}"
    assert sa.received()[-1].src[1] == 500
    assert sa.violations == []
    if peer.tells:
        view = peer.sa(sa)
        assert view is not None and view.nat == Nat(initiator=False, responder=False)
        assert not peer.child(sa).encap


@case("NAT-02")
@rfc(7296, "2.23")
def test_follows_a_translated_initiator_to_port_4500(peer: Tested, initiator: Initiator) -> None:
    """With a source hash that does not match, IKE goes on at 4500 and ESP is encapsulated."""
    peer.start()
    sa = initiator.init(edits=[at(SOURCE).xor(b"\x01")])
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"

    sa.move_to_4500()
    sa.auth()

    assert sa.state is State.ESTABLISHED, f"no answer on port 4500\n{sa}"
    last = sa.received()[-1]
    assert (last.src[1], last.dst[1]) == (4500, 4500), f"{last.src} -> {last.dst}\n{sa}"
    assert sa.violations == []
    if peer.tells:
        view = peer.sa(sa)
        assert view is not None and view.nat.initiator is True, f"the peer's view: {view}"
        assert peer.child(sa).encap, "the peer does not encapsulate ESP"


@case("NAT-03", "SHOULD")
@rfc(7296, "2.23")
@rfc(3948, "4")
def test_keeps_its_mapping_alive_behind_a_nat(peer: Tested, initiator: Initiator) -> None:
    """With a destination hash that does not match, the peer knows that it is translated."""
    # Who sets the peer's interval can also ask it what it found; some send them for children only.
    peer.needs("view", "child", "keepalives")
    peer.start(keepalive=1.0)
    sa = initiator.init(edits=[at(DESTINATION).xor(b"\x01")])
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.move_to_4500()
    sa.auth()
    assert sa.state is State.ESTABLISHED, f"no answer on port 4500\n{sa}"
    view = peer.sa(sa)
    assert view is not None and view.nat.responder is True, f"the peer's view: {view}"

    kept = sa.wait(lambda: sa.sa.keepalives > 0, patience=8.0)

    assert kept, f"no keepalive in eight seconds\n{sa}"
    assert sa.violations == []
