"""A network in memory: what is sent arrives, in order of time, and waiting costs none."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ikelab.harness.model import Datagram
from ikelab.harness.transport.memory import LATENCY, MemoryNet

HERE, THERE, ELSEWHERE = ("10.0.0.1", 500), ("10.0.0.2", 500), ("10.0.0.3", 500)


class Echo:
    """Answers every datagram with its octets, after `wait` seconds."""

    def __init__(self, wait: float = 0.0, times: int = 1) -> None:
        self.wait, self.times = wait, times
        self.got: list[Datagram] = []
        self.out: list[Datagram] = []

    def receive(self, datagram: Datagram, now: float) -> None:
        assert datagram.now == now
        self.got.append(datagram)
        for n in range(self.times):
            due = now + self.wait * (n + 1)
            self.out.append(Datagram(datagram.data, datagram.dst, datagram.src, due))

    def datagrams(self, now: float) -> list[Datagram]:
        due = [d for d in self.out if d.now <= now]
        self.out = [d for d in self.out if d.now > now]
        return due

    def timer(self) -> float | None:
        return min((d.now for d in self.out), default=None)

    def handle_timer(self, now: float) -> None:
        """Nothing but what `datagrams` gives."""


def sent(data: bytes = b"hello") -> Datagram:
    return Datagram(data, HERE, THERE)


def test_what_is_sent_is_answered_and_takes_its_time() -> None:
    net, echo = MemoryNet(), Echo()
    net.attach(THERE[0], echo)
    net.send(sent())
    answer = net.receive(1.0)

    assert answer is not None and answer.data == b"hello"
    assert (answer.src, answer.dst) == (THERE, HERE)
    assert echo.got[0].now == LATENCY < answer.now <= net.clock() < 0.01


def test_silence_is_as_long_as_was_asked_for_and_costs_nothing() -> None:
    net, start = MemoryNet(), time.monotonic()
    net.send(sent())
    assert net.receive(1.0).dst == THERE  # nobody lives there: it comes to who listens
    assert net.receive(3600.0) is None

    assert net.clock() == 3600.0
    assert time.monotonic() - start < 5


def test_time_jumps_to_the_next_timer_and_no_further() -> None:
    net = MemoryNet()
    net.attach(THERE[0], Echo(wait=7.0, times=2))
    net.send(sent())

    assert net.receive(5.0) is None and net.clock() == 5.0
    first = net.receive(100.0)
    assert first is not None and 7.0 <= first.now < 7.01
    second = net.receive(100.0)
    assert second is not None and 14.0 <= second.now < 14.01
    assert net.receive(100.0) is None and net.clock() == 100.0


def test_nodes_talk_to_each_other_too() -> None:
    net, far, near = MemoryNet(), Echo(), Echo(times=0)
    net.attach(THERE[0], far)
    net.attach(ELSEWHERE[0], near)
    net.send(replace(sent(), src=ELSEWHERE))
    assert net.receive(1.0) is None

    assert [d.data for d in far.got] == [d.data for d in near.got] == [b"hello"]


def test_the_tap_sees_everything_in_order_of_time() -> None:
    seen: list[Datagram] = []
    net = MemoryNet(seen.append)
    net.attach(THERE[0], Echo(wait=0.5, times=3))
    for data in (b"one", b"two"):
        net.send(sent(data))
    while net.receive(10.0) is not None:
        continue

    assert len(seen) == 2 + 6
    assert [d.now for d in seen] == sorted(d.now for d in seen)


def test_a_clock_does_not_go_back() -> None:
    net = MemoryNet()
    assert net.receive(5.0) is None
    assert net.receive(1.0) is None

    assert net.clock() == 5.0


def test_closing_is_harmless() -> None:
    net = MemoryNet()
    net.close()
    net.close()
    net.listen(50, HERE[0])


@pytest.mark.parametrize("when", [0.0, 3.0])
def test_a_node_can_be_exchanged_while_others_wait(when: float) -> None:
    net, old, new = MemoryNet(), Echo(times=0), Echo()
    net.attach(THERE[0], old)
    net.receive(when)
    net.attach(THERE[0], new)
    net.send(sent())

    assert old.got == [] and len(new.got) == 1
