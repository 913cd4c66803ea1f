"""The bench of a lab itself: both daemons answer, and every step is measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import provisioned

PEER = "strongswan@trixie"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The script tests/bench/bench_lab.py as a module."""
    path = Path(__file__).with_name("bench_lab.py")
    spec = importlib.util.spec_from_file_location("bench_lab", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_two_daemons_answer(bench: ModuleType) -> None:
    provisioned(PEER)
    for topology in bench.PAIR:
        found = bench.measured(PEER, topology)
        assert len(found.steps) == len(bench.STEPS)
        assert all(step > 0 for step in found.steps)
        assert topology in bench.line(topology, [found])
