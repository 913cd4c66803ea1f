"""The built-in peer: what it tells of itself, its options, its faults, one life after another."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.model import Identity, Nat, Suite, selectors, suites
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.faults import FAULTS, fault
from ikelab.harness.peer.reference import ReferencePeer
from ikelab.harness.transport.memory import MemoryNet
from ikelab.layers.iana import Protocol
from tests.harness.talk import LEFT, LEFT_NET, QUICK, QUICK_ESP, RIGHT, RIGHT_NET, config


def peer_config(**options: Any) -> PeerConfig:
    values: dict[str, Any] = {
        "local_address": RIGHT,
        "remote_address": LEFT,
        "local_id": Identity.parse("right@example.org"),
        "remote_id": Identity.parse("left@example.org"),
        "psk": b"a secret",
        "ike": suites([QUICK]),
        "esp": suites([QUICK_ESP], Protocol.ESP),
        "local_ts": selectors(RIGHT_NET),
        "remote_ts": selectors(LEFT_NET),
    }
    return PeerConfig(**(values | options))


@pytest.fixture
def net() -> MemoryNet:
    return MemoryNet()


def made(net: MemoryNet, name: str = "") -> ReferencePeer:
    def attach(station: Any, address: str) -> None:
        net.attach(address, station)

    planted = fault(name) if name else None
    return ReferencePeer("1", entropy(1, "peer"), attach, net.clock, planted)


def us(net: MemoryNet) -> Initiator:
    return Initiator(net, config(), entropy(1, "us"))


def test_its_view_agrees_with_ours(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config())
    sa = us(net).establish()
    theirs = peer.view().sa(sa.spis)

    assert theirs is not None and theirs.child is not None
    assert theirs.state == "ESTABLISHED" and theirs.initiator is False
    assert theirs.suite == sa.chosen == Suite.parse(QUICK)
    assert theirs.nat == sa.nat == Nat(initiator=False, responder=False)
    assert (theirs.local_id, theirs.remote_id) == ("right@example.org", "left@example.org")
    assert (theirs.child.spi_in, theirs.child.spi_out) == (sa.child.spi_out, sa.child.spi_in)
    assert theirs.child.local_ts == sa.child.tsr and theirs.child.remote_ts == sa.child.tsi
    assert theirs.child.protocol == "ESP" and theirs.child.encap is False
    sa.close()
    assert peer.view().sas == ()


def test_it_initiates_and_says_so(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config())
    side = Responder(net, config(), entropy(1, "us"))
    side.listen()
    peer.initiate()
    sa = side.accept()
    theirs = peer.view().sa(sa.spis)

    assert theirs is not None and theirs.initiator is True and theirs.child is not None
    assert theirs.child.local_ts == sa.child.tsi and theirs.child.remote_ts == sa.child.tsr


def test_each_start_is_a_new_life(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config())
    us(net).establish()
    peer.start(peer_config(ike=suites(["3des-sha1-x25519"])))

    assert peer.alive() and peer.view().sas == ()
    assert not us(net).probe()
    peer.stop()
    peer.stop()
    assert not peer.alive() and peer.view().sas == ()


def test_its_log_is_the_conversation_as_it_saw_it(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config())
    us(net).establish()

    assert "responder ESTABLISHED" in peer.log()
    assert "<-- IKE_AUTH" in peer.log() and "--> IKE_AUTH" in peer.log()


def test_its_configuration_is_readable_and_names_the_fault(net: MemoryNet) -> None:
    peer = made(net, "never-narrows")
    peer.start(peer_config(cookies=True))
    text = peer.config_text()

    assert "fault = never-narrows" in text and "cookies = True" in text
    assert f"ike = {QUICK}" in text and "right@example.org" in text


def test_it_has_no_option_that_it_does_not_know(net: MemoryNet) -> None:
    with pytest.raises(Unsupported, match="no option colour"):
        made(net).start(peer_config(options={"colour": "blue"}))


def test_a_plan_is_carried_out(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config(options={"plan": "IKE_SA_INIT/response: header.flags |= 1"}))

    assert [v.rule for v in us(net).establish().violations] == ["unused-flags-are-cleared"]


def test_an_unknown_fault_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'never-narrows'"):
        fault("never-narow")


@pytest.mark.parametrize("planted", FAULTS.values(), ids=lambda f: f.name)
def test_every_fault_can_be_planted_and_written_down(planted: Any) -> None:
    assert Plan.parse(str(planted.plan)) == planted.plan
    assert Conduct().but(*planted.conduct) != Conduct() or planted.plan
    assert planted.cases and planted.text


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_takes_the_whole_peer_down(net: MemoryNet, name: str) -> None:
    """It is wrong in one way: whatever we try, nothing is raised and time goes on."""
    peer = made(net, name)
    peer.start(peer_config())
    side = us(net)
    side.patience = 12.0
    sa = side.init()
    if sa.state == "INIT_DONE":
        sa.auth()
    if sa.established:
        sa.inform()
        sa.close()

    assert peer.alive() and peer.log()


def test_it_expects_us_elsewhere_and_keeps_what_is_up(net: MemoryNet) -> None:
    peer = made(net)
    peer.start(peer_config())
    sa = us(net).establish()

    peer.expect("10.9.9.9")
    peer.initiate()

    kept, begun = peer.view().sas
    assert kept.spis == sa.spis and begun.initiator
    assert peer.station is not None and peer.station.listener.sas[1].remote == ("10.9.9.9", 500)
