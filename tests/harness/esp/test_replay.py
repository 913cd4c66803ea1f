"""The window over sequence numbers, against a plain model and at RFC 4303's own edges."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikelab.harness.esp.replay import HALF, Counter, ReplayWindow
from ikelab.harness.esp.seal import Kind, Refused


def taken(window: ReplayWindow, low: int) -> bool:
    try:
        number = window.check(low % HALF)
    except Refused as refused:
        assert refused.kind is Kind.REPLAY
        return False
    window.accept(number)
    return True


def test_each_number_is_taken_once_in_any_order_inside_the_window() -> None:
    window = ReplayWindow(32)
    assert [taken(window, n) for n in (1, 3, 2, 2, 3, 1)] == [True] * 3 + [False] * 3
    assert taken(window, 34)
    assert not taken(window, 2), "two is left of 3..34"
    assert not taken(window, 3), "three came"
    assert taken(window, 4)
    assert not taken(window, 4)


def test_zero_is_never_taken() -> None:
    assert not taken(ReplayWindow(), 0)
    assert not taken(ReplayWindow(esn=True), 0)


def test_a_jump_forgets_what_is_behind() -> None:
    window = ReplayWindow(64)
    assert taken(window, 5) and taken(window, HALF - 1)
    assert not taken(window, 5)
    assert taken(window, HALF - 64) and not taken(window, HALF - 65)


def test_the_check_alone_changes_nothing() -> None:
    window = ReplayWindow()
    window.check(1000)
    assert (window.highest, window.seen) == (0, 0)


def test_without_a_window_everything_is_taken() -> None:
    window = ReplayWindow(0)
    assert [taken(window, n) for n in (5, 5, 0)] == [True] * 3


# RFC 4303 appendix A2.1: (right edge, low half that comes, whole number meant), window of 64.
LOCATED = {
    "ahead in the same subspace": (1000, 2000, 2000),
    "inside the window": (1000, 950, 950),
    "left of the window, so the next subspace": (1000, 900, HALF + 900),
    "the window begins at the left end": (63, 0, HALF * 0),
    "window over two subspaces, left part": (HALF + 10, HALF - 20, HALF - 20),
    "window over two subspaces, right part": (HALF + 10, 5, HALF + 5),
    "window over two subspaces, ahead": (HALF + 10, 500, HALF + 500),
    "window over two subspaces, left edge": (HALF + 10, HALF - 53, HALF - 53),
    "window over two subspaces, beyond the left edge": (HALF + 10, HALF - 54, 2 * HALF - 54),
    "wrap": (HALF - 1, 0, HALF),
}


@pytest.mark.parametrize("name", LOCATED)
def test_an_extended_number_is_the_one_nearest_the_window(name: str) -> None:
    edge, low, whole = LOCATED[name]
    assert ReplayWindow(64, True, highest=edge).locate(low) == whole


def test_a_number_before_the_first_subspace_is_refused() -> None:
    window = ReplayWindow(64, True, highest=3)
    assert not taken(window, HALF - 5)
    assert taken(window, 4)


@settings(max_examples=300)
@given(
    st.integers(32, 128),
    st.integers(0, 3 * HALF),
    st.lists(st.integers(-200, 200), max_size=60),
)
def test_the_window_is_the_plain_model(size: int, start: int, steps: list[int]) -> None:
    """Under ESN a number is taken when it is new and at most `size` - 1 behind the highest."""
    window = ReplayWindow(size, True, highest=start)
    highest, seen = start, set()
    for step in steps:
        number = highest + step
        if number <= 0 or number == start or step <= -size:
            continue  # what is left of the window, the low half cannot tell from a number ahead
        assert taken(window, number) is (number not in seen), (number, highest)
        seen.add(number)
        highest = max(highest, number)
        assert window.highest == highest


def test_our_own_numbers_begin_at_one_and_never_cycle() -> None:
    counter = Counter()
    assert [counter.next(), counter.next()] == [1, 2]
    counter.last = HALF - 2
    assert counter.next() == HALF - 1
    with pytest.raises(OverflowError):
        counter.next()
    counter = Counter(esn=True, last=HALF - 1)
    assert counter.next() == HALF
