"""EAP inside IKE_AUTH, further proofs, and what must not get through: both ends are ours."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.tls_identity import TlsIdentity
from ikelab.harness.exchange.credentials import NullCredential, PskCredential, Trust
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.exchange.eap.message import EapFailed, EapMessage
from ikelab.harness.exchange.eap.methods import MsChapAnswerer, MsChapAsker
from ikelab.harness.exchange.eap.session import MOST_ROUNDS, Authenticator, Supplicant
from ikelab.harness.exchange.events import NotAuthenticated
from ikelab.harness.exchange.features import Features, Round
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Identity
from ikelab.harness.pki import Pki
from ikelab.layers.eap import EapCode, EapType, IKEv2_EAP
from ikelab.layers.iana import Exchange, Notify, Payload
from tests.harness.talk import Talk, events, plan

USERS = {b"carol": b"Ar3etTnp", b"dave": "Würfel".encode()}
MSCHAP, MD5, GTC, TLS = EapType.MSCHAPV2, EapType.MD5_CHALLENGE, EapType.GTC, EapType.TLS


@pytest.fixture(scope="module")
def pki():
    return Pki(seed=1, bulk=600)


def tls(pki, side, version="1.2", anchors=None):
    member = pki.member(side)
    return TlsIdentity(member.chain, member.key, anchors or (pki.root,), version)


def credential(name=b"carol", password=None, **options):
    return EapCredential(name, USERS[name] if password is None else password, **options)


def talk(own, trust, **options):
    """An initiator with EAP; the responder proves itself with the shared key."""
    return Talk(i={"own": own}, r={"trust": Trust(eap=trust)}, **options)


def agree(end):
    """Both are up, with the same child, and nobody broke a rule."""
    assert end.i.state is end.r.state is State.ESTABLISHED, end.i.transcript.text()
    assert end.violations == []
    assert end.i.child.spi_out == end.r.child.spi_in
    assert end.i.child.keys == end.r.child.keys
    return True


@pytest.mark.parametrize("kind", [MSCHAP, MD5, GTC], ids=lambda k: k.name)
@pytest.mark.parametrize("name", USERS)
def test_each_method_comes_up(kind, name):
    end = talk(credential(name), EapTrust(USERS, (kind,))).up()

    assert agree(end)
    assert end.i.rounds.supplicant.msk == end.r.rounds.authenticator.msk
    assert len(end.i.rounds.supplicant.msk) == (64 if kind is MSCHAP else 0)
    assert end.r.rounds.authenticator.name == name


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_comes_up_in_fragments(pki, version):
    own = EapCredential(b"carol", tls=tls(pki, "initiator", version))
    end = talk(own, EapTrust(methods=(TLS,), tls=tls(pki, "responder", version))).up()

    assert agree(end)
    assert len(end.i.rounds.supplicant.msk) == 64
    assert end.i.rounds.supplicant.msk == end.r.rounds.authenticator.msk
    assert end.i.window.next_request > 8  # fragments


def test_the_ike_identity_stands_for_the_name():
    trust = EapTrust({b"left@example.org": b"x"}, (MD5,), ask_name=False)
    end = talk(EapCredential(b"left@example.org", b"x"), trust).up()

    assert agree(end)
    assert end.i.window.next_request == 4


def test_a_nak_chooses_another_method():
    end = talk(credential(methods=(GTC,)), EapTrust(USERS, (MSCHAP, MD5, GTC))).up()

    assert agree(end)
    assert end.r.rounds.authenticator.kind == GTC


def test_no_common_method_is_a_failure():
    end = talk(credential(methods=(GTC,)), EapTrust(USERS, (MSCHAP, MD5))).up()

    assert end.i.state is end.r.state is State.CLOSED
    assert end.r.rounds.authenticator.failure == "no method is common to both"


@pytest.mark.parametrize("kind", [MSCHAP, MD5, GTC], ids=lambda k: k.name)
@pytest.mark.parametrize(("name", "password"), [(b"carol", b"wrong"), (b"mallory", b"")])
def test_who_does_not_know_the_password_fails(kind, name, password):
    end = talk(EapCredential(name, password), EapTrust(USERS, (kind,))).up()

    assert end.i.state is end.r.state is State.CLOSED
    assert not end.r.children


def test_strangers_to_the_ca_fail_in_tls(pki):
    other = Pki(seed=2)
    own = EapCredential(b"carol", tls=tls(other, "initiator", anchors=(pki.root,)))
    end = talk(own, EapTrust(methods=(TLS,), tls=tls(pki, "responder"))).up()

    assert end.i.state is end.r.state is State.CLOSED
    assert "verify failed" in end.r.rounds.authenticator.failure


def test_a_server_that_does_not_know_the_password_is_refused():
    mine = MsChapAnswerer(b"carol", USERS[b"carol"], bytes)
    asker = MsChapAsker({b"carol": b"other"}, bytes, b"server")
    mine.answer(1, asker.ask(1))

    with pytest.raises(EapFailed, match="does not prove"):
        mine.answer(2, bytes([3, 1]) + (46).to_bytes(2, "big") + b"S=" + b"0" * 40)


@pytest.mark.parametrize("kind", [MSCHAP, MD5], ids=lambda k: k.name)
def test_success_of_eap_without_its_key_in_auth_is_refused(kind):
    end = talk(credential(key=b"another key"), EapTrust(USERS, (kind,))).up()

    assert end.r.state is State.CLOSED
    assert next(e for e in events(end.r) if isinstance(e, NotAuthenticated)).reason == "key"
    assert end.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]
    assert end.i.state is State.CLOSED


def test_a_responder_whose_auth_is_not_of_the_key_is_refused():
    end = Talk(
        i={"own": credential()},
        r={"trust": Trust(eap=EapTrust(USERS)), "features": Features(eap_key=b"another key")},
    ).up()

    assert end.i.state is State.CLOSED
    assert [v.rule for v in end.i.violations] == ["auth-verifies"]


def test_auth_has_to_come_after_eap():
    end = Talk(
        i={"own": credential(), "plan": plan('IKE_AUTH/request#4: drop("SK.AUTH")')},
        r={"trust": Trust(eap=EapTrust(USERS))},
    ).up()

    assert end.r.state is State.CLOSED


# -- EAP alone (RFC 5998) --------------------------------------------------------------------


@pytest.mark.parametrize("both", [True, False])
def test_the_responder_leaves_out_its_auth_where_both_want_that(both):
    end = talk(credential(only=both), EapTrust(USERS, (MSCHAP,), only=True)).up()

    assert agree(end)
    first = [s for s in end.i.transcript if s.message.exch_type == Exchange.IKE_AUTH][1]
    assert (Payload.AUTH in [p.kind for p in first.inner()]) == (not both)


def test_eap_without_auth_of_the_responder_is_refused_where_nobody_asked_for_it():
    end = Talk(
        i={"own": credential()},
        r={
            "trust": Trust(eap=EapTrust(USERS)),
            "plan": plan('IKE_AUTH/response#0: drop("SK.AUTH")'),
        },
    ).up()

    assert end.i.state is State.CLOSED
    assert not end.i.children


# -- further proofs (RFC 4739) ---------------------------------------------------------------

SECOND = Identity.parse("second@example.org")


def several(first, second, trusts):
    return Talk(
        i={"own": first, "features": Features(more=(Round(SECOND, second),))},
        r={"trust": trusts[0], "features": Features(more_trust=(trusts[1],))},
    )


EAP = Trust(eap=EapTrust(USERS))
PSK = Trust(psk=b"a secret")


@pytest.mark.parametrize(
    ("first", "second", "trusts"),
    [
        (None, credential(), (PSK, EAP)),
        (credential(), PskCredential(b"another"), (EAP, Trust(psk=b"another"))),
        (credential(), credential(b"dave"), (EAP, EAP)),
        (None, NullCredential(), (PSK, Trust(null=True))),
    ],
    ids=["psk, eap", "eap, psk", "eap, eap", "psk, null"],
)
def test_two_proofs_in_a_row(first, second, trusts):
    end = several(first, second, trusts).up()

    assert agree(end)
    assert end.i.rounds.number == end.r.rounds.number == 1


@pytest.mark.parametrize("trusts", [(PSK, EAP), (EAP, PSK)], ids=["psk, eap", "eap, psk"])
def test_one_proof_of_two_is_not_enough(trusts):
    first = None if trusts[0] is PSK else credential()
    end = Talk(
        i={"own": first},
        r={"trust": trusts[0], "features": Features(more_trust=(trusts[1],))},
    ).up()

    assert end.i.state is end.r.state is State.CLOSED


def test_a_wrong_second_proof_is_refused():
    end = several(None, credential(password=b"wrong"), (PSK, EAP)).up()

    assert end.i.state is end.r.state is State.CLOSED


def test_who_does_not_announce_it_is_not_asked_for_a_second_proof():
    end = Talk(i={"features": Features(more=(Round(SECOND, credential()),))}).up()

    assert agree(end)
    assert end.i.window.next_request == 2


# -- EAP by itself ---------------------------------------------------------------------------


def asker(kind=MSCHAP):
    made = Authenticator(EapTrust(USERS, (kind,)), bytes, b"")
    return made, made.start()


def test_a_request_is_answered_under_its_identifier_only():
    made, first = asker()

    assert made.take(EapMessage(EapCode.RESPONSE, first.identifier + 1, 1, b"carol")) is None
    assert made.take(EapMessage(EapCode.REQUEST, first.identifier, 1, b"carol")) is None
    assert made.over is None


@pytest.mark.parametrize("kind", [MSCHAP, MD5, GTC], ids=lambda k: k.name)
@pytest.mark.parametrize("data", [b"", b"\1", b"\xff" * 3, bytes(200), b"\2\0\0\xff" + bytes(9)])
def test_nonsense_for_a_response_fails(kind, data):
    made, first = asker(kind)
    question = made.take(EapMessage(EapCode.RESPONSE, first.identifier, 1, b"carol"))

    answer = made.take(EapMessage(EapCode.RESPONSE, question.identifier, kind, data))

    assert (answer.code, made.over) == (EapCode.FAILURE, False)


def test_rounds_without_end_have_one():
    own = Supplicant(credential(), bytes)
    for number in range(MOST_ROUNDS):
        own.take(EapMessage(EapCode.REQUEST, number & 255, EapType.IDENTITY))

    with pytest.raises(EapFailed, match="round 61"):
        own.take(EapMessage(EapCode.REQUEST, 0, EapType.IDENTITY))


def test_success_out_of_nowhere_is_none():
    with pytest.raises(EapFailed, match="before the method"):
        Supplicant(credential(), bytes).take(EapMessage(EapCode.SUCCESS, 1))


@pytest.mark.parametrize("length", [0, 3, 7, 300])
def test_a_message_of_another_length_than_it_says_is_no_message(length):
    payload = IKEv2_EAP(code=1, identifier=1, eap_length=length, type=1, load=b"carol")

    with pytest.raises(EapFailed, match="says"):
        EapMessage.of(IKEv2_EAP(bytes(payload)))
