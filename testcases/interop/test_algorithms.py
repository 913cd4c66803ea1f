"""Every transform that both sides know, each with a CHILD_SA whose keys the peer confirms.

By default every algorithm is used at least once; `--combine 2` uses every pair of them.
"""

from __future__ import annotations

from functools import cache

import pytest

from ikelab.harness.combine import Row, rows, transforms
from ikelab.harness.crypto.support import computable, for_ike
from ikelab.harness.endpoint import Initiator
from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Protocol, TransformType

CIPHERS = [t for t in transforms(TransformType.ENCR) if computable(t) is None and for_ike(t)]


PATIENCE = 15.0  # seconds: the largest groups take their time on a busy machine


@cache
def shared_rows(driver: object, strength: int) -> list[Row]:
    """The suites that this peer and ikelab can both do."""
    return rows(lambda t, protocol: computable(t) is None and driver.knows(t, protocol), strength)


def offer(found: list[Row]) -> tuple[list[Suite], list[Suite]]:
    """What the peer is configured with: every suite of these rows."""
    return list(dict.fromkeys(r[0] for r in found)), list(dict.fromkeys(r[1] for r in found))


def told(peer: Tested, sa: Session, keys: tuple[bytes, ...]) -> bool:
    """Whether the peer tells these keys; some answer before they install, and tell them then."""
    return sa.wait(lambda: keys in peer.driver.child_keys(), 8.0)


@case("KEY-01", "feature")
@rfc(7296, "2.13", "2.14", "2.17", "3.3.2")
@pytest.mark.parametrize("cipher", CIPHERS, ids=str)
def test_every_algorithm_gives_working_keys(
    peer: Tested, initiator: Initiator, cipher: Transform, strength: int
) -> None:
    """Both SAs come up with each suite, and the child's keys are those that the peer derived."""
    if not peer.driver.knows(cipher, Protocol.IKE):
        raise Unsupported(f"{peer.name} has no {cipher.name} for IKE")
    mine = [row for row in shared_rows(peer.driver, strength) if row[0].encr == cipher]
    peer.needs("keys", "child")
    ike, esp = offer(mine)
    peer.start(ike=ike, esp=esp)
    initiator.patience = PATIENCE

    for suite, child in mine:
        sa = initiator.establish(ike=[suite], esp=[child])

        assert sa.chosen == suite, f"{sa}"
        assert sa.child.suite.keyed() == child.keyed(), f"{sa}"
        keys = sa.child.keys
        assert keys is not None
        ours = (keys.encr_i, keys.integ_i, keys.encr_r, keys.integ_r)
        assert told(peer, sa, ours), f"the peer derived other keys\n{sa}"
        assert sa.violations == [], f"{sa.violations[0]}\n{sa}"
        sa.close()
