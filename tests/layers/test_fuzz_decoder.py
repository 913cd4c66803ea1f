"""The fuzz script, a short run of it, and that it notices what it is there to notice."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.mark.parametrize("seed", [2, 3])
def test_random_and_mutated_datagrams(decoder: ModuleType, seed: int) -> None:
    """The hostile ones are timed by the script: they come near the limit on a slow machine."""
    assert max(len(data) for data in decoder.datagrams(seed, 3000)) < 8192
    assert decoder.run(seed, 3000) < decoder.LIMIT / 5


def test_hostile_datagrams_are_as_long_as_can_be(decoder: ModuleType) -> None:
    import random

    rng = random.Random(1)
    for _ in range(16):
        data = decoder.hostile(rng)
        assert decoder.LARGEST - 64 < len(data) <= decoder.LARGEST
        decoder.examine(data)


def test_the_row_of_datagrams_is_reproducible(decoder: ModuleType) -> None:
    assert list(decoder.datagrams(5, 50)) == list(decoder.datagrams(5, 50))
    assert list(decoder.datagrams(5, 50)) != list(decoder.datagrams(6, 50))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda packet, data: packet, "octets"),
        (lambda packet, data: 1 / 0, "division by zero"),
        (lambda packet, data: sum(range(1 << 24)), "ms"),
    ],
)
def test_the_oracle_trips(
    decoder: ModuleType, monkeypatch: pytest.MonkeyPatch, fault: object, words: str
) -> None:
    real = decoder.IKEv2

    def faulty(data: bytes) -> object:
        assert callable(fault)
        fault(None, data)
        return real(data + b"x" if words == "octets" else data)

    monkeypatch.setattr(decoder, "IKEv2", faulty)
    with pytest.raises(decoder.Finding, match=words):
        decoder.run(1, 20)
