"""Echoes through a child of the reference peer: in memory, and over sockets of two namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.esp.packet import flow
from ikelab.harness.esp.ping import Pong, host, ping, post, request
from ikelab.harness.esp.tunnel import Tunnel, spi_of
from ikelab.harness.frames import packet
from ikelab.harness.model import Datagram, Suite, selectors
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.rig import MemoryRig, Rig, Settings, open_rig
from ikelab.harness.session import Session
from ikelab.harness.transport.raw import RawSocket
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Protocol
from ikelab.netns import world
from tests.conftest import missing

AH = Suite.parse("sha256", Protocol.AH)


@pytest.fixture
def rig() -> Iterator[MemoryRig]:
    made = MemoryRig(Settings(seed=4303))
    made.begin("test", None)
    yield made
    made.close()


def established(rig: Rig, esp: Any = "aes128gcm16", **options: Any) -> Session:
    rig.peer.start(esp=[esp], mode=options.get("mode", "tunnel"))
    return rig.initiator().establish(esp=[esp], **options)


def test_an_echo_comes_back_through_the_child(rig: MemoryRig) -> None:
    sa = established(rig)
    pong = ping(sa)
    assert isinstance(pong, Pong)
    assert (pong.echo.src, pong.echo.dst, pong.echo.reply) == ("10.2.0.1", "10.1.0.1", True)
    assert (pong.datagram.protocol, pong.datagram.src) == (IpProtocol.ESP, ("10.0.0.2", 0))
    assert pong.opened.number == 1


def test_whoever_is_asked_for_answers_and_nobody_outside(rig: MemoryRig) -> None:
    sa = established(rig)
    assert ping(sa, "10.2.0.77")
    assert ping(sa, "10.3.0.1") is None
    assert ping(sa, source="10.9.9.9") is None


def test_silence_is_waited_for_and_no_longer(rig: MemoryRig) -> None:
    sa = established(rig)
    clock = sa.endpoint.transport.clock
    start = clock()
    assert ping(sa, icv=bytes(16), patience=3.0) is None
    assert 3.0 <= clock() - start < 3.1
    assert ping(sa, icv=bytes(16), patience=1.0, attempts=3) is None
    assert 6.0 <= clock() - start < 6.2


def test_the_peer_that_initiates_answers_too(rig: MemoryRig) -> None:
    rig.peer.start()
    responder = rig.responder()
    responder.listen()
    rig.peer.initiate()
    assert ping(responder.accept())


def test_a_rekeyed_child_has_a_path_of_its_own(rig: MemoryRig) -> None:
    sa = established(rig)
    old = sa.child
    assert ping(sa) and ping(sa)
    sa.rekey_child()
    assert sa.child.spi_in != old.spi_in
    pong = ping(sa)
    assert pong and pong.opened.number == 1


def test_a_child_outlives_its_ike_sa(rig: MemoryRig) -> None:
    """RFC 7296 2.18: the sequence numbers of an inherited child go on."""
    sa = established(rig)
    assert ping(sa) and ping(sa)
    successor = sa.rekey()
    assert successor is not None
    pong = ping(successor)
    assert pong and pong.opened.number == 3


def test_ah_goes_as_a_packet_of_its_own(rig: MemoryRig) -> None:
    sa = established(rig, AH)
    pong = ping(sa)
    assert pong and pong.datagram.protocol == IpProtocol.AH
    assert packet(pong.datagram) == pong.datagram.data
    assert flow(pong.datagram.data).protocol == IpProtocol.AH
    with pytest.raises(ConfigError, match="AH covers the addresses"):
        Tunnel(sa.tunnel().path, encap=True)


@pytest.mark.parametrize("esp", ["aes128-sha256", AH], ids=["esp", "ah"])
def test_transport_mode_is_between_the_ends(rig: MemoryRig, esp: Any) -> None:
    us, them = V4
    rig.peer.start(esp=[esp], mode="transport", local_ts=them.address, remote_ts=us.address)
    initiator = rig.initiator()
    sa = initiator.establish(esp=[esp], mode="transport", tsi=us.address, tsr=them.address)
    assert sa.child.mode == "transport"
    pong = ping(sa)
    assert pong and (pong.echo.src, pong.echo.dst) == (them.address, us.address)


def test_esp_that_nobody_waits_for_is_a_stray(rig: MemoryRig) -> None:
    sa = established(rig)
    stray = Datagram(b"\0\0\1\1" + bytes(60), ("10.0.0.2", 0), ("10.0.0.1", 0), 0.0, 50)
    sa.emit(stray)
    sa.wait(lambda: False, 0.1)
    assert [d.data for d in sa.endpoint.strays] == [stray.data]


def test_an_echo_is_told_from_an_earlier_one(rig: MemoryRig) -> None:
    sa = established(rig)
    tunnel = sa.tunnel()
    first, second = request(tunnel), request(tunnel)
    assert first != second
    assert post(sa, tunnel, tunnel.send(bytes(first)), second) is None
    assert post(sa, tunnel, tunnel.send(bytes(second)), second)


@pytest.mark.parametrize(
    ("datagram", "spi"),
    [
        (Datagram(b"\1\2\3\4\0\0\0\1", ("a", 0), ("b", 0), 0.0, 50), b"\1\2\3\4"),
        (Datagram(b"\1\2\3\4\0\0\0\1", ("a", 4500), ("b", 4500)), b"\1\2\3\4"),
        (Datagram(b"\1\2\3\4\0\0\0\1", ("a", 500), ("b", 500)), None),
        (Datagram(b"\0\0\0\0\0\0\0\1", ("a", 4500), ("b", 4500)), None),
        (Datagram(b"\xff", ("a", 4500), ("b", 4500)), None),
        (Datagram(b"\1\2\3", ("a", 0), ("b", 0), 0.0, 50), None),
        (Datagram(b"\1\2\3", ("a", 0), ("b", 0), 0.0, 51), None),
        (Datagram(b"\1\2\3\4\0\0\0\1", ("a", 0), ("b", 0), 0.0, 1), None),
    ],
)
def test_a_datagrams_spi(datagram: Datagram, spi: bytes | None) -> None:
    assert spi_of(datagram) == spi


def test_the_hosts_that_are_asked_by_default() -> None:
    assert host(selectors("10.2.0.0/24"), "10.0.0.2") == "10.2.0.1"
    assert host(selectors("10.2.0.9"), "10.0.0.2") == "10.2.0.9"
    assert host(selectors("0.0.0.0/0"), "10.0.0.2") == "10.0.0.2"
    assert host(selectors("2001:db8:2::/64"), "2001:db8::2") == "2001:db8:2::1"


# -- namespaces ---------------------------------------------------------------------------------


def in_namespaces(topology: str) -> list[tuple[str, bool]]:
    """In a world: what was asked for and whether it was answered, for every form on the wire."""
    us, them = V6 if topology == "direct6" else V4
    rig = open_rig("reference", Settings(topology=topology))
    told = []
    for name, esp, mode in (
        ("esp", "aes128gcm16", "tunnel"),
        ("udp", "aes128gcm16", "tunnel"),
        ("ah", AH, "tunnel"),
        ("transport", "aes128-sha256", "transport"),
        ("transport ah", AH, "transport"),
    ):
        rig.begin(name, None)
        ends = {"esp": [esp], "mode": mode}
        if mode == "transport":
            rig.peer.start(**ends, local_ts=them.address, remote_ts=us.address)
            ends |= {"tsi": us.address, "tsr": them.address}
        else:
            rig.peer.start(**ends)
        sa = rig.initiator().establish(**ends)
        sa.tunnel().encap = name == "udp"
        told.append((name, all(ping(sa, size=size) for size in (0, 1, 1200))))
        rig.end()
    rig.close()
    return told


@pytest.mark.parametrize("topology", ["direct", "direct6"])
def test_every_form_crosses_sockets(topology: str) -> None:
    if reason := world.available():
        missing(reason)
    told = world.run(in_namespaces, topology, timeout=60)
    assert told == [(name, True) for name in ("esp", "udp", "ah", "transport", "transport ah")]


def without_rights() -> str:
    import os

    os.setgroups([])
    os.setresuid(65534, 65534, 65534)
    try:
        RawSocket(50, "127.0.0.1")
    except ConfigError as error:
        return str(error)
    return "opened"


def test_a_raw_socket_without_the_right_says_what_to_do() -> None:
    if reason := world.available():
        missing(reason)
    said = world.run(without_rights, timeout=30)
    assert said == "no right to open a raw socket for IP protocol 50: run as root"
