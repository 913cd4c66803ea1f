"""Preshared keys that are named before IKE_AUTH (RFC 9867), our own two ends against each other."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from ikelab.harness.crypto.keys import derive_ike, expand_ike, mix_ppk_early
from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite
from ikelab.layers.iana import Exchange, Notify
from tests.harness.exchange.test_ppk import KEY, OTHER_ID, OTHER_KEY, heard
from tests.harness.talk import Talk

PLAIN = "aes128-sha256-x25519"
TWO = f"{PLAIN}-ke1_mlkem512-ke2_ecp256"
NI, NR, SPI_I, SPI_R = b"i" * 32, b"r" * 32, b"I" * 8, b"R" * 8


def side(*keys: Ppk, must: bool = False, early: bool = True) -> dict[str, Features]:
    return {"features": Features(ppks=keys, ppk_required=must, ppk_early=early)}


def is_up(talk: Talk) -> bool:
    assert talk.i.state is talk.r.state is State.ESTABLISHED, talk.i.transcript.text()
    assert talk.violations == []
    assert talk.i.child is not None and talk.r.child is not None
    return talk.i.keys == talk.r.keys and talk.i.child.keys == talk.r.child.keys


def intermediates(talk: Talk) -> int:
    sent = {s.message.id for s in talk.i.transcript if s.message.exch_type == 43}
    return len(sent)


def test_all_keys_are_made_anew() -> None:
    """RFC 9867 3.1.1: SKEYSEED = prf+(PPK, SK_d), and from there as ever."""
    suite = Suite.parse(PLAIN)
    before = derive_ike(suite, b"g^ir", NI, NR, SPI_I, SPI_R)

    after = mix_ppk_early(before, KEY.key, NI, NR, SPI_I, SPI_R)

    seed = hmac.digest(KEY.key, before.sk_d + b"\1", hashlib.sha256)
    assert after == expand_ike(suite, seed, NI, NR, SPI_I, SPI_R)


@pytest.mark.parametrize(("ike", "exchanges"), [(PLAIN, 1), (TWO, 2)])
@pytest.mark.parametrize("must", [False, True])
def test_the_last_exchange_names_the_key(ike: str, exchanges: int, must: bool) -> None:
    talk = Talk(ike=[ike], i=side(KEY, must=must), r=side(KEY, must=must)).up()

    assert is_up(talk)
    assert intermediates(talk) == exchanges
    assert talk.i.mixing.used == talk.r.mixing.used == KEY
    assert heard(talk.i, Exchange.IKE_INTERMEDIATE) == {Notify.PPK_IDENTITY: b"\x02ours"}
    assert Notify.PPK_IDENTITY not in heard(talk.r, Exchange.IKE_AUTH)


@pytest.mark.parametrize("keys", [(OTHER_ID,), (OTHER_KEY,), (OTHER_ID, OTHER_KEY)])
def test_without_a_common_key_it_goes_on_where_both_can(keys: tuple[Ppk, ...]) -> None:
    talk = Talk(i=side(*keys), r=side(KEY)).up()

    assert is_up(talk)
    assert talk.i.mixing.used is talk.r.mixing.used is None


def test_the_first_common_key_is_taken() -> None:
    talk = Talk(i=side(OTHER_KEY, OTHER_ID, KEY), r=side(KEY, OTHER_ID)).up()

    assert is_up(talk)
    assert talk.i.mixing.used == OTHER_ID


def test_a_responder_that_insists_refuses() -> None:
    talk = Talk(i=side(OTHER_KEY), r=side(KEY, must=True)).up()

    assert talk.i.state is State.CLOSED
    assert talk.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]
    assert talk.violations == []


def test_an_initiator_that_insists_gives_up() -> None:
    talk = Talk(i=side(OTHER_KEY, must=True), r=side(KEY)).up()

    assert talk.i.state is State.CLOSED
    assert talk.i.window.next_request == 2  # no IKE_AUTH


@pytest.mark.parametrize(("i", "r"), [(True, False), (False, True)])
def test_who_is_not_early_does_it_in_ike_auth(i: bool, r: bool) -> None:
    """An initiator says both, and RFC 8784 is what is left."""
    talk = Talk(i=side(KEY, must=True, early=i), r=side(KEY, must=True, early=r)).up()

    assert is_up(talk)
    assert intermediates(talk) == 0
    assert talk.i.mixing.used == KEY and talk.i.mixing.bare is not None
