"""Exchanges about the IKE SA itself that cross each other (RFC 7296 2.8.2, 2.8.3, 2.25.2)."""

from __future__ import annotations

import pytest
from crossing import Crossing, assert_agreed, deleted, pairs

from ikelab.harness.exchange.events import Answered
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol

NONCES = ["Ni1", "Nr1", "Ni2", "Nr2"]
A_LOSES = ("Ni1", "Nr2")  # the nonces of the exchange that A began


def deletes_ike(x: Crossing, flight: list[Datagram]) -> bool:
    """Whether the message of this flight deletes the IKE SA that it is sent in."""
    return [d.proto for d in x.opened(flight).all(Payload.D)] == [Protocol.IKE]


def sent_in(x: Crossing, flight: list[Datagram]) -> bytes:
    """SPIi of the IKE SA that the message belongs to."""
    return bytes(x.opened(flight).message.init_SPI)


def new_spi(x: Crossing, flight: list[Datagram]) -> bytes:
    """The SPI that a rekey request or response proposes."""
    return x.opened(flight).offers()[0].spi


def survivors(x: Crossing) -> tuple[IkeSa, IkeSa]:
    """The only live IKE SA of each end; they agree, and it carries an exchange either way."""
    [a], [b] = x.live("a"), x.live("b")
    assert_agreed(a, b)
    for sa in (a, b):
        before = sa.window.next_request
        x.settle(x.begin(sa.inform, []))
        assert sa.window.next_request == before + 1 and not sa.window.waiting
    assert_agreed(a, b)
    return a, b


@pytest.mark.parametrize("lowest", NONCES)
def test_both_rekey_at_once(lowest: str) -> None:
    """2.8.2: the creator of the SA with the lowest nonce deletes it; the other has the children."""
    x = Crossing()
    x.settle(x.begin(x.b.create_child))
    children = dict(x.a.children)
    x.nonces(lowest=lowest)
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    resp2, resp1 = x.deliver(req2), x.deliver(req1)
    assert x.a.children == children and len(x.b.children) == 2  # nobody inherits as yet
    flight_a, flight_b = x.deliver(resp1), x.deliver(resp2)

    assert len(x.live("a")) == len(x.live("b")) == 3
    old, made_a, made_b = x.a.spi_i, new_spi(x, req1), new_spi(x, req2)
    a_loses = lowest in A_LOSES
    assert deletes_ike(x, flight_a) and deletes_ike(x, flight_b)
    assert sent_in(x, flight_a) == (made_a if a_loses else old)
    assert sent_in(x, flight_b) == (old if a_loses else made_b)
    x.settle(flight_a, flight_b)

    a, _ = survivors(x)
    assert a.spi_i == (made_b if a_loses else made_a)
    assert a.initiator is not a_loses
    assert a.children == children


@pytest.mark.parametrize("lowest", NONCES)
@pytest.mark.parametrize("first", ["a", "b"])
def test_one_end_is_done_before_the_others_response_is_there(lowest: str, first: str) -> None:
    """Both noticed; one end settles and deletes while the other's response is still on its way."""
    x = Crossing()
    x.nonces(lowest=lowest)
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    resp2, resp1 = x.deliver(req2), x.deliver(req1)
    early, late = (resp1, resp2) if first == "a" else (resp2, resp1)
    delete = x.deliver(early)
    x.settle(late)
    x.settle(delete)

    a, _ = survivors(x)
    assert a.initiator is (lowest not in A_LOSES) and len(a.children) == 1


@pytest.mark.parametrize("lowest", NONCES)
def test_everything_is_delivered_twice(lowest: str) -> None:
    """Repeated requests, also the delete of an SA that is gone by then, get the same answer."""
    x = Crossing()
    x.nonces(lowest=lowest)
    waiting = x.begin(x.a.rekey) + x.begin(x.b.rekey)
    seen: set[bytes] = set()
    while waiting:
        fresh = [d for d in {d.data: d for d in waiting}.values() if d.data not in seen]
        seen |= {d.data for d in fresh}
        waiting = [a for d in fresh for a in (*x.deliver([d]), *x.deliver([d]))]

    assert len(seen) == 8
    a, _ = survivors(x)
    assert len(a.children) == 1


def test_one_side_is_done_before_it_notices() -> None:
    """2.8.2, the figure: B's request waits while A's rekey succeeds and the old SA is deleted."""
    x = Crossing()
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    req3 = x.deliver(x.deliver(req1))
    assert deletes_ike(x, req3)
    resp3 = x.deliver(req3)
    assert x.opened(resp3).payloads == []
    assert x.b.over and not x.b.window.waiting and x.b.timer() is None  # req2 is not sent again
    x.settle(resp3)
    assert x.deliver(req2) == []  # whatever of it comes after all finds nobody

    a, b = survivors(x)
    assert a.initiator and len(b.children) == 1


@pytest.mark.parametrize("first", ["refusal", "delete"])
def test_request_for_an_sa_that_has_been_rekeyed(first: str) -> None:
    """2.8.2: TEMPORARY_FAILURE, because that IKE SA is about to be closed."""
    x = Crossing()
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    req3 = x.deliver(x.deliver(req1))
    refusal = x.deliver(req2)
    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    if first == "refusal":
        assert x.deliver(refusal) == []
        assert not x.b.children and len(x.live("b")) == 2  # A's new SA has them
        x.settle(req3)
    else:
        x.settle(req3)
        x.settle(refusal)

    a, _ = survivors(x)
    assert a.initiator and len(a.children) == 1


def test_request_for_an_sa_whose_successor_waits_for_the_delete() -> None:
    """The same on the side that answered the rekey: no second one, no child either."""
    x = Crossing()
    req1 = x.begin(x.a.rekey)
    resp1 = x.deliver(req1)
    for intent in (x.a.create_child, x.a.rekey):  # in the old SA, which B considers rekeyed
        refusal = x.deliver(x.begin(intent))
        assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
        x.settle(refusal)
    x.settle(resp1)

    a, _ = survivors(x)
    assert len(a.children) == 1


def test_request_lost_while_the_other_side_finishes() -> None:
    """A noticed, B did not: B's delete tells A so, and A forgets its own attempt."""
    x = Crossing()
    lost = x.begin(x.a.rekey)
    resp2 = x.deliver(x.begin(x.b.rekey))
    assert x.a.children  # A cannot know yet which SA will inherit them
    req3 = x.deliver(resp2)
    assert deletes_ike(x, req3)
    x.settle(req3)
    assert x.a.over and x.a.timer() is None and x.deliver(lost) == []

    a, _ = survivors(x)
    assert not a.initiator and len(a.children) == 1


def test_request_lost_and_repeated_while_the_old_sa_is_closing() -> None:
    """The repeated request meets B's delete: TEMPORARY_FAILURE, and B's SA has the children."""
    x = Crossing()
    x.begin(x.a.rekey)
    resp2 = x.deliver(x.begin(x.b.rekey))
    req3 = x.deliver(resp2)
    refusal = x.deliver(x.wait("a"))
    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    x.settle(refusal)
    x.settle(req3)

    a, _ = survivors(x)
    assert not a.initiator and len(a.children) == 1


@pytest.mark.parametrize("lowest", NONCES)
def test_a_response_is_lost_and_asked_for_again(lowest: str) -> None:
    """B settles with the two exchanges it knows; A does when the repeated response is there."""
    x = Crossing()
    x.nonces(lowest=lowest)
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    resp2, lost = x.deliver(req2), x.deliver(req1)
    flight_b = x.deliver(resp2)
    again = x.deliver(x.wait("a"))
    assert [d.data for d in again] == [d.data for d in lost]
    x.settle(again)
    x.settle(flight_b)

    a, _ = survivors(x)
    assert a.initiator is (lowest not in A_LOSES) and len(a.children) == 1


def test_a_bad_response_to_a_rekey_leaves_the_peers_successor() -> None:
    """A cannot use what answers its own rekey: the one that B made has the children."""
    x = Crossing(b={"plan": "CREATE_CHILD_SA/response: SK.KE.ke = b'short'"})
    x.nonces(lowest="Ni2")
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    resp2, resp1 = x.deliver(req2), x.deliver(req1)
    del resp2
    x.settle(resp1)

    assert x.a.children == {} and x.a.successor is not None
    assert x.a.successor.spi_i == new_spi(x, req2) and len(x.a.successor.children) == 1


def test_close_while_rekeying() -> None:
    """2.25.2: the close is answered as usual and the rekey forgotten; the rekey is refused."""
    x = Crossing()
    rekey, close = x.begin(x.a.rekey), x.begin(x.b.close)
    refusal, answer = x.deliver(rekey), x.deliver(close)

    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    assert x.opened(answer).payloads == []
    assert x.a.over and x.a.timer() is None
    x.settle(answer, refusal)
    assert x.live("a") == x.live("b") == []


def test_close_after_a_rekey_was_answered() -> None:
    """B answered the rekey and closes the old SA before A knows: B's half of the new one lives."""
    x = Crossing()
    late = x.deliver(x.begin(x.a.rekey))
    close = x.begin(x.b.close)
    x.settle(late)  # A makes its successor and begins to delete the old SA
    x.settle(close)

    a, _ = survivors(x)
    assert a.initiator and len(a.children) == 1


def test_close_behind_a_rekey_of_ours() -> None:
    """The old SA is closed once, whoever asked for it first; the successor stays."""
    x = Crossing(window=4)
    rekey, close = x.begin(x.a.rekey), x.begin(x.a.close)
    answer = x.deliver(rekey)
    assert x.deliver(answer) == []  # its delete is under way already
    x.settle(close)

    a, _ = survivors(x)
    assert a.initiator and len(a.children) == 1 and x.a.over and x.b.over


def test_both_close_at_once() -> None:
    """2.25.2: each is answered as usual, and each forgets its own."""
    x = Crossing()
    one, two = x.begin(x.a.close), x.begin(x.b.close)
    answer1, answer2 = x.deliver(one), x.deliver(two)

    assert x.opened(answer1).payloads == x.opened(answer2).payloads == []
    assert x.a.over and x.b.over and x.a.timer() is x.b.timer() is None
    x.settle(answer1, answer2)
    assert x.live("a") == x.live("b") == []


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_close_whose_answer_was_lost(repeats: int) -> None:
    """2.1: the repeated delete is answered though the SA is gone (else A would wait in vain)."""
    x = Crossing()
    lost = x.deliver(x.begin(x.a.close))
    assert x.b.over and not x.a.over
    for _ in range(repeats):
        again = x.deliver(x.a.resend(x.now) or x.sent("a"))
        assert [d.data for d in again] == [d.data for d in lost]
    x.settle(again)
    assert x.live("a") == x.live("b") == []


@pytest.mark.parametrize("what", ["create_child", "rekey_child"])
@pytest.mark.parametrize("rekeys", ["a", "b"])
def test_child_exchange_crosses_a_rekey_of_the_ike_sa(what: str, rekeys: str) -> None:
    """2.25.1 and 2.25.2: both are refused with TEMPORARY_FAILURE, and both can be had later."""
    x = Crossing()
    one, other = (x.a, x.b) if rekeys == "a" else (x.b, x.a)
    old = other.child
    wanted = [old] if what == "rekey_child" else []
    rekey, child = x.begin(one.rekey), x.begin(getattr(other, what), *wanted)
    refused_rekey, refused_child = x.deliver(rekey), x.deliver(child)

    assert x.opened(refused_rekey).errors() == [Notify.TEMPORARY_FAILURE]
    assert x.opened(refused_child).errors() == [Notify.TEMPORARY_FAILURE]
    x.settle(refused_rekey, refused_child)
    assert_agreed(x.a, x.b)
    assert len(x.a.children) == 1 and len(x.live("a")) == 1

    x.settle(x.begin(one.rekey))
    a, b = survivors(x)
    heir = b if rekeys == "a" else a
    x.settle(x.begin(getattr(heir, what), *wanted))
    assert len(a.children) == (1 if wanted else 2)
    assert old is not None and (old.spi_in in heir.children) is not bool(wanted)
    survivors(x)


@pytest.mark.parametrize("rekeys", ["a", "b"])
def test_close_of_a_child_crosses_a_rekey_of_the_ike_sa(rekeys: str) -> None:
    """2.25.2: the child is deleted as usual; 2.25.1: the rekey is refused."""
    x = Crossing()
    x.settle(x.begin(x.a.create_child))
    one, other = (x.a, x.b) if rekeys == "a" else (x.b, x.a)
    doomed = other.child
    assert doomed
    rekey, close = x.begin(one.rekey), x.begin(other.delete_child, doomed)
    refusal, gone = x.deliver(rekey), x.deliver(close)

    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    assert deleted(x.opened(gone)) == [doomed.spi_out]
    x.settle(refusal, gone)
    assert_agreed(x.a, x.b)
    assert len(x.a.children) == 1 and doomed.spi_in not in other.children


def test_close_of_a_child_arrives_in_time_for_the_rekey_that_crosses_it() -> None:
    """The delete is answered while our rekey is out; its response then moves what is left."""
    x = Crossing()
    rekey = x.begin(x.a.rekey)
    x.settle(x.begin(x.b.delete_child, x.b.child))
    x.settle(rekey)

    a, _ = survivors(x)
    assert a.children == {}


@pytest.mark.parametrize("closer", ["a", "b"])
def test_child_exchange_crosses_the_close_of_the_ike_sa(closer: str) -> None:
    """2.25.2 by analogy: nothing new is made in an IKE SA that is being closed."""
    x = Crossing()
    one, other = (x.a, x.b) if closer == "a" else (x.b, x.a)
    close, child = x.begin(one.close), x.begin(other.create_child)
    refusal, answer = x.deliver(child), x.deliver(close)

    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    x.settle(refusal, answer)
    assert x.live("a") == x.live("b") == []
    assert not x.a.children and not x.b.children


def test_the_old_sa_still_answers_until_it_is_deleted() -> None:
    """1.3.2: the old IKE SA keeps its numbering, for its delete and for liveness before it."""
    x = Crossing()
    resp1 = x.deliver(x.begin(x.a.rekey))
    expected = x.b.window.next_request
    answer = x.deliver(x.begin(x.b.inform, []))
    assert x.opened(answer).message_id == expected and x.opened(answer).payloads == []
    x.settle(answer)
    x.settle(resp1)
    survivors(x)


def test_a_child_of_the_new_sa_while_the_old_one_is_deleted() -> None:
    """2.8.2: the winner works at once, whatever becomes of the old one."""
    x = Crossing()
    delete = x.deliver(x.deliver(x.begin(x.a.rekey)))
    [new] = [sa for sa in x.live("b") if sa is not x.b]
    x.settle(x.begin(new.create_child))
    x.settle(delete)

    a, _ = survivors(x)
    assert len(a.children) == 2


def test_reauthentication_makes_all_anew_and_deletes_the_old() -> None:
    """2.8.3: a new IKE SA from scratch, its children without REKEY_SA, then the old one goes."""
    x = Crossing()
    before = pairs(x.a.children.values())
    new = IkeSa(x.ends["a"].config, initiator=True, entropy=x.entropy["a"])
    x.ends["a"].add(new)
    x.settle(x.begin(new.start_init))
    x.settle(x.begin(new.start_auth))
    assert new.state is State.ESTABLISHED and x.a.state is State.ESTABLISHED
    assert pairs(new.children.values()).isdisjoint(before)
    assert pairs(x.a.children.values()) == before

    x.settle(x.begin(x.a.close))
    assert x.a.over and x.b.over and not x.a.children and not x.b.children
    a, b = survivors(x)
    assert a is new and len(b.children) == 1 and a.keys != x.a.keys


def test_the_answered_event_comes_once_for_each_request() -> None:
    """What an owner hears of a collision: one answer for each request, in each SA."""
    x = Crossing()
    x.nonces(lowest="Ni1")
    req1, req2 = x.begin(x.a.rekey), x.begin(x.b.rekey)
    resp2, resp1 = x.deliver(req2), x.deliver(req1)
    x.settle(resp1, resp2)

    heard = []
    while (event := x.a.next_event()) is not None:
        heard.append(event)
    answered = [e for e in heard if isinstance(e, Answered)]
    assert answered == [
        Answered(Exchange.IKE_SA_INIT, 0),
        Answered(Exchange.IKE_AUTH, 1),
        Answered(Exchange.CREATE_CHILD_SA, 2),
    ]
