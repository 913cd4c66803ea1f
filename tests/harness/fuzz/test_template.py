"""Messages from templates are those that the engine makes of the same plan, octet for octet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ikelab.harness import apply, sk
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange import outbox
from ikelab.harness.fuzz.campaigns import CAMPAIGNS
from ikelab.harness.fuzz.ground import Ground, _sizes
from ikelab.harness.fuzz.operators import OPERATORS, Maker
from ikelab.harness.fuzz.sealed import directions
from ikelab.harness.fuzz.template import Clear, Protected, wired
from ikelab.harness.rig import Settings, rig
from ikelab.layers.iana import Exchange
from ikelab.layers.message import IKEv2, message, parse_payloads, recompute


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


def test_clear_messages_are_those_of_the_tree(ground: Ground) -> None:
    target = ground.target(CAMPAIGNS["init"])
    base = ground.initiator.base
    template = Clear(target.data, _sizes(target), base.local, base.remote)
    maker = Maker("init", target, 5)
    spi = target.data[:8]

    def slowly(edits: Any) -> bytes:
        tree = recompute(IKEv2(target.data))
        tree = apply.on_message(tree, edits, partial(outbox.measured, keys=None), lenient=True)
        with apply.sense(*edits):
            return bytes(tree)

    patched = 0
    for _ in range(800):
        plan = maker.case().plan
        edits = [b.edit for b in plan.bindings]
        nonce = target.bodies[2][1]  # the same again, so that there is something to compare
        quick = attempt(lambda p=plan, n=nonce: template.message(p, spi, lambda _: n))
        patched += template._patches.apply(target.data, edits) is not None
        assert quick == attempt(lambda e=edits: slowly(e)), str(plan)
    assert patched > 200


def test_sealed_messages_are_those_of_the_tree(ground: Ground) -> None:
    campaign = CAMPAIGNS["create-child"]
    target = ground.target(campaign)
    exchange = int(Exchange[campaign.exchange])
    session = ground.initiator.establish()
    ours, _ = directions(session.sa)
    first, spis = target.bodies[0][0], (session.sa.spi_i, session.sa.spi_r)
    template = Protected(exchange, first, target.chain, _sizes(target))
    template._changing = ()
    maker = Maker("create-child", target, 5)

    def slowly(plan: Any, edits: Any) -> list[bytes]:
        payloads = [recompute(p) for p in parse_payloads(first, target.chain)]
        tree = message(
            [sk.decrypted(payloads)], init_SPI=spis[0], resp_SPI=spis[1], exch_type=exchange,
            flags=0x08, id=2,
        )  # fmt: skip
        tree = apply.on_message(tree, edits, partial(outbox.measured, keys=ours), lenient=True)
        built = outbox.build(tree, ours, entropy(1), edits, lenient=True)
        way = session.sa.local, session.sa.remote

        return [d.data for d in wired(built.messages[0], plan, *way, 0.0)]

    def quickly(plan: Any) -> list[bytes]:
        way = session.sa.local, session.sa.remote
        return [d.data for d in template.datagrams(plan, spis, 2, ours, entropy(1), way, 0.0)]

    for _ in range(500):
        plan = maker.case().plan
        edits = [b.edit for b in plan.bindings]
        same = attempt(lambda p=plan: quickly(p)), attempt(lambda p=plan, e=edits: slowly(p, e))
        assert same[0] == same[1], str(plan)


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
