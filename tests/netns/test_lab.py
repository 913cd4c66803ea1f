"""Hosts that reach each other, and nobody else."""

from __future__ import annotations

import os
import select
import socket
import time
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.netns.host import Host
from ikelab.netns.lab import Lab
from ikelab.netns.topology import DIRECT, TOPOLOGIES, topology

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@pytest.mark.parametrize("version", [4, 6])
def test_a_datagram_crosses_the_wire_at_once(in_world, version):
    def cross():
        with Lab() as lab:
            a, b = lab.host("initiator"), lab.host("responder")
            here, there = a.socket(FAMILIES[version]), b.socket(FAMILIES[version])
            here.bind((str(a.address(version)), 500))
            there.bind((str(b.address(version)), 500))
            there.settimeout(10)
            here.sendto(b"hello", (str(b.address(version)), 500))
            data, sender = there.recvfrom(100)
            return data, sender[:2], str(a.address(version))

    data, sender, address = in_world(cross)

    assert data == b"hello"
    assert sender == (address, 500)


@pytest.mark.parametrize("version", [4, 6])
def test_the_subnets_behind_the_hosts_reach_each_other(in_world, version):
    def cross():
        with Lab() as lab:
            a, b = lab.host("initiator"), lab.host("responder")
            near, far = (next(x for x in h.inner if x.version == version) for h in (a, b))
            here, there = a.socket(FAMILIES[version]), b.socket(FAMILIES[version])
            here.bind((str(near), 0))
            there.bind((str(far), 7))
            there.settimeout(10)
            here.sendto(b"x", (str(far), 7))
            return there.recvfrom(10)[1][0] == str(near)

    assert in_world(cross)


def test_the_direct_topology_has_the_seed_s_addresses(in_world):
    def look():
        with Lab("direct") as lab:
            return [[str(x) for x in (*h.addresses, *h.inner)] for h in lab.hosts.values()]

    assert in_world(look) == [
        ["10.0.0.1", "2001:db8:0:1::1", "10.1.0.1", "2001:db8:1::1"],
        ["10.0.0.2", "2001:db8:0:1::2", "10.2.0.1", "2001:db8:2::1"],
    ]


def test_hosts_have_no_names_and_share_nothing(in_world):
    def look():
        with Lab() as lab:
            inodes = {os.fstat(h.fd).st_ino for h in lab.hosts.values()}
            inodes.add(Path("/proc/self/ns/net").stat().st_ino)
            return len(inodes), list(Path("/run").glob("netns/*"))

    count, names = in_world(look)

    assert count == 3
    assert not names


def test_two_labs_of_one_world_do_not_meet(in_world):
    def both():
        with Lab() as one, Lab() as two:
            for lab, word in ((one, b"one"), (two, b"two")):
                there = lab.host("responder").socket()
                there.bind(("10.0.0.2", 500))
                there.settimeout(10)
                lab.host("initiator").socket().sendto(word, ("10.0.0.2", 500))
                yield there.recv(10), there

    assert in_world(lambda: [word for word, _ in both()]) == [b"one", b"two"]


TALKER = """
import sys
from ikelab.netns import world
world.enter()
from ikelab.netns.lab import Lab
with Lab() as lab:
    there = lab.host("responder").socket()
    there.bind(("10.0.0.2", 500))
    there.settimeout(10)
    print("ready", flush=True)
    word = input()
    lab.host("initiator").socket().sendto(word.encode(), ("10.0.0.2", 500))
    heard = there.recv(100).decode()
    there.setblocking(False)
    print(heard, flush=True)
    input()
    try:
        print("also", there.recv(100), flush=True)
    except BlockingIOError:
        print("no more", flush=True)
"""


def test_parallel_runs_with_the_same_addresses_do_not_meet(script):
    runs = [script(TALKER) for _ in range(4)]
    assert [run.line() for run in runs] == ["ready"] * 4
    for number, run in enumerate(runs):
        run.say(f"word{number}")
    assert [run.line() for run in runs] == ["word0", "word1", "word2", "word3"]
    for run in runs:
        run.say("")
    assert [run.line() for run in runs] == ["no more"] * 4


def test_closing_a_lab_kills_what_runs_in_its_hosts(in_world):
    def leave():
        with Lab() as lab:
            host = lab.host("responder")
            process = host.popen(["sleep", "600"])
            orphan = "sleep 600 >/dev/null & echo $!"
            pid = int(host.popen(["sh", "-c", orphan], stdout=-1).communicate()[0])
            watched = os.pidfd_open(pid)
            assert pid in host.processes()
        return process.wait(10), bool(select.select([watched], [], [], 10)[0])

    assert in_world(leave) == (-9, True)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_twice_is_closing_once(in_world):
    def twice():
        lab = Lab()
        lab.capture(os.devnull)
        lab.close()
        lab.close()
        return descriptors()

    assert in_world(twice) < 20


def test_many_labs_leave_no_descriptor(in_world):
    def many():
        counts = []
        for _ in range(5):
            with Lab() as lab:
                lab.capture(os.devnull)
                lab.host("initiator").socket().close()
            counts.append(descriptors())
        return counts

    counts = in_world(many)

    assert len(set(counts)) == 1


def test_a_lab_and_a_socket_are_quick(in_world):
    """The fastest of several tries, against limits well above what a quiet machine needs."""

    def measure():
        laps = []
        for _ in range(5):
            start = time.perf_counter()
            with Lab() as lab:
                built = time.perf_counter()
                lab.host("initiator").socket().close()
                laps.append((built - start, time.perf_counter() - built))
        return [min(column) for column in zip(*laps, strict=True)]

    lab, one_socket = in_world(measure)

    assert lab < 2.0
    assert one_socket < 0.1


def test_a_lab_outside_of_a_world_says_what_is_missing():
    with pytest.raises(LabError, match=r"world\.enter"):
        Lab()


def test_unknown_names_are_refused_with_the_nearest(in_world):
    with pytest.raises(ConfigError, match="did you mean 'direct'"):
        topology("dirct")
    with pytest.raises(ConfigError, match="there are"):
        topology("zzz")
    with pytest.raises(LabError, match="no host 'router'"):
        in_world(lambda: Lab().host("router"))


def test_a_host_without_ipv6_says_so(in_world):
    def ask():
        return Host("plain").address(6)

    with pytest.raises(LabError, match="no IPv6 address"):
        in_world(ask)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_topologies_are_sound(name):
    plan = TOPOLOGIES[name]
    nodes = {node.name for node in plan.nodes}

    assert plan.name == name
    for link in plan.links:
        assert {link.a.node, link.b.node} <= nodes
        networks = [{address.network for address in end.addresses} for end in link.ends]
        assert networks[0] == networks[1]
        every = [address.ip for end in link.ends for address in end.addresses]
        assert len(set(every)) == len(every)
    assert len(nodes) == len(plan.nodes)
    for end in ("initiator", "responder"):
        assert plan.address(end) and plan.seen_as(end) and plan.subnet(end)


def test_direct_is_the_default():
    assert topology("direct") is DIRECT
