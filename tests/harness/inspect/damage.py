"""Captures spoilt in every way that files are spoilt, shown in every view: nothing may raise.

    python tests/harness/inspect/damage.py --count 100000

Each is made from a real one: octets changed, cut off, left out, doubled or put in, anywhere. What
cannot be read has to be said in one line. Prints what failed, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.inspection import inspect_capture
from ikelab.harness.inspect.keys import KeyRing, load
from ikelab.harness.inspect.pcap import Capture

LARGEST = 12_000
"""Octets of the captures that are spoilt: each is read again and again."""


def seeds(shared: Path) -> tuple[list[bytes], KeyRing]:
    """Captures to spoil, and keys for some of them."""
    files = sorted(p for p in shared.rglob("*.pcap*") if p.is_file())
    ring = load([shared / "captures/wireshark/ikev2_decryption_table"])
    return [p.read_bytes() for p in files if p.stat().st_size <= LARGEST], ring


def spoilt(data: bytes, noise: random.Random) -> bytes:
    """One to eight things done to a file; its magic stays most of the time."""
    work = bytearray(data)
    # Most of them keep their records, so that what is inside gets its share.
    ways = 8 if noise.random() < 0.3 else 4
    for _ in range(noise.randrange(1, 9)):
        least = 0 if noise.random() < 0.02 else min(24, len(work) - 1)
        at = noise.randrange(least, len(work)) if len(work) > 1 else 0
        size = noise.randrange(1, 40)
        match noise.randrange(ways):
            case 0:
                ends = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\xff\xff")
                work[at : at + 4] = noise.choice(ends)
            case 4:
                del work[at:]
            case 5:
                del work[at : at + size]
            case 6:
                work[at:at] = work[at : at + size]
            case 7:
                work[at:at] = noise.randbytes(size)
            case _:
                work[at : at + 1] = noise.randbytes(1)
        if len(work) < 4:
            return bytes(work)
    return bytes(work)


def shown(data: bytes, ring: KeyRing) -> str:
    """What became of a capture: whole, lost (with a line) or refused (with a line)."""
    try:
        it = inspect_capture(Capture(io.BytesIO(data)), ring)
    except ConfigError as error:
        assert str(error) and "\n" not in str(error)
        return "refused"
    assert it.lost is None or (it.lost and "\n" not in it.lost)
    json.loads("".join(it.json_text()))
    assert ("LOST: " in it.summary()) == (it.lost is not None)
    assert isinstance(it.transcript(), str)
    return "whole" if it.lost is None else "lost"


def campaign(shared: Path, count: int, first: int = 0) -> tuple[Counter[str], list[str]]:
    """How `count` spoilt captures were taken, and the trace of each that raised."""
    files, ring = seeds(shared)
    outcomes: Counter[str] = Counter()
    raised: list[str] = []
    for seed in range(first, first + count):
        noise = random.Random(seed)
        try:
            outcomes[shown(spoilt(noise.choice(files), noise), ring)] += 1
        except Exception:
            raised.append(f"seed {seed}\n{traceback.format_exc()}")
    return outcomes, raised


def main(argv: Sequence[str] | None = None) -> int:
    """Run as many as asked for; 1 where one raised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--shared", type=Path, help="the folder that holds data/")
    options = parser.parse_args(argv)
    root = Path(__file__).resolve().parents[3]
    shared = options.shared or Path(os.environ.get("IKELAB_SHARED", root.parent / "shared"))
    began = time.perf_counter()
    outcomes, raised = campaign(shared / "data", options.count, options.first)
    seconds = time.perf_counter() - began
    print(f"{options.count} spoilt captures in {seconds:.0f} s: {dict(outcomes)}")
    for trace in raised[:10]:
        print(trace)
    print(f"{len(raised)} raised")
    return 1 if raised else 0


if __name__ == "__main__":
    raise SystemExit(main())
