"""Additional key exchanges, ML-KEM among them: up, in order, rekeyed, and refused (RFC 9370)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Ke, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE
from ikelab.testcases.each_once import each_once
from ikelab.testcases.rekeys import child_rekeyed, ike_rekeyed

PLAIN = "aes128-sha256-x25519"
HYBRID = f"{PLAIN}-ke1_mlkem768"
CHILD = "aes128gcm16-x25519-ke1_mlkem768"
FOLLOWUP = Exchange.IKE_FOLLOWUP_KE


def answers(sa: Session, exchange: int) -> list[list[int]]:
    """What the peer's responses of a type hold: payload types, notifies as negative numbers."""
    return [
        [-int(p.type) if p.kind == Payload.N else int(p.kind) for p in step.inner() or []]
        for step in each_once(sa.received())
        if step.message.exch_type == exchange and int(step.message.flags) & RESPONSE
    ]


@case("PQ-01", "feature")
@rfc(9370, "2.2.2")
@pytest.mark.parametrize("number", [512, 768, 1024])
@pytest.mark.parametrize("group", ["x25519", "ecp256", "modp2048"])
def test_adds_ml_kem_to_a_group(
    peer: Tested, initiator: Initiator, group: str, number: int
) -> None:
    """An IKE SA comes up with ML-KEM as its first additional key exchange."""
    suite = f"aes128-sha256-{group}-ke1_mlkem{number}"
    peer.start(ike=[suite])

    sa = initiator.establish(ike=[suite])

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("PQ-02", "feature")
@pytest.mark.parametrize("number", [512, 768, 1024])
def test_takes_ml_kem_alone(peer: Tested, initiator: Initiator, number: int) -> None:
    """ML-KEM in IKE_SA_INIT, with no other key exchange."""
    suite = f"aes128-sha256-mlkem{number}"
    peer.start(ike=[suite])

    sa = initiator.establish(ike=[suite])

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("PQ-05", "feature")
@rfc(9370, "2.2.1", "2.2.2")
def test_does_several_in_order(peer: Tested, initiator: Initiator) -> None:
    """The first slot and the third: two exchanges, each with new keys."""
    suite = f"{PLAIN}-ke1_mlkem768-ke3_ecp256"
    peer.start(ike=[suite])

    sa = initiator.establish(ike=[suite])

    assert len(answers(sa, Exchange.IKE_INTERMEDIATE)) == 2
    assert sa.violations == []


SLOTS = ["mlkem768", "mlkem512", "mlkem1024", "ecp256", "ecp384", "x448", "modp2048"]


@case("PQ-05", "feature")
@rfc(9370, "2.2.1", "2.2.2")
def test_does_all_seven(peer: Tested, initiator: Initiator) -> None:
    """Every slot has a method of its own: seven exchanges before IKE_AUTH."""
    suite = "-".join([PLAIN, *(f"ke{n}_{method}" for n, method in enumerate(SLOTS, 1))])
    peer.start(ike=[suite])

    sa = initiator.establish(ike=[suite])

    assert len(answers(sa, Exchange.IKE_INTERMEDIATE)) == len(SLOTS)
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("PQ-06")
@rfc(9370, "2.2.2")
def test_insists_on_every_exchange(peer: Tested, initiator: Initiator) -> None:
    """IKE_AUTH before the negotiated key exchanges leads nowhere."""
    peer.start(ike=[HYBRID])

    sa = initiator.init(ike=[HYBRID], conduct=Conduct().but("complete_rounds"))
    sa.auth(patience=1.0)

    assert not sa.established, f"the key exchange was skipped\n{sa}"


@case("PQ-07")
@rfc(9370, "2.2.1")
def test_takes_no_method_twice(peer: Tested, initiator: Initiator) -> None:
    """One key exchange method in two slots is not to be chosen."""
    peer.start(ike=[f"{PLAIN}-ke1_mlkem768-ke2_mlkem768-ke2_ecp256"])

    sa = initiator.init(ike=[f"{PLAIN}-ke1_mlkem768-ke2_mlkem768"])

    assert not sa.reply.has(Payload.SA), f"it is chosen\n{sa}"


@case("PQ-08")
@pytest.mark.parametrize("octets", [0, 1183, 1185])
def test_refuses_an_encapsulation_key_of_another_length(
    peer: Tested, initiator: Initiator, octets: int
) -> None:
    """No ciphertext comes back for a key that is none."""
    peer.start(ike=[HYBRID])
    plan = f"IKE_INTERMEDIATE/request: SK.KE.ke = {bytes(octets)!r}"

    sa = initiator.init(ike=[HYBRID], plan=plan, lenient=True)
    sa.auth(patience=1.0)

    found = [kind for kinds in answers(sa, Exchange.IKE_INTERMEDIATE) for kind in kinds]
    assert Payload.KE not in found, f"a key of {octets} octets is taken\n{sa}"


@case("PQ-11", "feature")
@rfc(9370, "2.2.4")
def test_rekeys_with_following_exchanges(peer: Tested, initiator: Initiator) -> None:
    """Child and IKE SA are rekeyed by IKE_FOLLOWUP_KE, and its last response has no link."""
    peer.start(ike=[HYBRID], esp=[CHILD])
    sa = initiator.establish(ike=[HYBRID], esp=[CHILD])

    sa.rekey_child()
    following = sa.rekey()

    assert following is not None, f"the IKE SA is not rekeyed\n{sa}"
    last = answers(sa, FOLLOWUP)
    assert len(last) == 2, f"{len(last)} responses of IKE_FOLLOWUP_KE\n{sa}"
    assert all(-Notify.ADDITIONAL_KEY_EXCHANGE not in kinds for kinds in last), f"a link\n{sa}"
    assert sa.violations == following.violations == []
    assert peer.disagreements(following) == []


@case("PQ-11", "feature")
@rfc(9370, "2.2.4")
def test_begins_rekeys_with_following_exchanges(peer: Tested, initiator: Initiator) -> None:
    """The peer rekeys child and IKE SA by IKE_FOLLOWUP_KE, with the link that it was given."""
    peer.start(ike=[HYBRID], esp=[CHILD])
    sa = initiator.establish(ike=[HYBRID], esp=[CHILD])

    child_rekeyed(peer, sa)
    following = ike_rekeyed(peer, sa)

    asked = [s for s in sa.received() if s.message.exch_type == FOLLOWUP]
    assert {int(s.message.id) for s in asked}, f"no IKE_FOLLOWUP_KE\n{sa}"
    assert not following.inform().silent, f"the new IKE SA does not work\n{following}"


@case("PQ-12")
@rfc(9370, "2.2.4")
def test_knows_no_other_link(peer: Tested, initiator: Initiator) -> None:
    """STATE_NOT_FOUND answers a link that nobody gave."""
    peer.start(ike=[HYBRID])
    sa = initiator.establish(ike=[HYBRID])
    link = IKEv2_Notify(type=Notify.ADDITIONAL_KEY_EXCHANGE, notify=b"nobody gave it")
    key = IKEv2_KE(group=Ke.CURVE25519, ke=b"\x09" + bytes(31))

    sa.send_as(sa.sa.window.next_request, [key, link], exchange=FOLLOWUP, patience=4.0)

    assert answers(sa, FOLLOWUP) == [[-Notify.STATE_NOT_FOUND]], f"no STATE_NOT_FOUND\n{sa}"
