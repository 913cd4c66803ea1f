"""Post-quantum preshared keys (RFC 8784), our own two ends against each other."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from ikelab.harness.crypto.keys import derive_ike, mix_ppk
from ikelab.harness.exchange.credentials import Trust
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite
from ikelab.harness.transcript import RECEIVED
from ikelab.layers.iana import Exchange, Notify, Payload
from tests.harness.talk import Talk, plan

KEY = Ppk(b"ours", bytes(range(32)))
OTHER_KEY = Ppk(b"ours", bytes(32))
OTHER_ID = Ppk(b"another", bytes(range(32)))
USE, IDENTITY, WITHOUT = Notify.USE_PPK, Notify.PPK_IDENTITY, Notify.NO_PPK_AUTH
USERS = {b"carol": b"secret"}


def talk(i=None, r=None, *, i_must=False, r_must=False, i_more=None, r_more=None, **both):
    """A talk whose sides have these keys."""

    def side(key, must, more):
        keys = (key,) if key else ()
        return {"features": Features(ppks=keys, ppk_required=must), **(more or {})}

    return Talk(i=side(i, i_must, i_more), r=side(r, r_must, r_more), **both)


def heard(sa, exchange):
    """The notifies that a side received in an exchange: type and data."""
    steps = [
        s for s in sa.transcript if s.message.exch_type == exchange and s.direction == RECEIVED
    ]
    inner = [p for s in steps for p in (s.inner() or s.message.payloads)]
    return {int(p.type): bytes(p.notify) for p in inner if p.kind == Payload.N}


def same_children(made):
    ours, theirs = made.i.child.keys, made.r.child.keys
    return (ours.encr_i, ours.encr_r, ours.integ_i) == (
        theirs.encr_i,
        theirs.encr_r,
        theirs.integ_i,
    )


def test_the_keys_are_made_as_the_rfc_says():
    """RFC 8784 3: SK_d = prf+(PPK, SK_d'), and so on; nothing else changes."""
    bare = derive_ike(
        Suite.parse("aes128-sha256-x25519"), b"g^ir", b"i" * 32, b"r" * 32, b"I" * 8, b"R" * 8
    )

    mixed = mix_ppk(bare, KEY.key)

    for name in ("sk_d", "sk_pi", "sk_pr"):
        expected = hmac.digest(KEY.key, getattr(bare, name) + b"\1", hashlib.sha256)
        assert getattr(mixed, name) == expected
    for name in ("sk_ai", "sk_ar", "sk_ei", "sk_er"):
        assert getattr(mixed, name) == getattr(bare, name)


@pytest.mark.parametrize("must", [False, True])
def test_a_key_that_both_have_is_mixed_in(must):
    made = talk(KEY, KEY, i_must=must, r_must=must).up()

    assert made.i.state is made.r.state is State.ESTABLISHED
    assert made.violations == []
    assert made.i.mixing.used == made.r.mixing.used == KEY
    assert made.i.keys.sk_d == made.r.keys.sk_d != made.i.mixing.bare.sk_d
    assert same_children(made)
    request, response = heard(made.r, Exchange.IKE_AUTH), heard(made.i, Exchange.IKE_AUTH)
    assert request[IDENTITY] == b"\x02ours"
    assert (WITHOUT in request) is not must
    assert response[IDENTITY] == b""


def test_it_is_in_what_follows():
    made = talk(KEY, KEY).up()
    made.i.rekey(made.now)
    made.carry()

    following = made.i.successor
    assert following is not None
    assert following.keys.sk_d == made.r.keys.sk_d


def test_an_unknown_key_is_done_without_where_both_can():
    made = talk(OTHER_ID, KEY).up()

    assert made.i.state is made.r.state is State.ESTABLISHED
    assert made.i.mixing.used is made.r.mixing.used is None
    assert made.i.keys.sk_d == made.r.keys.sk_d
    assert IDENTITY not in heard(made.i, Exchange.IKE_AUTH)
    assert same_children(made)


@pytest.mark.parametrize(
    ("i", "r", "must"),
    [
        (OTHER_ID, KEY, {"i_must": True}),  # no NO_PPK_AUTH
        (OTHER_ID, KEY, {"r_must": True}),
        (OTHER_KEY, KEY, {}),  # whoever knows the name has to know the key
    ],
)
def test_a_key_that_does_not_fit_ends_it(i, r, must):
    made = talk(i, r, **must).up()

    assert made.i.state is State.CLOSED
    assert made.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]
    assert made.violations == []


def test_what_stands_in_for_auth_is_checked():
    made = talk(OTHER_ID, KEY, i_more={
        "plan": plan("IKE_AUTH/request: SK.N(NO_PPK_AUTH).notify ^= b'\\x01'")}).up()  # fmt: skip

    assert made.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]


def test_who_has_none_is_refused_by_who_insists():
    made = talk(None, KEY, r_must=True).init()

    assert made.i.state is State.CLOSED
    assert made.i.last_response.errors() == [Notify.NO_PROPOSAL_CHOSEN]


def test_who_insists_gives_up_where_the_responder_has_none():
    made = talk(KEY, None, i_must=True).init()

    assert made.i.state is State.CLOSED
    assert made.i.window.next_request == 1  # no IKE_AUTH
    assert made.violations == []


@pytest.mark.parametrize(("i", "r"), [(KEY, None), (None, KEY), (None, None)])
def test_it_takes_two_to_agree(i, r):
    made = talk(i, r).up()

    assert made.i.state is made.r.state is State.ESTABLISHED
    assert (USE in heard(made.r, Exchange.IKE_SA_INIT)) == (i is not None)
    assert USE not in heard(made.i, Exchange.IKE_SA_INIT)
    assert IDENTITY not in heard(made.r, Exchange.IKE_AUTH)


def test_who_insists_takes_no_answer_without():
    """A responder that agreed, and goes on without a key."""
    made = talk(KEY, KEY, i_must=True, r_more={
        "plan": plan('IKE_AUTH/response: drop("SK.N(PPK_IDENTITY)")')}).up()  # fmt: skip

    assert made.i.state is State.CLOSED
    assert made.i.violations == []


def test_it_goes_with_eap():
    made = talk(
        KEY, KEY, i_must=True, r_must=True,
        i_more={"own": EapCredential(b"carol", USERS[b"carol"])},
        r_more={"trust": Trust(eap=EapTrust(USERS))},
    ).up()  # fmt: skip

    assert made.i.state is made.r.state is State.ESTABLISHED, made.i.transcript.text()
    assert made.i.keys.sk_d == made.r.keys.sk_d != made.i.mixing.bare.sk_d
    assert made.violations == []
