"""Offers that a responder has to read with care (RFC 7296 2.7, 3.3)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, duplicate
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.negotiate import offers
from ikelab.harness.model import Suite
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload

CBC = "aes128-sha256-modp2048"
GCM = "aes256gcm16-prfsha256-ecp256"
UNASSIGNED = 1000  # a transform id, and below 240 a transform type, that IANA has not given away


def accepted(reply: Reply) -> list[tuple[int, str]]:
    """(number, transforms) of each proposal in the answer's SA payload; none where it has none."""
    if not reply.has(Payload.SA):
        return []
    return [(o.number, str(o.suite)) for o in offers(reply.one(Payload.SA))]


@case("INIT-06")
@rfc(7296, "3.3.5")
def test_refuses_aes_without_its_key_length(peer: Tested, initiator: Initiator) -> None:
    """AES-CBC without the Key Length attribute is not chosen, whatever else there is to choose."""
    peer.start(ike=[CBC])

    sa = initiator.init(ike=["encr:12-sha256-modp2048"])

    assert not sa.reply.has(Payload.SA), f"{accepted(sa.reply)} was chosen\n{sa}"
    if not sa.reply.silent:
        sa.reply.only(Notify.NO_PROPOSAL_CHOSEN)
    assert initiator.probe(ike=[CBC])


@case("INIT-06")
@rfc(7296, "3.3.5", "3.3.6")
def test_takes_the_next_proposal_after_aes_without_key_length(
    peer: Tested, initiator: Initiator
) -> None:
    """The proposal behind the one that lacks the attribute is processed as usual."""
    peer.start(ike=[CBC])

    sa = initiator.init(ike=["encr:12-sha256-modp2048", CBC])

    assert accepted(sa.reply) == [(2, CBC)], f"{sa}"
    assert sa.violations == []


@case("INIT-07")
@rfc(7296, "3.3.5", "3.3.6")
@pytest.mark.parametrize("bits", [129, 512])
def test_passes_over_a_key_length_that_aes_does_not_have(
    peer: Tested, initiator: Initiator, bits: int
) -> None:
    """AES with a key of 129 or 512 bits is not chosen; the proposal behind it is."""
    peer.start(ike=[CBC])

    sa = initiator.init(ike=[f"encr:12/{bits}-sha256-modp2048", CBC])

    assert accepted(sa.reply) == [(2, CBC)], f"{sa}"
    assert sa.violations == []


@case("INIT-08")
@rfc(7296, "3.3.6")
@pytest.mark.parametrize("kind", ["encr", "prf", "integ", "ke"])
def test_chooses_the_known_transform_beside_an_unknown_one(
    peer: Tested, initiator: Initiator, kind: str
) -> None:
    """An unknown transform is unacceptable; others of its type are processed as usual."""
    peer.start(ike=[CBC])

    offer = Suite.parse(f"{kind}:{UNASSIGNED}-aes128-sha256-prfsha256-modp2048")
    sa = initiator.init(ike=[offer], ke=14)

    assert accepted(sa.reply) == [(1, CBC)], f"{sa}"
    assert sa.violations == []


@case("INIT-09")
@rfc(7296, "3.3.6")
def test_refuses_a_proposal_with_an_unknown_transform_type(
    peer: Tested, initiator: Initiator
) -> None:
    """A proposal with an unknown transform type is unacceptable; the next one is chosen."""
    peer.start(ike=[CBC])

    sa = initiator.init(ike=[f"{CBC}-100:1", CBC])

    assert accepted(sa.reply) == [(2, CBC)], f"{sa}"
    assert sa.violations == []


@case("INIT-10")
@rfc(7296, "3.3.6")
def test_passes_over_a_transform_with_an_unknown_attribute(
    peer: Tested, initiator: Initiator
) -> None:
    """A transform with an attribute that nobody knows is unacceptable; the next one is chosen."""
    peer.start(ike=["aes256-aes128-sha256-modp2048"])
    first = "SA.proposal[0].transform[0].attribute"
    unknown_attribute = [duplicate(f"{first}[0]"), at(f"{first}[1].type").set(0x8000 | 100)]

    sa = initiator.init(ike=["aes256-aes128-sha256-modp2048"], edits=unknown_attribute)

    assert accepted(sa.reply) == [(1, CBC)], f"{sa}"
    assert sa.violations == []


NUMBERING = {
    "from-0": [at("SA.proposal[0].number").set(0), at("SA.proposal[1].number").set(1)],
    "from-2": [at("SA.proposal[0].number").set(2), at("SA.proposal[1].number").set(3)],
    "repeated": [at("SA.proposal[1].number").set(1)],
    "backwards": [at("SA.proposal[0].number").set(2), at("SA.proposal[1].number").set(1)],
    "with-a-gap": [at("SA.proposal[1].number").set(9)],
}


@case("INIT-11", "policy")
@rfc(7296, "3.3", "3.3.1")
@pytest.mark.parametrize("edits", NUMBERING.values(), ids=NUMBERING)
def test_survives_proposals_numbered_out_of_order(
    peer: Tested, initiator: Initiator, edits: list[Edit]
) -> None:
    """Proposals that are not numbered 1, 2, ... do no harm; what becomes of them is recorded.

    RFC 7296 3.3.1 tells who proposes how to number, and nobody what to do about other numbers. An
    accepted proposal still has to carry the number that it was offered with.
    """
    peer.start(ike=[CBC])

    sa = initiator.init(ike=[GCM, CBC], ke=14, edits=edits)

    peer.observe(" ".join([sa.reply.outcome, *(f"#{n}" for n, _ in accepted(sa.reply))]))
    assert not [v for v in sa.violations if v.section == "3.3.1"], f"{sa.violations}\n{sa}"
    assert initiator.probe(ike=[CBC]), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-20", "policy")
@rfc(7296, "2.7", "3.3")
@pytest.mark.parametrize("shape", ["100-transforms", "50-proposals"])
def test_survives_a_very_long_offer(peer: Tested, initiator: Initiator, shape: str) -> None:
    """A hundred transforms, or fifty proposals, are chosen from or refused in bounded time."""
    peer.start(ike=[CBC])
    many = "-".join(f"encr:{UNASSIGNED - n}/128" for n in range(96))
    strange = "encr:12/129-sha256-modp2048"
    offer = [f"{many}-{CBC}"] if shape == "100-transforms" else [*[strange] * 49, CBC]

    sa = initiator.session(ike=offer, ke=14)
    sa.init(patience=4.0)

    peer.observe(" ".join([sa.reply.outcome, *(f"#{n}" for n, _ in accepted(sa.reply))]))
    assert sa.violations == []
    assert initiator.probe(ike=[CBC]), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-28", "feature")
@rfc(7296, "2.7", "3.3")
def test_chooses_by_an_order_of_preference(peer: Tested, initiator: Initiator) -> None:
    """Of two acceptable proposals one is chosen; whose order counts is recorded, not judged."""
    peer.start(ike=[GCM, CBC])

    theirs = initiator.init(ike=[GCM, CBC], ke=19)
    swapped = initiator.init(ike=[CBC, GCM], ke=14)

    picks = [str(sa.chosen) for sa in (theirs, swapped)]
    for sa in (theirs, swapped):
        groups = [s.text() for s in sa.sent()]
        assert sa.chosen is not None, f"nothing was chosen of {groups}\n{sa}"
        assert sa.violations == []
    whose = "the initiator's order wins" if picks == [GCM, CBC] else "the responder's order wins"
    peer.observe(f"{whose}: {picks[0]}, swapped {picks[1]}")
