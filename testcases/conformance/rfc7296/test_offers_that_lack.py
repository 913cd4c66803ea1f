"""Offers that lack what an IKE SA needs, or say that it needs none (RFC 7296 3.3.3, 3.3.6, 5)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, drop
from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Encr, Integ, Payload
from ikelab.testcases.conformance.rfc7296.test_offers import CBC, accepted

TRANSFORMS = ("ENCR", "PRF", "INTEG", "KE")  # in the order in which they are offered
WAIT = 0.8  # seconds of silence that stand for "no answer"


@case("INIT-09")
@rfc(7296, "3.3.3", "3.3.6")
@pytest.mark.parametrize("missing", TRANSFORMS)
def test_passes_over_a_proposal_that_lacks_a_transform(
    peer: Tested, initiator: Initiator, missing: str
) -> None:
    """A proposal without one of the mandatory types is unacceptable; the next one is chosen."""
    peer.start(ike=[CBC])
    number = TRANSFORMS.index(missing)

    sa = initiator.init(ike=[CBC, CBC], edits=[drop(f"SA.proposal[0].transform[{number}]")])

    assert accepted(sa.reply) == [(2, CBC)], f"{accepted(sa.reply)} of an offer without it\n{sa}"
    assert sa.violations == []


NOTHING: dict[str, Edit] = {
    "NULL as cipher": at("SA.proposal[0].transform[0].transform_id").set(int(Encr.ENCR_NULL)),
    "NONE for integrity": at("SA.proposal[0].transform[2].transform_id").set(int(Integ.NONE)),
    "NONE as group": at("SA.proposal[0].transform[3].transform_id").set(0),
}


@case("INIT-04")
@rfc(7296, "3.3.3", "5")
@pytest.mark.parametrize("name", NOTHING)
def test_agrees_on_nothing_that_protects_nothing(
    peer: Tested, initiator: Initiator, name: str
) -> None:
    """NULL, and NONE for integrity or as group, are never chosen for an IKE SA."""
    peer.start(ike=[CBC])
    sa = initiator.session(ike=[CBC])

    sa.init(edits=[NOTHING[name]], patience=WAIT)

    assert not sa.reply.has(Payload.SA), f"{accepted(sa.reply)} was chosen\n{sa}"
    peer.observe(sa.reply.outcome)
    assert initiator.probe(ike=[CBC]), f"no honest IKE SA comes up afterwards\n{sa}"
