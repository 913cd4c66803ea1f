"""What is passed over without dissecting is what the rules cannot object to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.inspect import facts, lint, octets, quick
from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.session import Half, Message, Session
from ikelab.harness.model import Suite
from ikelab.layers.message import parse_payloads


@pytest.fixture(scope="module")
def sessions(shared: Path) -> list[Session]:
    """Every IKE SA of the shared captures, opened where there are keys."""
    keys = [shared / "captures/wireshark/ikev2_decryption_table"]
    files = sorted(p for p in shared.rglob("*.pcap*") if p.is_file())
    return [s for path in files for s in inspect_file(path, keys).sessions]


def pairs(sessions: list[Session]) -> Iterator[tuple[Session, Half | None, Half]]:
    for session in sessions:
        for exchange in session.exchanges:
            for half in exchange.halves():
                asked = None if half is exchange.request else exchange.request
                yield session, asked, half


def objections(
    half: Half, request: Half | None, by_initiator: bool | None, blind: bool
) -> list[str]:
    """What the rules say, asked in full; of what stayed closed, those for any message."""
    it = Inbound(half.first.step.message, half.inner())
    asked = request and Inbound(request.first.step.message, request.inner())
    found = [
        v.rule
        for v in judge(Seen(it, asked, by_initiator))
        if not blind or "any" in RULES[v.rule].scope
    ]
    return found + facts.faults(half.payloads())


def spoilt(half: Half, noise: random.Random) -> Half:
    """The same with a few octets changed, in clear and under SK."""
    first = half.first
    data = bytearray(first.data)
    for _ in range(noise.randrange(0, 3)):
        data[noise.choice((16, 17, 18, 19, noise.randrange(8, len(data))))] = noise.randrange(256)
    packet = Packet(first.frame, 0.0, "ike", first.step.src, first.step.dst, bytes(data))
    changed = Half([Message.of(packet)])
    if half.plain is not None:
        text = bytearray(half.plain)
        for _ in range(noise.randrange(0, 3) if text else 0):
            text[noise.randrange(len(text))] = noise.randrange(256)
        changed.plain, changed.first_inner = bytes(text), half.first_inner
    return changed


def test_what_is_passed_over_breaks_no_rule(
    sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_passed", set())
    noise, passed, held = random.Random(3), 0, 0
    cases = list(pairs(sessions))
    for turn in range(60 * len(cases)):
        session, request, half = cases[turn % len(cases)]
        if turn >= len(cases):
            half = spoilt(half, noise)
        side = lint._by_initiator(session, half)
        blind = half.first.sealed is not None and half.plain is None
        said = objections(half, request, side, blind)
        if quick.clean(half, request, side):
            passed += 1
            assert said == [], half.first.data.hex()
        else:
            held += 1
            if not said:
                quick.passed(half, request, side)
    assert passed > 500 and held > 500


def test_the_walk_sees_what_the_packets_are(sessions: list[Session]) -> None:
    noise, seen = random.Random(4), 0
    for _, _, half in pairs(sessions):
        for changed in (half, *(spoilt(half, noise) for _ in range(20))):
            data = changed.first.data
            packets = parse_payloads(data[16], data[28:])
            places = octets.walk(data[16], data, 28, len(data))
            if places is None:
                assert octets.unreadable(packets)
                continue
            seen += 1
            assert [k for k, _, _ in places] == [p.kind for p in packets]
            assert octets.plain(data, places) is not (
                octets.unreadable(packets) or any(data[at + 1] for _, at, _ in places)
            )
    assert seen > 1000


def test_proposals_read_by_octets_are_those_of_the_packets(sessions: list[Session]) -> None:
    noise, seen = random.Random(5), 0
    for _, _, half in pairs(sessions):
        for changed in (half, *(spoilt(half, noise) for _ in range(20))):
            sa = facts.first(changed, 33)
            if sa is not None:
                seen += 1
                assert facts.proposals(sa) == tuple(facts._dissected(sa))
                assert all(isinstance(p.suite, Suite) for p in facts.proposals(sa))
    assert seen > 300
