"""Settings side by side: each value, or each pair of values that go together."""

from __future__ import annotations

from dataclasses import astuple
from itertools import combinations, product

import pytest

from ikelab.harness.model import Suite
from ikelab.harness.settings import FRAGMENTS, MODES, PROOFS, SUITES, settings

VALUES = (MODES, (True, False), SUITES, PROOFS, FRAGMENTS)


@pytest.mark.parametrize("strength", [1, 2])
def test_every_value_is_there_and_transport_mode_is_never_translated(strength: int) -> None:
    rows = [astuple(row) for row in settings(strength, SUITES, PROOFS, MODES)]

    for number, values in enumerate(VALUES):
        assert {row[number] for row in rows} == set(values)
    assert not any(row[:2] == ("transport", True) for row in rows)


def test_every_pair_that_goes_together_is_there() -> None:
    rows = [astuple(row) for row in settings(2, SUITES, PROOFS, MODES)]

    for one, two in combinations(range(len(VALUES)), 2):
        wanted = set(product(VALUES[one], VALUES[two]))
        if (one, two) == (0, 1):
            wanted.remove(("transport", True))
        assert {(row[one], row[two]) for row in rows} == wanted
    assert len(rows) < len(list(product(*VALUES))) / 3


def test_what_a_peer_lacks_is_left_out_of_the_array() -> None:
    rows = settings(2, SUITES[:1], PROOFS, MODES[:1])

    assert {row.suite for row in rows} == {SUITES[0]}
    assert {row.mode for row in rows} == {"tunnel"}
    assert settings(2, (), PROOFS, MODES) == []


def test_a_setting_can_be_read() -> None:
    texts = {str(row) for row in settings(2, SUITES, PROOFS, MODES)}
    assert any("fragments NAT" in text for text in texts)
    assert all(Suite.parse(suite).ke for suite in SUITES)
