"""Message IDs and windows (RFC 7296 2.1 to 2.3): several requests outstanding, in any order."""

from __future__ import annotations

from typing import Any

import pytest
from crossing import Crossing, assert_agreed
from talk import events

from ikelab.harness.edits import at
from ikelab.harness.exchange.events import Answered, Ignored, Requested, TimedOut
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.window import Answer, Outstanding, Window
from ikelab.harness.model import Datagram, selectors
from ikelab.harness.transcript import SENT
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_VendorID


def announced(sa: IkeSa) -> list[tuple[int, bytes]]:
    """(exchange, data) of every SET_WINDOW_SIZE that an SA sent."""
    found = []
    for step in sa.transcript:
        it = Inbound(step.message, step.inner())
        notify = it.notify(Notify.SET_WINDOW_SIZE)
        if step.direction == SENT and notify is not None:
            found.append((it.exchange, bytes(notify.notify)))
    return found


def asked(x: Crossing, sa: IkeSa, count: int, first: int = 0) -> list[list[Datagram]]:
    """Several requests at once, each with a mark of its own."""
    marks = [IKEv2_VendorID(vendorID=b"%d" % n) for n in range(first, first + count)]
    return [x.begin(sa.inform, [mark]) for mark in marks]


def carried_out(sa: IkeSa) -> list[int]:
    """The message IDs of the INFORMATIONAL requests that an SA answered, in that order."""
    found = [e for e in events(sa) if isinstance(e, Requested)]
    return [e.message_id for e in found if e.exchange == Exchange.INFORMATIONAL]


@pytest.mark.parametrize(("a", "b"), [(1, 1), (4, 1), (1, 4), (4, 7)])
def test_each_side_announces_its_own_window(a: int, b: int) -> None:
    """2.3: SET_WINDOW_SIZE says what the sender takes; it is about the other direction only."""
    x = Crossing(a={"window": a}, b={"window": b})

    assert (x.a.window.size, x.a.window.peer_size) == (a, b)
    assert (x.b.window.size, x.b.window.peer_size) == (b, a)
    for sa, size in ((x.a, a), (x.b, b)):
        expected = [(Exchange.IKE_AUTH, size.to_bytes(4, "big"))] if size > 1 else []
        assert announced(sa) == expected
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("asker", ["a", "b"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_requests_of_a_window_are_answered_in_any_order(asker: str, order: list[int]) -> None:
    """2.3: whoever takes more than one request takes them out of order, and answers each."""
    x = Crossing(window=4)
    one, other = (x.a, x.b) if asker == "a" else (x.b, x.a)
    start = one.window.next_request
    flights = asked(x, one, 4)
    assert one.window.full
    events(one), events(other)
    answers = {n: x.deliver(flights[n]) for n in order}

    assert carried_out(other) == [start + n for n in order]
    assert other.window.expected == start + 4
    for n in reversed(order):
        assert x.opened(answers[n]).message_id == start + n
        assert x.deliver(answers[n]) == []
    answered = [e.message_id for e in events(one) if isinstance(e, Answered)]
    assert answered == [start + n for n in reversed(order)]
    assert not one.window.waiting and not one.window.full
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("size", [1, 4])
def test_a_request_beyond_the_window_is_dropped_until_the_window_is_there(size: int) -> None:
    """2.3: nothing is answered for it, and nothing is carried out."""
    x = Crossing(b={"window": size})
    *inside, beyond = asked(x, x.a, size + 1)
    events(x.b)
    assert x.deliver(beyond) == []
    assert x.b.window.expected == 2
    dropped = [e.reason for e in events(x.b) if isinstance(e, Ignored)]
    assert dropped == [f"message ID {size + 2}, expected 2"]

    answers = [x.deliver(flight) for flight in inside]
    answers.append(x.deliver(beyond))
    x.settle(*answers)
    assert carried_out(x.b) == list(range(2, size + 3))
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_a_window_begins_with_the_oldest_request_that_is_missing(gap: int) -> None:
    """2.3: what came early does not move the window, the missing one does."""
    x = Crossing(b={"window": 4})
    missing, *early = asked(x, x.a, 1 + gap)
    later = asked(x, x.a, 4, 1 + gap)
    answers = [x.deliver(flight) for flight in early]
    took = [bool(x.deliver(flight)) for flight in later]
    assert took == [n < 3 - gap for n in range(4)]
    assert x.b.window.expected == 2

    x.settle(x.deliver(missing), *answers)
    assert x.b.window.expected == 2 + 1 + gap + took.count(True)
    x.settle(*later)
    assert x.b.window.expected == 2 + 1 + gap + 4
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("size", [1, 4])
def test_stored_responses_are_kept_for_as_long_as_they_may_be_asked_for(size: int) -> None:
    """2.3: a response is remembered until a request comes that is a window later."""
    x = Crossing(window=size)
    flights = asked(x, x.a, size)
    answers = [x.deliver(flight) for flight in flights]
    events(x.b)
    for flight, answer in zip(flights, answers, strict=True):
        assert [d.data for d in x.deliver(flight)] == [d.data for d in answer]
    assert carried_out(x.b) == []

    x.settle(*answers)
    for n in range(size):
        assert [d.data for d in x.deliver(flights[n])] == [d.data for d in answers[n]]
        [flight] = asked(x, x.a, 1)
        x.settle(flight)  # A has the response to everything up to n, so nobody asks again
        assert x.deliver(flights[n]) == []
    assert len(x.b.window.answers) == size
    assert_agreed(x.a, x.b)


def test_the_room_in_the_peers_window() -> None:
    """2.3: before request X there must be the responses to all up to X - N, not just to enough."""
    window = Window(next_request=5, peer_size=4)
    answered = Inbound.__new__(Inbound)

    def ask() -> None:
        at = window.next_request
        window.waiting[at] = Outstanding(Exchange.INFORMATIONAL, at, answered, [], 0.0)
        window.next_request = at + 1

    for _ in range(4):
        assert not window.full
        ask()
    assert window.full
    window.settle(7)
    assert window.full  # 5 is missing, and 9 would be four after it
    window.settle(5)
    assert not window.full
    ask()
    assert window.full  # 6 is missing
    for message_id in (6, 8, 9):
        window.settle(message_id)
    assert not window.full and window.outstanding is None


def test_answers_are_forgotten_in_order() -> None:
    """What is stored is bounded by the window, whatever comes in whichever order."""
    window = Window(expected=2, size=3)
    for message_id in (3, 4, 2, 6, 5, 8, 7, 9, 10, 12, 11):
        assert window.takes(message_id)
        window.keep(message_id, Answer(b"%d" % message_id, []))
        assert not window.takes(message_id) and len(window.answers) <= 2 * 3 - 1
        assert all(window.expected - 3 <= kept for kept in window.answers)
    assert window.expected == 13 and set(window.answers) == {10, 11, 12}


def test_children_asked_for_at_once_are_told_apart() -> None:
    """Each response belongs to its own request, with its own SPI, nonce and key pair."""
    x = Crossing(window=4, esp=["aes128-sha256-x25519"])
    nets = [f"10.1.{n}.0/24" for n in range(4)]
    flights = [x.begin(x.a.create_child, tsi=selectors(net)) for net in nets]
    answers = [x.deliver(flights[n]) for n in (2, 0, 3, 1)]
    x.settle(*reversed(answers))

    assert len(x.a.children) == 5
    assert {str(c.tsi[0].start) for c in x.a.children.values()} == {
        *(f"10.1.{n}.0" for n in range(4))
    }
    assert_agreed(x.a, x.b)


def test_only_the_lost_request_is_sent_again() -> None:
    """2.1: each request has its timer; those that were answered stay silent."""
    x = Crossing(window=4)
    flights = asked(x, x.a, 4)
    x.settle(*(flights[n] for n in (0, 1, 3)))
    assert list(x.a.window.waiting) == [4] and x.b.window.expected == 4
    again = x.wait("a")

    assert [d.data for d in again] == [d.data for d in flights[2]]
    x.settle(again)
    assert x.b.window.expected == 6
    assert_agreed(x.a, x.b)


def test_one_request_without_any_response_ends_the_sa() -> None:
    """2.4: whatever else was answered."""
    x = Crossing(window=4, retransmit=(1.0,), give_up=2.0)
    flights = asked(x, x.a, 2)
    x.settle(flights[1])
    assert [d.data for d in x.wait("a")] == [d.data for d in flights[0]]
    events(x.a)
    assert x.wait("a") == []

    assert x.a.over and TimedOut(Exchange.INFORMATIONAL, 2) in events(x.a)
    assert x.a.timer() is None and not x.a.children


def test_a_close_waits_for_its_own_response() -> None:
    """What was asked before the delete may be answered first; that does not close the SA."""
    x = Crossing(window=4)
    [liveness] = asked(x, x.a, 1)
    close = x.begin(x.a.close)
    x.settle(liveness)
    assert not x.a.over and not x.b.over
    x.settle(close)
    assert x.a.over and x.b.over


def test_rekeys_in_one_window() -> None:
    """Two children are rekeyed at once; each old one is deleted, and nothing is mixed up."""
    x = Crossing(window=4)
    x.settle(x.begin(x.a.create_child))
    first, second = x.a.children.values()
    flights = [x.begin(x.a.rekey_child, child) for child in (first, second)]
    x.settle(*flights[::-1])

    assert {c.replaces for c in x.a.children.values()} == {first.spi_in, second.spi_in}
    assert first.spi_in not in x.a.children and second.spi_in not in x.a.children
    assert_agreed(x.a, x.b)


def test_a_rekeyed_ike_sa_begins_with_a_window_of_one() -> None:
    """1.3.2: window sizes are reset; 2.2: so are the message IDs."""
    x = Crossing(window=4)
    x.settle(*asked(x, x.a, 3))
    x.settle(x.begin(x.a.rekey))
    [a], [b] = x.live("a"), x.live("b")
    for sa in (a, b):
        assert (sa.window.size, sa.window.peer_size) == (1, 1)
        assert (sa.window.next_request, sa.window.expected) == (0, 0)
    first, second = asked(x, a, 2)
    assert x.deliver(second) == []
    x.settle(first)
    x.settle(second)
    assert b.window.expected == 2
    assert_agreed(a, b)


@pytest.mark.parametrize(
    ("data", "size"),
    [(b"\0\0\0\7", 7), (b"\0\0\0\1", 1), (b"\0\0\0\0", 1), (b"\7", 1), (b"", 1), (b"\0" * 5, 1)],
)
def test_a_window_can_be_announced_later(data: bytes, size: int) -> None:
    """2.3: four octets, in any message; what has another length or is zero means nothing."""
    x = Crossing()
    notify = IKEv2_Notify(type=Notify.SET_WINDOW_SIZE, notify=data)
    x.settle(x.begin(x.a.inform, [notify]))
    assert x.b.window.peer_size == size and x.a.window.peer_size == 1
    assert_agreed(x.a, x.b)


def test_a_window_does_not_shrink_below_what_is_outstanding() -> None:
    x = Crossing(b={"window": 4})
    smaller = IKEv2_Notify(type=Notify.SET_WINDOW_SIZE, notify=b"\0\0\0\2")
    x.settle(x.begin(x.b.inform, [smaller]))
    assert x.a.window.peer_size == 4
    x.settle(*asked(x, x.a, 4))
    assert_agreed(x.a, x.b)


def test_both_directions_count_for_themselves() -> None:
    """2.2: each side has its own sequence of requests."""
    x = Crossing()
    for _ in range(3):
        x.settle(*asked(x, x.a, 1))
    x.settle(*asked(x, x.b, 1))
    assert (x.a.window.next_request, x.b.window.next_request) == (5, 1)
    assert (x.b.window.expected, x.a.window.expected) == (5, 1)
    assert_agreed(x.a, x.b)


def test_a_message_under_an_answered_id_is_no_repetition() -> None:
    """2.1: a repetition is the same octets; anything else is neither answered nor carried out."""
    x = Crossing()
    first = x.begin(x.a.delete_child, x.a.child)
    x.settle(first)
    x.a.window.next_request -= 1
    second = x.begin(x.a.inform, [])
    assert x.deliver(second) == []
    assert Ignored("a new message under an answered message ID") in events(x.b)
    assert not x.b.over


@pytest.mark.parametrize("change", ["exch_type", "id"])
def test_a_response_that_answers_nothing_changes_nothing(change: str) -> None:
    """2.1: a response belongs to one request by its message ID, and repeats its exchange type."""
    value: Any = {"exch_type": Exchange.CREATE_CHILD_SA, "id": 77}[change]
    edit = at(f"header.{change}").set(value)
    x = Crossing(b={"plan": f"INFORMATIONAL/response: {edit}"})
    [flight] = asked(x, x.a, 1)
    x.settle(flight)
    assert list(x.a.window.waiting) == [2]
    assert any(isinstance(e, Ignored) for e in events(x.a))


def test_fragments_of_two_requests_do_not_mix() -> None:
    """RFC 7383 2.6: fragments are told apart by the message ID, so a window may be full of them."""
    x = Crossing(window=4, fragment=576)
    marks = [IKEv2_VendorID(vendorID=bytes([n]) * 3000) for n in range(3)]
    flights = [x.begin(x.a.inform, [mark]) for mark in marks]
    mixed = [d for row in zip(*flights, strict=True) for d in row]
    assert len(mixed) > 15
    answers = x.deliver(mixed[::-1])
    x.settle(answers)

    opened = [Inbound(s.message, s.inner()) for s in x.b.transcript]
    got = [bytes(v.vendorID) for it in opened if it.opened for v in it.all(Payload.V)]
    assert sorted(got) == [bytes([n]) * 3000 for n in range(3)]
    assert_agreed(x.a, x.b)
