"""How fast cases are put to one strongSwan, against a plain socket loop and boofuzz.

    python tests/bench/bench_fuzz.py                          all of it, strongswan@trixie
    python tests/bench/bench_fuzz.py --peer strongswan@sid --seconds 5
    PYTHONPATH=/path/to/other/site-packages python tests/bench/bench_fuzz.py    boofuzz from there

The plain loop sends honest IKE_SA_INIT requests that were made before, sixteen outstanding, and
counts the answers. The fuzzer makes its cases, reads the answers, and has its oracles and the
daemon's log on. All on the same daemon, in turns, the plain loop before and after each turn of the
fuzzer (the better one counts): a busy machine slows down both, and their ratio says more than
either. What a case costs in CPU time says what it would be on a machine with nothing else to do. A
first turn, in which the fuzzer learns the messages and looks into what it finds, is not counted.
The daemon is started anew before each measurement: with ten thousand half-open IKE SAs of the one
before, each new one takes it several times as long.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import boofuzz_loop

from ikelab.harness import collector
from ikelab.harness.fuzz import campaigns, vitals
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.schedule import Schedule
from ikelab.harness.fuzz.tally import Limits
from ikelab.harness.model import Address
from ikelab.harness.peer import registry
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings, rig
from ikelab.netns import world

SHARE, AUTH, ESTABLISHED = 0.7, 300.0, 1500.0
"""The targets: of the plain loop's rate; cases a second in IKE_AUTH and in an established SA."""
OUTSTANDING = 16
ANSWER = 100  # octets that an honest answer has at least
WARM = 2.0  # seconds of a first turn
SETS = {
    "IKE_SA_INIT": ("init-header", "init-sa", "init-ke", "init-nonce", "init-notify"),
    "IKE_AUTH": ("auth",),
    "established": ("informational", "create-child"),
}


@dataclass
class Rates:
    """What was measured, a number for each turn: cases (or requests) a second, ms a case."""

    plain: list[float] = field(default_factory=list)
    boofuzz: list[float] = field(default_factory=list)
    found: dict[str, list[float]] = field(default_factory=lambda: {key: [] for key in SETS})
    ours: dict[str, list[float]] = field(default_factory=lambda: {key: [] for key in SETS})
    theirs: dict[str, list[float]] = field(default_factory=lambda: {key: [] for key in SETS})


def plain_loop(sock: socket.socket, peer: Address, request: bytes, seconds: float) -> float:
    """Answers a second to honest requests that differ in their SPI alone."""
    made = [os.urandom(8) + request[8:] for _ in range(30_000)]
    sock.setblocking(False)
    start = time.perf_counter()
    end = start + seconds
    sent, answered = OUTSTANDING, 0
    for data in made[:OUTSTANDING]:
        sock.sendto(data, peer)
    while time.perf_counter() < end and answered < len(made):
        if not select.select([sock], [], [], 0.5)[0]:
            sent = answered  # what is lost is made good
        try:
            while True:
                # Not what the peer sends on behalf of IKE SAs of earlier cases.
                answered += len(sock.recv(65535)) > ANSWER
        except BlockingIOError:
            pass
        while sent - answered < OUTSTANDING and sent < len(made):
            sock.sendto(made[sent], peer)
            sent += 1
    return answered / (time.perf_counter() - start)


class Bench:
    """One daemon and one run of the fuzzer, whose campaigns are chosen for each turn."""

    def __init__(self, made: Any, folder: Path) -> None:
        names = [name for names in SETS.values() for name in names]
        self.fuzzer = Fuzzer(made, RunFolder(folder / "run", {}), 1, campaigns.find(names))
        self.ground = self.fuzzer.ground

    def fresh(self) -> None:
        """Start the daemon anew."""
        self.fuzzer._restart()

    def cases(self, key: str, seconds: float) -> tuple[float, float, float]:
        """Cases a second, and ms of our CPU and of the peer's for each."""
        fuzzer = self.fuzzer
        fuzzer.schedule = Schedule(campaigns.find(SETS[key]), 1)
        cases, start = fuzzer.tally.cases, time.perf_counter()
        ours, theirs = time.process_time(), self._peer()
        fuzzer.go(Limits(cases=None, seconds=fuzzer.tally.seconds + seconds), lambda _: None)
        took, done = time.perf_counter() - start, max(fuzzer.tally.cases - cases, 1)
        return (
            done / took, (time.process_time() - ours) / done * 1e3,
            (self._peer() - theirs) / done * 1e3,
        )  # fmt: skip

    def _peer(self) -> float:
        found = vitals.of(self.ground.rig.peer.driver)
        return found.cpu if found is not None else 0.0

    def plain(self, seconds: float) -> float:
        """Requests a second of the plain loop, from the fuzzer's own socket."""
        sock, peer, request = self._ends()
        rate = plain_loop(sock, peer, request, seconds)
        self._drain()
        return rate

    def boofuzz(self) -> float:
        rate = boofuzz_loop.rate(*self._ends())
        self._drain()
        return rate

    def _ends(self) -> tuple[socket.socket, Address, bytes]:
        ground = self.ground
        campaign = campaigns.CAMPAIGNS["init-sa"]
        ground.use(campaign)
        base, transport = ground.initiator.base, ground.initiator.transport
        sock: socket.socket = transport._sockets[base.local]  # type: ignore[attr-defined]
        return sock, base.remote, ground.target(campaign).data

    def _drain(self) -> None:
        transport = self.ground.initiator.transport
        until = transport.clock() + 0.3
        while transport.receive(until) is not None:
            continue


def measure(name: str, seconds: float, turns: int) -> Rates:
    """Call it in a world."""
    rates = Rates()
    collector.settle()
    with ExitStack() as stack:
        made: Any = stack.enter_context(rig(name, Settings()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ikelab-")))
        bench = Bench(made, folder)
        for key in SETS:
            bench.cases(key, WARM)
        for _ in range(turns):
            bench.fresh()
            for key in SETS:
                before = bench.plain(seconds / 4) if key == "IKE_SA_INIT" else 0.0
                bench.fresh()
                rate, ours, theirs = bench.cases(key, seconds)
                if key == "IKE_SA_INIT":
                    rates.plain.append(max(before, bench.plain(seconds / 4)))
                rates.found[key].append(rate)
                rates.ours[key].append(ours)
                rates.theirs[key].append(theirs)
            if boofuzz_loop.there():
                rates.boofuzz.append(bench.boofuzz())
    return rates


def show(rates: Rates) -> bool:
    """Print it all; whether every target was met."""
    found = rates.found
    shares = [a / b for a, b in zip(found["IKE_SA_INIT"], rates.plain, strict=True)]
    auth, up = max(found["IKE_AUTH"]), max(found["established"])
    print(f"plain loop, {OUTSTANDING} outstanding: {max(rates.plain):.0f} requests/s")
    print(f"IKE_SA_INIT fields: {max(found['IKE_SA_INIT']):.0f} cases/s")
    listed = ", ".join(f"{share:.2f}" for share in shares)
    print(f"  of the plain loop beside it: {median(shares):.2f} ({listed}; target {SHARE})")
    met = median(shares) >= SHARE and auth >= AUTH and up >= ESTABLISHED
    if rates.boofuzz:
        times = [a / b for a, b in zip(found["IKE_SA_INIT"], rates.boofuzz, strict=True)]
        print(f"boofuzz, flat, nothing read: {max(rates.boofuzz):.0f} cases/s")
        print(f"  ours are {median(times):.1f} times as many (target: more)")
        met = met and median(times) > 1.0
    else:
        print(boofuzz_loop.MISSING)
    print(f"inside SK of IKE_AUTH, a fresh IKE SA each: {auth:.0f} cases/s (target {AUTH:.0f})")
    print(f"in established IKE SAs: {up:.0f} cases/s (target {ESTABLISHED:.0f})")
    for key in SETS:
        ours = min(rates.ours[key])
        # What was started anew meanwhile has used less than before.
        theirs = min((cost for cost in rates.theirs[key] if cost > 0), default=float("nan"))
        print(f"CPU of a case, {key}: ours {ours:.3f} ms, the peer's {theirs:.3f} ms")
    return met


def main() -> int:
    """Print rates and ratios; 1 where one misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--peer", default="strongswan@trixie")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    registry.add(options.peer)
    rates: Any = world.run(measure, options.peer, options.seconds, options.turns)
    return int(not show(rates))


if __name__ == "__main__":
    raise SystemExit(main())
