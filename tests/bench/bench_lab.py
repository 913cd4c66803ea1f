"""How long it takes from the start of a run to two daemons that answer.

    python tests/bench/bench_lab.py
    python tests/bench/bench_lab.py --peer strongswan@bookworm --rounds 20

Each round makes a private world, a lab in it and a daemon at both ends, and ends when both have
answered an IKE message; imports are not counted. A round of the plain network and one with a NAT
take turns, so that a busy machine hits both alike. The medians stand.
"""

from __future__ import annotations

import argparse
import importlib
import socket
import statistics
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import vici  # noqa: F401

from ikelab.harness.model import selectors
from ikelab.harness.peer import registry
from ikelab.harness.peer.addresses import Side
from ikelab.harness.tested import Tested
from ikelab.netns import world
from ikelab.netns.lab import Lab
from ikelab.netns.scratch import Scratch
from ikelab.netns.topology import INITIATOR, RESPONDER

TARGET = 0.150
"""Seconds from the start of a run to two daemons answering, on the host's kernel."""
PAIR = ("direct", "nat-initiator")
STEPS = ("world", "lab", "two daemons", "answers")
VERSION_3 = bytes.fromhex("01" * 8) + bytes(8) + struct.pack(">BBBBII", 0, 0x30, 34, 8, 0, 28)


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds that each of STEPS took."""

    steps: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.steps)


def measured(peer: str, topology: str) -> Round:
    """One round."""
    start = time.monotonic()
    marks = world.run(marked, peer, topology, timeout=60)
    return Round(tuple(later - earlier for earlier, later in pairwise([start, *marks])))


def marked(peer: str, topology: str) -> list[float]:
    """In the new world: when each step was done."""
    marks = [time.monotonic()]
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(topology))
        marks.append(time.monotonic())
        folder = stack.enter_context(Scratch()).path
        for here, there in ((INITIATOR, RESPONDER), (RESPONDER, INITIATOR)):
            daemon(stack, lab, peer, folder, here, there)
        marks.append(time.monotonic())
        for node in (INITIATOR, RESPONDER):
            answered(lab, node)
        marks.append(time.monotonic())
    return marks


def daemon(stack: ExitStack, lab: Lab, peer: str, folder: Path, here: str, there: str) -> None:
    """Open a peer at one end and have it ready for the other one."""
    driver = registry.open_peer(peer, lab.host(here), folder / here)
    stack.callback(driver.stop)
    plan = lab.topology
    sides = [Side(plan.address(name), selectors(plan.subnet(name))) for name in (there, here)]
    Tested(driver, *sides).start()


def answered(lab: Lab, node: str) -> None:
    """The daemon of a node refuses a message of major version 3 (RFC 7296 2.5)."""
    with lab.host(node).socket(socket.AF_INET) as here:
        here.settimeout(10)
        here.sendto(VERSION_3, (lab.topology.address(node), 500))
        assert here.recv(1000)[:8] == VERSION_3[:8]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="strongswan@trixie")
    parser.add_argument("--rounds", type=int, default=10, help="of each network")
    options = parser.parse_args()
    importlib.import_module(f"ikelab.harness.peer.{options.peer.partition('@')[0]}.control")
    found: dict[str, list[Round]] = {name: [] for name in PAIR}
    for _ in range(options.rounds):
        for name in PAIR:
            found[name].append(measured(options.peer, name))
    for name, rounds in found.items():
        print(line(name, rounds))
    plain, nat = (found[name] for name in PAIR)
    more = statistics.median(b.total - a.total for a, b in zip(plain, nat, strict=True))
    print(f"a NAT costs {more * 1000:+.0f} ms, in the median of {len(plain)} pairs")
    middle = statistics.median(r.total for r in plain)
    good = middle < TARGET
    print(f"{'within' if good else 'ABOVE'} the target of {TARGET * 1000:.0f} ms")
    return 0 if good else 1


def line(name: str, rounds: list[Round]) -> str:
    """The median and the spread of a network's rounds, and the medians of their steps."""
    totals = sorted(r.total for r in rounds)
    steps = (statistics.median(r.steps[n] for r in rounds) for n in range(len(STEPS)))
    parts = ", ".join(f"{step} {s * 1000:.0f}" for step, s in zip(STEPS, steps, strict=True))
    middle = statistics.median(totals)
    spread = f"{totals[0] * 1000:.0f} to {totals[-1] * 1000:.0f}"
    return f"{name:<14} {middle * 1000:4.0f} ms ({spread}): {parts}"


if __name__ == "__main__":
    raise SystemExit(main())
