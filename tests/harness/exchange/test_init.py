"""IKE_SA_INIT in both roles: choices, refusals, retries, cookies (RFC 7296 1.2, 2.6, 2.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ikelab.harness.edits import at, drop, insert, unknown, vendor
from ikelab.harness.exchange.events import Closed, Ignored
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite
from ikelab.layers.iana import Exchange, Ke, Notify, Payload
from ikelab.layers.message import IKEv2
from tests.harness.talk import Talk, events, plan

TWO_GROUPS = "aes128-sha256-x25519-ecp256"


def messages(talk: Talk) -> list[Inbound]:
    """The IKE messages that the initiator sent and received, in order."""
    return [Inbound(IKEv2(s.data)) for s in talk.i.transcript]


def kinds(it: Inbound) -> list[int]:
    return [int(p.kind) for p in it.payloads]


def test_both_ends_agree_on_suite_spis_and_keys() -> None:
    talk = Talk(ike=["3des-sha1-x25519", "aes256gcm16-prfsha384-x25519"],
                r={"ike": ["aes256gcm16-prfsha384-x25519"]}).init()  # fmt: skip

    assert talk.i.state is talk.r.state is State.INIT_DONE
    assert talk.i.chosen == talk.r.chosen == Suite.parse("aes256gcm16-prfsha384-x25519")
    assert talk.i.spis == talk.r.spis
    assert talk.i.keys == talk.r.keys
    assert not talk.i.violations and not talk.r.violations


def test_a_refused_offer_leaves_no_sa_behind() -> None:
    talk = Talk(i={"ike": ["3des-sha1-x25519"]}).init()

    assert messages(talk)[1].errors() == [Notify.NO_PROPOSAL_CHOSEN]
    assert bytes(messages(talk)[1].message.resp_SPI) == bytes(8)
    assert talk.listener.sas == []
    assert Closed("IKE_SA_INIT refused: 14") in events(talk.i)


def test_follows_invalid_ke_payload_with_the_whole_offer() -> None:
    talk = Talk(i={"ike": [TWO_GROUPS]}, r={"ike": ["aes128-sha256-ecp256"]}).init()
    first, refusal, second, answer = messages(talk)

    assert refusal.notify(Notify.INVALID_KE_PAYLOAD).notify == b"\x00\x13"
    assert second.one(Payload.KE).group == Ke.ECP_256
    assert first.one(Payload.SA).self_build() == second.one(Payload.SA).self_build()
    assert first.one(Payload.NONCE).nonce == second.one(Payload.NONCE).nonce
    assert first.message_id == second.message_id == 0
    assert answer.has(Payload.SA) and talk.i.keys == talk.r.keys


def test_returns_the_cookie_first_and_changes_nothing_else() -> None:
    talk = Talk(r={"cookies": True}).init()
    first, asked, second, _ = messages(talk)
    cookie = asked.notify(Notify.COOKIE).notify

    without, with_cookie = (s.data for s in talk.i.transcript if s.direction == "-->")
    assert kinds(second) == [Payload.N, *kinds(first)]
    assert second.payloads[0].notify == cookie
    assert with_cookie[28 + 8 + len(cookie) :] == without[28:]
    assert talk.i.keys == talk.r.keys and len(talk.listener.sas) == 1


def test_a_retry_carries_the_edits_of_the_request_it_repeats() -> None:
    """2.6: all other payloads unchanged. An edit that only the first request had tests nothing."""
    talk = Talk(r={"cookies": True}).init(insert(payload=vendor(b"mark")))
    first, _, second, _ = messages(talk)

    assert kinds(second) == [Payload.N, *kinds(first)]
    assert Payload.V in kinds(second)


@pytest.mark.parametrize("cookies", [False, True], ids=["group", "cookie"])
def test_a_refusal_that_comes_again_late_ends_nothing(cookies: bool) -> None:
    """2.1: a request that was repeated may be answered twice; one that was not may not be."""
    talk = Talk(i={"ike": [TWO_GROUPS]}, r={"ike": ["aes128-sha256-ecp256"], "cookies": cookies})
    talk.i.start_init(0.0)
    first = talk.sent()
    talk.now = talk.i.timer() or 0.0
    talk.i.handle_timer(talk.now)
    again = talk.sent()
    talk.to_responder(first)
    talk.to_initiator(talk.answered())
    retry = talk.sent()
    talk.to_responder(again)
    late = talk.answered()
    talk.to_initiator(late)

    assert talk.i.state is State.INIT_SENT and talk.sent() == []
    talk.to_responder(retry)
    talk.carry()
    assert talk.i.state is State.INIT_DONE and talk.i.keys == talk.r.keys
    assert "late: " in talk.i.transcript.text()


def test_cookie_then_group_then_no_second_cookie() -> None:
    """The shorter exchange of 2.6.1: the cookie goes with every retry."""
    talk = Talk(
        i={"ike": [TWO_GROUPS]}, r={"ike": ["aes128-sha256-ecp256"], "cookies": True}
    ).init()
    sent = [m for m in messages(talk) if not m.response]

    assert [m.has(Payload.N) and m.payloads[0].type == Notify.COOKIE for m in sent] == [
        False,
        True,
        True,
    ]
    assert sent[2].one(Payload.KE).group == Ke.ECP_256
    assert talk.i.state is State.INIT_DONE and talk.i.keys == talk.r.keys


def test_group_then_cookie() -> None:
    """The longer way of 2.6.1: the responder asks for the cookie only afterwards."""
    talk = Talk(i={"ike": [TWO_GROUPS]}, r={"ike": ["aes128-sha256-ecp256"]})
    talk.i.start_init(0.0)
    talk.to_responder(talk.sent())
    talk.to_initiator(talk.answered())
    talk.listener.config = replace(talk.listener.config, cookies=True)
    talk.carry()

    assert [m.errors() or kinds(m)[:1] for m in messages(talk) if m.response] == [
        [Notify.INVALID_KE_PAYLOAD],
        [Payload.N],
        [Payload.SA],
    ]
    assert talk.i.state is State.INIT_DONE and talk.i.keys == talk.r.keys


def test_gives_up_on_endless_cookies() -> None:
    talk = Talk(r={"cookies": True, "conduct": Talk().listener.config.conduct.but("accept_cookie")})
    talk.init()

    assert talk.i.state is State.CLOSED
    assert len([m for m in messages(talk) if not m.response]) == 6
    assert Closed("asked to retry more than 5 times") in events(talk.i)


@pytest.mark.parametrize("group", [Ke.MODP_768, Ke.CURVE25519, 0])
def test_does_not_follow_a_group_that_was_not_offered(group: int) -> None:
    """The downgrade guard of 1.2; the group that was sent already is no correction either."""
    data = bytes([group >> 8, group & 255])
    talk = Talk(r={"ike": ["aes128-sha256-ecp384"],
                   "plan": plan(f"IKE_SA_INIT/response: N(INVALID_KE_PAYLOAD).notify = {data!r}")},
                i={"ike": ["aes128-sha256-x25519-ecp384"]}).init()  # fmt: skip

    assert talk.i.state is State.CLOSED
    assert len([m for m in messages(talk) if not m.response]) <= 2


def test_a_cookie_is_bound_to_nonce_address_and_spi() -> None:
    talk = Talk(r={"cookies": True})
    talk.i.start_init(0.0)
    request = talk.sent()
    talk.to_responder(request)
    [asked] = talk.answered()
    cookie = Inbound(IKEv2(asked.data)).notify(Notify.COOKIE).notify

    for other in ({"seed": 2}, {"i": {"local": ("10.0.0.9", 500)}}):
        thief = Talk(**other, r={"cookies": True})  # type: ignore[arg-type]
        thief.listener = talk.listener
        thief.i.init.cookie = cookie
        thief.i.start_init(0.0)
        thief.to_responder(thief.sent())
        [answer] = thief.answered()
        assert Inbound(IKEv2(answer.data)).has(Payload.N)
        assert talk.listener.sas == []


def test_a_cookie_demand_keeps_no_state_and_zero_spir() -> None:
    talk = Talk(r={"cookies": True})
    talk.i.start_init(0.0)
    talk.to_responder(talk.sent())
    [answer] = talk.answered()

    assert talk.listener.sas == []
    assert bytes(IKEv2(answer.data).resp_SPI) == bytes(8)
    assert IKEv2(answer.data).id == 0


@pytest.mark.parametrize("kind", [Payload.SA, Payload.KE, Payload.NONCE])
def test_refuses_a_request_without_a_payload_it_needs(kind: Payload) -> None:
    talk = Talk().init(drop(kind.notation))

    assert messages(talk)[1].errors() == [Notify.INVALID_SYNTAX]
    assert talk.listener.sas == []


@pytest.mark.parametrize("octets", [0, 15, 257])
def test_refuses_a_nonce_outside_its_bounds(octets: int) -> None:
    talk = Talk(i={"nonce_length": octets}).init()

    assert messages(talk)[1].errors() == [Notify.INVALID_SYNTAX]


@pytest.mark.parametrize("octets", [16, 256])
def test_takes_a_nonce_at_its_bounds(octets: int) -> None:
    talk = Talk(i={"nonce_length": octets}).up()

    assert talk.i.state is State.ESTABLISHED


def test_an_edited_nonce_is_the_nonce() -> None:
    """What left is what both ends compute with: edits make an odd message, not an odd engine."""
    odd = plan("IKE_SA_INIT/response: truncate('Nonce.nonce', 17)")
    talk = Talk(r={"plan": odd}).init(at("Nonce.nonce").set(b"n" * 20)).auth()

    assert talk.i.init.ni == talk.r.init.ni == b"n" * 20
    assert len(talk.i.init.nr) == 17
    assert talk.i.state is talk.r.state is State.ESTABLISHED


@pytest.mark.parametrize("suite", ["aes128-aes256-sha256-x25519", "aes256-aes128-sha256-x25519"])
def test_an_edited_answer_is_the_answer(suite: str) -> None:
    """A responder that was made to choose another key length goes on with that one."""
    edits = plan("IKE_SA_INIT/response: SA.proposal[0].transform[0].key_length ^= 0x180")
    talk = Talk(ike=[suite], r={"plan": edits}).init().auth()

    assert talk.i.chosen == talk.r.chosen
    assert talk.i.state is talk.r.state is State.ESTABLISHED


@pytest.mark.parametrize("theirs", [0, 1])
def test_an_answer_that_leaves_a_choice_accuses_nobody(theirs: int) -> None:
    """The peer may take either cipher; with the other key what it says looks like nonsense."""
    edits = plan(
        "IKE_SA_INIT/response: duplicate('SA.proposal[0].transform[0]')\n"
        "IKE_SA_INIT/response: SA.proposal[0].transform[1].key_length = 256"
    )
    conduct = Talk().i.config.conduct.but("insist_on_offer")
    talk = Talk(ike=["aes128-aes256-sha256-x25519"], r={"plan": edits}, i={"conduct": conduct})
    if theirs:
        edits += plan("IKE_SA_INIT/response: swap('SA[0].transform[0]', 'SA[0].transform[1]')")
        talk.listener.config = replace(talk.listener.config, plan=edits)
    talk.init().auth()

    assert talk.r.violations == []
    assert talk.r.state is (State.INIT_DONE if theirs else State.ESTABLISHED)


def test_an_unknown_payload_is_skipped_and_a_critical_one_named() -> None:
    skipped = Talk().init(insert(after="Nonce", payload=unknown(200, b"x")))
    refused = Talk().init(insert(after="Nonce", payload=unknown(201, critical=True)))

    assert skipped.i.state is State.INIT_DONE
    assert messages(refused)[1].notify(Notify.UNSUPPORTED_CRITICAL_PAYLOAD).notify == b"\xc9"
    assert refused.listener.sas == []


def test_ignores_a_response_with_a_critical_unknown_payload() -> None:
    edit = "IKE_SA_INIT/response: insert(payload=unknown(200, critical=True))"
    talk = Talk(r={"plan": plan(edit)}).init()

    assert talk.i.state is State.INIT_SENT
    assert Ignored("an unknown critical payload 200") in events(talk.i)


@pytest.mark.parametrize(
    "edit",
    [
        "header.init_SPI = b'12345678'",
        "header.id = 1",
        "header.flags = 0x28",
        "header.flags = 0",
        "header.length += 1",
        "header.length -= 1",
        "header.version = 0x30",
        "header.version = 0x10",
        "header.exch_type = 35",
        "header.exch_type = 250",
        "KE.length = 3",
        "SA.length += 4000",
    ],
)
def test_a_response_that_is_not_ours_changes_nothing(edit: str) -> None:
    talk = Talk(r={"plan": plan(f"IKE_SA_INIT/response: {edit}")}).init()

    assert talk.i.state is State.INIT_SENT
    assert talk.i.window.outstanding is not None
    assert any(isinstance(e, Ignored) for e in events(talk.i))


@pytest.mark.parametrize(
    "edit",
    [
        "header.init_SPI = b'\\0\\0\\0\\0\\0\\0\\0\\0'",
        "header.resp_SPI = b'12345678'",
        "header.id = 1",
        "header.flags = 0x28",
        "header.flags = 0",
        "header.length += 1",
        "header.exch_type = 35",
        "header.exch_type = 250",
        "header.version = 0x10",
    ],
)
def test_a_request_that_is_no_first_one_is_dropped(edit: str) -> None:
    talk = Talk(i={"plan": plan(f"IKE_SA_INIT/request: {edit}")}).init()

    assert talk.listener.sas == []
    assert len(talk.i.transcript) == 1


def test_a_higher_major_version_is_refused_in_ours() -> None:
    talk = Talk().init(at("header.version").set(0x35))
    answer = messages(talk)[1]

    assert answer.errors() == [Notify.INVALID_MAJOR_VERSION]
    assert answer.notify(Notify.INVALID_MAJOR_VERSION).notify == b""
    assert answer.message.version == 0x20 and answer.response
    assert answer.message.id == 0 and answer.exchange == Exchange.IKE_SA_INIT


def test_a_higher_minor_version_and_reserved_bits_are_ignored() -> None:
    talk = Talk().init(
        at("header.version").set(0x25),
        at("header.flags").set(0xD7 | 8),
    )

    assert talk.i.state is State.INIT_DONE


def test_names_no_group_where_none_is_offered() -> None:
    talk = Talk(i={"ike": ["aes128-sha256"]})

    with pytest.raises(Exception, match="no IKE proposal names a group"):
        talk.i.start_init(0.0)


def test_an_offer_of_another_group_than_the_key_is_answered_with_invalid_ke() -> None:
    talk = Talk(ike=[TWO_GROUPS]).init(at("KE.group").set(Ke.MODP_2048))

    assert messages(talk)[1].notify(Notify.INVALID_KE_PAYLOAD).notify == b"\x00\x1f"


@pytest.mark.parametrize("edit", [
    at("KE.ke").set(bytes(32)), at("KE.ke").truncate(31), at("KE.ke").append(b"x"),
    at("KE.ke").set(b""),
])  # fmt: skip
def test_a_bad_public_value_is_refused(edit: object) -> None:
    talk = Talk().init(edit)

    assert messages(talk)[1].errors() == [Notify.INVALID_SYNTAX]
    assert talk.listener.sas == []


def test_a_response_of_a_bad_public_value_ends_it_with_a_violation() -> None:
    talk = Talk(r={"plan": plan(f"IKE_SA_INIT/response: KE.ke = {bytes(32)!r}")}).init()

    assert talk.i.state is State.CLOSED
    assert [v.rule for v in talk.i.violations] == ["ke-public-value-is-valid"]
