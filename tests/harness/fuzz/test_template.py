"""Messages from templates are those that the engine makes of the same plan, octet for octet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ikelab.harness import apply, sk
from ikelab.harness.edits import Stage
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange import outbox
from ikelab.harness.fuzz.campaigns import CAMPAIGNS
from ikelab.harness.fuzz.ground import Ground, _sizes
from ikelab.harness.fuzz.operators import OPERATORS, Maker
from ikelab.harness.fuzz.patches import Splice, put
from ikelab.harness.fuzz.sealed import directions
from ikelab.harness.fuzz.template import Clear, Protected, wired
from ikelab.harness.fuzz.values import Pool
from ikelab.harness.rig import Settings, rig
from ikelab.layers.iana import Exchange
from ikelab.layers.message import IKEv2, message, parse_payloads, recompute

CASES = 600


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with rig("reference", Settings(seed=1)) as made:
        found = Ground(made, "test")
        found.use(CAMPAIGNS["init"])
        yield found


def attempt(make: Any) -> Any:
    try:
        return make()
    except ConfigError:
        return "impossible"


CLEAR = ("init", "init-sa", "init-header", "init-shape")
SEALED = ("create-child", "informational", "informational-header", "informational-sk", "liveness")
MOSTLY = 0.5
"""How many cases at least are made of octets: all others take the tree's time."""


@pytest.mark.parametrize("name", CLEAR)
def test_clear_messages_are_those_of_the_tree(ground: Ground, name: str) -> None:
    campaign = CAMPAIGNS[name]
    target = ground.target(campaign)
    base = ground.initiator.base
    template = Clear(target.data, _sizes(target), base.local, base.remote)
    maker = Maker(name, target.held_to(campaign.where), 5, only=campaign.operators)
    spi, nonce = target.data[:8], target.bodies[2][1]  # the same again, to compare

    def slowly(edits: Any) -> bytes:
        tree = recompute(IKEv2(target.data))
        tree = apply.on_message(tree, edits, partial(outbox.measured, keys=None), lenient=True)
        with apply.sense(*edits):
            return bytes(tree)

    patched = 0
    for _ in range(CASES):
        plan = maker.case().plan
        edits = [b.edit for b in plan.bindings]
        in_tree = [edit for edit in edits if edit.stage is Stage.MESSAGE]
        ready = attempt(lambda e=in_tree: template.patched(e, spi, lambda _: nonce))
        patched += isinstance(ready, bytes)
        quick = attempt(lambda p=plan: template.message(p, spi, lambda _: nonce))
        assert quick == attempt(lambda e=edits: slowly(e)), str(plan)
    assert patched > MOSTLY * CASES


@pytest.mark.parametrize("name", SEALED)
def test_sealed_messages_are_those_of_the_tree(ground: Ground, name: str) -> None:
    campaign = CAMPAIGNS[name]
    target = ground.target(campaign)
    exchange = int(Exchange[campaign.exchange])
    session = ground.initiator.establish()
    ours, _ = directions(session.sa)
    way = session.sa.local, session.sa.remote
    first = target.bodies[0][0] if target.bodies else 0
    spis = session.sa.spi_i, session.sa.spi_r
    template = Protected(exchange, first, target.chain, _sizes(target))
    template._changing = ()
    pool = Pool()
    pool.add(ground.target(CAMPAIGNS["create-child"]))
    only = campaign.operators
    maker = Maker(name, target.held_to(campaign.where), 5, pool=pool, only=only)

    def slowly(plan: Any, edits: Any) -> list[bytes]:
        payloads = [recompute(p) for p in parse_payloads(first, target.chain)]
        tree = message(
            [sk.decrypted(payloads)], init_SPI=spis[0], resp_SPI=spis[1], exch_type=exchange,
            flags=0x08, id=2,
        )  # fmt: skip
        tree = apply.on_message(tree, edits, partial(outbox.measured, keys=ours), lenient=True)
        built = outbox.build(tree, ours, entropy(1), edits, lenient=True)
        return [d.data for d in wired(built.messages[0], edits, *way, 0.0)]

    def quickly(plan: Any) -> list[bytes]:
        return [d.data for d in template.datagrams(plan, spis, 2, ours, entropy(1), way, 0.0)]

    patched = 0
    for _ in range(CASES):
        plan = maker.case().plan
        edits = [b.edit for b in plan.bindings]
        ready = attempt(lambda e=edits: template.patched(e, (), (*spis, 2), ours, entropy(1)))
        patched += isinstance(ready, outbox.Built)
        same = attempt(lambda p=plan: quickly(p)), attempt(lambda p=plan, e=edits: slowly(p, e))
        assert same[0] == same[1], str(plan)
    assert patched > (MOSTLY if target.bodies else 0.3) * CASES


def test_octets_of_two_edits_are_not_written_over_each_other() -> None:
    data = bytes(40)

    assert put(data, [Splice(4, 2, b"ab"), Splice(5, 2, b"cd")]) is None
    assert put(data, [Splice(4, 2, b"ab"), Splice(6, 2, b"cd")]) == bytes(4) + b"abcd" + bytes(32)
    assert put(data, [Splice(4, 2, b"ab"), Splice(6, 0, b"cd")]) is None


def test_a_number_that_was_set_counts_nothing() -> None:
    longer = Splice(8, 0, b"xyz", ((2, 2),))

    assert put(bytes(10), [longer]) == b"\0\0\0\x03" + bytes(4) + b"xyz" + bytes(2)
    literal = put(bytes(10), [longer, Splice(2, 2, b"\0\x07")])
    assert literal == b"\0\0\0\x07" + bytes(4) + b"xyz" + bytes(2)
    assert put(b"\xff" * 10, [longer]) is None  # it would have to count beyond what it holds


def test_every_operator_makes_plans_that_parse_back(ground: Ground) -> None:
    for name in ("init", "create-child"):
        target = ground.target(CAMPAIGNS[name])
        for operator, (_, kinds) in OPERATORS.items():
            if kinds and ("sealed" if target.sealed else "clear") not in kinds:
                continue
            maker = Maker(name, target, 1, only=[operator])
            for _ in range(10):
                case = attempt(maker.case)
                if case == "impossible":  # no field of the message is of the operator's kind
                    break
                assert case.plan == type(case.plan).parse(str(case)), str(case)
                assert operator in case.made_by
