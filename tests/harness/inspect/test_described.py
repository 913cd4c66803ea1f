"""Payloads described by their octets read as those that packets describe."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ikelab.harness.inspect import described, report, rowtext
from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.rowtext import exchange_text
from ikelab.harness.inspect.session import Exchange, Half, Message
from ikelab.harness.notation import describe


def spoilt(half: Half, noise: random.Random) -> Half:
    """The same with a few octets changed, in clear and under SK."""
    first, data = half.first, bytearray(half.first.data)
    for _ in range(noise.randrange(0, 4)):
        data[noise.randrange(16, len(data))] = noise.randrange(256)
    packet = Packet(1, 0.0, "ike", first.step.src, first.step.dst, bytes(data))
    changed = Half([Message.of(packet)])
    if half.plain is not None:
        text = bytearray(half.plain)
        for _ in range(noise.randrange(0, 4) if text else 0):
            text[noise.randrange(len(text))] = noise.randrange(256)
        changed.plain, changed.first_inner = bytes(text), half.first_inner
    return changed


def test_octets_and_packets_are_described_alike(shared: Path) -> None:
    noise, seen = random.Random(6), 0
    keys = [shared / "captures/wireshark/ikev2_decryption_table"]
    for path in sorted(p for p in shared.rglob("*.pcap*") if p.is_file()):
        for session in inspect_file(path, keys).sessions:
            for exchange in session.exchanges:
                for half in exchange.halves():
                    response, kind = half is exchange.response, exchange.type
                    for one in (half, *(spoilt(half, noise) for _ in range(12))):
                        theirs = [describe(p, kind, response) for p in one.outer()]
                        assert json.dumps(described.outer(one, kind, response)) == json.dumps(
                            theirs
                        )
                        inner = one.inner()
                        ours = described.inner(one, kind, response)
                        if inner is None:
                            assert ours is None
                            continue
                        theirs = [describe(p, kind, response) for p in inner]
                        assert json.dumps(ours) == json.dumps(theirs)
                        seen += 1
    assert seen > 100


def test_an_exchange_is_the_same_text_either_way(shared: Path) -> None:
    noise, seen = random.Random(7), 0
    keys = [shared / "captures/wireshark/ikev2_decryption_table"]
    for path in sorted(p for p in shared.rglob("*.pcap*") if p.is_file()):
        for session in inspect_file(path, keys).sessions:
            for exchange in session.exchanges:
                for turn in range(10):
                    if turn:
                        whole = [exchange.request, exchange.response]
                        asked, answer = (half and spoilt(half, noise) for half in whole)
                        exchange = Exchange(exchange.type, exchange.id, True, asked, answer)
                    assert exchange_text(exchange) == json.dumps(report._exchange(exchange))
                    seen += 1
    assert seen > 500


def test_a_time_is_written_as_json_writes_it() -> None:
    noise = random.Random(8)
    for turn in range(20_000):
        seconds = noise.randrange(1 << 32) if turn % 2 else noise.randrange(4)
        for time in (
            float(seconds),
            noise.uniform(0, 1 << 33),
            seconds + noise.randrange(10**6) / 10**6,
            seconds + noise.randrange(10**9) / 10**9,
            -noise.random(),
            noise.random() / 10**5,
        ):
            assert rowtext._time(time) == json.dumps(round(time, 6))
