"""The bench itself: both sides do the same work, and ratios are measured in turns."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The script tests/bench/bench_layers.py as a module."""
    path = Path(__file__).with_name("bench_layers.py")
    spec = importlib.util.spec_from_file_location("ikelab_tests_bench_layers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_both_sides_do_the_same(bench: ModuleType) -> None:
    data = bytes(bench.ours())
    assert data == bytes(bench.theirs())
    assert set(bench.TARGETS) <= set(bench.pairs())
    for us, them in bench.pairs().values():
        us()
        them()


def test_a_ratio_is_of_rates(bench: ModuleType) -> None:
    calls: list[str] = []
    fast, slow = bench.compare(
        lambda: calls.append("us"),
        lambda: [calls.append("them") for _ in range(5000)],
        rounds=3,
        seconds=0.01,
    )
    assert fast > slow > 0 and set(calls) == {"us", "them"}


def test_the_targets_are_met(bench: ModuleType) -> None:
    """By far less than the targets: short turns on a busy machine. The script itself measures."""
    for name, target in bench.TARGETS.items():
        fast, slow = bench.compare(*bench.pairs()[name], rounds=5, seconds=0.03)
        assert fast / slow >= target * 0.4, name
