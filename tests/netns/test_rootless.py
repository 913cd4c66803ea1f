"""As root, everything here is run once more as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="these tests already run as an ordinary user")
def test_all_of_it_holds_for_an_ordinary_user(in_world):
    pytest_options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, str(HERE / "as_nobody.py"), folder, sys.executable, "-m"]
        command += ["pytest", *pytest_options, str(HERE), f"--ignore={__file__}"]

        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
