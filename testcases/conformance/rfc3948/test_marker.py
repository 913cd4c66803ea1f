"""Port 4500 carries ESP unless four octets of zero come first (RFC 3948 2.1, 2.2)."""

from __future__ import annotations

from ikelab.harness.edits import wire
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.testcases.each_once import each_once
from ikelab.testcases.tunnels import SILENCE

UNMARKED = [wire.marker(b"")]


@case("NAT-07")
@rfc(3948, "2.1", "2.2")
@rfc(4303, "3.4.2")
def test_begins_nothing_without_the_marker(peer: Tested, initiator: Initiator) -> None:
    """IKE_SA_INIT without the marker is ESP of an SA that nobody has: it is discarded."""
    peer.start()
    sa = initiator.session()
    sa.move_to_4500()
    strays = len(initiator.strays)

    sa.init(edits=UNMARKED, patience=SILENCE)

    assert sa.state is not State.INIT_DONE, f"it was read as IKE\n{sa}"
    assert sa.received() == [], f"it was answered\n{sa}"
    assert not initiator.strays[strays:], f"answered: {initiator.strays[strays].data.hex()}"
    assert initiator.probe(), "no honest IKE SA comes up afterwards"


@case("NAT-07")
@rfc(3948, "2.1", "2.2")
@rfc(4303, "3.4.2")
def test_hears_nothing_without_the_marker(peer: Tested, initiator: Initiator) -> None:
    """A request of an IKE SA that is up, right but for the marker, is discarded as well."""
    peer.start()
    sa = initiator.session()
    sa.move_to_4500()
    sa.init()
    assert sa.state is State.INIT_DONE, f"no answer on port 4500\n{sa}"
    sa.auth()
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    said = len(each_once(sa.received()))

    reply = sa.inform(edits=UNMARKED, patience=SILENCE)

    assert reply.silent, f"it was read as IKE\n{sa}"
    assert len(each_once(sa.received())) == said, f"it was answered\n{sa}"
    assert initiator.probe(), "no honest IKE SA comes up afterwards"
