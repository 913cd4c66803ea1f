"""The command starts quickly because it imports nothing of the engine before it has to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness.command import environment

HEAVY = ("scapy", "cryptography", "pyroute2", "pytest", "jinja2", "rich", "vici", "pcapng")
PROGRAM = """
import sys
from ikelab.harness.cli import main
status = main(sys.argv[2:])
found = [name for name in sys.argv[1].split(",") if name in sys.modules]
print(status, found, file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["bogus"]])
def test_nothing_heavy_is_imported_before_a_command_runs(words: list[str]) -> None:
    argv = [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *words]

    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment())

    assert done.stderr.splitlines()[-1].endswith(" []"), done.stderr
