"""Randomness as an argument, and what it buys: a seed repeats a conversation to the octet."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.endpoint import Initiator
from ikelab.harness.entropy import entropy
from ikelab.harness.model import Datagram
from ikelab.harness.peer.reference import Station
from ikelab.harness.transport.memory import MemoryNet
from tests.harness.talk import RIGHT, config, mirrored

SUITES = ["aes128-sha256-modp2048", "aes256gcm16-prfsha384-ecp384", "3des-sha1-x25519"]


@given(st.lists(st.integers(0, 200), max_size=8), st.integers())
def test_a_seed_is_a_stream_however_it_is_cut(cuts: list[int], seed: int) -> None:
    cut, whole = entropy(seed, "a"), entropy(seed, "a")

    assert b"".join(cut(n) for n in cuts) == whole(sum(cuts))


@given(st.integers(), st.text(max_size=5), st.text(max_size=5))
def test_labels_are_streams_of_their_own(seed: int, one: str, other: str) -> None:
    assert (entropy(seed, one)(16) == entropy(seed, other)(16)) is (one == other)


def test_seeds_differ_and_none_is_the_systems() -> None:
    assert entropy(1)(16) != entropy(2)(16)
    assert entropy(None) is os.urandom


def conversation(seed: int, suite: str) -> tuple[str, list[Datagram]]:
    """A whole life in memory: the transcript as it is written, and the datagrams."""
    wire: list[Datagram] = []
    net = MemoryNet(wire.append)
    ours = config(ike=[suite], fragment=576, local_id="x" * 600 + "@example.org")
    net.attach(RIGHT, Station(mirrored(ours), entropy(seed, "peer")))
    session = Initiator(net, ours, entropy(seed, "us")).establish()
    session.inform()
    session.sa.rekey(net.clock())
    session.wait(lambda: session.sa.successor is not None)
    session.close()
    return session.transcript.jsonl(), wire


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_seed_gives_the_same_octets_at_the_same_times(suite: str) -> None:
    first, again, other = (conversation(seed, suite) for seed in (7, 7, 8))

    assert first == again
    assert len(first[1]) > 10
    assert not {d.data for d in first[1]} & {d.data for d in other[1]}
