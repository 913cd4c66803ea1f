"""Two exchanges that cross, in every order in which anything can happen, with and without a loss.

What the single tests show of RFC 7296 2.8 and 2.25 holds for all schedules: both ends agree in the
end on one IKE SA and its children, and nothing is left over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from crossing import Crossing, assert_agreed

from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram

# What each end may begin, with its IKE SA and the child that was there first.
OPERATIONS: dict[str, Callable[[Crossing, IkeSa, Child], list[Datagram]]] = {
    "rekey child": lambda x, sa, child: x.begin(sa.rekey_child, child),
    "delete child": lambda x, sa, child: x.begin(sa.delete_child, child),
    "create child": lambda x, sa, _: x.begin(sa.create_child),
    "rekey ike": lambda x, sa, _: x.begin(sa.rekey),
    "close ike": lambda x, sa, _: x.begin(sa.close),
}
# How many children there may be in the end, after one; -1 is a closed IKE SA. There are two where
# an operation may be refused, or come too late to be begun at all.
CHILDREN = {
    ("rekey child", "rekey child"): {1},
    ("delete child", "rekey child"): {0, 1},
    ("create child", "rekey child"): {2},
    ("rekey child", "rekey ike"): {1},
    ("close ike", "rekey child"): {-1},
    ("delete child", "delete child"): {0},
    ("create child", "delete child"): {1},
    ("delete child", "rekey ike"): {0, 1},
    ("close ike", "delete child"): {-1},
    ("create child", "create child"): {2, 3},
    ("create child", "rekey ike"): {1, 2},
    ("close ike", "create child"): {-1},
    ("rekey ike", "rekey ike"): {1},
    ("close ike", "rekey ike"): {-1, 1},
    ("close ike", "close ike"): {-1},
}
PAIRS = [(one, other) for one in OPERATIONS for other in OPERATIONS]
UNORDERED = [(one, other) for one, other in PAIRS if one <= other]
NONCES = ["Nr1", "Nr2"]  # the lowest: B's new SA is redundant, A's is


@dataclass(frozen=True, eq=False)
class Happening:
    """What may happen next at an end: a datagram arrives, or its operation begins."""

    end: str
    datagram: Datagram | None = None


def begin(x: Crossing, end: str, operation: str, child: Child) -> list[Datagram]:
    """Begin an operation, unless its time is over: nothing is asked of what is gone."""
    sa = x.a if end == "a" else x.b
    # 1.3.2: no new exchange in an IKE SA that has been rekeyed.
    gone = sa.state is not State.ESTABLISHED or sa.successor or sa.rekeyed_by_peer
    about_child = operation in ("rekey child", "delete child")
    if gone or (about_child and child.spi_in not in sa.children):
        return []
    return OPERATIONS[operation](x, sa, child)


def play(
    x: Crossing, pair: tuple[str, str], choices: list[int], *, lose: tuple[str, int] | None = None
) -> tuple[list[int], bool]:
    """Let things happen in the order that `choices` say, then the first that can, until rest.

    Returns how many choices there were each time, and whether that order was worth it: what
    happens at one end does not depend on what happens at the other in the meantime, so of two
    orders that differ in nothing else one is left out. `lose` is a message, as the n-th for an end;
    with a loss nothing else overtakes on its way.
    """
    children = {"a": x.a.child, "b": x.b.child}
    operations = dict(zip("ab", pair, strict=True))
    open_, asleep = [Happening("a"), Happening("b")], list[Happening]()
    had: list[int] = []
    sent = x.sent_to
    while True:
        heads = open_ if lose is None else first_of_each(open_)
        awake = [h for h in heads if h not in asleep]
        if not awake:
            return had, False
        number = choices[len(had)] if len(had) < len(choices) else 0
        had.append(len(awake))
        assert len(had) < 60, "this never comes to rest"
        picked = awake[number]
        asleep = [h for h in (*asleep, *awake[:number]) if h.end != picked.end]
        open_.remove(picked)
        child = children[picked.end]
        assert child is not None
        if picked.datagram is None:
            out = begin(x, picked.end, operations[picked.end], child)
        else:
            out = x.deliver([picked.datagram])
        for datagram in out or ([] if open_ else x.repeat()):
            to = x.end_of(datagram)
            sent[to] += 1
            if lose != (to, sent[to]):
                open_.append(Happening(to, datagram))
        if not open_ and not (open_ := [Happening(x.end_of(d), d) for d in x.repeat()]):
            return had, True


def first_of_each(happenings: list[Happening]) -> list[Happening]:
    """The beginnings, and the oldest datagram for each end."""
    found: dict[tuple[str, bool], Happening] = {}
    for happening in happenings:
        found.setdefault((happening.end, happening.datagram is None), happening)
    return list(found.values())


def every_order(
    pair: tuple[str, str], lowest: str, lose: tuple[str, int] | None = None
) -> Iterator[tuple[Crossing, list[int]]]:
    """The two ends after each order that matters, and the choices that led there."""
    prefixes: list[list[int]] = [[]]
    while prefixes:
        prefix = prefixes.pop()
        x = Crossing()
        x.nonces(lowest=lowest)
        had, worthwhile = play(x, pair, prefix, lose=lose)
        chosen = prefix + [0] * (len(had) - len(prefix))
        if worthwhile:
            yield x, chosen
        for at in range(len(prefix), len(had)):
            prefixes += [[*chosen[:at], other] for other in range(1, had[at])]


def nonces(pair: tuple[str, str]) -> list[str]:
    """Which nonce is to be the lowest: each in turn where it matters."""
    return NONCES if pair[0] == pair[1] and "rekey" in pair[0] else NONCES[:1]


def assert_at_rest(x: Crossing, pair: tuple[str, str], schedule: object) -> None:
    """Both ends agree, on what this pair of operations may lead to."""
    story = f"{pair} {schedule}\n{x.a.transcript.text()}"
    if pair == ("rekey ike", "rekey ike"):
        end_forlorn(x)
    first, second = sorted(pair)
    allowed = CHILDREN[first, second]
    if not x.live("a") and not x.live("b"):
        assert -1 in allowed, story
        return
    assert len(x.live("a")) == len(x.live("b")) == 1, story
    [a], [b] = x.live("a"), x.live("b")
    assert_agreed(a, b)
    assert len(a.children) in allowed, story


def end_forlorn(x: Crossing) -> None:
    """End what the delete of the old IKE SA left behind when it overtook a response.

    2.8.2: whoever gets that delete forgets its own rekey, and so never makes (nor deletes) the SA
    with the lowest nonce, which the other end has. That one is childless, and a liveness check
    tells that nobody has its other half.
    """
    known = {sa.spi_i for sa in x.live("a")} & {sa.spi_i for sa in x.live("b")}
    for end in ("a", "b"):
        for sa in [sa for sa in x.live(end) if sa.spi_i not in known]:
            assert not sa.initiator and not sa.children
            x.settle(x.begin(sa.inform, []))
            while not sa.over:
                assert x.deliver(x.wait(end)) == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p[0]} x {p[1]}")
def test_every_order(pair: tuple[str, str]) -> None:
    """Either operation begins at any time, and whatever is under way can arrive next."""
    for lowest in nonces(pair):
        for x, schedule in every_order(pair, lowest):
            assert_at_rest(x, pair, (lowest, schedule))


@pytest.mark.parametrize("pair", UNORDERED, ids=lambda p: f"{p[0]} x {p[1]}")
@pytest.mark.parametrize("to", ["a", "b"])
def test_every_order_with_a_loss(pair: tuple[str, str], to: str) -> None:
    """One of the messages to an end is lost, and comes again when all is silent."""
    choice = nonces(pair)
    for lost in range(1, 5):
        lowest, reached = choice[lost % len(choice)], 0
        for x, schedule in every_order(pair, lowest, (to, lost)):
            assert_at_rest(x, pair, (lowest, to, lost, schedule))
            reached += x.sent_to[to] >= lost
        if not reached:
            break
