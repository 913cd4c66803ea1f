"""Post-quantum preshared keys: agreed on, mixed in, done without, insisted on (RFC 8784)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.conformance.ppk import KEY, UNKNOWN, WRONG, same_keys, told, turned_away
from ikelab.testcases.conformance.refusals import refused

HYBRID = "aes128-sha256-x25519-ke1_mlkem768"


@case("PQ-15")
@rfc(8784, "3")
def test_mixes_the_key_in(peer: Tested, initiator: Initiator) -> None:
    """With a PPK on both sides AUTH and the child's keys have it, and an empty notify says so."""
    peer.start(features=told(KEY, must=True))

    sa = initiator.establish(features=told(KEY, must=True))

    said = sa.reply.notify(Notify.PPK_IDENTITY)
    assert said is not None and said.data == b"", f"PPK_IDENTITY is not confirmed\n{sa}"
    same_keys(peer, sa)


@case("PQ-16", "feature")
@rfc(8784, "3")
@rfc(9370, "2.2.2")
def test_mixes_the_key_in_after_key_exchanges(peer: Tested, initiator: Initiator) -> None:
    """An additional key exchange and a PPK: the PPK is mixed into the keys of the last exchange."""
    peer.start(ike=[HYBRID], features=told(KEY, must=True))

    sa = initiator.establish(ike=[HYBRID], features=told(KEY, must=True))

    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_keeps_it_in_a_rekeyed_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """The SK_d that an IKE SA is rekeyed with has the key in it; no notify names it again."""
    peer.start(features=told(KEY))
    sa = initiator.establish(features=told(KEY))

    following = sa.rekey()

    assert following is not None, f"the IKE SA is not rekeyed\n{sa}"
    assert not following.inform().silent, f"the new IKE SA does not work\n{following}"
    assert following.violations == []


@case("PQ-15", "feature")
@rfc(8784, "3")
def test_agrees_with_who_asks(peer: Tested, initiator: Initiator) -> None:
    """USE_PPK is in the response where it was in the request, and only there."""
    peer.start(features=told(KEY))

    without = initiator.init()
    both = initiator.init(features=told(KEY))

    assert without.reply.notify(Notify.USE_PPK) is None, f"said to who did not ask\n{without}"
    assert both.reply.notify(Notify.USE_PPK) is not None, f"not agreed to\n{both}"


@case("PQ-15")
@rfc(8784, "3")
def test_refuses_another_key_of_that_name(peer: Tested, initiator: Initiator) -> None:
    """Who does not have the key does not get in, NO_PPK_AUTH or not."""
    peer.start(features=told(KEY))

    sa = initiator.init(features=told(WRONG))
    reply = sa.auth()

    refused(peer, sa, reply)


@case("PQ-15")
@rfc(8784, "3")
def test_does_without_a_key_that_it_does_not_know(peer: Tested, initiator: Initiator) -> None:
    """With NO_PPK_AUTH the IKE SA comes up as ever, and no PPK_IDENTITY confirms anything."""
    peer.start(features=told(KEY))

    sa = initiator.establish(features=told(UNKNOWN))

    assert sa.reply.notify(Notify.PPK_IDENTITY) is None, f"it claims to use the key\n{sa}"
    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_checks_what_stands_in_for_auth(peer: Tested, initiator: Initiator) -> None:
    """A NO_PPK_AUTH that does not verify proves nothing."""
    peer.start(features=told(KEY))
    plan = "IKE_AUTH/request: SK.N(NO_PPK_AUTH).notify ^= b'\\x01'"

    sa = initiator.init(features=told(UNKNOWN), plan=plan)
    reply = sa.auth()

    refused(peer, sa, reply)


@case("PQ-15")
@rfc(8784, "3")
def test_refuses_an_unknown_key_without_a_way_out(peer: Tested, initiator: Initiator) -> None:
    """An initiator that insists on a key that the responder does not have gets no IKE SA."""
    peer.start(features=told(KEY))

    sa = initiator.init(features=told(UNKNOWN, must=True))
    reply = sa.auth()

    refused(peer, sa, reply)


@case("PQ-15")
@rfc(8784, "3")
def test_insists_on_its_key(peer: Tested, initiator: Initiator) -> None:
    """A responder that insists lets nobody in with NO_PPK_AUTH."""
    peer.start(features=told(KEY, must=True))

    sa = initiator.init(features=told(UNKNOWN))

    turned_away(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_insists_on_being_asked_for_a_key(peer: Tested, initiator: Initiator) -> None:
    """A responder that insists lets nobody in who does not know PPKs."""
    peer.start(features=told(KEY, must=True))

    sa = initiator.init()

    turned_away(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_names_its_key_as_initiator(peer: Tested, responder: Responder) -> None:
    """PPK_IDENTITY names the key, and AUTH and the child's keys have it."""
    peer.start(features=told(KEY, must=True))
    responder.listen(features=told(KEY, must=True))

    peer.initiate()
    sa = responder.accept()

    asked = responder.heard(Exchange.IKE_AUTH)[0].inner() or []
    kinds = {int(p.type) for p in asked if p.kind == Payload.N}
    peer.observe("with NO_PPK_AUTH" if Notify.NO_PPK_AUTH in kinds else "without NO_PPK_AUTH")
    assert sa.sa.mixing.used == KEY, f"the key is not in use\n{sa}"
    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_goes_on_without_as_initiator(peer: Tested, responder: Responder) -> None:
    """Where the responder does not know the key NO_PPK_AUTH proves an initiator that may."""
    peer.start(features=told(KEY))
    responder.listen(features=told(UNKNOWN))

    peer.initiate()
    sa = responder.accept()

    assert sa.sa.mixing.used is None, f"{sa}"
    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_gives_up_where_the_responder_has_none(peer: Tested, responder: Responder) -> None:
    """An initiator that insists on its key makes no IKE SA with a responder without PPKs."""
    peer.start(features=told(KEY, must=True))
    responder.listen()

    peer.initiate()
    begun = responder.pump(lambda: bool(responder.heard(Exchange.IKE_SA_INIT)), 8.0)
    responder.pump(lambda: any(s.established for s in responder.sessions), 1.5)

    assert begun, "the peer sent no IKE_SA_INIT"
    talk = "\n".join(map(str, responder.sessions))
    assert not any(s.established for s in responder.sessions), f"it does without\n{talk}"
