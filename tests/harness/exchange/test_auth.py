"""IKE_AUTH with a shared key, and its child (RFC 7296 1.2, 2.9, 2.15, 2.21.2)."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.edits import at, drop, insert, plain, sealed, swap, unknown
from ikelab.harness.exchange.events import ChildUp, Closed, Established, Ignored
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, Identity, Suite, selectors
from ikelab.layers.iana import Notify, Payload, Protocol
from tests.harness.talk import LEFT_NET, RIGHT_NET, Talk, events, plan


def answer(talk: Talk) -> Inbound:
    """The response to the last request of the initiator."""
    assert talk.i.last_response is not None
    return talk.i.last_response


def texts(found: tuple[TS, ...]) -> list[str]:
    return [str(ts) for ts in found]


def test_both_ends_are_up_with_one_child_of_the_same_keys() -> None:
    talk = Talk().up()
    ours, theirs = talk.i.child, talk.r.child

    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert ours is not None and theirs is not None
    assert ours.spis == theirs.spis and ours.spi_in == theirs.spi_out != ours.spi_out
    assert ours.keys == theirs.keys and ours.keys is not None
    assert (ours.tsi, ours.tsr) == (theirs.tsi, theirs.tsr)
    assert ours.tsi == selectors(LEFT_NET) and ours.tsr == selectors(RIGHT_NET)
    assert talk.i.peer_id == talk.r.config.local_id
    assert talk.r.peer_id == talk.i.config.local_id
    assert not talk.i.violations and not talk.r.violations
    for sa in (talk.i, talk.r):
        happened = events(sa)
        assert Established() in happened
        assert ChildUp(sa.child.spi_in) in happened


SUITES = [
    "3des-sha1-modp1024",
    "aes128-sha1-modp2048",
    "aes192-sha256-modp3072",
    "aes256-sha384-ecp256",
    "aes256-sha512-ecp384",
    "aes128gcm16-prfsha256-ecp521",
    "aes192gcm16-prfsha1-x25519",
    "aes256gcm16-prfsha512-x25519",
]


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_of_the_slice_comes_up_and_goes_down(suite: str) -> None:
    talk = Talk(ike=[suite]).up()
    assert talk.i.chosen == talk.r.chosen == Suite.parse(suite)
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert talk.i.child is not None and talk.i.child.keys == talk.r.child.keys

    talk.i.close(talk.now)
    talk.carry()

    assert talk.i.state is talk.r.state is State.CLOSED
    assert not talk.i.violations and not talk.r.violations


@pytest.mark.parametrize("esp", ["3des-sha1", "aes256-sha512", "aes128gcm16", "aes128-sha1-esn"])
def test_every_child_suite_comes_up(esp: str) -> None:
    talk = Talk(esp=[esp]).up()

    assert talk.i.child is not None and talk.r.child is not None
    assert talk.i.child.suite == talk.r.child.suite == Suite.parse(esp, Protocol.ESP)
    assert talk.i.child.keys == talk.r.child.keys


def test_a_wrong_key_is_refused_inside_sk_and_leaves_nothing() -> None:
    talk = Talk(i={"psk": "another secret"}).up()

    assert answer(talk).opened
    assert answer(talk).errors() == [Notify.AUTHENTICATION_FAILED]
    assert not answer(talk).has(Payload.AUTH)
    assert talk.i.state is talk.r.state is State.CLOSED
    assert not talk.i.children and not talk.r.children
    assert talk.r.peer_id is None


def test_an_identity_that_is_not_expected_is_refused() -> None:
    talk = Talk(r={"remote_id": "somebody@example.org"}).up()

    assert answer(talk).errors() == [Notify.AUTHENTICATION_FAILED]


BENT = [
    at("SK.AUTH.load").xor(b"\x01"),
    at("SK.AUTH.load").truncate(-1),
    at("SK.AUTH.load").set(b""),
    at("SK.AUTH.load").append(b"\0" * 5000),
    at("SK.AUTH.auth_type").set(1),
    at("SK.AUTH.auth_type").set(250),
    at("SK.IDi.ID").append(b"x"),
    at("SK.IDi.IDtype").set(2),
    at("SK.IDi.res2").set(1),
]


@pytest.mark.parametrize("edit", BENT, ids=str)
def test_auth_covers_what_was_bent(edit: Any) -> None:
    """2.15: the whole body of IDi, reserved octets included, and AUTH itself to the last bit."""
    talk = Talk().init().auth(edit)

    assert answer(talk).errors() == [Notify.AUTHENTICATION_FAILED]
    assert talk.r.state is State.CLOSED and talk.r.peer_id is None


def test_reserved_octets_that_are_signed_are_accepted() -> None:
    """VER-04: a reserved field is ignored, and AUTH is over what really came."""
    talk = Talk().init().auth(at("SK.AUTH.res2").set(7), at("SK.TSi.res2").set(9))

    assert talk.i.state is talk.r.state is State.ESTABLISHED


def test_auth_covers_the_first_messages() -> None:
    """A bit flipped on the way in the responder's first message goes unnoticed until AUTH."""
    talk = Talk()
    talk.i.start_init(0.0)
    talk.to_responder(talk.sent())
    [response] = talk.answered()
    bent = bytearray(response.data)
    bent[17] |= 0x05  # the minor version, which is ignored on receipt
    talk.to_initiator([response.__class__(bytes(bent), response.src, response.dst)])
    assert talk.i.state is State.INIT_DONE

    talk.auth()

    assert talk.i.state is State.CLOSED and talk.i.peer_id is None
    assert [v.rule for v in talk.i.violations][-1] == "auth-verifies"
    assert talk.r.state is State.CLOSED  # 2.21.2: the initiator said why


def test_reflected_auth_is_refused() -> None:
    """AUT-03: what the other role signs is no proof."""
    honest = Talk().up()
    theirs = next(s for s in reversed(honest.i.transcript.steps) if s.direction == "<--")
    auth = next(p for p in theirs.inner() or [] if p.kind == Payload.AUTH)
    talk = Talk().init().auth(at("SK.AUTH.load").set(bytes(auth.load)))

    assert answer(talk).errors() == [Notify.AUTHENTICATION_FAILED]


@pytest.mark.parametrize("kind", ["IDi", "AUTH"])
def test_refuses_a_request_without_identity_or_proof(kind: str) -> None:
    talk = Talk().init().auth(drop(f"SK.{kind}"))

    assert answer(talk).errors() in ([Notify.INVALID_SYNTAX], [Notify.AUTHENTICATION_FAILED])
    assert talk.r.state is State.CLOSED and not talk.r.children


@pytest.mark.parametrize("edit", [
    insert("SK", after="IDi", payload=unknown(200, critical=True)),
    insert("SK", before="IDi", payload=unknown(49, critical=True)),
], ids=str)  # fmt: skip
def test_a_critical_unknown_payload_ends_the_attempt(edit: Any) -> None:
    """2.21.2: rejected as a whole, and the IKE SA is not created."""
    talk = Talk().init().auth(edit)
    refusal = answer(talk).notify(Notify.UNSUPPORTED_CRITICAL_PAYLOAD)

    assert refusal is not None and refusal.notify == bytes([edit.option("payload").args[0]])
    assert not answer(talk).has(Payload.AUTH)
    assert talk.r.state is talk.i.state is State.CLOSED
    assert talk.r.peer_id is None and Established() not in events(talk.r)


@pytest.mark.parametrize("edit", [
    insert("SK", after="IDi", payload=unknown(200, b"data")),
    at("SK.IDi.flags").set(0x80),
    swap("SK.IDi", "SK.TSr"),
    at("SK.SA.flags").set(0x7F),
], ids=str)  # fmt: skip
def test_what_is_to_be_ignored_is_ignored(edit: Any) -> None:
    """2.5: unknown and not critical, critical on a known one, another order, reserved bits."""
    talk = Talk().init().auth(edit)

    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert talk.r.child is not None


@pytest.mark.parametrize("edit", [plain.truncate(30), at("SK.IDi.length").set(3),
                                  at("SK.AUTH.next_payload").set(0)], ids=str)  # fmt: skip
def test_a_malformed_chain_inside_sk_is_fatal(edit: Any) -> None:
    """2.21.3: INVALID_SYNTAX, and no IKE SA on either side."""
    talk = Talk().init().auth(edit)

    assert answer(talk).opened
    assert answer(talk).errors() == [Notify.INVALID_SYNTAX]
    assert talk.i.state is talk.r.state is State.CLOSED


@pytest.mark.parametrize("edit", [
    sealed.flip("icv"), sealed.flip("iv", bit=7), sealed.flip("ciphertext"), sealed.flip("clear"),
    sealed.drop("icv"), sealed.truncate("ciphertext", 16), plain.pad_length(255),
], ids=str)  # fmt: skip
def test_what_does_not_open_is_dropped_and_the_sa_waits_on(edit: Any) -> None:
    talk = Talk().init().auth(edit)

    assert talk.i.last_response is not None and not talk.i.last_response.opened
    assert talk.r.state is State.INIT_DONE
    assert any(isinstance(e, Ignored) for e in events(talk.r))

    talk.i.window.waiting.clear()
    talk.i.state, talk.i.window.next_request = State.INIT_DONE, 1
    talk.auth()
    assert talk.r.state is State.ESTABLISHED


def test_arbitrary_padding_is_accepted() -> None:
    talk = Talk(ike=["aes128gcm16-prfsha256-x25519"]).init()
    talk.auth(plain.padding(b"\xde\xad" * 120 + b"\xbe" * 3))

    assert talk.i.state is talk.r.state is State.ESTABLISHED


NARROWING = [
    ("10.1.0.0/16", "10.1.0.0/16", ["10.1.0.0-10.1.255.255[0/0-65535]"]),
    ("10.1.0.0/16", "10.1.2.0/24", ["10.1.2.0-10.1.2.255[0/0-65535]"]),
    ("10.1.2.0/24", "10.1.0.0/16", ["10.1.2.0-10.1.2.255[0/0-65535]"]),
    (["10.1.0.0/24", "10.1.9.0/24"], "10.1.0.0/16",
     ["10.1.0.0-10.1.0.255[0/0-65535]", "10.1.9.0-10.1.9.255[0/0-65535]"]),
    ("10.1.0.0/16", ["10.1.3.0/24", "10.1.7.0/24"],
     ["10.1.3.0-10.1.3.255[0/0-65535]", "10.1.7.0-10.1.7.255[0/0-65535]"]),
    ("2001:db8:1::/48", "2001:db8:1:2::/64",
     ["2001:db8:1:2::-2001:db8:1:2:ffff:ffff:ffff:ffff[0/0-65535]"]),
    (["10.1.0.0/16", "2001:db8:1::/48"], ["2001:db8::/32"],
     ["2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff[0/0-65535]"]),
    ("10.1.0.0/24[17/500-600]", "10.1.0.0/16[17/550-700]", ["10.1.0.0-10.1.0.255[17/550-600]"]),
    ("10.1.0.0/24", "10.1.0.0/16[6/443-443]", ["10.1.0.0-10.1.0.255[6/443-443]"]),
    ("10.1.0.0/24[6/80-80]", "10.1.0.0/16", ["10.1.0.0-10.1.0.255[6/80-80]"]),
    (["10.1.0.5[6/80-80]", "10.1.0.0/24"], "10.1.0.0/16", ["10.1.0.0-10.1.0.255[0/0-65535]"]),
    ("10.1.0.0/24[1/2048-2303]", "10.1.0.0/16[1/0-65535]", ["10.1.0.0-10.1.0.255[1/2048-2303]"]),
    ("10.1.0.0/24[6/65535-0]", "10.1.0.0/16", ["10.1.0.0-10.1.0.255[6/65535-0]"]),
    ("10.1.0.0/24", "10.1.0.0/16[6/65535-0]", ["10.1.0.0-10.1.0.255[6/65535-0]"]),
]  # fmt: skip


@pytest.mark.parametrize(("offered", "policy", "agreed"), NARROWING)
def test_narrows_to_what_both_allow(offered: Any, policy: Any, agreed: list[str]) -> None:
    talk = Talk(i={"local_ts": offered}, r={"remote_ts": policy}).up()

    assert talk.i.child is not None and talk.r.child is not None
    assert texts(talk.i.child.tsi) == texts(talk.r.child.tsi) == agreed
    assert texts(talk.i.child.tsr) == ["10.2.0.0-10.2.255.255[0/0-65535]"]
    assert not talk.i.violations and not talk.r.violations


DISJOINT = [
    ("10.3.0.0/16", "10.1.0.0/16"),
    ("2001:db8::/32", "10.1.0.0/16"),
    ("10.1.0.0/16[6/0-65535]", "10.1.0.0/16[17/0-65535]"),
    ("10.1.0.0/16[6/80-80]", "10.1.0.0/16[6/443-443]"),
    ("10.1.0.0/16[6/80-80]", "10.1.0.0/16[6/65535-0]"),
]


@pytest.mark.parametrize(("offered", "policy"), DISJOINT)
def test_disjoint_selectors_cost_the_child_and_not_the_ike_sa(offered: str, policy: str) -> None:
    talk = Talk(i={"local_ts": offered}, r={"remote_ts": policy}).up()

    assert answer(talk).errors() == [Notify.TS_UNACCEPTABLE]
    assert answer(talk).has(Payload.AUTH)
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert not talk.i.children and not talk.r.children

    talk.i.inform([], talk.now)
    talk.carry()
    assert answer(talk).payloads == []


def test_an_unacceptable_child_suite_costs_the_child_and_not_the_ike_sa() -> None:
    talk = Talk(r={"esp": ["aes256gcm16"]}).up()

    assert answer(talk).errors() == [Notify.NO_PROPOSAL_CHOSEN]
    assert talk.i.state is talk.r.state is State.ESTABLISHED


def test_no_child_is_asked_for_without_esp() -> None:
    talk = Talk(i={"esp": []}).up()

    assert not answer(talk).has(Payload.SA)
    assert talk.i.state is talk.r.state is State.ESTABLISHED


def test_an_empty_answer_ends_the_attempt() -> None:
    edits = "\n".join(f"IKE_AUTH/response: drop('SK.{p}')" for p in ("IDr", "AUTH"))
    talk = Talk(r={"plan": plan(edits)}).up()

    assert talk.i.state is State.CLOSED
    assert any(isinstance(e, Closed) for e in events(talk.i))


def test_a_responder_that_cannot_prove_itself_is_a_violation() -> None:
    talk = Talk(r={"plan": plan(r"IKE_AUTH/response: SK.AUTH.load ^= b'\x01'")}).up()

    assert talk.i.state is State.CLOSED
    assert [v.rule for v in talk.i.violations] == ["auth-verifies"]


def test_identities_of_every_kind_authenticate() -> None:
    for text in ("10.9.9.9", "2001:db8::9", "gw.example.org", "a@example.org", "keyid:00ff"):
        talk = Talk(i={"local_id": text}, r={"remote_id": text}).up()
        assert talk.r.peer_id == Identity.parse(text)
