"""What cases about the data plane share: an SA whose child can be observed, an SA behind a NAT."""

from __future__ import annotations

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.esp.tunnel import Tunnel
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.session import Session

SILENCE = 0.5  # seconds; an echo through a tunnel takes a millisecond
ATTEMPTS = 6  # a daemon tells of a child before its kernel knows it


def observable(sa: Session) -> Tunnel:
    """The tunnel of a child through which the peer answers an honest echo."""
    if ping(sa, patience=SILENCE, attempts=ATTEMPTS) is None:
        raise Unsupported("no host behind the peer answers an echo through the child")
    return sa.tunnel()


def behind_nat(initiator: Initiator) -> Session:
    """An SA whose initiator seems to be translated, to the peer: all goes over port 4500."""
    sa = initiator.init(edits=[at("N(NAT_DETECTION_SOURCE_IP).notify").xor(b"\x01")])
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.move_to_4500()
    sa.auth()
    assert sa.state is State.ESTABLISHED, f"no answer on port 4500\n{sa}"
    sa.tunnel().encap = True
    return sa
