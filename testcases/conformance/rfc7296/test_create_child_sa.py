"""CREATE_CHILD_SA: new children, rekeys, and what must be refused (RFC 7296 1.3, 2.8, 2.25)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import at, drop
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload
from ikelab.testcases.each_once import each_once

PLAIN = "aes128gcm16"
PFS = "aes128gcm16-ecp256-modp2048"


def assert_child_works(peer: Tested, sa: Session) -> None:
    """The children are known to both sides with the same SPIs, suites and selectors."""
    assert sa.violations == [], f"{sa.violations[0]}\n{sa}"
    assert peer.disagreements(sa) == []


@case("CHD-01")
@rfc(7296, "1.3.1", "2.17")
def test_makes_a_second_child(peer: Tested, initiator: Initiator) -> None:
    """A second child without KE comes up; all SPIs are distinct."""
    peer.start(esp=[PLAIN])
    sa = initiator.establish(esp=[PLAIN])

    reply = sa.create_child()

    assert reply.has(Payload.SA), f"no second child: {reply.errors}\n{sa}"
    assert not reply.has(Payload.KE)
    assert len({c.spi_out for c in sa.children}) == 2
    assert_child_works(peer, sa)


@case("CHD-02")
@rfc(7296, "1.3.1", "2.17")
@pytest.mark.parametrize("group", [19, 14])
def test_makes_a_child_with_forward_secrecy(peer: Tested, initiator: Initiator, group: int) -> None:
    """A child with KE of an offered group comes up, and KE of that group comes back."""
    peer.start(esp=[PFS])
    sa = initiator.establish(esp=[PFS])
    suite = "aes128gcm16-ecp256" if group == 19 else "aes128gcm16-modp2048"

    reply = sa.create_child(esp=[suite])

    assert reply.has(Payload.SA), f"no child: {reply.errors}\n{sa}"
    assert reply.one(Payload.KE).group == group
    assert_child_works(peer, sa)


@case("CHD-03")
@rfc(7296, "1.3")
def test_asks_for_the_group_of_a_child(peer: Tested, initiator: Initiator) -> None:
    """KE of a group that is not the chosen one gets INVALID_KE_PAYLOAD; the retry works."""
    peer.start(esp=["aes128gcm16-ecp256"])
    sa = initiator.establish(esp=[PFS])

    sa.create_child(esp=["aes128gcm16-modp2048-ecp256"])
    sa.wait(lambda: not sa.sa.window.waiting)

    refusals = each_once(s for s in sa.received() if "N(INVALID_KE_PAYLOAD)" in s.text())
    assert len(refusals) == 1, f"{sa}"
    assert len(sa.children) == 2, f"the retry brought no child\n{sa}"
    assert_child_works(peer, sa)


@case("CHD-04", "policy")
@rfc(7296, "1.3.1")
def test_survives_a_group_without_ke(peer: Tested, initiator: Initiator) -> None:
    """A proposal that demands KE in a request without KE makes no child without KE."""
    peer.start(esp=["aes128gcm16-ecp256"])
    sa = initiator.establish(esp=[PFS])

    reply = sa.create_child(esp=["aes128gcm16-ecp256"], edits=[drop("SK.KE")])

    peer.observe(", ".join(reply.errors or reply.names or ["silence"]))
    assert not reply.has(Payload.SA), f"a child came up without its KE\n{sa}"
    assert initiator.probe(esp=[PFS])


@case("CHD-07")
@rfc(7296, "1.3.3", "2.8")
def test_rekeys_a_child(peer: Tested, initiator: Initiator) -> None:
    """A child named by our inbound SPI is rekeyed; the old one goes with our delete."""
    peer.start(esp=[PLAIN])
    sa = initiator.establish(esp=[PLAIN])
    old = sa.child

    reply = sa.rekey_child()

    assert reply.has(Payload.SA), f"no rekey: {reply.errors}\n{sa}"
    [new] = sa.children
    assert new.spi_out != old.spi_out and new.replaces == old.spi_in
    assert (new.tsi, new.tsr) == (old.tsi, old.tsr)
    assert_child_works(peer, sa)


@case("CHD-08", "SHOULD")
@rfc(7296, "2.25", "3.10.1")
def test_refuses_to_rekey_an_unknown_child(peer: Tested, initiator: Initiator) -> None:
    """REKEY_SA with an SPI that the peer does not send to gets CHILD_SA_NOT_FOUND."""
    peer.start(esp=[PLAIN])
    sa = initiator.establish(esp=[PLAIN])

    reply = sa.rekey_child(edits=[at("SK.N(REKEY_SA).SPI").set(b"\x0b\xad\x5f\x1d")])

    reply.only(Notify.CHILD_SA_NOT_FOUND)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []


@case("CHD-10")
@rfc(7296, "1.3.2", "2.8", "2.18")
def test_rekeys_the_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """A new IKE SA with new SPIs inherits the children; the old one goes with our delete."""
    peer.start()
    sa = initiator.establish()
    child = sa.child

    new = sa.rekey()

    assert new is not None, f"no rekey: {sa.reply.errors}\n{sa}"
    assert sa.state is State.CLOSED
    assert {new.spis.i, new.spis.r}.isdisjoint({sa.spis.i, sa.spis.r})
    assert new.children == [child]
    assert sa.violations == []
    assert sa.wait(lambda: peer.sa(sa) is None), "the peer keeps the old IKE SA"
    assert_child_works(peer, new)


@case("MID-10")
@rfc(7296, "2.2", "2.18")
def test_starts_message_ids_anew_in_a_rekeyed_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """The first request in a rekeyed IKE SA has message ID 0 and is answered."""
    peer.start()
    sa = initiator.establish()
    new = sa.rekey()
    assert new is not None, f"no rekey: {sa.reply.errors}\n{sa}"

    reply = new.inform()

    assert new.sent()[-1].message.id == 0
    assert not reply.silent, f"message ID 0 is not answered\n{new}"
    assert new.violations == []


@case("CHD-11", "policy")
@rfc(7296, "1.3.2", "3.1")
def test_survives_a_zero_spi_for_a_new_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """A rekey of the IKE SA that names SPI zero does no harm; what becomes of it is recorded.

    RFC 7296 3.1 forbids the initiator an SPI of zero and asks nothing of who receives one.
    """
    config = peer.start()
    sa = initiator.establish(ike=[config.ike[0]])

    sa.rekey(edits=[at("SK.SA.proposal[0].SPI").set(bytes(8))])

    peer.observe(
        "accepted" if sa.reply.has(Payload.SA) else ", ".join(sa.reply.errors) or "silence"
    )
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("CHD-24")
@rfc(7296, "1.2", "1.3")
def test_makes_no_child_before_authentication(peer: Tested, initiator: Initiator) -> None:
    """CREATE_CHILD_SA in an IKE SA that nobody has authenticated makes no child."""
    peer.start()
    sa = initiator.init()
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"

    reply = sa.create_child(patience=0.8)

    assert not reply.has(Payload.SA), f"a child came up before IKE_AUTH\n{sa}"
    assert all(not known.children for known in peer.view().sas if known.spis == sa.spis)
    assert initiator.probe()


@case("CHD-18", "policy")
@rfc(7296, "2.8", "2.25.1")
def test_answers_a_delete_of_a_child_twice(peer: Tested, initiator: Initiator) -> None:
    """A delete of a child that is gone is answered, and nothing is deleted in the answer."""
    peer.start()
    sa = initiator.establish()
    child = sa.child
    sa.delete_child(child)

    reply = sa.delete_child(child)

    assert not reply.silent, f"no answer\n{sa}"
    deleted = [bytes(spi) for d in reply.payloads if d.kind == Payload.D for spi in d.SPI]
    assert deleted == [], f"{', '.join(spi.hex() for spi in deleted)} went as well\n{sa}"
    assert sa.violations == []


@case("CHD-22", "policy")
@rfc(7296, "2.8")
def test_survives_many_rekeys_in_a_row(peer: Tested, initiator: Initiator) -> None:
    """Forty rekeys, of the child and of the IKE SA in turn; no SPI comes twice."""
    peer.start()
    sa = initiator.establish()
    seen = {sa.child.spi_out, sa.child.spi_in}
    for _ in range(20):
        sa.rekey_child()
        assert len(sa.children) == 1, f"{sa}"
        spis = {sa.child.spi_out, sa.child.spi_in}
        assert not spis & seen, f"an SPI comes again\n{sa}"
        seen |= spis
        following = sa.rekey()
        assert following is not None, f"no rekey: {sa.reply.errors}\n{sa}"
        sa = following
    assert_child_works(peer, sa)


@case("CHD-07")
@rfc(7296, "1.3.3", "2.8")
def test_original_initiator_lets_us_rekey_its_child(peer: Tested, responder: Responder) -> None:
    """The original responder may rekey a child as well."""
    peer.start(esp=[PLAIN])
    responder.listen(esp=[PLAIN])
    peer.initiate()
    sa = responder.accept()
    old = sa.child

    reply = sa.rekey_child()

    assert reply.has(Payload.SA), f"no rekey: {reply.errors}\n{sa}"
    [new] = sa.children
    assert new.spi_out != old.spi_out
    assert_child_works(peer, sa)


@case("CHD-10")
@rfc(7296, "1.3.2", "2.18")
def test_original_initiator_lets_us_rekey_its_ike_sa(peer: Tested, responder: Responder) -> None:
    """The original responder may rekey the IKE SA as well; it is the initiator of the new one."""
    peer.start()
    responder.listen()
    peer.initiate()
    sa = responder.accept()

    new = sa.rekey()

    assert new is not None, f"no rekey: {sa.reply.errors}\n{sa}"
    assert new.sa.initiator and not sa.sa.initiator
    assert sa.violations == []
    assert_child_works(peer, new)
