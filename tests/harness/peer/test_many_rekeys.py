"""A thousand rekeys in a row, child and IKE SA in turn, against a real strongSwan."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from ikelab.harness.rig import Settings, rig
from ikelab.netns import world
from tests.conftest import provisioned

OLDER = pytest.param("bookworm", marks=pytest.mark.long)

REKEYS = 1000
SETTLED = 200  # rekeys after which buffers and caches have their size


def resident(pid: int | str) -> int:
    """Octets of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def rekey_on_and_on(peer: str) -> dict[str, float]:
    """What a world sees of it; the numbers that the test judges."""
    with rig(peer, Settings()) as made:
        made.begin("rekeys", None)
        made.peer.start(options={"log": "plain"})
        initiator = made.initiator()
        sa = initiator.establish()
        spis = [sa.child.spi_in, sa.child.spi_out, sa.spis.i, sa.spis.r]
        process = made.peer.driver._daemon.process  # type: ignore[attr-defined]
        before: tuple[int, int] = (0, 0)
        for number in range(1, REKEYS + 1):
            if number % 2:
                sa.rekey_child()
                assert len(sa.children) == 1, str(sa)
                spis += [sa.child.spi_in, sa.child.spi_out]
            else:
                following = sa.rekey()
                assert following is not None, str(sa)
                sa = following
                initiator.sessions[:] = [sa]
                spis += [sa.spis.i, sa.spis.r]
            assert sa.violations == []
            if number == SETTLED:
                gc.collect()
                before = resident("self"), resident(process.pid)
        gc.collect()
        after = resident("self"), resident(process.pid)
        disagreements = made.peer.disagreements(sa)
        made.end()
    return {
        "spis": len(spis),
        "unique": len(set(spis)),
        "ours": after[0] - before[0],
        "theirs": after[1] - before[1],
        "disagreements": len(disagreements),
    }


@pytest.mark.parametrize("release", ["trixie", OLDER])
def test_a_thousand_rekeys_leave_nothing_behind(release: str) -> None:
    peer = f"strongswan@{release}"
    provisioned(peer)

    found = world.run(rekey_on_and_on, peer, timeout=300)

    assert found["unique"] == found["spis"] == 4 + 2 * REKEYS
    assert found["disagreements"] == 0
    assert found["ours"] < 8e6, f"ikelab grew by {found['ours'] / 1e6:.1f} MB"
    assert found["theirs"] < 16e6, f"the daemon grew by {found['theirs'] / 1e6:.1f} MB"
