"""What the tests of the debug log share: the seed's text, a replay of its exchange."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.harness.inspect.ios.report import LogInspection, inspect_log


@pytest.fixture(scope="session")
def seed_path(shared: Path) -> Path:
    """Cisco's walk-through as a text file, in Korean."""
    return shared / "cisco" / "seed-debug-walkthrough-ko.txt"


@pytest.fixture(scope="session")
def seed(seed_path: Path) -> LogInspection:
    """The walk-through, read."""
    return inspect_log(seed_path)


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case folder of `ikelab run --profile ios-seed` in which we are the first router."""
    out = tmp_path_factory.mktemp("profile") / "run"
    main = "import sys; from ikelab.harness.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "run", "--peer", "reference", "--profile", "ios-seed",
               "--out", str(out)]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = sorted((out / "cases").iterdir())
    assert len(cases) == 2
    return cases[1]
