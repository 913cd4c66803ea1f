"""A process that is killed, stopped or made to leak by a hook: reported, with the case that did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.fuzz import (
    answers,
    campaigns,
    finding,
    fuzzer,
    ground,
    growth,
    health,
    oracles,
    vitals,
)
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Rig
from ikelab.layers.iana import Payload
from tests.harness.fuzz.process_peer import KILL, OCTETS, STOP, SWELL, process_rig

HOOKS = {"crash": KILL, "hang": STOP, "leak": SWELL}
OFTEN = {"crash": 70, "hang": 70, "leak": 8}
ENOUGH = 600.0  # seconds that no run takes: it ends with the first finding


def hooked(data: bytes) -> Case:
    plan = Plan.parse(f"IKE_SA_INIT/request#0: insert('', payload=vendor({data!r}))")
    return Case("init", plan, ("insert-vendor",))


def run(place: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """A run with the case of a hook among others, that ends when something was found."""
    monkeypatch.setattr(ground, "PATIENCE", 0.5)
    monkeypatch.setattr(fuzzer, "EVERY", 0.0)
    if kind == "leak":  # a few cases, put again a few times, have to be enough
        monkeypatch.setattr(fuzzer, "BATCH", 4)
        monkeypatch.setattr(fuzzer, "RECENT", 16)
        monkeypatch.setattr(growth, "PUTS", 32)
        monkeypatch.setattr(growth, "LEAST", {"memory": OCTETS * 3 // 2})
    with process_rig() as rig:
        made = Fuzzer(cast("Rig", rig), RunFolder(place, {}), 1, campaigns.find(["init"]))
        made.ground.use(campaigns.CAMPAIGNS["init"])
        maker = made._maker(campaigns.CAMPAIGNS["init"])
        mixed = (hooked(HOOKS[kind] if one else b"nothing") for one in turns(OFTEN[kind]))
        monkeypatch.setattr(maker, "case", lambda: next(mixed))

        def show(tally: Tally) -> None:
            if tally.findings:
                made._limits = Limits(cases=1)

        return made.go(Limits(cases=None, seconds=ENOUGH), show)


def turns(often: int) -> Iterator[bool]:
    """One in so many is true."""
    while True:
        yield from (n == often - 1 for n in range(often))


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.long) for k in HOOKS])
def test_what_a_hook_does_is_reported_with_the_case(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = hooked(HOOKS[kind])

    tally = run(tmp_path / "run", kind, monkeypatch)

    [(seen, folder)] = tally.findings.items()
    assert seen.kind == kind
    facts: dict[str, Any] = json.loads((folder / "finding.json").read_text())
    assert facts["replayed"] == "3 of 3"
    assert str(case.plan) in facts["original"]
    assert (folder / "plan.txt").read_text().strip() == str(case)


def test_who_waits_for_its_turn_is_not_silent() -> None:
    def turn(had: float, waited: float, *, wants: bool) -> health.Turn:
        return health.Turn(had, waited, wants)

    before = turn(10.0, 5.0, wants=False)

    assert health.silence(before, turn(10.0, 5.0, wants=False), 2.0, 2.0) == 1.0  # asleep
    assert health.silence(before, turn(10.0, 7.0, wants=False), 2.0, 2.0) == 0.0  # starved
    assert health.silence(before, turn(10.0, 5.0, wants=True), 2.0, 2.0) == 0.0
    assert health.silence(before, turn(12.0, 5.0, wants=True), 2.0, 2.0) == 1.0  # it had it all
    assert health.silence(before, turn(11.0, 6.0, wants=True), 2.0, 2.0) == 0.5
    assert health.silence(None, None, 2.0, 2.0) == 1.0


def test_what_a_process_had_of_the_processor_is_read() -> None:
    busy = "while True: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as process:
        try:
            while not (now := health.turn(process.pid)) or now.had < 0.05:
                os.sched_yield()
            assert now.wants
            os.kill(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            stopped = health.turn(process.pid)
            assert stopped is not None and not stopped.wants and stopped.had >= now.had
        finally:
            process.kill()
    assert health.turn(process.pid) is None
    assert health.turn(None) is None


def test_memory_that_grows_fast_is_looked_at_at_once() -> None:
    def of(megabytes: int) -> vitals.Vitals:
        return vitals.Vitals({"memory": megabytes << 20})

    watch = vitals.Watch()
    assert not watch.swells(0, of(500))
    watch.look(1000, of(50))
    assert watch.swells(1100, of(150))
    assert not watch.swells(1100, of(60))  # not much
    assert not watch.swells(9000, of(150))  # what half-open IKE SAs need


def test_growth_is_a_leak_only_when_it_goes_on() -> None:
    def watched(values: list[int]) -> Any:
        watch = vitals.Watch()
        for n, value in enumerate(values):
            watch.look(n * 1000, vitals.Vitals({"memory": value << 20}))
        return watch.grows()

    assert watched([10, 100, 100, 100, 100, 100, 100]) is None
    assert watched([10, 20, 30, 40, 50, 50, 60]) is None
    assert watched([10, 20, 30]) is None
    name, slope = watched([10, 20, 30, 40, 50, 60, 70])
    assert name == "memory" and 10_000 < slope < 11_000


def payload(kind_of_next: int, body: bytes) -> bytes:
    return bytes([kind_of_next, 0]) + (4 + len(body)).to_bytes(2, "big") + body


def test_a_payload_of_another_name_is_read_on() -> None:
    """A reader for whom an SK payload stands inside SK passes over it, or not: both are told."""
    proof = b"P" * 32
    chain = payload(Payload.SK, b"\1\0\0\0name") + payload(Payload.AUTH, b"\1\0\0\0other")
    chain += payload(0, b"\2\0\0\0" + proof)

    assert answers.bodies_of(chain) == [b"\1\0\0\0name", b"\1\0\0\0other", b"\2\0\0\0" + proof]
    assert oracles._proves(chain, proof)
    assert not oracles._proves(chain.replace(b"\2\0\0\0", b"\x09\0\0\0"), proof)
    assert answers.bodies_of(chain[:-1]) is None


def test_a_stack_is_told_wherever_libraries_were_loaded() -> None:
    def dumped(base: int) -> str:
        frames = [("/lib/libc.so.6", 0x3D70), ("/x/libdaemon.so.0", 0x64A), ("/x/libbase.so.0", 2)]
        lines = [f"  {name} @ {base:#x} [{base + offset:#x}]" for name, offset in frames]
        return "\n".join(["dumping 3 stack frame addresses:", *lines, "killing ourself"])

    once, again = dumped(0x7F0000000000), dumped(0x7F1234500000)

    assert finding.death(once) == finding.death(again) == "libdaemon+0x64a < libbase+0x2"


def test_what_a_daemon_complains_of_names_its_death() -> None:
    log = 'started\n"one" #17: ABORT: ASSERTION FAILED: found (in end() at 118)\nwarm and well\n'

    assert finding.death(log) == '"one" ##: ABORT: ASSERTION FAILED: found (in end() at #)'
    assert finding.death("started\nso long\n") == "after 'long'"
    assert finding.death("") == "without a word"
