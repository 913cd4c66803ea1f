"""Puzzles of RFC 8019: solved with real work, checked, too hard to try."""

from __future__ import annotations

import pytest

from ikelab.harness.exchange import puzzle
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import Payload, Prf
from tests.harness.talk import Talk, plan

PRF, TEXT = Prf.PRF_HMAC_SHA2_256, b"a cookie"


@pytest.mark.parametrize(
    ("octets", "bits"), [("01", 0), ("02", 1), ("0100", 8), ("8000", 15), ("0000", 16), ("", 0)]
)
def test_zero_bits_are_counted_from_the_end(octets, bits):
    assert puzzle.zero_bits(bytes.fromhex(octets)) == bits


@pytest.mark.parametrize("bits", [0, 1, 5, 9])
def test_a_solution_solves(bits):
    keys = puzzle.solve(PRF, TEXT, bits)

    assert len(set(keys)) == puzzle.KEYS
    assert puzzle.right(PRF, TEXT, bits, b"".join(keys))
    assert not puzzle.right(PRF, b"another cookie", 9, b"".join(keys))


def test_keys_have_to_differ_and_to_be_four():
    keys = puzzle.solve(PRF, TEXT, 3)

    assert not puzzle.right(PRF, TEXT, 3, keys[0] * 4)
    assert not puzzle.right(PRF, TEXT, 3, b"".join(keys[:3]))
    assert not puzzle.right(PRF, TEXT, 3, b"".join(keys) + b"x")
    assert not puzzle.right(PRF, TEXT, 3, b"")


def asks(bits, **initiator):
    return Talk(
        i={"features": Features(solve_puzzles=True), **initiator},
        r={"cookies": True, "features": Features(puzzle=bits, insist_on_puzzles=True)},
    )


def test_an_initiator_works_its_way_in():
    talk = asks(7).up()

    assert talk.i.state is State.ESTABLISHED and talk.violations == []
    second = talk.i.transcript.steps[2].message
    assert [p.kind for p in second.payloads][:2] == [Payload.N, Payload.PS]


def test_a_wrong_solution_does_not():
    wrong = plan("IKE_SA_INIT/request: PS.load = b'" + "a" * 32 + "'")
    talk = asks(7, plan=wrong, lenient=True).init()

    assert talk.i.state is State.CLOSED and talk.listener.sas == []


def test_a_puzzle_that_is_too_hard_is_left_alone():
    talk = asks(puzzle.HARDEST + 1).init()

    assert talk.i.init.solution == b""
    assert talk.i.state is State.CLOSED
