"""Rekeys that a real daemon begins, of children and of the IKE SA, and those that cross ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import provisioned
from tests.harness.command import ikelab

CONFORMANCE = Path(__file__).resolve().parents[3] / "testcases/conformance"
PLAIN = CONFORMANCE / "rfc7296/test_rekeys_begun_by_the_peer.py"
CROSSED = CONFORMANCE / "rfc7296/test_collisions.py"
FOLLOWED = CONFORMANCE / "rfc9370/test_key_exchanges.py"
CHOSEN = "begins or outlives or while or two or delete_of"


@pytest.mark.long
@pytest.mark.parametrize(
    ("peer", "cases", "passes"),
    [
        ("strongswan@trixie", PLAIN, 7),
        ("strongswan@trixie", CROSSED, 5),
        ("strongswan@sid", FOLLOWED, 1),
        ("libreswan@trixie", PLAIN, 3),  # the rest needs a child, and that ESP in the kernel
    ],
)
def test_a_daemon_begins_them(peer, cases, passes, tmp_path):
    provisioned(peer)
    words = ("run", "--peer", peer, "--out", tmp_path / "run", "-k", CHOSEN, cases)

    done = ikelab(*words, cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    assert sum(line.startswith("PASS ") for line in done.out.splitlines()) == passes, done.out
