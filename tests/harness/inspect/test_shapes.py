"""What chains of one shape have in common, and words made ready from one of them for all."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness.inspect import described, octets, ready, shapes
from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.shapes import Shape
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2_Payload, build_payloads
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete, IKEv2_Nonce
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform

Chain = tuple[int, bytes, int, int]
"""First type, octets, beginning and end: what `shapes.chain` takes."""


@pytest.fixture(scope="module")
def chains(shared: Path) -> list[Chain]:
    """Every outer and inner chain of the shared captures."""
    keys = [shared / "captures/wireshark/ikev2_decryption_table"]
    found: list[Chain] = []
    for path in sorted(p for p in shared.rglob("*.pcap*") if p.is_file()):
        for session in inspect_file(path, keys).sessions:
            for half in (h for e in session.exchanges for h in e.halves()):
                data = half.first.data
                found.append((data[16], data, octets.HEADER, len(data)))
                if half.plain is not None:
                    found.append((half.first_inner, half.plain, 0, len(half.plain)))
    return found


def spoilt(chain: Chain, noise: random.Random) -> Chain:
    """The same with a few octets changed."""
    first, data, at, end = chain
    changed = bytearray(data)
    for _ in range(noise.randrange(0, 3) if end > at else 0):
        changed[noise.randrange(at, end)] = noise.randrange(256)
    return first, bytes(changed), at, end


def refilled(shape: Shape, data: bytes, noise: random.Random) -> bytes:
    """Other octets in all holes, none of them zero: zero is a value of its own."""
    changed = bytearray(data)
    for kind, at, stop in shape.places:
        for start, end in shapes.holes(kind, data, at, stop):
            changed[start:end] = bytes(noise.randrange(1, 256) for _ in range(start, end))
    return bytes(changed)


def variants(chains: list[Chain], noise: random.Random, count: int) -> Iterator[Chain]:
    for chain in chains:
        yield chain
        yield from (spoilt(chain, noise) for _ in range(count))


def test_a_shape_knows_where_the_payloads_are(chains: list[Chain]) -> None:
    noise, broken, whole = random.Random(1), 0, 0
    for chain in variants(chains, noise, 20):
        shape, places = shapes.chain(*chain), octets.walk(*chain)
        if places is None:
            broken += 1
            assert shape is None
            continue
        whole += 1
        assert shape is not None
        assert shape.places == places
        assert shape.kinds == {kind for kind, _, _ in places}
    assert broken > 100 and whole > 1000


def test_what_is_new_each_time_does_not_change_the_shape(chains: list[Chain]) -> None:
    noise, same = random.Random(2), 0
    for first, data, at, end in variants(chains, noise, 5):
        shape = shapes.chain(first, data, at, end)
        if shape is None or not shape.kept:
            continue
        once = refilled(shape, data, noise)
        again = refilled(shape, data, noise)
        assert shapes.chain(first, once, at, end) is shapes.chain(first, again, at, end)
        same += once != again
    assert same > 200


def test_all_else_does(chains: list[Chain]) -> None:
    noise, other = random.Random(3), 0
    for chain in chains:
        first, data, at, end = chain
        shape = shapes.chain(*chain)
        if shape is None or at == end:
            continue
        new = {
            n for k, a, s in shape.places for h in shapes.holes(k, data, a, s) for n in range(*h)
        }
        fixed = [n for n in range(at, end) if n not in new]
        for place in noise.sample(fixed, min(12, len(fixed))):
            changed = bytearray(data)
            changed[place] ^= 1 << noise.randrange(8)
            assert shapes.chain(first, bytes(changed), at, end) is not shape
            other += 1
    assert other > 500


def blanked(chain: Chain, noise: random.Random) -> Chain:
    """The same with zeros in one of the places where octets are new each time."""
    first, data, at, end = chain
    places = octets.walk(first, data, at, end) or []
    gaps = [gap for kind, a, s in places for gap in shapes.holes(kind, data, a, s)]
    changed = bytearray(data)
    for start, stop in noise.sample(gaps, min(1, len(gaps))):
        changed[start:stop] = bytes(stop - start)
    return first, bytes(changed), at, end


def test_a_guess_says_what_walking_says(chains: list[Chain]) -> None:
    noise, guessed = random.Random(5), 0
    for chain in variants([*chains, *(blanked(c, noise) for c in chains)], noise, 10):
        quick, walked = shapes.chain(*chain), shapes._walked(*chain)
        if quick is None or walked is None or not quick.kept or quick is shapes.EMPTY:
            assert (quick and quick.places) == (walked and walked.places)
            continue
        assert quick is walked
        guessed += quick in [guess.shape for guess in shapes._guesses.get(_key(chain), [])]
    assert guessed > 1000


def _key(chain: Chain) -> tuple[int, int, int]:
    first, _, at, end = chain
    return first, at, end


def test_words_made_ready_are_those_of_each_chain(chains: list[Chain]) -> None:
    noise, filled, without = random.Random(4), 0, 0
    for chain in variants(chains, noise, 8):
        data, shape = chain[1], shapes.chain(*chain)
        if shape is None:
            continue
        exchange, response = noise.choice((34, 35, 36, 37, 43)), noise.random() < 0.5
        words = ready.words(shape, data, exchange, response)
        if words is None:
            without += 1
            continue
        for other in (data, *(refilled(shape, data, noise) for _ in range(3))):
            rows = [described.one(other, place, exchange, response) for place in shape.places]
            assert words.of(other) == json.dumps(rows)
            filled += bool(words.holes)
    assert filled > 500 and without < filled / 20


def _chain(*payloads: IKEv2_Payload) -> Chain:
    data = build_payloads(payloads)
    return int(payloads[0].kind), data, 0, len(data)


def _sa(spi: bytes) -> IKEv2_SA:
    transform = IKEv2_Transform(transform_type=1, transform_id=20)
    return IKEv2_SA(proposal=[IKEv2_Proposal(proto=3, SPI=spi, transform=[transform])])


def test_spis_are_left_out_but_not_whether_they_are_zero() -> None:
    for make in (
        _sa,
        lambda spi: IKEv2_Delete(proto=3, SPI=[spi, b"\1\2\3\4"]),
        lambda spi: IKEv2_Notify(proto=3, SPI=spi, type=Notify.REKEY_SA),
    ):
        one, other, zero = (
            shapes.chain(*_chain(make(spi))) for spi in (b"abcd", b"efgh", bytes(4))
        )
        assert one is other is not None
        assert one is not zero


def test_marks_in_a_message_deceive_nobody() -> None:
    name = "\ue0000\ue001 100 % \ue0007\ue001".encode()
    kind, data, at, _ = _chain(IKEv2_Nonce(nonce=b"x" * 32))
    body = b"\2\0\0\0" + name
    data = bytes((Payload.IDI,)) + data[1:] + b"\0\0" + (4 + len(body)).to_bytes(2, "big") + body
    shape = shapes.chain(kind, data, at, len(data))
    assert shape is not None and len(shape.places) == 2
    assert ready.words(shape, data, 35, False) is None


def test_the_table_of_shapes_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "_known", {})
    monkeypatch.setattr(shapes, "MOST", 4)
    for size in range(1, 50):
        assert shapes.chain(*_chain(IKEv2_Notify(type=40000, notify=bytes(size)))) is not None
        assert len(shapes._known) <= 4
    long = shapes.chain(*_chain(IKEv2_Notify(type=40000, notify=bytes(shapes.LONGEST))))
    assert long is not None and not long.kept
