"""More addresses of a MOBIKE peer: told in IKE_AUTH, replaced later, taken back (RFC 4555 3.6)."""

from __future__ import annotations

from ikelab.harness.exchange import mobike
from ikelab.harness.exchange.features import Features
from tests.harness.talk import Talk

OTHERS = ("10.0.0.9", "2001:db8::9")


def told(mobile: bool = True) -> Talk:
    ours = Features(mobike=True, addresses=OTHERS)
    return Talk(i={"features": ours}, r={"features": Features(mobike=mobile)}).up()


def test_a_list_is_kept_until_another_one_comes():
    talk = told()
    assert talk.r.mobility.others == OTHERS
    assert talk.i.mobility.others == ()

    for texts in (OTHERS[1:], ()):
        talk.i.inform(mobike.addresses(texts), talk.now)
        talk.carry()
        assert talk.r.mobility.others == texts


def test_what_says_nothing_of_addresses_changes_none():
    talk = told()

    talk.i.inform([], talk.now)
    talk.carry()

    assert talk.r.mobility.others == OTHERS


def test_who_has_no_mobike_keeps_no_list():
    assert told(mobile=False).r.mobility.others == ()
