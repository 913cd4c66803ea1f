"""Handshakes from octets are those that the engine holds, and what is unusual is left to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz.campaigns import CAMPAIGNS
from ikelab.harness.fuzz.case import parse
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.fuzz.operators import Maker
from ikelab.harness.fuzz.shortcut import Shortcut, parts
from ikelab.harness.model import Datagram
from ikelab.harness.rig import Settings, rig


@pytest.fixture
def ground() -> Iterator[Ground]:
    with rig("reference", Settings(seed=1)) as made:
        found = Ground(made, "test")
        found.use(CAMPAIGNS["auth"])
        yield found


@pytest.fixture
def shortcut(ground: Ground) -> Shortcut:
    ground.target(CAMPAIGNS["auth"])
    found = ground.talk(CAMPAIGNS["auth"]).shortcut
    assert found is not None and found.proof is not None
    return found


def new(ground: Ground, seed: int = 1) -> IkeSa:
    return IkeSa(ground.initiator.base, initiator=True, entropy=entropy(seed))


def answer(ground: Ground, sa: IkeSa) -> Datagram:
    """What the peer says to what the IKE SA sends."""
    transport = ground.initiator.transport
    for datagram in sa.datagrams(transport.clock()):
        transport.send(datagram)
    while (got := transport.receive(transport.clock() + 1.0)) is not None:
        if got.data[:8] == sa.spi_i:
            return got
    raise AssertionError("no answer")


def test_the_octets_are_those_of_the_engine(ground: Ground, shortcut: Shortcut) -> None:
    quick, slow = new(ground), new(ground)
    slow.init.group, slow.init.pair = shortcut._pair.group, shortcut._pair
    shortcut.begin(quick, 0.0)
    slow.start_init(0.0)
    assert [d.data for d in quick.outgoing] == [d.data for d in slow.datagrams(0.0)]

    got = answer(ground, quick)
    assert shortcut.take(quick, got, got.now)
    slow.receive(got, got.now)
    assert quick.state is slow.state is State.INIT_DONE
    assert quick.keys == slow.keys and quick.nat == slow.nat and quick.spi_r == slow.spi_r

    assert shortcut.prove(quick, got.now)
    slow.start_auth(got.now)
    assert [d.data for d in quick.outgoing] == [d.data for d in slow.datagrams(got.now)]

    got = answer(ground, quick)
    assert shortcut.proven(quick, got, got.now)
    slow.receive(got, got.now)
    assert quick.state is slow.state is State.ESTABLISHED
    assert quick.window.next_request == slow.window.next_request
    assert [s.plain for s in quick.transcript] == [s.plain for s in slow.transcript]


def test_cases_in_ike_auth_are_those_of_the_engine(ground: Ground, shortcut: Shortcut) -> None:
    campaign = CAMPAIGNS["auth"]
    target, base = ground.target(campaign), ground.initiator.base
    maker = Maker("auth", target, 3)
    first = new(ground)
    shortcut.begin(first, 0.0)
    got = answer(ground, first)

    def begun(plan: Plan) -> IkeSa:
        config = replace(base, plan=plan, lenient=True)
        sa = IkeSa(config, initiator=True, entropy=entropy(1))
        shortcut.begin(sa, 0.0)
        assert shortcut.take(sa, got, got.now)
        sa.outgoing.clear()
        return sa

    def said(sa: IkeSa, start: Callable[[IkeSa], bool]) -> Any:
        try:
            if not start(sa):
                return None
        except ConfigError:
            return "impossible"
        octets = [d.data for d in sa.datagrams(9.9)]
        shortcut.hand_over(sa)
        waiting = sa.window.waiting[1].request
        inner = [(p.kind, bytes(p.self_build())) for p in waiting.payloads]
        return octets, sa.transcript.steps[-1].plain, sa.applied, bytes(waiting.message), inner

    ready = 0
    for _ in range(300):
        plan = maker.case().plan
        quick, slow = begun(plan), begun(plan)
        mine = said(quick, lambda sa: shortcut.prove(sa, 1.0))
        if mine is not None:  # the engine does what takes the tree
            ready += 1
            assert mine == said(slow, lambda sa: sa.start_auth(1.0) is None), str(plan)
    assert ready > 150


def test_an_unusual_answer_is_left_to_the_engine(ground: Ground, shortcut: Shortcut) -> None:
    sa = new(ground)
    shortcut.begin(sa, 0.0)
    got = answer(ground, sa)
    found = parts(got.data[16], got.data, 28)
    assert found is not None
    places = [16, 18, 19, 23, 24, *(end - 1 for kind, _, end in found if kind not in (34, 40))]

    for place in places:  # a last octet of each payload but the key and the nonce, and the header
        other = bytearray(got.data)
        other[place] ^= 1
        assert not shortcut.take(sa, replace(got, data=bytes(other)), got.now), place
    assert sa.state is State.INIT_SENT and sa.keys is None and len(sa.transcript) == 1

    shortcut.hand_over(sa)
    sa.receive(got, got.now)
    assert str(sa.state) == "INIT_DONE"


def test_a_responder_without_the_key_is_not_proven(ground: Ground, shortcut: Shortcut) -> None:
    sa = new(ground)
    shortcut.begin(sa, 0.0)
    got = answer(ground, sa)
    assert shortcut.take(sa, got, got.now)
    shortcut.prove(sa, got.now)
    got = answer(ground, sa)
    sa.config = replace(sa.config, psk=b"another secret")

    assert not shortcut.proven(sa, got, got.now)
    assert sa.state is State.AUTH_SENT


def test_lanes_take_the_shortcut(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("auth", "informational"):
        campaign = CAMPAIGNS[name]
        ground.target(campaign)
        lane = ground.lane(campaign)
        monkeypatch.setattr(IkeSa, "start_init", lambda *_: pytest.fail("the engine began"))
        case = parse(f"{campaign.exchange}/request: wire.duplicate(2)", name)
        assert [o.kind for o in lane.run([case] * 3)][-1] != "silence"
        monkeypatch.undo()


def test_what_is_not_plain_has_no_shortcut(ground: Ground, shortcut: Shortcut) -> None:
    assert Shortcut.of(None, {}) is None
    assert Shortcut.of(new(ground), {}) is None  # it has heard of nobody
    elsewhere = replace(ground.initiator.base, remote=("192.0.2.99", 500))
    assert not shortcut.leads(IkeSa(elsewhere, initiator=True, entropy=entropy(2)))
