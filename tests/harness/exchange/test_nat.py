"""NAT detection and the way to port 4500 (RFC 7296 2.23, RFC 3948)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.edits import at, drop, duplicate
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Address, Datagram, Nat
from tests.harness.talk import LEFT, RIGHT, Talk, plan

SOURCE, DESTINATION = "N(NAT_DETECTION_SOURCE_IP)", "N(NAT_DETECTION_DESTINATION_IP)"
OUTSIDE, INSIDE = "198.51.100.7", "10.0.0.77"


class Nats:
    """What stands between the two: in front of the initiator, of the responder, or of both."""

    def __init__(self, left: bool, right: bool) -> None:
        self.left, self.right = left, right

    def out(self, d: Datagram) -> Datagram:
        """The initiator's source is translated; the responder really lives elsewhere."""
        src: Address = (OUTSIDE, 20000 + d.src[1] % 1000) if self.left else d.src
        dst: Address = (INSIDE, d.dst[1]) if self.right else d.dst
        return replace(d, src=src, dst=dst)

    def back(self, d: Datagram) -> Datagram:
        dst = (LEFT, 500 if d.src[1] == 500 else 4500) if self.left else d.dst
        src = (RIGHT, d.src[1]) if self.right else d.src
        return replace(d, src=src, dst=dst)


def through(left: bool, right: bool, **options: Any) -> Talk:
    nats = Nats(left, right)
    return Talk(out=nats.out, back=nats.back, **options)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_both_ends_find_who_is_behind_a_nat(left: bool, right: bool) -> None:
    talk = through(left, right).init()
    verdict = Nat(initiator=left, responder=right)

    assert talk.i.nat == talk.r.nat == verdict
    assert (talk.i.behind_nat, talk.r.behind_nat) == (left, right)

    talk.i.start_auth(talk.now)
    [asked] = talk.i.datagrams(talk.now)
    port = 4500 if left or right else 500
    assert (asked.src[1], asked.dst[1]) == (port, port)
    assert asked.data.startswith(bytes(4)) is (port == 4500)

    talk.to_responder([talk.out(asked)])
    [answer] = talk.listener.datagrams(talk.now)
    assert (answer.src, answer.dst) == (talk.out(asked).dst, talk.out(asked).src)
    assert answer.data.startswith(bytes(4)) is (port == 4500)
    talk.to_initiator([talk.back(answer)])
    assert talk.i.state is State.ESTABLISHED
    assert not talk.violations


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_whoever_is_behind_a_nat_keeps_the_mapping(left: bool, right: bool) -> None:
    talk = through(left, right).up()
    for sa, behind in ((talk.i, left), (talk.r, right)):
        assert (sa.keepalive_due is not None) is behind
    talk.now += 25
    for sa in (talk.i, talk.r):
        sa.handle_timer(talk.now)
    there, here = talk.sent(), talk.answered()

    assert [d.data for d in there] == [b"\xff"] * left
    assert [d.data for d in here] == [b"\xff"] * right
    heard = talk.i.heard, talk.r.heard
    talk.to_responder(there)
    talk.to_initiator(here)
    assert (talk.i.heard, talk.r.heard) == heard  # no sign of life
    assert talk.sent() == talk.answered() == []  # and no answer
    assert talk.i.keepalives == right and talk.r.keepalives == left


def test_a_closed_sa_keeps_no_mapping() -> None:
    talk = through(True, True).up()
    talk.i.close(talk.now)
    talk.carry()

    assert talk.i.keepalive_due is None and talk.r.keepalive_due is None


def test_one_of_several_source_hashes_is_enough() -> None:
    """2.23: a sender that does not know its attachment sends several."""
    talk = Talk().init(duplicate(f"{SOURCE}"), at(f"{SOURCE}.notify").xor(b"\xff"))

    assert talk.r.nat == Nat(initiator=False, responder=False)


def test_when_no_source_hash_matches_the_sender_is_behind_a_nat() -> None:
    talk = Talk().init(at(f"{SOURCE}.notify").xor(b"\xff"), duplicate(SOURCE))

    assert talk.r.nat == Nat(initiator=True, responder=False)
    assert talk.i.nat == Nat(initiator=False, responder=False)


def test_without_hashes_nobody_can_tell_and_nothing_floats() -> None:
    talk = Talk().init(drop(SOURCE), drop(DESTINATION))
    assert talk.r.nat == Nat(None, None)

    silent = Talk(r={"nat_detection": False}).init()
    assert silent.i.nat == Nat(None, None)
    assert silent.i.remote == (RIGHT, 500)


def test_hashes_of_the_responder_use_its_spi() -> None:
    """2.23: the SPIs in the order of the header; zero in the request, chosen in the response."""
    edits = f"IKE_SA_INIT/response: {SOURCE}.notify ^= b'\\x01'"
    talk = Talk(r={"plan": plan(edits)}).init()

    assert talk.i.nat == Nat(initiator=False, responder=True)
    assert talk.i.remote == (RIGHT, 4500)


def test_floats_from_port_500_only_and_marks_what_goes_to_4500() -> None:
    """RFC 3948 2.2: whatever goes to or from 4500 has the marker, whichever end has that port."""
    talk = through(True, False, i={"local": (LEFT, 40001)}).init()
    talk.back = lambda d: replace(d, dst=(LEFT, 40001))
    talk.i.start_auth(talk.now)
    [asked] = talk.i.datagrams(talk.now)

    assert asked.src[1] == 40001 and asked.dst[1] == 4500
    assert asked.data.startswith(bytes(4))
    talk.to_responder([talk.out(asked)])
    talk.to_initiator(talk.answered())
    assert talk.i.state is State.ESTABLISHED


def test_the_first_message_may_already_use_4500() -> None:
    talk = Talk(local=(LEFT, 4500), remote=(RIGHT, 4500)).up()

    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert talk.i.nat == Nat(initiator=False, responder=False)


def test_without_the_marker_on_4500_it_is_no_ike() -> None:
    talk = Talk(local=(LEFT, 4500), remote=(RIGHT, 4500))
    talk.i.start_init(0.0)
    [asked] = talk.sent()
    talk.to_responder([replace(asked, data=asked.data[4:])])

    assert talk.listener.sas == [] and talk.answered() == []


def test_answers_go_to_where_the_request_came_from() -> None:
    """2.11, 2.23: any source port is accepted and answered, and the answer comes from there."""
    talk = Talk().init()
    talk.i.start_auth(talk.now)
    [asked] = talk.sent()
    moved = replace(asked, src=(LEFT, 50123))
    talk.to_responder([moved])
    [answer] = talk.answered()

    assert (answer.src, answer.dst) == (moved.dst, moved.src)
    assert not answer.data.startswith(bytes(4))


def test_an_initiator_that_finds_a_nat_does_not_need_to_be_told_by_both() -> None:
    """The destination hash alone: the initiator itself is behind the NAT."""
    edits = f"IKE_SA_INIT/response: {DESTINATION}.notify ^= b'\\x01'"
    talk = Talk(r={"plan": plan(edits)}).init()

    assert talk.i.nat == Nat(initiator=True, responder=False)
    assert talk.i.local == (LEFT, 4500)
