"""UDP sockets on the loopback: ports, errors in words, ICMP as silence, waits with a bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Address, Datagram
from ikelab.harness.transport.udp import UdpTransport

PATIENCE = 10.0  # seconds; what is asserted happens at once, or never


def free(address: str = "127.0.0.1") -> Address:
    """A port of the loopback that nobody has."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        return address, sock.getsockname()[1]


@pytest.fixture
def pair() -> Iterator[tuple[UdpTransport, UdpTransport, Address, Address]]:
    left, right = free(), free()
    one, other = UdpTransport([left]), UdpTransport([right])
    yield one, other, left, right
    one.close()
    other.close()


def arrives(transport: UdpTransport) -> Datagram:
    found = transport.receive(transport.clock() + PATIENCE)
    assert found is not None
    return found


@pytest.mark.parametrize("data", [b"\xff", bytes(4) + b"ike", b"x" * 60000])
def test_a_datagram_arrives_whole_with_both_addresses(pair: tuple, data: bytes) -> None:
    one, other, left, right = pair
    one.send(Datagram(data, left, right))
    found = arrives(other)

    assert (found.data, found.src, found.dst) == (data, left, right)
    assert 0.0 <= found.now <= other.clock()


def test_datagrams_arrive_in_order_and_wait_to_be_taken(pair: tuple) -> None:
    one, other, left, right = pair
    for number in range(20):
        one.send(Datagram(bytes([number]), left, right))

    assert [arrives(other).data[0] for _ in range(20)] == list(range(20))


def test_waiting_ends_at_its_time(pair: tuple) -> None:
    one, *_ = pair
    until = one.clock() + 0.02

    assert one.receive(until) is None
    assert one.clock() >= until
    assert one.receive(0.0) is None


def test_another_source_port_is_opened_when_something_leaves_from_it(pair: tuple) -> None:
    one, other, _, right = pair
    late = free()
    one.send(Datagram(b"late", late, right))
    found = arrives(other)
    other.send(Datagram(b"answer", right, found.src))

    assert found.src == late
    assert arrives(one).dst == late


def test_nobody_there_is_silence_and_no_error(pair: tuple) -> None:
    one, other, left, right = pair
    gone = free()
    for _ in range(3):
        one.send(Datagram(b"anybody?", left, gone))
        assert one.receive(one.clock() + 0.01) is None
    one.send(Datagram(b"hello", left, right))

    assert arrives(other).data == b"hello"


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    taken = free()
    first = UdpTransport([taken])
    try:
        with pytest.raises(ConfigError, match=f"port {taken[1]} of 127.0.0.1 is in use"):
            UdpTransport([taken])
    finally:
        first.close()


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot bind 192\.0\.2\.1:500"):
        UdpTransport([("192.0.2.1", 500)])


def test_a_closed_transport_has_freed_its_ports() -> None:
    address = free()
    one = UdpTransport([address])
    one.close()
    again = UdpTransport([address])
    again.close()
    again.close()


def test_ipv6_goes_the_same_way() -> None:
    left, right = free("::1"), free("::1")
    one, other = UdpTransport([left]), UdpTransport([right])
    try:
        one.send(Datagram(b"six", left, right))
        assert arrives(other).src == left
    finally:
        one.close()
        other.close()


def test_a_socket_can_come_from_elsewhere() -> None:
    """A namespace's host makes them; the transport does not know the difference."""
    made: list[tuple[int, int]] = []

    def make(family: int, kind: int, proto: int = 0) -> socket.socket:
        made.append((family, kind))
        return socket.socket(family, kind, proto)

    UdpTransport([free()], make).close()

    assert made == [(socket.AF_INET, socket.SOCK_DGRAM)]
