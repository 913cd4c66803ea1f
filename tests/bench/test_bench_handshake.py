"""The handshake bench itself: every handshake succeeds, and costs are of the right size."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ikelab.netns import world
from tests.conftest import provisioned

PEER = "strongswan@trixie"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The script tests/bench/bench_handshake.py as a module that other processes can import too."""
    path = Path(__file__).with_name("bench_handshake.py")
    spec = importlib.util.spec_from_file_location("bench_handshake", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.append(str(path.parent))
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
@pytest.mark.parametrize("window", [1, 8])
def test_our_cpu_is_measured_batch_by_batch(bench: ModuleType, window: int) -> None:
    costs = bench.cpu(window, batches=3, batch=10)
    assert len(costs) == 3
    assert costs == sorted(costs)
    assert costs[0] > 0.1, "a handshake that costs no CPU was not done"


@pytest.mark.long
def test_a_daemon_takes_every_handshake(bench: ModuleType) -> None:
    provisioned(PEER)
    found = world.run(bench.rate, PEER, 8, 40)
    assert (found.done, found.failed) == (40, 0)
    assert found.seconds > 0 and found.cpu > 0
    assert "handshakes/s" in str(found)
