"""Exchanges of group key management, which a peer need not know (RFC 9838)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers import group
from ikelab.layers.iana import Exchange, IdType, Payload
from ikelab.layers.payloads import IKEv2_GSA, IKEv2_IDg, IKEv2_IDi

GROUP = IKEv2_IDg(IDtype=IdType.ID_FQDN, ID=b"group.ikelab.test")


@case("GIK-01", "policy")
@rfc(9838, "2.3")
@rfc(7296, "2.21.4")
def test_lets_no_member_into_a_group_that_it_does_not_have(
    peer: Tested, initiator: Initiator
) -> None:
    """GSA_AUTH in place of IKE_AUTH makes no IKE SA, and an honest one comes up afterwards."""
    peer.start()
    sa = initiator.init()
    assert sa.sa.keys is not None, f"no IKE SA to ask in\n{sa}"
    own = IKEv2_IDi(IDtype=IdType.ID_FQDN, ID=b"member.ikelab.test")

    answers = sa.send_as(1, [own, GROUP], exchange=Exchange.GSA_AUTH)

    peer.observe(f"{len(answers)} answers")
    kinds = [p.kind for step in answers for p in step.inner() or []]
    assert Payload.AUTH not in kinds, f"the response authenticates the peer\n{sa}"
    assert initiator.probe(), f"no honest IKE SA afterwards\n{sa}"


@case("GIK-01", "policy")
@rfc(9838, "2.3")
@rfc(7296, "2.21.3")
@pytest.mark.parametrize(
    "exchange",
    [Exchange.GSA_REGISTRATION, Exchange.GSA_REKEY, Exchange.GSA_INBAND_REKEY],
    ids=lambda e: e.name,
)
def test_survives_group_exchanges_in_an_ike_sa(
    peer: Tested, initiator: Initiator, exchange: Exchange
) -> None:
    """Inside of an IKE SA they are refused or dropped, and the peer lives on."""
    peer.start()
    sa = initiator.establish()
    policy = IKEv2_GSA(load=group.write((group.Part(3, bytes(4), bytes(20)),)))

    answers = sa.send_as(sa.sa.window.next_request, [GROUP, policy], exchange=exchange)

    peer.observe(f"{len(answers)} answers")
    assert peer.alive()
    assert initiator.probe(), f"no honest IKE SA afterwards\n{sa}"
