"""Every topology does what its row says, by the kernel and by ikelab's own forwarder."""

from __future__ import annotations

import os
import socket

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.netns import router
from ikelab.netns.lab import Lab
from ikelab.netns.topology import TOPOLOGIES, Impairment

NATS = ["nat-initiator", "nat-responder", "nat-both", "two-clients"]
OWN, KERNEL = "own", ""
PATIENCE = 5.0


@pytest.fixture(params=[KERNEL, OWN], ids=["kernel", "own"])
def in_either(request, in_world, monkeypatch):
    """A world whose routers are the kernel's where it can, then ikelab's own."""
    monkeypatch.setenv("IKELAB_ROUTER", request.param)
    return in_world


class Talk:
    """A UDP socket at an IKE port of both ends of a lab."""

    def __init__(self, lab: Lab, port: int = 4500) -> None:
        plan = lab.topology
        family = socket.AF_INET6 if plan.version == 6 else socket.AF_INET
        self.here, self.there = (
            lab.host(name).socket(family) for name in ("initiator", "responder")
        )
        self.here.bind((plan.address("initiator"), port))
        self.there.bind((plan.address("responder"), port))
        self.to = (plan.seen_as("responder"), port)
        for sock in (self.here, self.there):
            sock.settimeout(PATIENCE)

    def ask(self, data: bytes = b"x", tries: int = 20):
        """Send there and back; who it came from, there and here."""
        for sock in (self.here, self.there):
            sock.settimeout(0.25)
        for _ in range(tries):
            self.here.sendto(data, self.to)
            try:
                heard, sender = self.there.recvfrom(65535)
                self.there.sendto(heard, sender)
                back, answerer = self.here.recvfrom(65535)
            except TimeoutError:
                continue
            assert heard == back == data
            return sender[:2], answerer[:2]
        raise TimeoutError


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_both_ends_hear_each_other(name, in_either):
    def ask():
        with Lab(name) as lab:
            return Talk(lab).ask()

    sender, answerer = in_either(ask)

    plan = TOPOLOGIES[name]
    assert sender[0] == plan.seen_as("initiator")
    assert answerer == (plan.seen_as("responder"), 4500)
    translated = plan.seen_as("initiator") != plan.address("initiator")
    assert (sender[1] == 4500) is not translated


@pytest.mark.parametrize("what", ["port", "address", "expiry"])
def test_a_nat_rebinds(what, in_either):
    def rebind():
        with Lab("nat-initiator") as lab:
            talk = Talk(lab)
            before = talk.ask()[0]
            if what == "port":
                lab.router.rebind(port=45678)
            elif what == "address":
                lab.router.rebind(address="203.0.113.9")
            else:
                lab.router.expire()
            talk.there.sendto(b"too late", before)
            # What has no mapping leaves nothing behind: an answer to the next one comes first.
            after = talk.ask(b"again")[0]
            assert after == lab.router.outside()
            return before, after

    before, after = in_either(rebind)

    assert before != after
    assert after[0] == ("203.0.113.9" if what == "address" else before[0])
    if what == "port":
        assert after[1] == 45678


def test_two_clients_behind_one_nat_have_ports_of_their_own(in_either):
    def ask():
        with Lab("two-clients") as lab:
            there = lab.host("responder").socket()
            there.bind(("203.0.113.2", 500))
            there.settimeout(PATIENCE)
            found = []
            for name in ("initiator", "client"):
                here = lab.host(name).socket()
                here.bind((lab.topology.address(name), 500))
                here.settimeout(PATIENCE)
                here.sendto(name.encode(), ("203.0.113.2", 500))
                found.append(there.recvfrom(100))
                there.sendto(b"to " + found[-1][0], found[-1][1])
                assert here.recv(100) == b"to " + name.encode()
            return found

    (one, first), (two, second) = in_either(ask)

    assert (one, two) == (b"initiator", b"client")
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_ip_fragments_cross_a_nat_and_not_the_path_that_drops_them(in_either):
    def ask(name, tries=2):
        with Lab(name) as lab:
            return Talk(lab).ask(bytes(4000), tries=tries)

    assert in_either(ask, "nat-initiator")
    assert in_either(ask, "mtu1280-6", 20)  # either end has to be told the size first
    for name in ("drops-fragments", "drops-fragments-6"):
        with pytest.raises(TimeoutError):
            in_either(ask, name)


def test_a_narrow_link_is_narrow(in_world):
    def ask():
        with Lab("mtu576") as lab:
            talk = Talk(lab)
            talk.here.setsockopt(socket.SOL_IP, 10, 2)  # IP_MTU_DISCOVER: never fragment
            talk.here.connect(talk.to)
            talk.here.send(bytes(1000))
            try:
                return talk.here.recv(10)  # the router's ICMP error
            except OSError as error:
                return os.strerror(error.errno)

    assert in_world(ask) == "Message too long"


def test_what_a_router_does_not_do_is_one_line(in_world):
    def ask(name, **words):
        with Lab(name) as lab:
            lab.router.rebind(**words)

    with pytest.raises(ConfigError, match="no router that changes"):
        in_world(ask, "direct")
    with pytest.raises(LabError, match="is no NAT"):
        in_world(ask, "loss")

    def elsewhere():
        ask("nat-initiator", address="1.2.3.4")

    with pytest.raises(ConfigError, match=r"no address 1\.2\.3\.4; there are 203"):
        in_world(elsewhere)


def test_own_routers_can_be_asked_for(in_world, monkeypatch):
    monkeypatch.setenv("IKELAB_ROUTER", "own")
    nodes = [TOPOLOGIES[name].node("router") for name in (*NATS, "loss")]

    assert {in_world(router.engine, node) for node in nodes} == {"ikelab"}


def test_a_router_without_work_is_the_kernel(in_world):
    assert in_world(router.engine, TOPOLOGIES["mtu576"].node("router")) == "kernel"


def test_no_queue_of_the_kernel_knows_fragments():
    assert router.netem(Impairment(drop_fragments=True)) is None
    assert router.netem(Impairment(loss=0.2))
