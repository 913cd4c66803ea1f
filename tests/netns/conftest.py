"""What the tests of namespaces share: a world to run in, programs in files, a small root tree."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ikelab.netns import world


@pytest.fixture(scope="session")
def in_world() -> Callable[..., Any]:
    """`world.run`, with a time limit; where worlds cannot be made, a skip or failure says why."""
    if reason := world.available():
        if os.environ.get("IKELAB_REQUIRE_ALL") == "1":
            pytest.fail(f"{reason} (IKELAB_REQUIRE_ALL=1 makes this a failure)")
        pytest.skip(reason)

    # Once here and not again in each forked world.
    for name in ("pyroute2", "pcapng"):
        importlib.import_module(name)

    def call(function: Callable[..., Any], *args: Any) -> Any:
        return world.run(function, *args, timeout=60)

    return call


class Script:
    """A Python program in a process of its own, spoken to line by line."""

    def __init__(self, path: Path, source: str) -> None:
        path.write_text(source)
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        """The next line it prints; empty at its end."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        """Give it a line on standard input."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@pytest.fixture
def script(tmp_path: Path, in_world: Callable[..., Any]) -> Iterator[Callable[[str], Script]]:
    """Start programs that end with the test."""
    started: list[Script] = []

    def start(source: str) -> Script:
        started.append(Script(tmp_path / f"script{len(started)}.py", source))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.communicate()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root tree that lacks nearly everything, /dev, /run and /proc included."""
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "etc/release").write_text("tree\n")
    (root / "var").mkdir()
    (root / "var/run").symlink_to("/run")
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    return root
