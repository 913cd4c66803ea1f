"""`ikelab inspect` beside tshark, and on a big file: `python tests/bench/bench_inspect.py`.

Whole processes, start-up included, with the same keys, in turns; a ratio is that of the medians.
The captures are made by the engine and kept in build/bench. `--big` adds the 1 GB capture of which
1 % is IKE.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from ike_traffic import SAS, conversations, haystack

FOLDER = Path(__file__).resolve().parents[2] / "build/bench"
IKELAB = str(Path(sys.executable).with_name("ikelab"))
FIELDS = ("frame.number", "ip.src", "ip.dst", "isakmp.ispi", "isakmp.exchangetype",
          "isakmp.messageid", "isakmp.typepayload")  # fmt: skip
MEMORY = 300
"""MB that the big capture may take."""


@dataclass(frozen=True, slots=True)
class Race:
    """What we do, what tshark does, and how much faster we want to be."""

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    target: float


RACES = (
    Race("json, one process", ("--json", "--jobs", "1"), ("-T", "json"), 2.0),
    Race("json, all cores", ("--json", "--jobs", str(os.cpu_count())),
         ("-T", "ek", "-J", "isakmp"), 1.0),
    Race("summary", ("--jobs", str(os.cpu_count())),
         ("-T", "fields", *(word for name in FIELDS for word in ("-e", name))), 1.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock and of CPU, and the most memory of a process, in MB."""

    wall: float
    cpu: float
    memory: float


def cost(argv: list[str], env: dict[str, str] | None = None, out: Path | None = None) -> Cost:
    """Run a command to its end; its output goes to a file, or nowhere."""
    with (out or Path(os.devnull)).open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.DEVNULL, env=env)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def race(it: Race, capture: Path, keys: Path, rounds: int) -> tuple[Cost, Cost]:
    """Our median run and tshark's."""
    ours, theirs = [], []
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": str(keys)}
    out = FOLDER / "output"
    for _ in range(rounds):
        mine = [IKELAB, "inspect", str(capture), "--keys", str(keys), *it.ours]
        ours.append(cost(mine, out=out))
        theirs.append(cost(["tshark", "-r", str(capture), *it.theirs], env, out))
    out.unlink()
    return _median(ours), _median(theirs)


def _median(runs: list[Cost]) -> Cost:
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]


def big(size: int) -> bool:
    """The capture with little IKE in it: throughput, memory, and whether every SA is found."""
    capture, keys = haystack(FOLDER, size)
    out = FOLDER / "output"
    used = cost([IKELAB, "inspect", str(capture), "--keys", str(keys), "--jobs", "1"], out=out)
    text = out.read_text()
    found = len(re.findall(r"(?m)^IKE SA ", text))
    out.unlink()
    octets = capture.stat().st_size
    rate = octets / 1e6 / used.wall
    print(f"{octets / 1e9:.2f} GB in {used.wall:.1f} s: {rate:.0f} MB/s, {used.memory:.0f} MB of")
    print(f"memory (under {MEMORY}), {found} of {SAS} IKE SAs")
    return used.memory < MEMORY and found == SAS


def main() -> int:
    """Print the ratios; 1 where one is below its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--big", action="store_true", help="the 1 GB capture too")
    parser.add_argument("--size", type=int, default=10**9, help="octets of the big capture")
    options = parser.parse_args()
    if shutil.which("tshark") is None:
        raise SystemExit("tshark not found: install the package tshark")
    capture, keys = conversations(FOLDER)
    failed = 0
    print(f"{'seconds':20}{'ours':>8}{'tshark':>8}{'ratio':>8}  target    CPU: ours  tshark")
    for it in RACES:
        mine, theirs = race(it, capture, keys, options.rounds)
        ratio = theirs.wall / mine.wall
        failed += ratio < it.target
        print(
            f"{it.name:20}{mine.wall:8.2f}{theirs.wall:8.2f}{ratio:8.2f}  {it.target:<6g}"
            f"{mine.cpu:13.2f}{theirs.cpu:8.2f}",
            flush=True,
        )
    if options.big:
        failed += not big(options.size)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
