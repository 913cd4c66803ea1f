"""Covering arrays: every algorithm once, or every pair of them that can go together."""

from __future__ import annotations

from itertools import combinations

import pytest

from ikelab.harness.combine import Row, rows
from ikelab.harness.crypto.support import computable, for_ike
from ikelab.harness.model import Suite, Transform, is_aead
from ikelab.layers.iana import Protocol, TransformType


def knows(transform: Transform, protocol: int) -> bool:
    """Every third transform that ikelab can do itself: the array of all takes its time."""
    fine = computable(transform) is None and (protocol != Protocol.IKE or for_ike(transform))
    return fine and transform.id % 3 == (1 if transform.type == TransformType.PRF else 2)


def values(row: Row) -> tuple[Transform | Suite | None, ...]:
    ike, esp = row
    return ike.encr, ike.prf, ike.integ, ike.ke, esp


@pytest.fixture(scope="module")
def pairwise() -> list[Row]:
    return rows(knows, 2)


def test_every_algorithm_is_there_once() -> None:
    once, all_of_them = rows(knows, 1), rows(knows, 2)
    for column in range(5):
        assert {values(r)[column] for r in once} == {values(r)[column] for r in all_of_them}


def test_every_pair_that_can_go_together_is_there(pairwise: list[Row]) -> None:
    """RFC 7296 3.3: a combined-mode cipher goes without integrity, any other with it."""
    found = [values(row) for row in pairwise]
    missing = []
    for a, b in combinations(range(5), 2):
        have = {(v[a], v[b]) for v in found}
        left, right = ({v[i] for v in found} for i in (a, b))
        for one in left:
            for other in right:
                odd = (a, b) == (0, 2) and is_aead(one.id) != (other is None)
                if not odd and (one, other) not in have:
                    missing.append((str(one), str(other)))
    assert missing == []


def test_no_row_is_impossible(pairwise: list[Row]) -> None:
    assert [row for row in pairwise if row[0].aead == (row[0].integ is not None)] == []
