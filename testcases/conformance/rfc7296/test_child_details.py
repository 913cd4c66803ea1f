"""CREATE_CHILD_SA at its edges: groups, protocols, refusals (RFC 7296 1.2, 1.3, 2.25, 3.3)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, duplicate, insert, notify
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.negotiate import offers
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.rig import Tested
from ikelab.harness.session import Session
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload

PLAIN, WITH_NONE = "aes128gcm16", "aes128gcm16-ke:0"
PFS = "aes128gcm16-ecp256"


@case("CHD-05", "feature")
@rfc(7296, "1.2", "3.3.3", "3.3.6")
def test_takes_the_group_none(peer: Tested, initiator: Initiator) -> None:
    """A child whose proposal spells out the group NONE comes up without KE, where it is taken.

    A proposal may leave the type out instead (3.3.3), and that is what most do.
    """
    peer.start(esp=[PLAIN])
    sa = initiator.establish(esp=[PLAIN])

    reply = sa.create_child(esp=[WITH_NONE])

    peer.observe(reply.outcome)
    assert not reply.silent, f"no answer\n{sa}"
    if reply.has(Payload.SA):
        assert not reply.has(Payload.KE), f"KE came beside the group NONE\n{sa}"
        assert peer.disagreements(sa) == []
    else:
        reply.only(Notify.NO_PROPOSAL_CHOSEN)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []


@case("CHD-06", "policy")
@rfc(7296, "1.2")
def test_survives_a_group_in_the_proposals_of_ike_auth(peer: Tested, initiator: Initiator) -> None:
    """IKE_AUTH has no KE payload: a group in its proposals does no harm, its fate is told.

    RFC 7296 1.2 forbids it to the initiator. An accepted child must not name a group either.
    """
    peer.start(esp=["aes128gcm16-ecp256"])
    sa = initiator.init(esp=[PFS])
    group = [
        duplicate("SK.SA.proposal[0].transform[1]"),
        at("SK.SA.proposal[0].transform[1].transform_type").set(4),
        at("SK.SA.proposal[0].transform[1].transform_id").set(19),
    ]

    reply = sa.auth(edits=group)

    peer.observe(reply.outcome)
    if reply.has(Payload.SA):
        kinds = [t.type for o in offers(reply.one(Payload.SA)) for t in o.suite.transforms]
        assert not reply.has(Payload.KE), f"{kinds}\n{sa}"
    assert initiator.probe(esp=[PFS]), f"no honest IKE SA comes up afterwards\n{sa}"


def answers(sa: Session) -> list[Step]:
    """The peer's responses to CREATE_CHILD_SA."""
    return [s for s in sa.received() if s.message.exch_type == Exchange.CREATE_CHILD_SA]


def rekey_fate(peer: Tested, initiator: Initiator, edits: list[Edit]) -> bool:
    """Whether a rekey with these edits made the peer replace the child; all else is recorded."""
    peer.start(esp=[PLAIN])
    sa = initiator.establish(esp=[PLAIN])
    old = sa.child

    sa.sa.rekey_child(old, sa.endpoint.transport.clock(), edits)
    sa.wait(lambda: bool(answers(sa)), 1.0)

    peer.observe(answers(sa)[0].text() if answers(sa) else "silence")
    view = peer.sa(sa)
    there = [c for c in view.children if c.spi_in == old.spi_out] if view else []
    return bool(view and (not there or there[0].state.startswith("REKEY")))


@case("CHD-09", "SHOULD")
@rfc(7296, "1.3.3", "2.25")
def test_rekeys_no_child_of_another_protocol(peer: Tested, initiator: Initiator) -> None:
    """REKEY_SA that names AH, where the child is of ESP, names a child that does not exist."""
    rekeyed = rekey_fate(peer, initiator, [at("SK.N(REKEY_SA).proto").set(2)])

    assert not rekeyed, "the ESP child was rekeyed"
    assert initiator.probe(esp=[PLAIN])


MISFITS = {
    "of no protocol": [at("SK.N(REKEY_SA).proto").set(0)],
    "of the IKE SA": [at("SK.N(REKEY_SA).proto").set(1)],
    "of eight octets": [at("SK.N(REKEY_SA).SPI").set(b"\x0b\xad\x5f\x1d\x0b\xad\x5f\x1d")],
    "of no octet": [at("SK.N(REKEY_SA).SPI").set(b"")],
}


@case("CHD-09", "policy")
@rfc(7296, "1.3.3", "3.10")
@pytest.mark.parametrize("edits", MISFITS.values(), ids=MISFITS)
def test_survives_a_rekey_that_names_its_child_oddly(
    peer: Tested, initiator: Initiator, edits: list[Edit]
) -> None:
    """REKEY_SA without a protocol, or with an SPI of another size, does no harm; all is told.

    RFC 7296 1.3.3 binds the sender.
    """
    rekeyed = rekey_fate(peer, initiator, edits)

    peer.observe("it was rekeyed" if rekeyed else "it was not rekeyed")
    assert initiator.probe(esp=[PLAIN])


@case("CHD-12")
@rfc(7296, "2.25")
@pytest.mark.parametrize("error", [Notify.NO_ADDITIONAL_SAS, Notify.TEMPORARY_FAILURE],
                         ids=lambda e: e.name)  # fmt: skip
def test_keeps_what_it_has_when_a_notify_says_so_in_a_request(
    peer: Tested, initiator: Initiator, error: Notify
) -> None:
    """NO_ADDITIONAL_SAS and TEMPORARY_FAILURE answer a request; in one they mean nothing."""
    peer.start()
    sa = initiator.establish()

    reply = sa.inform(edits=[insert("SK", payload=notify(int(error)))])

    assert not reply.silent, f"no answer\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


EXTRAS = {
    "IPCOMP_SUPPORTED": b"\x12\x34\x02",
    "USE_TRANSPORT_MODE": b"",
    "ESP_TFC_PADDING_NOT_SUPPORTED": b"",
    "NON_FIRST_FRAGMENTS_ALSO": b"",
}


@case("CHD-20")
@rfc(7296, "1.3.1", "1.3.3", "2.22")
@pytest.mark.parametrize("name", EXTRAS)
def test_rekeys_a_child_with_more_notifies(peer: Tested, initiator: Initiator, name: str) -> None:
    """The notifies of a new child may come in a rekey too; what is declined is left out."""
    peer.start()
    sa = initiator.establish()
    old = sa.child

    extra = insert("SK", before="SA", payload=notify(name, EXTRAS[name]))
    reply = sa.rekey_child(edits=[extra])

    assert reply.has(Payload.SA), f"no rekey: {reply.outcome}\n{sa}"
    [new] = sa.children
    assert new.spi_out != old.spi_out
    taken = reply.notify(int(Notify[name])) is not None
    peer.observe("agreed" if taken else "left out")
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CHD-21", "feature")
@rfc(7296, "1.3.3", "2.17")
@pytest.mark.parametrize("group", ["modp2048", "modp3072", "ecp256", "ecp384", "x25519"])
def test_rekeys_right_after_authentication_with_a_group(
    peer: Tested, initiator: Initiator, group: str
) -> None:
    """A child made without KE in IKE_AUTH is rekeyed at once with KE of the policy's group."""
    suite = f"aes128gcm16-{group}"
    peer.start(esp=[suite])
    sa = initiator.establish(esp=[suite])

    reply = sa.rekey_child()

    assert reply.has(Payload.SA), f"no rekey: {reply.outcome}\n{sa}"
    assert reply.has(Payload.KE), f"no KE in the response\n{sa}"
    assert len(sa.children) == 1
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CHD-12", "feature")
@rfc(7296, "1.3", "2.25")
def test_original_initiator_lives_with_a_peer_of_one_child(
    peer: Tested, responder: Responder
) -> None:
    """As original initiator it answers a second child or says NO_ADDITIONAL_SAS; it lives on."""
    peer.needs("child")
    peer.start()
    responder.listen(most_children=1)
    peer.initiate()
    sa = responder.accept()

    reply = sa.create_child()

    assert not reply.silent, f"no answer\n{sa}"
    peer.observe(reply.outcome)
    assert not responder.heard(Exchange.CREATE_CHILD_SA)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []
