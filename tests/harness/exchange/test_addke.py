"""IKE_INTERMEDIATE and additional key exchanges: who agrees on what, and when nobody does.

RFC 9242, RFC 9370. The keys and IntAuth are computed here once more, with nothing but hmac.
"""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from crossing import Crossing, assert_agreed
from talk import Talk, plan

from ikelab.harness.exchange import addke
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite
from ikelab.harness.transcript import SENT, Step
from ikelab.layers.iana import Exchange, Ke, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE

ONE = "aes128-sha256-x25519-ke1_mlkem768"
SEVEN = (
    "aes128-sha256-x25519-ke1_mlkem512-ke2_mlkem768-ke3_mlkem1024"
    "-ke4_ecp256-ke5_ecp384-ke6_x448-ke7_modp1024"
)
ESP = "aes128gcm16-x25519-ke1_mlkem512-ke3_ecp256"


def ends(x: Crossing) -> tuple[IkeSa, IkeSa]:
    [a], [b] = x.live("a"), x.live("b")
    assert_agreed(a, b)
    return a, b


def exchanges(sa: IkeSa) -> list[int]:
    """The exchange types of an IKE SA's requests, fragments counted once."""
    seen = {s.message.id: s.message.exch_type for s in sa.transcript if s.direction == SENT}
    return [seen[n] for n in sorted(seen)]


@pytest.mark.parametrize(
    ("ike", "rounds"),
    [
        ("aes128-sha256-mlkem512", 0),
        (ONE, 1),
        ("aes256gcm16-prfsha384-ecp256-ke1_none-ke2_mlkem512-ke7_modp1024", 2),
        (SEVEN, 7),
    ],
)
@pytest.mark.parametrize("fragment", [None, 600])
def test_up_and_rekeyed(ike: str, rounds: int, fragment: int | None) -> None:
    """Both roles: the SA comes up, and both SAs rekey from either side by IKE_FOLLOWUP_KE."""
    x = Crossing(ike=[ike], esp=[ESP], fragment=fragment)
    assert exchanges(x.a).count(Exchange.IKE_INTERMEDIATE) == rounds
    assert x.a.chosen == Suite.parse(ike)
    for asker in ("a", "b"):
        a, b = ends(x)
        one = a if asker == "a" else b
        x.settle(x.begin(one.rekey_child, one.child))
        assert len(addke.methods(a.child.suite)) == 2 and a.child.keys == b.child.keys
        before = a.child.keys
        x.settle(x.begin(one.rekey))
        a, b = ends(x)
        assert a.chosen == x.a.chosen and a.child.keys == before
    assert x.a.violations == x.b.violations == []


def secret(sa: IkeSa) -> bytes:
    """SK_d as it was when IKE_SA_INIT was over, by 2.14 with HMAC-SHA-256."""
    state = sa.init
    seed = hmac.digest(state.ni + state.nr, state.shared, "sha256")
    return hmac.digest(seed, state.ni + state.nr + sa.spi_i + sa.spi_r + b"\1", "sha256")


def test_keys_after_an_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9370 2.2.2: SKEYSEED(1) = prf(SK_d(0), SK(1) | Ni | Nr)."""
    shared: list[bytes] = []
    original = addke.ke.KeyPair.shared

    def spy(self: Any, public: bytes) -> bytes:
        shared.append(original(self, public))
        return shared[-1]

    monkeypatch.setattr(addke.ke.KeyPair, "shared", spy)
    x = Crossing(ike=[ONE])
    state = x.a.init
    assert len(shared) == 4 and shared[0] == shared[1] and shared[2] == shared[3]
    seed = hmac.digest(secret(x.a), shared[2] + state.ni + state.nr, "sha256")
    text = state.ni + state.nr + x.a.spi_i + x.a.spi_r
    assert x.a.keys is not None
    assert x.a.keys.sk_d == hmac.digest(seed, text + b"\1", "sha256") != secret(x.a)


def intermediate(sa: IkeSa, *, response: bool) -> Step:
    wanted = Exchange.IKE_INTERMEDIATE
    found = (s for s in sa.transcript if s.message.exch_type == wanted)
    return next(s for s in found if bool(int(s.message.flags) & 0x20) == response)


def test_int_auth() -> None:
    """RFC 9242 3.3.2: headers with adjusted lengths, plaintext, the keys of that exchange."""
    x = Crossing(ike=[ONE])
    state, ni, nr = x.a.between, x.a.init.ni, x.a.init.nr
    seed = hmac.digest(ni + nr, x.a.init.shared, "sha256")
    stream, block = b"", b""
    for n in range(1, 8):
        block = hmac.digest(seed, block + ni + nr + x.a.spi_i + x.a.spi_r + bytes([n]), "sha256")
        stream += block
    own = {"i": stream[128:160], "r": stream[160:192]}  # behind SK_d, 2 SK_a, 2 SK_e of 16
    for side, response in (("i", False), ("r", True)):
        step = intermediate(x.a, response=response)
        assert step.plain is not None
        octets = len(step.plain) + 32
        flags = 0x20 if response else 0x08
        head = x.a.spi_i + x.a.spi_r + bytes([46, 0x20, 43, flags]) + (1).to_bytes(4, "big")
        covered = head + octets.to_bytes(4, "big") + b"\x22\0" + (octets - 28).to_bytes(2, "big")
        expected = hmac.digest(own[side], covered + step.plain, "sha256")
        assert {"i": state.auth_i, "r": state.auth_r}[side] == expected
    assert state.count == 1 and x.b.between.auth_i == state.auth_i


@pytest.mark.parametrize("half", ["request", "response"])
def test_a_flipped_bit_ends_before_anybody_is_authenticated(half: str) -> None:
    """No oracle: the exchange is answered as ever, and what comes next does not open."""
    edit = plan(f"IKE_INTERMEDIATE/{half}: SK.KE.ke ^= b'\\x01'")
    talk = Talk(ike=[ONE], i={"plan": edit}, r={"plan": edit})
    talk.up()
    assert exchanges(talk.i) == [34, 43, 35]
    answer = intermediate(talk.i, response=True).inner() or []
    assert [p.kind for p in answer] == [Payload.KE]
    assert talk.i.state is State.AUTH_SENT and talk.r.state is State.INIT_DONE
    assert any("does not" in s.note or "ICV" in s.note for s in talk.r.transcript)


def failed(talk: Talk) -> bool:
    return any(
        n.type == Notify.AUTHENTICATION_FAILED
        for s in talk.i.transcript
        for n in s.inner() or []
        if n.kind == Payload.N
    )


@pytest.mark.parametrize("who", ["i", "r"])
def test_auth_covers_the_exchange(who: str) -> None:
    """RFC 9242 3.3.2: an AUTH without IntAuth does not verify, in either direction."""
    bare = {"conduct": Conduct().but("cover_intermediate")}
    talk = Talk(ike=[ONE], **{who: bare})
    talk.up()
    assert failed(talk) and not talk.r.children


def test_a_skipped_round_is_refused() -> None:
    talk = Talk(ike=[SEVEN], i={"conduct": Conduct().but("complete_rounds")})
    talk.up()
    assert talk.r.state is State.CLOSED and not talk.r.children


def test_a_request_come_again_gets_the_same_response() -> None:
    """RFC 7296 2.1: although the responder has other keys by now."""
    talk = Talk(ike=[ONE])
    talk.init()
    talk.i.start_auth(talk.now)
    request = talk.sent()
    talk.to_responder(request)
    first = talk.answered()
    talk.to_responder(request)
    assert [d.data for d in talk.answered()] == [d.data for d in first]
    talk.to_initiator(first)
    talk.carry()
    assert talk.i.state is talk.r.state is State.ESTABLISHED


@pytest.mark.parametrize("octets", [0, 1183, 1185])
def test_a_key_of_another_length_is_refused(octets: int) -> None:
    edit = plan(f"IKE_INTERMEDIATE/request: SK.KE.ke = {bytes(octets)!r}")
    talk = Talk(ike=[ONE], i={"plan": edit})
    talk.up()
    assert talk.i.state is talk.r.state is State.CLOSED


def test_no_method_in_two_slots() -> None:
    """RFC 9370 2.2.1: the other one is chosen, or none."""
    twice = "aes128-sha256-ecp256-ke1_mlkem512-ke1_mlkem768-ke2_mlkem512"
    same = "aes128-sha256-x25519-ke1_x25519"
    talk = Talk(ike=[same, twice]).up()
    assert talk.i.chosen and addke.methods(talk.i.chosen) == (Ke.ML_KEM_768, Ke.ML_KEM_512)


def test_an_unknown_link() -> None:
    """RFC 9370 2.2.4: STATE_NOT_FOUND, and the IKE SA goes on."""
    x = Crossing(ike=[ONE])
    link = IKEv2_Notify(type=Notify.ADDITIONAL_KEY_EXCHANGE, notify=b"nobody knows")
    key = IKEv2_KE(group=Ke.ML_KEM_512, ke=bytes(800))
    x.a.request(Exchange.IKE_FOLLOWUP_KE, [key, link], x.now)
    x.settle(x.sent("a"))
    assert x.a.last_response is not None
    assert x.a.last_response.errors() == [Notify.STATE_NOT_FOUND]
    assert x.a.state is x.b.state is State.ESTABLISHED


def test_a_lost_link_makes_no_child() -> None:
    x = Crossing(esp=[ESP], a={"conduct": Conduct().but("return_link")})
    x.settle(x.begin(x.a.create_child))
    assert len(x.a.children) == len(x.b.children) == 1
    assert x.a.state is x.b.state is State.ESTABLISHED


def test_nobody_is_asked_who_does_not_announce_it() -> None:
    """RFC 9370 2.2.1: without INTERMEDIATE_EXCHANGE_SUPPORTED only others are left."""
    x = Crossing(ike=[ONE, "aes128-sha256-x25519"], b={"ike": ["aes128-sha256-x25519"]})
    assert x.a.chosen == Suite.parse("aes128-sha256-x25519")
    assert Exchange.IKE_INTERMEDIATE not in exchanges(x.a)
