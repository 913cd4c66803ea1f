"""How fast cases are put to one strongSwan, against a plain socket loop.

    python tests/bench/bench_fuzz.py                          all three, strongswan@trixie
    python tests/bench/bench_fuzz.py --peer strongswan@sid --seconds 5

The plain loop sends honest IKE_SA_INIT requests that were made before, sixteen outstanding, and
counts the answers. The fuzzer makes its cases, reads the answers, and has its oracles and the
daemon's log on. Both in turns on the same daemon, several times: the best turn of each counts, for
a busy machine can only add to it.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikelab.harness import collector
from ikelab.harness.fuzz import campaigns
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.fuzz.tally import Limits
from ikelab.harness.model import Address
from ikelab.harness.peer import registry
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings, rig
from ikelab.netns import world

SHARE, AUTH, ESTABLISHED = 0.7, 300.0, 1500.0
"""The targets: of the plain loop's rate; cases a second in IKE_AUTH and in an established SA."""
OUTSTANDING = 16
SETS = {
    "IKE_SA_INIT": ("init-header", "init-sa", "init-ke", "init-nonce", "init-notify"),
    "IKE_AUTH": ("auth",),
    "established": ("informational", "create-child"),
}


@dataclass(frozen=True, slots=True)
class Rates:
    """Cases (or requests) a second by what was measured; several turns each."""

    plain: tuple[float, ...]
    found: dict[str, tuple[float, ...]]
    cpu: dict[str, tuple[float, ...]]  # ms of our CPU a case


def plain_loop(sock: socket.socket, peer: Address, request: bytes, seconds: float) -> float:
    """Answers a second to honest requests that differ in their SPI alone."""
    made = [os.urandom(8) + request[8:] for _ in range(20_000)]
    sock.setblocking(False)
    end = time.perf_counter() + seconds
    start = time.perf_counter()
    sent, answered = OUTSTANDING, 0
    for data in made[:OUTSTANDING]:
        sock.sendto(data, peer)
    while time.perf_counter() < end and answered < len(made):
        if not select.select([sock], [], [], 0.5)[0]:
            sent = answered  # what is lost is made good
        try:
            while True:
                sock.recv(65535)
                answered += 1
        except BlockingIOError:
            pass
        while sent - answered < OUTSTANDING and sent < len(made):
            sock.sendto(made[sent], peer)
            sent += 1
    return answered / (time.perf_counter() - start)


def measure(name: str, seconds: float, turns: int) -> Rates:
    """Call it in a world."""
    plain: list[float] = []
    found: dict[str, list[float]] = {key: [] for key in SETS}
    cpu: dict[str, list[float]] = {key: [] for key in SETS}
    collector.settle()
    with ExitStack() as stack:
        made: Any = stack.enter_context(rig(name, Settings()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ikelab-")))
        for turn in range(turns):
            plain.append(_plain(made, seconds))
            for key, names in SETS.items():
                rate, cost = _fuzz(made, names, seconds, folder / f"{key}-{turn}")
                found[key].append(rate)
                cpu[key].append(cost)
    return Rates(
        tuple(plain),
        {key: tuple(rates) for key, rates in found.items()},
        {key: tuple(costs) for key, costs in cpu.items()},
    )


def _plain(made: Any, seconds: float) -> float:
    ground = Ground(made, "plain")
    campaign = campaigns.CAMPAIGNS["init"]
    ground.use(campaign)
    request = ground.target(campaign).data
    base = ground.initiator.base
    made.end()
    sock = made.lab.host("initiator").socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.bind(base.local)
        return plain_loop(sock, base.remote, request, seconds)


def _fuzz(made: Any, names: tuple[str, ...], seconds: float, place: Path) -> tuple[float, float]:
    """Cases a second, and ms of our CPU a case."""
    fuzzer = Fuzzer(made, RunFolder(place, {}), 1, campaigns.find(names))
    for campaign in fuzzer.campaigns.values():
        fuzzer._ready(campaign)
        fuzzer._maker(campaign)
    fuzzer.tally.started, spent = time.monotonic(), time.process_time()
    tally = fuzzer.go(Limits(cases=None, seconds=seconds), lambda _: None)
    return tally.rate, (time.process_time() - spent) / max(tally.cases, 1) * 1e3


def main() -> int:
    """Print rates and ratios; 1 where one misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--peer", default="strongswan@trixie")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    registry.add(options.peer)
    rates: Any = world.run(measure, options.peer, options.seconds, options.turns)
    plain, init = max(rates.plain), max(rates.found["IKE_SA_INIT"])
    auth, up = max(rates.found["IKE_AUTH"]), max(rates.found["established"])
    print(f"plain loop, {OUTSTANDING} outstanding: {plain:.0f} requests/s")
    print(f"IKE_SA_INIT fields: {init:.0f} cases/s, {init / plain:.2f} of it (target {SHARE})")
    print(f"inside SK of IKE_AUTH: {auth:.0f} cases/s (target {AUTH:.0f})")
    print(f"in established IKE SAs: {up:.0f} cases/s (target {ESTABLISHED:.0f})")
    for key, costs in rates.cpu.items():
        print(f"our CPU, {key}: {min(costs):.2f} ms a case")
    return int(init < SHARE * plain or auth < AUTH or up < ESTABLISHED)


if __name__ == "__main__":
    raise SystemExit(main())
