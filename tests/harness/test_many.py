"""Many conversations over one transport: the window, the order, silence, and what is nobody's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.many import Handshake, Many
from ikelab.harness.model import Datagram, Identity, selectors, suites
from ikelab.harness.peer.reference import Station
from ikelab.harness.transport.memory import MemoryNet
from ikelab.layers.iana import Protocol

US, THEM = ("10.0.0.1", 500), ("10.0.0.2", 500)
OURS = IkeConfig(
    local=US,
    remote=THEM,
    local_id=Identity.parse(US[0]),
    remote_id=Identity.parse(THEM[0]),
    psk=b"secret",
    ike=suites(["aes128gcm16-prfsha256-x25519"]),
    esp=suites(["aes128gcm16"], Protocol.ESP),
    local_ts=selectors("10.1.0.0/24"),
    remote_ts=selectors("10.2.0.0/24"),
)
THEIRS = replace(
    OURS,
    local=THEM,
    remote=US,
    local_id=Identity.parse(THEM[0]),
    remote_id=Identity.parse(US[0]),
    local_ts=OURS.remote_ts,
    remote_ts=OURS.local_ts,
)


def talks(count: int, config: IkeConfig = OURS) -> Iterator[Handshake]:
    random = entropy(7, "tester")
    return (Handshake(IkeSa(config, initiator=True, entropy=random)) for _ in range(count))


@pytest.fixture
def net() -> MemoryNet:
    made = MemoryNet()
    made.attach(THEM[0], Station(THEIRS, entropy(7, "peer")))
    return made


@pytest.mark.parametrize("window", [1, 3, 16, 100])
def test_every_handshake_comes_to_its_end(net, window):
    many = Many(net, window)
    done = list(many.run(talks(20)))
    assert len({talk.sa.spi_i for talk in done}) == 20
    assert all(talk.established and talk.sa.state is State.CLOSED for talk in done)
    assert all(talk.sa.violations == [] for talk in done)
    assert many.strays == 0


def test_no_more_than_the_window_go_on_at_once(net):
    begun: list[Handshake] = []

    def counted() -> Iterator[Handshake]:
        for talk in talks(12):
            begun.append(talk)
            yield talk

    for ended, _ in enumerate(Many(net, window=4).run(counted())):
        assert len(begun) <= ended + 4
    assert len(begun) == 12


def test_the_next_one_begins_before_the_first_has_ended(net):
    sent: list[bytes] = []
    net.tap = lambda datagram: sent.append(datagram.data[:8]) if datagram.src == US else None
    list(Many(net, window=4).run(talks(4)))
    assert len(set(sent[:4])) == 4


def test_nothing_to_hold_is_nothing_to_wait_for(net):
    assert list(Many(net).run(talks(0))) == []
    assert net.clock() == 0.0


def test_who_hears_nothing_asks_again_and_is_given_up():
    silent = MemoryNet()
    sent: list[Datagram] = []

    class Nobody(Station):
        def receive(self, datagram: Datagram, now: float) -> None:
            sent.append(datagram)

    silent.attach(THEM[0], Nobody(THEIRS, entropy(7)))
    config = replace(OURS, retransmit=(0.5, 1.0, 2.0, 100.0))
    [talk] = Many(silent, patience=3.0).run(talks(1, config))
    assert not talk.established
    assert talk.sa.state is State.INIT_SENT
    assert 3.0 <= silent.clock() < 3.2
    assert len(sent) == 3  # at the start, and after 0.5 and 1.5 seconds
    assert len({d.data for d in sent}) == 1


def test_a_refused_handshake_is_over_and_not_established(net):
    found = list(Many(net).run(talks(3, replace(OURS, psk=b"wrong"))))
    assert [talk.established for talk in found] == [False] * 3
    assert all(talk.sa.state is State.CLOSED for talk in found)


def test_what_belongs_to_no_conversation_is_counted(net):
    spoken = iter(talks(2))
    many = Many(net, window=1)

    def mixed() -> Iterator[Handshake]:
        yield next(spoken)
        net.send(Datagram(b"nobody's" * 8, THEM, US, 0.0))
        yield next(spoken)

    assert len(list(many.run(mixed()))) == 2
    assert many.strays == 1


def test_who_is_over_sleeps_until_somebody_asks_it_for_more(net):
    [talk] = Many(net).run(talks(1))
    sa = talk.sa
    assert sa.asleep
    sa.inform([], net.clock())
    assert not sa.asleep
    assert len(sa.datagrams(net.clock())) == 1
    assert not sa.asleep  # it waits for the answer
    assert sa.timer() is not None
