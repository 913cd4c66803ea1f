"""AUTH after IKE_INTERMEDIATE verified by a bystander (RFC 9242 3.3.2), and never on a doubt."""

from __future__ import annotations

import pytest

from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.inspect.authcheck import proofs
from ikelab.harness.inspect.keys import KeyRing
from ikelab.layers.iana import Payload
from tests.harness.inspect.test_derive import Heard
from tests.harness.talk import Talk

ONE, THREE = (
    "aes128-sha256-x25519-ke1_ecp256",
    "aes128gcm16-prfsha384-x25519-ke1_ecp256-ke2_ecp384-ke3_ecp521",
)
PPK = Ppk(b"ours", bytes(range(32)))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(monkeypatch)


def ring_of(heard: Heard) -> KeyRing:
    return KeyRing(privates=[p.private for p in heard.pairs], ppks={PPK.id: PPK.key})


def verdicts(heard: Heard, psk: bytes) -> list[bool | None]:
    (session,) = heard.inspect(ring_of(heard)).sessions
    return [proof.verified for proof in proofs(session, [psk])]


@pytest.mark.parametrize("ike", [ONE, THREE])
@pytest.mark.parametrize("fragmented", [False, True])
def test_auth_verifies_with_the_right_key_only(heard: Heard, ike: str, fragmented: bool) -> None:
    size = 140 if fragmented else None
    heard.talk = Talk(out=heard.tap, back=heard.tap, ike=[ike], fragment=size).up()
    assert any(d.data[16] == Payload.SKF for d in heard.wire) is fragmented
    assert verdicts(heard, b"a secret") == [True, True]
    assert verdicts(heard, b"another one") == [False, False]


def test_it_verifies_with_a_preshared_key_of_the_exchange_before(heard: Heard) -> None:
    told = {"features": Features(ppks=(PPK,), ppk_early=True)}
    heard.talk = Talk(out=heard.tap, back=heard.tap, ike=[ONE], i=told, r=told).up()
    assert verdicts(heard, b"a secret") == [True, True]
    assert verdicts(heard, b"another one") == [False, False]


def test_nobody_is_accused_where_a_preshared_key_changed_what_auth_is_made_with(
    heard: Heard,
) -> None:
    """RFC 8784: the keys known at the end are not those that IntAuth was made with."""
    told = {"features": Features(ppks=(PPK,))}
    heard.talk = Talk(out=heard.tap, back=heard.tap, ike=[ONE], i=told, r=told).up()
    assert verdicts(heard, b"another one") == [None, None]


@pytest.mark.parametrize("lost", [2, 3])
def test_nobody_is_accused_where_a_message_is_missing(heard: Heard, lost: int) -> None:
    heard.talk = Talk(out=heard.tap, back=heard.tap, ike=[ONE]).up()
    assert heard.wire[lost].data[18] == 43
    del heard.wire[lost]
    assert set(verdicts(heard, b"another one")) <= {None}
