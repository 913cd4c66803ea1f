"""Our end of the wire: made where it may be, removed, and nothing else touched."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.lab import local
from ikelab.harness.lab.local import LocalWire, Plan
from ikelab.netns import rtnl, world
from tests.conftest import missing

VETH = Plan("namespace", "ethernet", "ikl1", "ikl0", "10.9.0.1/24")
TAP = Plan("namespace", "tap", "ikl1", "ikl0", "10.9.0.1/24")


@pytest.fixture
def in_world() -> Callable[..., Any]:
    """A function runs in a network of its own."""
    if reason := world.available():
        missing(reason)
    return lambda function, *words: world.run(function, *words, timeout=60)


def names() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def made(plan: Plan) -> tuple[set[str], bool, set[str]]:
    """What stands while the wire does, whether our address works, and what stands afterwards."""
    wire = LocalWire(plan)
    wire.make("127.0.0.1")
    wire.make("127.0.0.1")
    there = names()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("10.9.0.1", 500))
    wire.remove()
    wire.remove()
    return there, local._machines_own(), names()


@pytest.mark.parametrize(("plan", "both"), [(VETH, {"ikl0", "ikl1"}), (TAP, {"ikl1"})])
def test_a_wire_is_made_and_removed(
    in_world: Callable[..., Any], plan: Plan, both: set[str]
) -> None:
    there, machines_own, left = in_world(made, plan)

    assert there == both | {"lo"} and left == {"lo"} and not machines_own


def through_the_tap() -> bytes:
    """What somebody who takes the tap by its name, as ubridge does, puts on the wire."""
    wire = LocalWire(TAP)
    wire.make("localhost")
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"ikl1", 0x1002))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as heard:
        heard.bind(("ikl1", 0x88B5))
        heard.settimeout(20)
        os.write(device, b"\xff" * 6 + bytes(6) + b"\x88\xb5" + b"of the router".ljust(46))
        data = heard.recv(200)
    os.close(device)
    wire.remove()
    return data[14:].rstrip()


def test_a_tap_carries_what_the_cloud_gives_it(in_world: Callable[..., Any]) -> None:
    assert in_world(through_the_tap) == b"of the router"


def beside_one_that_stands() -> tuple[str, set[str]]:
    rtnl.send(rtnl.veth("ikl0", "other"))
    wire = LocalWire(VETH)
    try:
        wire.make("127.0.0.1")
    except ConfigError as error:
        wire.remove()
        return str(error), names()
    return "", names()


def test_what_stands_already_is_not_touched(in_world: Callable[..., Any]) -> None:
    said, left = in_world(beside_one_that_stands)

    assert said == ("there is an interface ikl0 here already: take 'make' out of the table gns3 "
                    "to use it, or remove it: ip link delete ikl0")  # fmt: skip
    assert {"ikl0", "other"} <= left


def replaced_meanwhile() -> set[str]:
    wire = LocalWire(VETH)
    wire.make("127.0.0.1")
    rtnl.send(rtnl.gone(socket.if_nametoindex("ikl0")))
    rtnl.send(rtnl.veth("ikl9", "ikl0"))
    wire.remove()
    return names()


def test_another_one_of_the_same_name_is_not_removed(in_world: Callable[..., Any]) -> None:
    assert in_world(replaced_meanwhile) == {"lo", "ikl0", "ikl9"}


def half_made() -> tuple[str, set[str]]:
    """The kernel takes the pair and refuses the address, which is no host's."""
    wire = LocalWire(Plan("host", "ethernet", "ikl1", "ikl0", "ff02::1/64"))
    try:
        wire.make("127.0.0.1")
    except ConfigError as error:
        return str(error), names()
    return "", names()


def test_half_of_a_wire_is_removed(in_world: Callable[..., Any]) -> None:
    said, left = in_world(half_made)

    assert said.startswith("ikl0 cannot be made here (") and "run ikelab as root" not in said
    assert left == {"lo"}


@pytest.mark.parametrize(
    ("plan", "server", "words"),
    [
        (Plan("elsewhere", "ethernet", "b", "a", "10.9.0.1/24"), "127.0.0.1",
         'make = "elsewhere": write "namespace" or "host"'),
        (Plan("host", "wifi", "b", "a", "10.9.0.1/24"), "127.0.0.1", 'wire = "wifi": write'),
        (Plan("host", "ethernet", "b", "a", ""), "127.0.0.1", "needs local_address and prefix"),
        (Plan("host", "ethernet", "b" * 16, "a", "10.9.0.1/24"), "127.0.0.1",
         "no name of an interface: up to 15 characters"),
        (Plan("host", "ethernet", "ikl1", "ikl0", "10.9.0.1/24"), "192.0.2.1",
         "192.0.2.1 is not: there, do it by hand: ip link add ikl0 type veth peer name ikl1 && "
         "ip address add 10.9.0.1/24 dev ikl0 && ip link set ikl0 up && ip link set ikl1 up"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_one_line(plan: Plan, server: str, words: str) -> None:
    before = names()
    with pytest.raises(ConfigError) as told:
        LocalWire(plan).make(server)
    assert words in str(told.value) and "\n" not in str(told.value)
    assert names() == before


def test_the_machines_own_network_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_machines_own", lambda: True)

    with pytest.raises(ConfigError, match=r'own network: run gns3server .* or write make = "host"'):
        LocalWire(VETH).make("127.0.0.1")


ATTEMPT = """
from ikelab.harness.errors import ConfigError
from ikelab.harness.lab.local import LocalWire, Plan
try:
    LocalWire(Plan("host", "ethernet", "ikl-no1", "ikl-no0", "10.9.0.1/24")).make("127.0.0.1")
except ConfigError as error:
    print(error)
"""


def test_without_the_right_the_commands_are_told(nobody: tuple[list[str], Path]) -> None:
    become, folder = nobody
    done = subprocess.run(
        [*become, sys.executable, "-c", ATTEMPT],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip

    assert done.stdout == (
        "ikl-no0 cannot be made here (Operation not permitted): run ikelab as root, or have root "
        "do it and take 'make' out of the table gns3: ip link add ikl-no0 type veth peer name "
        "ikl-no1 && ip address add 10.9.0.1/24 dev ikl-no0 && ip link set ikl-no0 up && "
        "ip link set ikl-no1 up\n"
    ), done.stderr
    assert "ikl-no0" not in names()
