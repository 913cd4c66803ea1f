"""What the tests of peers share: provisioned daemons, a world to run them in."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache, registry
from ikelab.netns import kernel, world

sys.path.insert(0, str(Path(__file__).parent))  # for daemon_pair

RELEASES = ("trixie", "bookworm")


def missing(reason: str) -> None:
    """Skip, or fail where everything is required."""
    if os.environ.get("IKELAB_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (IKELAB_REQUIRE_ALL=1 makes this a failure)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def in_world() -> Callable[..., Any]:
    """`world.run`, with a time limit."""
    if reason := world.available():
        missing(reason)
    for name in ("pyroute2", "vici"):  # once here and not again in each forked world
        importlib.import_module(name)

    def call(function: Callable[..., Any], *args: Any) -> Any:
        return world.run(function, *args, timeout=60)

    return call


@pytest.fixture(scope="session")
def tunnels(in_world: Callable[..., Any]) -> None:
    """Skips where the kernel leaves a daemon no way to have a CHILD_SA."""
    found = kernel.probe()
    if not found["esp"] and not found["tun"]:
        missing(f"no ESP in the kernel and no TUN device: {found['tun'].why}")


@pytest.fixture(scope="session")
def needed() -> Callable[[str], cache.Entry]:
    """Provision a peer; skips, with the reason, where that cannot be."""

    def call(name: str) -> cache.Entry:
        try:
            return registry.add(name)
        except LabError as error:
            missing(str(error))
            raise

    return call


@pytest.fixture(scope="session", params=RELEASES)
def strongswan(request: pytest.FixtureRequest, needed: Callable[[str], cache.Entry]) -> cache.Entry:
    """A provisioned strongSwan of each release."""
    return needed(f"strongswan@{request.param}")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own with nothing in it."""
    monkeypatch.setenv("IKELAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def paired(in_world: Callable[..., Any], tmp_path: Path) -> Callable[[cache.Entry], Any]:
    """Of a provisioned peer: what calls a function with two daemons, in a world of its own."""
    from daemon_pair import pair

    def of(entry: cache.Entry) -> Callable[[Callable[..., Any]], Any]:
        def call(function: Callable[..., Any]) -> Any:
            def inside() -> Any:
                with pair(entry.manifest.peer, tmp_path) as (near, far):
                    return function(near, far)

            return in_world(inside)

        return call

    return of
