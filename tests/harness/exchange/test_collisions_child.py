"""Exchanges about one CHILD_SA that cross each other (RFC 7296 2.8.1, 2.25.1).

The names of messages and SPIs are those of the figures in 2.8.1.
"""

from __future__ import annotations

import pytest
from crossing import Crossing, assert_agreed, deleted, pairs

from ikelab.harness.edits import at
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import Notify, Payload

NONCES = ["Ni1", "Nr1", "Ni2", "Nr2"]
# 2.8.1: exchange 1 has the nonces Ni1 and Nr2; with the lowest among them A's new SA is closed.
A_LOSES = ("Ni1", "Nr2")


def spi_of(it: Inbound) -> bytes:
    """The SPI in the SA payload of a message."""
    return it.offers()[0].spi


@pytest.mark.parametrize("lowest", NONCES)
def test_both_rekey_at_once(lowest: str) -> None:
    """2.8.1, first figure: whose SA has the lowest nonce closes it, the other the old one."""
    x = Crossing()
    x.nonces(lowest=lowest)
    old_a, old_b = x.a.child, x.b.child
    assert old_a and old_b

    req1 = x.begin(x.a.rekey_child, old_a)
    req2 = x.begin(x.b.rekey_child, old_b)
    resp2 = x.deliver(req2)
    resp1 = x.deliver(req1)
    assert len(x.a.children) == len(x.b.children) == 2
    req3, req4 = x.deliver(resp1), x.deliver(resp2)

    spi_a2, spi_b3 = spi_of(x.opened(req1)), spi_of(x.opened(resp1))
    spi_b2, spi_a3 = spi_of(x.opened(req2)), spi_of(x.opened(resp2))
    assert len(x.a.children) == len(x.b.children) == 3
    a_loses = lowest in A_LOSES
    assert deleted(x.opened(req3)) == [spi_a2 if a_loses else old_a.spi_in]
    assert deleted(x.opened(req4)) == [old_b.spi_in if a_loses else spi_b2]

    resp3, resp4 = x.deliver(req3), x.deliver(req4)
    assert deleted(x.opened(resp3)) == [spi_b3 if a_loses else old_b.spi_in]
    assert deleted(x.opened(resp4)) == [old_a.spi_in if a_loses else spi_a3]
    x.settle(resp3, resp4)
    assert pairs(x.a.children.values()) == {(spi_a3, spi_b2) if a_loses else (spi_a2, spi_b3)}
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("lowest", NONCES)
def test_both_rekey_and_the_responses_are_sent_before_any_request_was_noticed(lowest: str) -> None:
    """Both responses arrive together, deletes cross, and nobody names an SA twice."""
    x = Crossing()
    x.nonces(lowest=lowest)
    req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    resp1, resp2 = x.deliver(req1), x.deliver(req2)
    req4, req3 = x.deliver(resp2), x.deliver(resp1)
    resp3 = x.deliver(req3)
    x.settle(req4)
    x.settle(resp3)

    assert_agreed(x.a, x.b)
    assert len(x.a.children) == 1
    named = [spi for s in x.a.transcript for spi in deleted(Inbound(s.message, s.inner()))]
    assert len(named) == len(set(named)) == 4


def test_lowest_is_by_octets_and_an_end_counts_as_lower() -> None:
    """2.8.1: octet by octet, and where one nonce ends, that one is the lower."""
    for spare_a, a_loses in ((0, True), (9, False)):
        x = Crossing(a={"nonce_length": 45 + spare_a}, b={"nonce_length": 49})
        x.entropy["a"].lead.extend([b"\x7f" * 45 + b"\xff" * 9, b"\x80"])
        x.entropy["b"].lead.extend([b"\x7f" * 49, b"\x80"])
        req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
        resp2, resp1 = x.deliver(req2), x.deliver(req1)
        x.settle(resp1, resp2)

        assert x.a.child and x.a.child.made_by_us is not a_loses
        assert_agreed(x.a, x.b)


def test_request_lost_and_the_other_side_done_before_it_comes_again() -> None:
    """2.8.1, second figure: B never noticed, so A's repeated request is for an SA that is gone."""
    x = Crossing()
    old = x.a.child
    lost = x.begin(x.a.rekey_child, old)
    req2 = x.begin(x.b.rekey_child, x.b.child)
    resp2 = x.deliver(req2)
    req3 = x.deliver(resp2)
    assert deleted(x.opened(req3)) == [x.b.children and next(iter(x.b.children))]
    x.settle(req3)

    again = x.wait("a")
    assert [d.data for d in again] == [d.data for d in lost]
    resp1 = x.deliver(again)
    refusal = x.opened(resp1).notify(Notify.CHILD_SA_NOT_FOUND)
    assert old and bytes(refusal.SPI) == old.spi_in and refusal.proto == old.protocol
    x.settle(resp1)
    assert pairs(x.a.children.values()) == {(spi_of(x.opened(resp2)), spi_of(x.opened(req2)))}
    assert_agreed(x.a, x.b)


def test_request_delayed_until_the_other_side_is_deleting() -> None:
    """2.25.1: a rekey of a child that is being closed gets TEMPORARY_FAILURE."""
    x = Crossing()
    late = x.begin(x.a.rekey_child, x.a.child)
    resp2 = x.deliver(x.begin(x.b.rekey_child, x.b.child))
    req3 = x.deliver(resp2)
    resp1 = x.deliver(late)
    assert x.opened(resp1).errors() == [Notify.TEMPORARY_FAILURE]
    assert x.deliver(resp1) == []  # 2.25: not retried at once
    x.settle(req3)

    assert_agreed(x.a, x.b)
    assert len(x.a.children) == 1 and x.b.child and x.b.child.made_by_us


def test_response_lost_and_asked_for_again() -> None:
    """A's first copy is answered and the answer lost: the repeated request gets the same one."""
    x = Crossing()
    x.nonces(lowest="Ni2")
    req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    resp2, lost = x.deliver(req2), x.deliver(req1)
    req4 = x.deliver(resp2)
    x.settle(req4)
    assert len(x.b.children) == 2  # the old one and A's: B's own had the lowest nonce

    again = x.wait("a")
    resp1 = x.deliver(again)
    assert [d.data for d in resp1] == [d.data for d in lost]
    x.settle(resp1)
    assert_agreed(x.a, x.b)
    assert len(x.a.children) == 1 and x.a.child and x.a.child.made_by_us


@pytest.mark.parametrize("lowest", NONCES)
def test_everything_is_delivered_twice(lowest: str) -> None:
    """Retransmissions change nothing: whatever comes again is answered again and not done again."""
    x = Crossing()
    x.nonces(lowest=lowest)
    waiting = x.begin(x.a.rekey_child, x.a.child) + x.begin(x.b.rekey_child, x.b.child)
    delivered = 0
    seen: set[bytes] = set()
    while waiting:
        fresh = [d for d in {d.data: d for d in waiting}.values() if d.data not in seen]
        seen |= {d.data for d in fresh}
        waiting = [a for d in fresh for a in (*x.deliver([d]), *x.deliver([d]))]
        delivered += len(fresh)

    assert delivered == 8
    assert len(x.a.children) == 1
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("lowest", NONCES)
def test_delete_of_the_old_one_overtakes_the_response(lowest: str) -> None:
    """The delete of whoever is done first arrives before the response that it follows."""
    x = Crossing()
    x.nonces(lowest=lowest)
    req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    resp2, late = x.deliver(req2), x.deliver(req1)
    x.settle(x.deliver(resp2))
    x.settle(late)

    assert len(x.a.children) == 1
    assert x.a.child and x.a.child.made_by_us is (lowest not in A_LOSES)
    assert_agreed(x.a, x.b)


def test_both_requests_delayed_beyond_each_others_retransmission() -> None:
    """Both first copies crawl; the repeated ones are as good, the late ones are repetitions."""
    x = Crossing()
    x.nonces(lowest="Nr1")
    late1, late2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    again1, again2 = x.wait("a"), x.wait("b")
    resp1, resp2 = x.deliver(again1), x.deliver(again2)
    assert [d.data for d in x.deliver(late1)] == [d.data for d in resp1]
    assert [d.data for d in x.deliver(late2)] == [d.data for d in resp2]
    x.settle(resp1, resp2)

    assert_agreed(x.a, x.b)
    assert x.a.child and x.a.child.made_by_us


def test_a_refused_rekey_counts_for_nothing() -> None:
    """A's offer is not accepted: B's rekey stands, though its nonce is the lowest of all."""
    x = Crossing()
    x.nonces(lowest="Ni2")
    odd = at("SK.SA.proposal[0].transform[0].key_length").set(192)
    req1 = x.begin(x.a.rekey_child, x.a.child, edits=[odd])
    req2 = x.begin(x.b.rekey_child, x.b.child)
    resp2, resp1 = x.deliver(req2), x.deliver(req1)
    assert x.opened(resp1).errors() == [Notify.NO_PROPOSAL_CHOSEN]
    x.settle(resp2, resp1)

    assert len(x.b.children) == 1 and x.b.child and x.b.child.made_by_us
    assert_agreed(x.a, x.b)


def test_rekeys_of_two_children_do_not_collide() -> None:
    """Each side rekeys another child: no SA is redundant, both old ones go."""
    x = Crossing()
    first = x.a.child
    x.settle(x.begin(x.a.create_child))
    second = next(c for c in x.b.children.values() if c.spi_out != (first and first.spi_in))
    x.nonces(lowest="Ni1")
    req1, req2 = x.begin(x.a.rekey_child, first), x.begin(x.b.rekey_child, second)
    resp1, resp2 = x.deliver(req1), x.deliver(req2)
    x.settle(resp1, resp2)

    assert len(x.a.children) == 2
    assert {c.made_by_us for c in x.a.children.values()} == {True, False}
    assert first and first.spi_in not in x.a.children and second.spi_in not in x.b.children
    assert_agreed(x.a, x.b)


def test_two_new_children_at_once_are_both_wanted() -> None:
    """Without REKEY_SA nothing is redundant (2.8: SAs between the same two are fine)."""
    x = Crossing()
    req1, req2 = x.begin(x.a.create_child), x.begin(x.b.create_child)
    resp1, resp2 = x.deliver(req1), x.deliver(req2)
    x.settle(resp1, resp2)

    assert len(x.a.children) == 3
    assert_agreed(x.a, x.b)


def test_rekey_of_a_child_that_the_peer_is_closing() -> None:
    """2.25.1: TEMPORARY_FAILURE for the rekey, an ordinary Delete for the close."""
    x = Crossing()
    old_a, old_b = x.a.child, x.b.child
    assert old_a and old_b
    rekey, close = x.begin(x.a.rekey_child, old_a), x.begin(x.b.delete_child, old_b)
    refusal, gone = x.deliver(rekey), x.deliver(close)

    assert x.opened(refusal).errors() == [Notify.TEMPORARY_FAILURE]
    assert deleted(x.opened(gone)) == [old_a.spi_in]
    x.settle(refusal, gone)
    assert x.a.children == x.b.children == {}
    assert_agreed(x.a, x.b)


def test_close_of_a_child_whose_rekey_was_just_answered() -> None:
    """B closes the old child itself while A does not know yet that its rekey succeeded."""
    x = Crossing()
    old_a, old_b = x.a.child, x.b.child
    rekeyed = x.deliver(x.begin(x.a.rekey_child, old_a))
    gone = x.deliver(x.begin(x.b.delete_child, old_b))
    assert old_a and deleted(x.opened(gone)) == [old_a.spi_in]
    assert x.deliver(rekeyed) == []  # the old one is gone: there is nothing to delete
    x.settle(gone)

    assert len(x.a.children) == 1 and x.a.child and x.a.child.made_by_us
    assert_agreed(x.a, x.b)


def test_close_crosses_the_delete_that_ends_a_rekey() -> None:
    """Both sides delete the rekeyed child: no response names it again (1.4.1)."""
    x = Crossing()
    old_b = x.b.child
    req3 = x.deliver(x.deliver(x.begin(x.a.rekey_child, x.a.child)))
    close = x.begin(x.b.delete_child, old_b)
    resp3, resp4 = x.deliver(req3), x.deliver(close)

    assert deleted(x.opened(resp3)) == deleted(x.opened(resp4)) == []
    x.settle(resp3, resp4)
    assert len(x.a.children) == 1
    assert_agreed(x.a, x.b)


def test_both_close_the_same_child() -> None:
    """1.4.1, 2.25.1: a close that crosses a close is answered without a Delete payload."""
    x = Crossing()
    one, two = x.begin(x.a.delete_child, x.a.child), x.begin(x.b.delete_child, x.b.child)
    answers = [x.deliver(one), x.deliver(two)]

    assert all(x.opened(a).payloads == [] for a in answers)
    x.settle(*answers)
    assert x.a.children == x.b.children == {}
    assert_agreed(x.a, x.b)


def test_close_of_a_child_that_is_gone() -> None:
    """2.25.1: answered without a Delete payload."""
    x = Crossing()
    old = x.b.child
    x.settle(x.begin(x.b.delete_child, old))
    answer = x.deliver(x.begin(x.b.delete_child, old))

    assert x.opened(answer).payloads == []
    x.settle(answer)
    assert_agreed(x.a, x.b)


def test_each_closes_another_child_at_once() -> None:
    """Only the SAs that the other side closes are named in an answer."""
    x = Crossing()
    x.settle(x.begin(x.a.create_child))
    first, second = x.a.children.values()
    at_b = next(c for c in x.b.children.values() if c.spi_in == second.spi_out)
    one, two = x.begin(x.a.delete_child, first), x.begin(x.b.delete_child, at_b)
    answer1, answer2 = x.deliver(one), x.deliver(two)

    assert deleted(x.opened(answer1)) == [first.spi_out]
    assert deleted(x.opened(answer2)) == [second.spi_in]
    x.settle(answer1, answer2)
    assert x.a.children == x.b.children == {}
    assert_agreed(x.a, x.b)


def test_rekey_of_an_unknown_child() -> None:
    """2.25: CHILD_SA_NOT_FOUND with the SPI of REKEY_SA; the asker deletes it without a word."""
    x = Crossing()
    old = x.a.child
    assert old and x.b.child
    x.b.drop_child(x.b.child)
    refusal = x.deliver(x.begin(x.a.rekey_child, old))
    notify = x.opened(refusal).notify(Notify.CHILD_SA_NOT_FOUND)

    assert (notify.proto, bytes(notify.SPI), bytes(notify.notify)) == (3, old.spi_in, b"")
    assert [p.kind for p in x.opened(refusal).payloads] == [Payload.N]
    assert x.deliver(refusal) == []
    assert x.a.children == x.b.children == {}
    assert_agreed(x.a, x.b)


def test_a_temporary_failure_can_be_tried_again_later() -> None:
    """2.25: the operation is repeated by its owner, with a new message ID, not by the engine."""
    x = Crossing()
    x.settle(x.begin(x.a.create_child))
    first, second = x.a.children.values()
    at_b = next(c for c in x.b.children.values() if c.spi_in == first.spi_out)
    close = x.begin(x.b.delete_child, at_b)
    refused = x.deliver(x.begin(x.a.rekey_child, first))
    x.settle(close)
    x.settle(refused)
    assert set(x.a.children) == {second.spi_in}

    x.settle(x.begin(x.a.rekey_child, second))
    assert x.a.child and x.a.child.replaces == second.spi_in
    assert x.a.state is State.ESTABLISHED
    assert_agreed(x.a, x.b)
