"""Frames in a TCP stream (RFC 9329 3, 4), however the stream was cut."""

from __future__ import annotations

import random

import pytest

from ikelab.harness.errors import LabError
from ikelab.harness.model import Datagram
from ikelab.harness.transport.memory import MemoryNet
from ikelab.harness.transport.tcp import MOST, PREFIX, Deframer, TcpTransport, frame

PAYLOADS = [bytes(4) + b"ike" * 50, b"\1\2\3\4" + b"esp" * 400, b"\xff", b"", bytes(65533)]
STREAM = PREFIX + b"".join(map(frame, PAYLOADS))


def test_a_length_counts_itself():
    assert frame(b"abc") == b"\0\5abc"
    assert len(frame(bytes(MOST - 2))) == MOST
    with pytest.raises(LabError, match="do not fit"):
        frame(bytes(MOST - 1))


@pytest.mark.parametrize("seed", range(8))
def test_any_cut_gives_the_same_payloads(seed):
    dice, here, found = random.Random(seed), 0, []
    reader = Deframer(prefix=True)
    while here < len(STREAM):
        size = dice.choice([1, 2, 3, 7, 500, 70000])
        found += reader.feed(STREAM[here : here + size])
        here += size

    assert found == PAYLOADS
    assert not reader.broken


def test_one_octet_after_the_other():
    reader = Deframer(prefix=True)
    found = [p for octet in STREAM[:2000] for p in reader.feed(bytes([octet]))]

    assert found == PAYLOADS[:4]


@pytest.mark.parametrize("data", [b"IKETCQ", b"GET / HTTP/1.1", b"\0", b"IKEtcp\0\5abc"])
def test_another_prefix_breaks_the_stream(data):
    reader = Deframer(prefix=True)

    assert reader.feed(data) == []
    assert "begins with" in reader.broken
    assert reader.feed(frame(b"abc")) == []


@pytest.mark.parametrize("length", [0, 1])
def test_a_length_that_does_not_count_itself_breaks_the_stream(length):
    reader = Deframer(prefix=False)

    assert reader.feed(frame(b"abc") + bytes([0, length]) + frame(b"def")) == [b"abc"]
    assert reader.broken == f"a Length of {length}"


def test_nobody_listens_in_an_empty_network():
    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        MemoryNet().connect("10.0.0.1", ("10.0.0.2", 4500))


class Recorded:
    """A connection that keeps what is sent, and gives what it was made with."""

    local, remote = ("10.0.0.1", 40000), ("10.0.0.2", 4500)

    def __init__(self, *came):
        self.sent, self.came = [], list(came)

    def clock(self):
        return 0.0

    def send(self, data):
        self.sent.append(data)
        return True

    def receive(self, until):
        return self.came.pop(0) if self.came else None

    def pause(self, until):
        pass

    def close(self):
        pass


def test_the_prefix_goes_once():
    ends = Recorded()
    carrier = TcpTransport(ends)
    for data in (b"one", b"two"):
        carrier.send(Datagram(data, ends.local, ends.remote))

    assert ends.sent == [PREFIX + frame(b"one"), frame(b"two")]


def test_what_comes_has_the_connections_ends():
    carrier = TcpTransport(Recorded(frame(b"one")[:3], frame(b"one")[3:] + frame(b"two"), b""))

    came = [carrier.receive(1.0) for _ in range(3)]

    assert [d.data for d in came[:2]] == [b"one", b"two"]
    assert (came[0].src, came[0].dst) == (Recorded.remote, Recorded.local)
    assert came[2] is None and carrier.closed
