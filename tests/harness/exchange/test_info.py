"""INFORMATIONAL: liveness, deletes, and how an IKE SA ends (RFC 7296 1.4, 2.4, 2.21)."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.edits import at, drop, insert, notify, plain, sealed, unknown
from ikelab.harness.exchange.events import ChildDown, Closed, Ignored, TimedOut
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.info import delete_child, delete_ike
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.payloads import IKEv2_Delete
from tests.harness.talk import Talk, events


def reply(talk: Talk) -> Inbound:
    assert talk.i.last_response is not None
    return talk.i.last_response


def spis(it: Inbound) -> list[bytes]:
    return [bytes(s) for d in it.all(Payload.D) for s in d.SPI]


def test_liveness_is_an_empty_request_and_an_empty_response() -> None:
    talk = Talk().up()
    talk.i.inform([], talk.now)
    talk.carry()
    asked = talk.r.transcript.steps[-2]

    assert asked.inner() == [] and asked.message.payloads[0].next_payload == 0
    assert reply(talk).payloads == [] and reply(talk).opened
    assert talk.i.heard > 0 and talk.r.heard > 0


@pytest.mark.parametrize("who", ["i", "r"])
def test_either_side_deletes_a_child_by_its_inbound_spi(who: str) -> None:
    talk = Talk().up()
    mine, theirs = (talk.i, talk.r) if who == "i" else (talk.r, talk.i)
    child = mine.child
    assert child is not None
    mine.delete_child(child, talk.now)
    talk.carry()

    assert mine.last_response is not None
    assert spis(mine.last_response) == [child.spi_out]
    assert not mine.children and not theirs.children
    assert mine.state is theirs.state is State.ESTABLISHED
    assert ChildDown(child.spi_in) in events(mine) and ChildDown(child.spi_out) in events(theirs)


@pytest.mark.parametrize("who", ["i", "r"])
def test_either_side_deletes_the_ike_sa_and_all_it_holds(who: str) -> None:
    talk = Talk().up()
    mine, theirs = (talk.i, talk.r) if who == "i" else (talk.r, talk.i)
    mine.close(talk.now)
    assert mine.state is State.CLOSING
    talk.carry()

    assert mine.last_response is not None and mine.last_response.payloads == []
    for sa, reason in ((mine, "deleted by us"), (theirs, "deleted by the peer")):
        assert sa.state is State.CLOSED and not sa.children and sa.timer() is None
        happened = events(sa)
        assert Closed(reason) in happened and any(isinstance(e, ChildDown) for e in happened)


def test_deletes_of_one_child_that_cross_name_nothing_in_their_answers() -> None:
    """1.4.1: each closes its half while processing, and no response repeats the delete."""
    talk = Talk().up()
    assert talk.i.child is not None and talk.r.child is not None
    talk.i.delete_child(talk.i.child, talk.now)
    talk.r.delete_child(talk.r.child, talk.now)
    talk.carry()

    for sa in (talk.i, talk.r):
        assert sa.last_response is not None and spis(sa.last_response) == []
        assert not sa.children and sa.state is State.ESTABLISHED
    assert talk.violations == []


def test_deletes_of_the_ike_sa_that_cross_are_both_answered() -> None:
    talk = Talk().up()
    talk.i.close(talk.now)
    talk.r.close(talk.now)
    there, here = talk.sent(), talk.answered()
    talk.to_responder(there)
    talk.to_initiator(here)
    assert talk.i.state is talk.r.state is State.CLOSED
    last = [talk.sent(), talk.answered()]

    assert [len(d) for d in last] == [1, 1]


def test_a_delete_of_several_children_names_the_paired_ones_it_knows() -> None:
    talk = Talk().up()
    talk.i.create_child(talk.now)
    talk.carry()
    first, second = talk.i.children.values()
    named = [first.spi_in, b"none", second.spi_in]
    talk.i.inform([IKEv2_Delete(proto=first.protocol, SPI=named)], talk.now)
    talk.carry()

    assert spis(reply(talk)) == [first.spi_out, second.spi_out]
    assert not talk.r.children and not talk.i.children


def test_a_delete_of_an_unknown_child_is_answered_empty() -> None:
    talk = Talk().up()
    assert talk.i.child is not None
    talk.i.inform([delete_child(talk.i.child)], talk.now, [at("SK.D.SPI[0]").xor(b"\xff")])
    talk.carry()

    assert reply(talk).payloads == [] and len(talk.r.children) == 1


def test_a_delete_of_the_wrong_protocol_is_of_no_child() -> None:
    talk = Talk().up()
    assert talk.i.child is not None
    talk.i.inform([delete_child(talk.i.child)], talk.now, [at("SK.D.proto").set(2)])
    talk.carry()

    assert reply(talk).payloads == [] and len(talk.r.children) == 1


def test_another_response_does_not_close_what_is_closing() -> None:
    """Sent beyond the window on purpose: an answer to a liveness check answers no delete."""
    talk = Talk().up()
    talk.i.inform([], talk.now)
    talk.i.close(talk.now)
    first, _ = talk.sent()
    talk.to_responder([first])
    talk.to_initiator(talk.answered())

    assert talk.i.state is State.CLOSING


def test_what_crosses_our_delete_is_still_answered() -> None:
    talk = Talk().up()
    talk.i.close(talk.now)
    talk.r.inform([], talk.now)
    talk.to_initiator(talk.answered())

    assert talk.i.state is State.CLOSING
    assert [s.direction for s in talk.i.transcript.steps[-2:]] == ["<--", "-->"]


@pytest.mark.parametrize("edit", [plain.append(b"abc"), plain.replace(b"\0\0\0\3")], ids=str)
def test_a_malformed_request_ends_the_sa_on_both_sides(edit: Any) -> None:
    """2.21.3: INVALID_SYNTAX is fatal in both peers, without a Delete."""
    talk = Talk().up()
    talk.i.inform([IKEv2_Delete(proto=3, SPI=[b"none"])], talk.now, [edit])
    talk.carry()

    assert reply(talk).errors() == [Notify.INVALID_SYNTAX]
    assert talk.i.state is talk.r.state is State.CLOSED
    assert not talk.i.children and not talk.r.children


def test_a_public_value_that_is_refused_ends_the_sa_on_both_sides() -> None:
    talk = Talk(r={"esp": ["aes128-sha256-x25519"]}).up()
    talk.i.rekey(talk.now, [at("SK.KE.ke").set(bytes(32))])
    talk.carry()

    assert reply(talk).errors() == [Notify.INVALID_SYNTAX]
    assert talk.i.state is talk.r.state is State.CLOSED


@pytest.mark.parametrize("state", ["liveness", "child"])
def test_a_critical_unknown_payload_costs_the_exchange_and_not_the_sa(state: str) -> None:
    """2.5, 2.21.3: after authentication it is an error of the request like any other."""
    talk = Talk().up()
    edit = [insert("SK", payload=unknown(222, critical=True))]
    if state == "child":
        talk.i.create_child(talk.now, edit)
    else:
        talk.i.inform([], talk.now, edit)
    talk.carry()

    refusal = reply(talk).notify(Notify.UNSUPPORTED_CRITICAL_PAYLOAD)
    assert refusal is not None and refusal.notify == b"\xde"
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert len(talk.r.children) == 1


@pytest.mark.parametrize("kind", [40000, 9000, "INVALID_IKE_SPI", "INITIAL_CONTACT"])
def test_notifies_that_mean_nothing_here_change_nothing(kind: int | str) -> None:
    """3.10.1: unknown error types in a request and all status types are ignored."""
    talk = Talk().up()
    talk.i.inform([], talk.now, [insert("SK", payload=notify(kind))])
    talk.carry()

    assert reply(talk).payloads == []
    assert talk.r.state is State.ESTABLISHED and len(talk.r.children) == 1


@pytest.mark.parametrize("edit", [
    sealed.flip("icv"), sealed.flip("ciphertext"), sealed.flip("iv"), sealed.drop("icv"),
    at("header.init_SPI").xor(b"\1"), at("header.resp_SPI").xor(b"\1"), at("header.flags").set(0),
    at("header.length").add(1), at("header.version").set(0x30),
], ids=str)  # fmt: skip
def test_what_is_not_of_this_sa_is_dropped_and_the_sa_lives_on(edit: Any) -> None:
    talk = Talk().up()
    talk.i.inform([], talk.now, [edit])
    talk.to_responder(talk.sent())

    for answer in talk.answered():  # outside of the IKE SA, if anything
        assert len(answer.data) == 36
    assert talk.r.state is State.ESTABLISHED and talk.r.window.expected == 2
    assert len(talk.r.children) == 1


def test_a_closed_sa_answers_its_last_request_again_and_nothing_else() -> None:
    talk = Talk().up()
    talk.i.close(talk.now)
    request = talk.sent()
    talk.to_responder(request)
    first = talk.answered()
    talk.to_responder(request)

    assert [d.data for d in talk.answered()] == [d.data for d in first]
    ghost = Talk().up()
    ghost.i.window.next_request = 3
    ghost.i.inform([], 0.0)
    talk.to_responder(ghost.sent())
    assert talk.answered() == []


def test_silence_is_asked_about_and_then_ends_the_sa() -> None:
    """2.4: liveness is checked after a while, and repeated silence is the end."""
    talk = Talk(i={"dpd_delay": 30.0}).up()
    due = talk.i.timer()
    assert due is not None and 30.0 <= due < 31.0
    talk.i.handle_timer(due)
    [asked] = [s for s in talk.i.transcript if s.message.exch_type == Exchange.INFORMATIONAL]

    assert asked.inner() == []
    times = []
    while (at_time := talk.i.timer()) is not None:
        times.append(round(at_time - due, 3))
        talk.i.handle_timer(at_time)
        talk.i.datagrams(at_time)
    assert times == [0.0, 1.0, 3.0, 7.0]
    assert talk.i.state is State.CLOSED
    assert TimedOut(Exchange.INFORMATIONAL, 2) in events(talk.i)


def test_an_answered_check_starts_the_wait_anew() -> None:
    talk = Talk(i={"dpd_delay": 30.0}).up()
    talk.now = 30.5
    talk.i.handle_timer(talk.now)
    talk.carry()

    assert talk.i.state is State.ESTABLISHED
    assert talk.i.timer() == talk.i.heard + 30.0 > 60.0


def test_a_replayed_message_is_no_sign_of_life() -> None:
    """2.4: only a fresh protected message is; old ones can be had from a recording."""
    talk = Talk().up()
    talk.r.inform([], talk.now)
    asked = talk.answered()
    talk.to_initiator(asked)
    heard = talk.i.heard
    talk.now = 50.0
    talk.to_initiator(asked)

    assert talk.i.heard == heard


def test_an_unprotected_complaint_changes_nothing() -> None:
    """2.4, 2.21.4: neither ICMP nor a notify in clear ends anything."""
    talk = Talk().up()
    talk.i.inform([], talk.now)
    talk.i.datagrams(talk.now)
    other = Talk(seed=9).up()
    other.r.send(Exchange.INFORMATIONAL, 2, [], 0.0, response=True)
    talk.to_initiator(other.answered())

    assert talk.i.state is State.ESTABLISHED and talk.i.window.outstanding is not None
    assert any(isinstance(e, Ignored) for e in events(talk.i))


def test_a_delete_without_its_delete_is_answered_and_ends_nothing_over_there() -> None:
    talk = Talk().up()
    talk.i.close(talk.now, [drop("SK.D")])
    talk.carry()

    assert talk.r.state is State.ESTABLISHED
    assert [p.kind for p in [delete_ike()]] == [Payload.D]
