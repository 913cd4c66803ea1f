"""What every operator does, at every stage, to real messages as they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikelab.harness.apply import on_wire
from ikelab.harness.edits import (
    OPERATORS,
    Edit,
    Plan,
    Stage,
    at,
    certreq,
    cp,
    drop,
    duplicate,
    insert,
    move,
    notify,
    plain,
    sealed,
    swap,
    unknown,
    vendor,
    wire,
)
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2
from tests.harness.talk import Talk
from tests.harness.test_edits import anything

SUITES = ["aes128-sha256-x25519", "aes256gcm16-prfsha256-x25519", "3des-sha1-x25519"]


def init(*edits: Edit) -> IKEv2:
    """The IKE_SA_INIT request as it leaves."""
    talk = Talk()
    talk.i.start_init(0.0, edits)
    [datagram] = talk.i.datagrams(0.0)
    return IKEv2(datagram.data)


def auth(*edits: Edit, suite: str = SUITES[0]) -> tuple[IKEv2, list[Any]]:
    """The IKE_AUTH request as it leaves: the message, and its inner payloads as sealed."""
    talk = Talk(ike=[suite]).init()
    talk.i.start_auth(talk.now, edits)
    [datagram] = talk.i.datagrams(talk.now)
    return IKEv2(datagram.data), talk.i.transcript.steps[-1].inner() or []


def kinds(payloads: list[Any]) -> list[int]:
    return [int(p.kind) for p in payloads]


CLEAR = [Payload.SA, Payload.KE, Payload.NONCE, Payload.N, Payload.N]
SK, N, V = Payload.SK, Payload.N, Payload.V
INNER = [Payload.IDI, Payload.IDR, Payload.AUTH, Payload.SA, Payload.TSI, Payload.TSR]


def test_nothing_changes_without_edits() -> None:
    assert kinds(init().payloads) == CLEAR
    assert kinds(auth()[1]) == INNER


HEADER = [
    (at("header.init_SPI").set(b"other ID"), lambda m: bytes(m.init_SPI) == b"other ID"),
    (at("header.resp_SPI").set(b"\1" * 8), lambda m: bytes(m.resp_SPI) == b"\1" * 8),
    (at("header.next_payload").set(200), lambda m: m.next_payload == 200),
    (at("header.next_payload").add(1), lambda m: m.next_payload == 34),
    (at("header.version").set(0x30), lambda m: m.version == 0x30),
    (at("header.exch_type").set(250), lambda m: m.exch_type == 250),
    (at("header.flags").xor(0x08), lambda m: m.flags == 0),
    (Edit.parse("header.flags |= 0x20"), lambda m: m.flags == 0x28),
    (at("header.id").add(7), lambda m: m.id == 7),
    (at("header.length").add(1), lambda m: m.length == len(bytes(m)) + 1),
    (at("header.length").add(-1), lambda m: m.length == len(bytes(m)) - 1),
    (at("header.length").set(0), lambda m: m.length == 0),
]


@pytest.mark.parametrize(("edit", "holds"), HEADER, ids=[str(e) for e, _ in HEADER])
def test_header_fields_literal_and_counted_from_what_is_computed(
    edit: Edit, holds: Callable[[IKEv2], bool]
) -> None:
    assert holds(init(edit))


FIELDS = [
    (at("SA.proposal[0].number").set(9), lambda m: m.payloads[0].proposal[0].number == 9),
    (at("SA.proposal[0].trans_nb").add(1), lambda m: m.payloads[0].proposal[0].trans_nb == 5),
    (at("SA.length").set(4), lambda m: m.payloads[0].kind == 33 and bytes(m)[30:32] == b"\0\4"),
    (at("SA.length").add(-1), lambda m: bytes(m)[30:32] == b"\0\x2f"),
    (at("KE.group").set(14), lambda m: m.payloads[1].group == 14),
    (at("KE.res2").set(0xFFFF), lambda m: m.payloads[1].res2 == 0xFFFF),
    (at("KE.ke").truncate(31), lambda m: len(m.payloads[1].ke) == 31),
    (at("KE.ke").truncate(-2), lambda m: len(m.payloads[1].ke) == 30),
    (at("KE.ke").append(b"zz"), lambda m: m.payloads[1].ke.endswith(b"zz")),
    (at("KE.flags").set(0x80), lambda m: m.payloads[1].flags == 0x80),
    (at("Nonce.nonce").set(b""), lambda m: m.payloads[2].nonce == b""),
    (at("Nonce.next_payload").set(0), lambda m: m.payloads[2].next_payload == 0),
    (at("SA.proposal[0].transform[0].transform_id").set(99),
     lambda m: m.payloads[0].proposal[0].transform[0].transform_id == 99),
    (at("SA.proposal[0].transform[0].key_length").set(129),
     lambda m: m.payloads[0].proposal[0].transform[0].key_length == 129),
    (at("SA.proposal[0].transform[0].length").set(3), lambda m: not _is_readable(m)),
]  # fmt: skip


def _is_readable(message: IKEv2) -> bool:
    return all(hasattr(t, "transform_id") for t in message.payloads[0].proposal[0].transform)


@pytest.mark.parametrize(("edit", "holds"), FIELDS, ids=[str(e) for e, _ in FIELDS])
def test_payload_fields(edit: Edit, holds: Callable[[IKEv2], bool]) -> None:
    assert holds(init(edit))


def test_a_shorter_body_is_counted_and_a_literal_length_is_not() -> None:
    message = init(at("KE.ke").truncate(10), at("Nonce.length").add(8))

    assert message.length == len(bytes(message))
    assert message.payloads[1].length == 18
    assert bytes(message).count((36 + 8).to_bytes(2, "big")) >= 1


CHAIN = [
    (drop("KE"), [33, 40, 41, 41]),
    (drop("N(NAT_DETECTION_DESTINATION_IP)"), [33, 34, 40, 41]),
    (drop("N[0]"), [33, 34, 40, 41]),
    (duplicate("Nonce"), [33, 34, 40, 40, 41, 41]),
    (swap("SA", "Nonce"), [40, 34, 33, 41, 41]),
    (move("SA"), [34, 40, 41, 41, 33]),
    (move("SA", after="KE"), [34, 33, 40, 41, 41]),
    (move("Nonce", before="SA"), [40, 33, 34, 41, 41]),
    (insert(payload=vendor(b"v")), [33, 34, 40, 41, 41, 43]),
    (insert(before="SA", payload=unknown(200)), [200, 33, 34, 40, 41, 41]),
    (insert(after="N", payload=unknown(200)), [33, 34, 40, 41, 41, 200]),
    (insert(after="N[0]", payload=unknown(200)), [33, 34, 40, 41, 200, 41]),
    (insert(before="N(NAT_DETECTION_DESTINATION_IP)", payload=unknown(200)),
     [33, 34, 40, 41, 200, 41]),
    (insert(payload=certreq(4, b"k" * 20)), [33, 34, 40, 41, 41, 38]),
    (at("KE").set(notify("COOKIE", b"c")), [33, 41, 40, 41, 41]),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), CHAIN, ids=[str(e) for e, _ in CHAIN])
def test_the_chain_in_clear(edit: Edit, expected: list[int]) -> None:
    message = init(edit)

    assert kinds(message.payloads) == expected
    assert message.length == len(bytes(message))


SK_CHAIN = [
    (drop("SK.AUTH"), [35, 36, 33, 44, 45]),
    (duplicate("SK.IDi"), [35, 35, 36, 39, 33, 44, 45]),
    (swap("SK.IDi", "SK.TSr"), [45, 36, 39, 33, 44, 35]),
    (swap("SK.TSi", "SK.TSr"), [35, 36, 39, 33, 45, 44]),
    (move("SK.SA", before="SK.IDi"), None),
    (move("SK.SA", before="IDi"), [33, 35, 36, 39, 44, 45]),
    (insert("SK", after="IDi", payload=unknown(200, critical=True)),
     [35, 200, 36, 39, 33, 44, 45]),
    (insert("SK", payload=cp(1, 1, (7, b"x"))), [35, 36, 39, 33, 44, 45, 47]),
    (insert("SK", payload=notify(40960, proto=3, spi=b"abcd")), [35, 36, 39, 33, 44, 45, 41]),
]  # fmt: skip


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(("edit", "expected"), SK_CHAIN, ids=[str(e) for e, _ in SK_CHAIN])
def test_the_chain_inside_sk(edit: Edit, expected: list[int] | None, suite: str) -> None:
    if expected is None:
        with pytest.raises(ConfigError):
            auth(edit, suite=suite)
        return
    message, inner = auth(edit, suite=suite)

    assert kinds(inner) == expected
    assert kinds(message.payloads) == [SK] and message.payloads[0].next_payload == expected[0]
    assert message.length == len(bytes(message))


def test_payloads_go_before_sk_and_never_behind_it_by_accident() -> None:
    message, inner = auth(insert(payload=unknown(200, b"clear")))

    assert kinds(message.payloads) == [200, SK] and kinds(inner) == INNER


def test_elements_of_lists_are_dropped_repeated_and_exchanged() -> None:
    _, inner = auth(duplicate("SK.TSi[0]"), at("SK.TSi[1].starting_address").add(1),
                    swap("SK.TSi[0]", "SK.TSi[1]"))  # fmt: skip
    tsi = next(p for p in inner if p.kind == Payload.TSI)

    assert [t.starting_address for t in tsi.traffic_selector] == ["10.1.0.1", "10.1.0.0"]
    assert tsi.number_of_TSs == 2
    _, inner = auth(drop("SK.TSi[0]"))
    assert next(p for p in inner if p.kind == Payload.TSI).number_of_TSs == 0


@pytest.mark.parametrize("suite", SUITES)
def test_lengths_inside_sk_count_from_what_would_have_been_sent(suite: str) -> None:
    message, inner = auth(
        at("SK.length").add(1), at("SK.TSi.length").add(1), at("header.length").add(1), suite=suite
    )

    assert message.length == len(bytes(message)) + 1
    assert bytes(message)[30:32] == (len(bytes(message)) - 28 + 1).to_bytes(2, "big")
    assert kinds(inner)[:4] == [35, 36, 39, 33] and inner[-1].reason


# -- plain -----------------------------------------------------------------------------------


def opened(*edits: Edit, suite: str) -> tuple[IKEv2_Decrypted, bytes]:
    """SK of IKE_AUTH as the responder opens it, and the chain as the initiator sealed it."""
    talk = Talk(ike=[suite]).init()
    talk.i.start_auth(talk.now, edits)
    sent = talk.i.transcript.steps[-1].plain or b""
    talk.to_responder(talk.sent())
    step = talk.r.transcript.steps
    came = next(s for s in reversed(step) if s.direction == "<--")
    assert came.plain == sent
    it = IKEv2_Decrypted(inner=came.inner() or [])
    return it, sent


@pytest.mark.parametrize("suite", SUITES)
def test_plain_chain_edits_arrive_as_made_whatever_the_block(suite: str) -> None:
    _, honest = opened(suite=suite)

    assert opened(plain.truncate(30), suite=suite)[1] == honest[:30]
    assert opened(plain.truncate(-3), suite=suite)[1] == honest[:-3]
    assert opened(plain.append(b"tail"), suite=suite)[1] == honest + b"tail"
    assert opened(plain.replace(b"other"), suite=suite)[1] == b"other"
    assert opened(plain.flip(5, 7), suite=suite)[1][5] == honest[5] ^ 0x80
    assert opened(plain.flip(-1), suite=suite)[1][-1] == honest[-1] ^ 1


def test_padding_is_what_the_edit_says() -> None:
    def padding(*edits: Edit, suite: str) -> tuple[int, bytes]:
        talk = Talk(ike=[suite]).init()
        talk.i.start_auth(talk.now, edits)
        [datagram] = talk.i.datagrams(talk.now)
        from ikelab.harness import sk

        assert talk.i.out_keys is not None
        last = sk.open(IKEv2(datagram.data), talk.i.out_keys, datagram.data).payloads[-1]
        return last.pad_length, last.padding

    gcm, cbc = SUITES[1], SUITES[0]
    assert padding(suite=gcm) == (0, b"")
    assert padding(plain.pad(255), suite=gcm) == (255, bytes(255))
    assert padding(plain.padding(b"abc"), suite=gcm) == (3, b"abc")
    assert padding(plain.pad(3), plain.pad_length(1), suite=gcm) == (1, b"\0")
    usual, _ = padding(suite=cbc)
    assert padding(plain.pad(usual + 32), suite=cbc) == (usual + 32, bytes(usual + 32))
    with pytest.raises(ConfigError, match="whole cipher blocks"):
        padding(plain.pad(usual + 1), suite=cbc)


# -- sealed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_sealed_parts_are_bent_behind_the_seal(suite: str) -> None:
    honest = bytes(auth(suite=suite)[0])
    iv = {SUITES[0]: 16, SUITES[1]: 8, SUITES[2]: 8}[suite]
    icv = 12 if "sha1" in suite else 16

    def bent(*edits: Edit) -> bytes:
        return bytes(auth(*edits, suite=suite)[0])

    def changed(*edits: Edit) -> list[int]:
        return [n for n, (a, b) in enumerate(zip(honest, bent(*edits), strict=True)) if a != b]

    end = len(honest)
    assert changed(sealed.flip("icv")) == [end - 1]
    assert changed(sealed.flip("iv", bit=3)) == [32 + iv - 1]
    assert changed(sealed.flip("ciphertext")) == [end - icv - 1]
    assert changed(sealed.flip("clear")) == [31]
    assert bent(sealed.drop("icv")) == honest[:-icv]
    assert bent(sealed.truncate("icv", 4)) == honest[: 4 - icv]
    assert bent(sealed.append("icv", b"zz")) == honest + b"zz"
    assert bent(sealed.set("iv", b"")) == honest[:32] + honest[32 + iv :]
    assert bent(sealed.set("icv", bytes(icv))) == honest[:-icv] + bytes(icv)


def test_sealed_edits_reach_every_fragment() -> None:
    talk = Talk(fragment=230).init()
    talk.i.start_auth(talk.now, [sealed.flip("icv")])
    assert len(talk.sent()) > 1
    talk.i.resend(talk.now)
    talk.carry()

    assert talk.r.state is State.INIT_DONE


# -- wire ------------------------------------------------------------------------------------


def test_wire_edits_move_octets_ports_and_time() -> None:
    one = Datagram(b"\0\0\0\0" + b"0123456789" * 4, ("10.0.0.1", 4500), ("10.0.0.2", 4500), 1.0)

    def through(*edits: Edit) -> list[Datagram]:
        return on_wire([one], edits)

    assert through(wire.drop()) == []
    assert through(wire.replay()) == [one, one]
    assert [d.now for d in through(wire.duplicate(3, gap=0.5))] == [1.0, 1.5, 2.0]
    assert through(wire.delay(0.25))[0].now == 1.25
    assert through(wire.from_port(40000))[0].src == ("10.0.0.1", 40000)
    assert through(wire.to_port(0))[0].dst == ("10.0.0.2", 0)
    assert through(wire.flip(4, 0))[0].data[4] == ord("1")
    assert through(wire.set(4, b"abc"))[0].data[4:8] == b"abc3"
    assert through(wire.truncate(5))[0].data == one.data[:5]
    assert through(wire.append(b"x"))[0].data == one.data + b"x"
    assert through(wire.marker(b""))[0].data == one.data[4:]
    assert through(wire.marker(b"\0\0\0\1"))[0].data == b"\0\0\0\1" + one.data[4:]


def test_a_retransmission_is_what_was_on_the_wire() -> None:
    talk = Talk()
    talk.i.start_init(0.0, [wire.append(b"junk")])
    [bent] = talk.sent()
    talk.i.resend(1.0)

    assert bent.data.endswith(b"junk")
    assert [d.data for d in talk.i.datagrams(1.0)] == [bent.data]
    assert not talk.i.transcript.steps[0].data.endswith(b"junk")


# -- what is refused -------------------------------------------------------------------------

NOTHING_INIT = [
    "drop('CERT')", "duplicate('N[2]')", "swap('SA', 'AUTH')", "move('SA', after='CERT')",
    "insert(after='N(COOKIE)', payload=vendor(b''))", "SA.proposal[3].number = 1",
    "SK.AUTH.load = b''", "truncate('Nonce.nonce', 32)", "append('Nonce.nonce', b'')",
    "header.flags |= 8", "KE.ke ^= b''", "KE.group += 0", "plain.pad(3)", "plain.truncate(1)",
    "sealed.flip('icv')", "sealed.drop('icv')", "wire.flip(5000)", "wire.set(5000, b'x')",
    "wire.truncate(5000)",
]  # fmt: skip
NOTHING_AUTH = [
    "drop('SA')", "drop('SK.KE')", "SK.N(COOKIE).notify = b''", "plain.flip(5000)",
    "plain.truncate(5000)", "sealed.truncate('icv', 16)", "SK.iv ^= 1", "SK.icv ^= 1",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING_INIT)
def test_an_edit_that_does_nothing_in_clear_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"nothing|no SK payload"):
        init(Edit.parse(text))


@pytest.mark.parametrize("text", NOTHING_AUTH)
def test_an_edit_that_does_nothing_in_sk_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"nothing|no SK payload"):
        auth(Edit.parse(text))


IMPOSSIBLE = [
    "SA.proposal = 'x'", "header.id = 'x'", "header.version += 1000", "header.id += -1",
    "header.init_SPI += 1", "KE.ke += 1", "KE.ke |= 1", "Nonce.nonce ^= 300", "SA = 5",
    "drop('SA.length')", "swap('SA', 'header.id')", "insert(payload=3)", "insert('KE')",
    "insert(payload=unknwon(3))", "insert(payload=notify('COOKY'))",
    "insert(payload=unknown(3, 4))",
    "append('KE.group', b'x')", "truncate('KE.group', 1)", "wire.flip(0, 8)", "wire.flip(0, -1)",
    "wire.flip('a')", "wire.delay('a')", "wire.delay(-1)", "wire.delay(1e999)",
    "wire.from_port(65536)", "wire.duplicate('a')", "wire.duplicate(2, gap='x')",
    "move('SA', after=5)", "insert(payload=cp(1, 'x'))", "KE.group = (1, 2)",
]  # fmt: skip


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_an_edit_that_no_message_can_hold_is_an_error_that_names_it(text: str) -> None:
    edit = Edit.parse(text)
    with pytest.raises(ConfigError) as caught:
        init(edit)
    assert "\n" not in str(caught.value)


SPECS = [
    ("unknwon(3)", "there are unknown"),
    ("notify('COOKY')", "did you mean 'COOKIE'"),
    ("unknown(200, dat=b'x')", "did you mean 'data'"),
    ("notify('COOKIE', critcal=True)", "did you mean 'critical'"),
    ("cp(1, data=b'')", "cp has no 'data'"),
]


@pytest.mark.parametrize(("text", "says"), SPECS)
def test_a_payload_that_cannot_be_made_says_what_can(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        init(Edit.parse(f"insert(payload={text})"))


@settings(max_examples=120)
@given(st.lists(anything, min_size=1, max_size=3))
def test_any_edits_make_a_message_or_a_config_error(edits: list[Edit]) -> None:
    for stage in (init, auth):
        try:
            stage(*edits)
        except ConfigError:
            continue
        except ValueError as error:  # no datagram, or several
            assert "values to unpack" in str(error)


def test_a_lenient_plan_applies_where_it_can() -> None:
    faults = Plan.parse("*/response: drop('CERT')\n*/response: header.flags |= 1")
    talk = Talk(r={"plan": faults, "lenient": True}).up()

    assert talk.i.state is State.ESTABLISHED
    assert {v.rule for v in talk.i.violations} == {"unused-flags-are-cleared"}


def test_every_edit_is_noted_with_its_message() -> None:
    talk = Talk(plan=Plan.parse("*/request: header.version = 0x21")).init(at("KE.res2").set(1))

    assert [str(b) for b in talk.i.applied] == [
        "IKE_SA_INIT/request: header.version = 33",
        "IKE_SA_INIT/request: KE.res2 = 1",
    ]
    assert talk.i.transcript.steps[0].note == "edits: header.version = 33; KE.res2 = 1"


def test_every_operator_is_tried_above() -> None:
    """A new operator needs a test here."""
    tried = {
        Stage.PLAIN: {"pad", "pad_length", "padding", "flip", "truncate", "append", "replace"},
        Stage.SEALED: {"flip", "set", "truncate", "append", "drop"},
        Stage.WIRE: {"flip", "set", "truncate", "append", "drop", "duplicate", "delay", "replay",
                     "from_port", "to_port", "marker", "reverse"},
        Stage.MESSAGE: {"set", "add", "xor", "or", "drop", "duplicate", "swap", "move", "insert",
                        "append", "truncate"},
    }  # fmt: skip
    assert {stage: set(operators) for stage, operators in OPERATORS.items()} == tried


def test_fragments_leave_in_reverse() -> None:
    talk = Talk(fragment=230).init()
    talk.i.start_auth(talk.now, [wire.reverse()])
    numbers = [IKEv2(d.data).payloads[-1].frag_number for d in talk.sent()]

    assert numbers == sorted(numbers, reverse=True) and len(numbers) > 1


def test_exchanges_and_notifies_are_what_the_registry_says() -> None:
    assert (Exchange.IKE_AUTH, Notify.COOKIE) == (35, 16390)
