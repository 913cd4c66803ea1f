#!/usr/bin/env python3
"""Every planted fault against every case, and what it trips held against the lists.

    python tests/whole_fault_matrix.py [--case ID]... [--fault NAME]... [--processes N] [--write]

Each fault has to turn its own cases to FAIL, those that tests/harness/beside.toml lists beside it,
and no other. Prints what differs, and the time that it took; exit status 1 where something does.
`--write` lists what was found instead. `--case` is for who adds a case: all faults against it.
CI runs a part of this (tests/harness/test_faults.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ikelab.harness.peer.faults import FAULTS  # noqa: E402
from ikelab.harness.peer.path_faults import ON_PATHS  # noqa: E402
from tests.harness import beside  # noqa: E402

Found = dict[str, list[dict[str, str]]]


def run(folder: Path, faults: list[str], processes: int, cases: list[str]) -> Found:
    """The verdicts of all tests that the faults could change; "" is the honest peer's."""
    words = ["--whole", *(word for case in cases for word in ("--case", case))]
    found = part(folder, 0, [""], words).wait() or json.loads((folder / "0.json").read_text())
    # The costly ones are neighbours: they are dealt out in turn.
    running = [
        part(folder, number, faults[number - 1 :: processes], words)
        for number in range(1, processes + 1)
    ]
    for number, process in enumerate(running, 1):
        if process.wait():
            sys.exit(f"process {number} ended with status {process.returncode}")
        found |= json.loads((folder / f"{number}.json").read_text())
    return found


def part(folder: Path, number: int, faults: list[str], words: list[str]) -> subprocess.Popen[bytes]:
    """A process that runs these faults."""
    files = [str(folder / "touch.json"), str(folder / f"{number}.json")]
    command = [sys.executable, "-m", "tests.harness.fault_matrix", *files, *faults, *words]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})


def tripped(rows: list[dict[str, str]]) -> frozenset[str]:
    """The cases that failed."""
    return frozenset(row["case"] for row in rows if row["verdict"] in ("FAIL", "ERROR"))


def own_of(fault: str) -> frozenset[str]:
    """What a fault has to trip; the cases of one that needs a path are UNSUPPORTED in memory."""
    return frozenset() if fault in ON_PATHS else frozenset(FAULTS[fault].cases)


def differences(found: Found, cases: list[str]) -> list[str]:
    """One line for each fault that trips other cases than it is listed with."""
    listed, lines = beside.listed(), []
    for fault in found:
        wanted = own_of(fault) | listed.get(fault, frozenset())
        wanted = wanted & set(cases) if cases else wanted
        got = tripped(found[fault])
        more, less = sorted(got - wanted), sorted(wanted - got)
        broken = [row["id"] for row in found[fault] if row["verdict"] == "ERROR"]
        said = {"also trips": more, "does not trip": less, "ends in ERROR": broken}
        words = [f"{what} {' '.join(which)}" for what, which in said.items() if which]
        if words:
            lines.append(f"{fault}: {'; '.join(words)}")
    return lines


def relist(found: Found, cases: list[str]) -> None:
    """Write what was found into the lists; what was not asked about stays."""
    listed = {fault: held for fault, held in beside.listed().items() if fault in FAULTS}
    for fault, rows in found.items():
        kept = listed.get(fault, frozenset()) - set(cases) if cases else frozenset()
        listed[fault] = (kept | tripped(rows)) - own_of(fault)
    beside.write(listed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", default=[], metavar="ID")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME", choices=FAULTS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    words = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        faults = words.fault or list(FAULTS)
        found = run(Path(folder), faults, words.processes, words.case)
    honest = [row for row in found.pop("") if row["verdict"] != "PASS"]
    for row in honest:
        print(f"the honest peer: {row['verdict']} of {row['id']}: {row['reason']}")
    if words.write:
        relist(found, words.case)
    lines = differences(found, words.case)
    print("\n".join(lines) or "every fault trips its own cases and those beside it")
    tests = sum(len(rows) for rows in found.values())
    times = os.times()
    print(
        f"{len(found)} faults, {tests} tests, {time.monotonic() - begun:.0f} s, "
        f"{times.children_user + times.children_system:.0f} s of processor time"
    )
    return 1 if lines or honest else 0


if __name__ == "__main__":
    sys.exit(main())
