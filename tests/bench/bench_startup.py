"""How long `ikelab --help` takes to start: `python bench_startup.py`; exit 1 above the target.

Ten starts of the console script, the quickest of which counts: the others measure the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TARGET = 0.35
STARTS = 10
SCRIPT = Path(sys.executable).with_name("ikelab")


def start(*words: str) -> float:
    """Seconds that the command takes."""
    begin = time.perf_counter()
    subprocess.run([SCRIPT, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def heavy() -> list[str]:
    """The ten dearest imports of the start, as Python's -X importtime has them."""
    program = "import sys; sys.argv[1:] = ['--help']; from ikelab.harness.cli import main; main()"
    argv = [sys.executable, "-X", "importtime", "-c", program]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, env=os.environ).stderr
    rows = [line.split("|") for line in told.splitlines() if line.count("|") == 2]
    found = [(int(own.split(":")[-1]), name.strip()) for own, _, name in rows[1:]]
    return [f"{own / 1000:7.1f} ms  {name}" for own, name in sorted(found, reverse=True)[:10]]


def main() -> int:
    times = sorted(start("--help") for _ in range(STARTS))
    print(f"ikelab --help: {times[0]:.3f} s quickest, {times[STARTS // 2]:.3f} s median")
    print(f"target:        {TARGET:.3f} s")
    print("the dearest imports:", *heavy(), sep="\n")
    return 0 if times[0] < TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
