"""Our side as test cases use it: intents that wait, facts, silence with a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.edits import Plan, at, drop, insert, unknown
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, Datagram, Identity, Nat, Suite
from ikelab.harness.options import overridden
from ikelab.harness.peer.reference import Station
from ikelab.harness.reason import one_line
from ikelab.harness.session import Session
from ikelab.harness.transport.memory import MemoryNet
from ikelab.layers.iana import Exchange, Notify, Payload
from tests.harness.talk import LEFT, RIGHT, config, mirrored


class World:
    """A memory network with a station on the right; us on the left, in either role."""

    def __init__(self, peer: dict[str, Any] | None = None, **both: Any) -> None:
        self.wire: list[Datagram] = []
        self.net = MemoryNet(self.wire.append)
        self.ours = config(**both)
        theirs = overridden(mirrored(self.ours), **(peer or {}))
        self.station = Station(theirs, entropy(1, "peer"))
        self.net.attach(RIGHT, self.station)
        self.sessions: list[Session] = []

    def initiator(self, **options: Any) -> Initiator:
        return Initiator(
            self.net, self.ours, entropy(1, "us"), on_session=self.sessions.append, **options
        )

    def responder(self) -> Responder:
        return Responder(self.net, self.ours, entropy(1, "us"), on_session=self.sessions.append)


def test_establish_gives_typed_facts() -> None:
    world = World(peer={"local_ts": "10.2.0.0/24"})
    sa = world.initiator().establish()

    assert sa.chosen == Suite.parse("aes128-sha256-x25519")
    assert sa.nat == Nat(initiator=False, responder=False)
    assert sa.child.tsr == (TS.parse("10.2.0.0/24"),)
    assert sa.child.spis == sa.children[0].spis
    assert sa.violations == []
    assert [s.direction for s in sa.transcript] == ["-->", "<--"] * 2
    assert (len(sa.sent()), len(sa.received())) == (2, 2)
    assert world.sessions == [sa]


def test_who_asks_for_a_child_that_was_refused_is_told_by_which_notify() -> None:
    world = World(peer={"esp": "aes256-sha256"})
    sa = world.initiator().establish(esp="aes128gcm16")

    with pytest.raises(AssertionError) as told:
        _ = sa.child

    assert one_line(told.value) == "there is no CHILD_SA: the peer sent NO_PROPOSAL_CHOSEN"


def test_options_are_words_and_reach_the_wire() -> None:
    world = World(peer={"ike": ["3des-sha1-x25519"], "esp": ["3des-sha1"], "remote_id": "me",
                        "psk": b"other"})  # fmt: skip
    sa = world.initiator().establish(
        ike="3des-sha1-x25519", esp=["3des-sha1"], tsi=["10.1.0.0/24"], tsr="10.2.0.0/16",
        local_id="me", psk="other", plan="IKE_AUTH/request: insert('SK', payload=vendor(b'v'))",
    )  # fmt: skip

    assert sa.chosen == Suite.parse("3des-sha1-x25519")
    assert any(p.kind == Payload.V for p in sa.sent()[1].inner() or [])
    assert world.station.listener.sas[0].peer_id == Identity.parse("me")


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="psks"):
        World().initiator().init(psks="x")
    with pytest.raises(ConfigError, match="did you mean"):
        World().initiator().init(ike="aes128-sah1")


def test_a_reply_is_read_by_type() -> None:
    sa = World().initiator().init()
    reply = sa.auth(edits=[insert("SK", payload=unknown(200, critical=True))])

    assert reply.protected and not reply.silent
    assert reply.only(Notify.UNSUPPORTED_CRITICAL_PAYLOAD).data == b"\xc8"
    assert reply.errors == ["UNSUPPORTED_CRITICAL_PAYLOAD"] and reply.names == ["N"]
    assert not reply.has(Payload.AUTH) and reply.notify(Notify.COOKIE) is None
    assert reply.describe()[0]["name"] == "N"
    with pytest.raises(AssertionError, match="expected AUTHENTICATION_FAILED alone"):
        reply.only(Notify.AUTHENTICATION_FAILED)
    with pytest.raises(AssertionError, match="0 payloads AUTH"):
        reply.one(Payload.AUTH)


def test_silence_is_an_observation_with_a_bound() -> None:
    sa = World().initiator().init()
    before = sa.endpoint.transport.clock()
    reply = sa.auth(edits=[at("header.resp_SPI").xor(b"\1")], patience=3.0)

    assert reply.silent and reply.payloads == [] and not reply.protected
    assert 3.0 <= sa.endpoint.transport.clock() - before < 3.1
    with pytest.raises(AssertionError, match=r"the peer did not answer\n#0 --> IKE_SA_INIT"):
        reply.only(Notify.AUTHENTICATION_FAILED)


def test_establish_fails_with_the_conversation() -> None:
    world = World(peer={"ike": ["3des-sha1-modp2048"]})
    with pytest.raises(AssertionError, match="IKE_SA_INIT did not succeed\n#0 -->"):
        world.initiator().establish()
    wrong = World(peer={"psk": b"other"})
    told = r"IKE_AUTH did not succeed; the peer refused .*\n(.*\n)*.*AUTHENTI"
    with pytest.raises(AssertionError, match=told):
        wrong.initiator().establish()


def test_probe_tells_whether_an_honest_sa_still_comes_up() -> None:
    assert World().initiator().probe()
    assert not World(peer={"psk": b"other"}).initiator().probe()
    assert not World(peer={"ike": ["3des-sha1-modp2048"]}).initiator().probe()


def test_every_intent_waits_for_its_answer() -> None:
    sa = World().initiator().establish()

    assert sa.inform().payloads == []
    assert sa.create_child(tsi="10.1.1.0/24").names == ["SA", "Nonce", "TSi", "TSr"]
    assert len(sa.children) == 2
    assert sa.delete_child(sa.children[1]).one(Payload.D).SPI
    old = sa.child
    assert not sa.rekey_child().errors and sa.child.spis != old.spis
    new = sa.rekey()
    assert new is not None and new.established and len(new.children) == 1
    assert sa.state is State.CLOSED
    assert new.close().payloads == [] and new.state is State.CLOSED


def test_a_repeated_message_gets_the_same_answer_octet_for_octet() -> None:
    sa = World().initiator().establish()
    sa.inform()

    assert sa.repeat() == [sa.received()[2].data]
    assert sa.repeat(sa.sent()[0], patience=0.1) == []
    assert sa.transcript.steps[-1].note == "sent again"


def test_raw_octets_are_sent_and_heard() -> None:
    sa = World().initiator().init()
    request = sa.sent()[0].data

    assert sa.throw(request) == [sa.received()[0].data]
    assert sa.throw(b"junk", patience=0.5) == []
    assert sa.raw is None


def test_retransmissions_go_by_the_schedule() -> None:
    """Octets repeat, waits grow, and the end comes: 0, 1 and 3 seconds, then 7."""
    world = World(retransmit=(1.0, 2.0), give_up=4.0)
    world.net.attach(RIGHT, Deaf())
    sa = world.initiator().session()
    start = world.net.clock()
    sa.init(patience=60.0)

    assert [round(d.now - start, 2) for d in world.wire] == [0.0, 1.0, 3.0]
    assert len({d.data for d in world.wire}) == 1
    assert sa.state is State.CLOSED and 7.0 <= world.net.clock() - start < 7.3


class Deaf:
    """Takes everything and answers nothing."""

    def receive(self, datagram: Datagram, now: float) -> None: ...

    def datagrams(self, now: float) -> list[Datagram]:
        return []

    def timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None: ...


def losing(net: MemoryNet, lost: Callable[[int], bool]) -> None:
    """Lose some of what is sent, by its number."""
    carry, count = net._carry, iter(range(10_000))

    def maybe(datagram: Datagram) -> None:
        if not lost(next(count)):
            carry(datagram)

    net._carry = maybe  # type: ignore[method-assign]


@pytest.mark.parametrize("number", range(4))
def test_any_one_message_may_be_lost(number: int) -> None:
    world = World()
    losing(world.net, lambda n: n == number)
    sa = world.initiator(patience=30.0).establish()

    assert sa.inform().payloads == [] and sa.violations == []
    assert len(world.station.listener.sas) == 1


def test_a_responder_waits_for_the_peers_sa() -> None:
    world = World()
    side = world.responder()
    side.listen()
    world.station.initiate(world.net.clock())
    sa = side.accept()

    assert sa.state is State.ESTABLISHED and not sa.sa.initiator
    assert [s.message.exch_type for s in side.heard(Exchange.IKE_AUTH)] == [Exchange.IKE_AUTH]
    assert sa.inform().payloads == []
    assert world.sessions == [sa]


def test_a_responder_says_that_nothing_came() -> None:
    side = World().responder()
    side.listen()
    with pytest.raises(AssertionError, match="the peer sent nothing"):
        side.accept(patience=1.0)


def test_what_belongs_to_nobody_is_kept_aside() -> None:
    world = World()
    side = world.initiator()
    sa = side.init()
    stray = Datagram(b"who is this?" * 4, (RIGHT, 500), (LEFT, 500))
    world.net.send(stray)
    sa.wait(lambda: bool(side.strays), 1.0)

    assert [d.data for d in side.strays] == [stray.data]


def test_several_sessions_at_once_keep_apart() -> None:
    world = World()
    side = world.initiator()
    one, two = side.init(), side.init()
    two.auth()
    one.auth()

    assert one.established and two.established
    assert one.spis != two.spis and one.child.spis != two.child.spis
    assert len(one.transcript) == len(two.transcript) == 4


def test_moving_to_4500_is_answered_from_there() -> None:
    sa = World().initiator().init()
    sa.move_to_4500()
    sa.auth()

    assert sa.established
    assert sa.received()[1].src == (RIGHT, 4500) and sa.received()[1].dst == (LEFT, 4500)


def test_a_plan_in_the_configuration_is_for_every_session() -> None:
    plan = Plan.parse("IKE_AUTH/request: drop('SK.AUTH')")
    world = World()
    world.ours = replace(world.ours, plan=plan)
    sa = world.initiator().init()

    assert sa.auth().errors and not sa.established
    assert [str(b) for b in sa.sa.applied] == [str(b) for b in plan.bindings]
    assert drop("SK.AUTH") == plan.bindings[0].edit
