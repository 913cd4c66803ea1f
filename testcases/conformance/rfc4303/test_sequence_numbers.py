"""Sequence numbers of 32 and of 64 bits: agreed on, and counted on (RFC 4303 2.2.1, 3.3.3)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload, Sn, TransformType
from ikelab.testcases.tunnels import observable

CIPHER = "aes128-sha512"
EITHER = (Sn.ESN, Sn.NO_ESN)
OFFERS: dict[str, tuple[str, str, tuple[Sn, ...]]] = {
    "extended": ("esn", "esn", (Sn.ESN,)),
    "either of both": ("esn-noesn", "esn-noesn", EITHER),
    "extended of both": ("esn", "esn-noesn", (Sn.ESN,)),
    "short of both": ("noesn", "esn-noesn", (Sn.NO_ESN,)),
    "extended to who has none": ("noesn", "esn", ()),
    "short to who wants extended": ("esn", "noesn", ()),
}
"""What the peer has, what it is offered, what may come back; nothing where they do not fit."""


@case("ESP-02")
@rfc(7296, "2.7", "3.3.2", "3.3.6")
@rfc(4303, "2.2.1")
@pytest.mark.parametrize("name", OFFERS)
def test_agrees_on_one_kind_of_sequence_number(
    peer: Tested, initiator: Initiator, name: str
) -> None:
    """One of what both sides have is accepted; without any there is no child."""
    theirs, ours, allowed = OFFERS[name]
    peer.start(esp=[f"{CIPHER}-{theirs}"])
    sa = initiator.init(esp=[f"{CIPHER}-{ours}"])
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"

    reply = sa.auth()

    if not allowed:  # whether there is an IKE SA all the same is INF-09's
        peer.observe(reply.outcome)
        assert not reply.has(Payload.SA), f"the peer accepts what it was not told to\n{sa}"
        assert peer.alive(), f"the peer ended\n{sa}"
        return
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    found = [t.id for t in sa.child.suite.of(TransformType.SN)]
    assert len(found) == 1 and found[0] in allowed, f"sequence numbers of the kinds {found}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


EDGE = 1 << 32
STEPS = (EDGE // 2, EDGE - 20, EDGE - 1, EDGE, EDGE + 1)
"""From the first number past the end of 32 bits: no step may be longer than half of them."""


@case("ESP-02")
@rfc(4303, "2.2.1", "3.4.3", "A2")
@pytest.mark.parametrize("suite", ["aes128gcm16-esn", "aes128-sha256-esn"])
def test_counts_beyond_32_bits(peer: Tested, initiator: Initiator, suite: str) -> None:
    """The upper half is not on the wire, and is part of what the ICV covers."""
    peer.start(esp=[suite])
    sa = initiator.establish(esp=[suite])
    observable(sa)

    for number in STEPS:
        assert ping(sa, number=number), f"number {number:#x} is not taken"
