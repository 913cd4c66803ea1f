"""What a receiver of ESP drops, and that dropping changes nothing (RFC 4303 3.4, RFC 4301 5.2).

A peer is observed by echoes through its child: what it takes it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping, post, request
from ikelab.harness.esp.replay import LEAST_WINDOW
from ikelab.harness.esp.seal import Kind
from ikelab.harness.esp.tunnel import Tunnel
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Exchange, Notify
from ikelab.testcases.each_once import each_once
from ikelab.testcases.tunnels import SILENCE, observable

FAR = 1_000_000  # further back than any window


@case("ESP-03")
@rfc(4303, "3.4.3")
def test_drops_a_packet_that_came_before(peer: Tested, initiator: Initiator) -> None:
    """The same octets are taken once."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    asked = request(tunnel)
    packet = tunnel.send(bytes(asked))
    assert post(sa, tunnel, packet, asked), f"an echo was not answered\n{sa}"

    again = post(sa, tunnel, packet, asked, patience=SILENCE)

    assert again is None, "a replayed packet was taken"
    assert ping(sa), "after a replay an honest packet is not taken"


@case("ESP-03")
@rfc(4303, "3.4.3")
def test_takes_what_is_late_but_inside_the_window(peer: Tested, initiator: Initiator) -> None:
    """A window holds 32 numbers at least: the oldest of them, unseen, is taken, and once only."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    oldest = tunnel.path.counter.last + 1
    assert ping(sa, number=oldest + LEAST_WINDOW - 1), "a jump of the sequence number is not taken"

    assert ping(sa, number=oldest), "the left edge of the window is not taken"
    assert not ping(sa, number=oldest, patience=SILENCE), "the left edge is taken twice"


@case("ESP-03")
@rfc(4303, "3.4.3")
def test_drops_what_is_left_of_the_window(peer: Tested, initiator: Initiator) -> None:
    """A number that never came, but is far behind the highest, is dropped."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    old = tunnel.path.counter.last + 1
    assert ping(sa, number=old + FAR), "a jump of the sequence number is not taken"

    assert not ping(sa, number=old, patience=SILENCE), f"a number {FAR} behind is taken"
    assert ping(sa), "after an old packet an honest one is not taken"


@case("ESP-04")
@rfc(4301, "5.2")
@rfc(4303, "3.4.4")
def test_drops_inner_packets_from_outside_the_selectors(peer: Tested, initiator: Initiator) -> None:
    """An echo that claims to come from our own end of the tunnel is answered neither in it nor
    in clear."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    icmp = IpProtocol.ICMPV6 if ":" in peer.us.address else IpProtocol.ICMP
    initiator.transport.listen(icmp, peer.us.address)
    before = len(initiator.strays)

    answer = ping(sa, source=peer.us.address, patience=SILENCE)

    assert answer is None, "the spoofed echo was answered through the tunnel"
    outside = [r for r in tunnel.refused if r.kind is Kind.SELECTORS]
    assert not outside, f"the spoofed echo was answered: {outside[0]}"
    clear = [d for d in initiator.strays[before:] if d.protocol == icmp]
    assert not clear, f"the spoofed echo was answered in clear: {clear[0].data.hex()}"
    assert ping(sa), "after a spoofed packet an honest one is not taken"


@dataclass(frozen=True)
class Hostile:
    """One way to be wrong: a packet made from a tunnel and an inner packet."""

    name: str
    make: Callable[[Tunnel, bytes], bytes]

    def __str__(self) -> str:
        return self.name


def _unknown_spi(tunnel: Tunnel, inner: bytes) -> bytes:
    spi = int.from_bytes(tunnel.path.child.spi_out, "big") ^ 1
    return tunnel.path.wrap(inner, spi=spi)


def _wrong_icv(tunnel: Tunnel, inner: bytes) -> bytes:
    sealed = tunnel.path.wrap(inner)
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def _wrong_icv_far_ahead(tunnel: Tunnel, inner: bytes) -> bytes:
    counter = tunnel.path.counter
    here = counter.last
    sealed = tunnel.path.wrap(inner, number=here + FAR)
    counter.last = here
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def _long_padding(tunnel: Tunnel, inner: bytes) -> bytes:
    return tunnel.path.wrap(inner, pad_length=255)


def _cut_short(tunnel: Tunnel, inner: bytes) -> bytes:
    return tunnel.path.wrap(inner)[:20]


HOSTILE = [
    Hostile("an unknown SPI", _unknown_spi),
    Hostile("a wrong ICV", _wrong_icv),
    Hostile("a wrong ICV and a number far ahead", _wrong_icv_far_ahead),
    Hostile("a pad length beyond the packet", _long_padding),
    Hostile("too few octets", _cut_short),
]


@case("ESP-05")
@rfc(4303, "3.4.2", "3.4.4")
@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_drops_what_does_not_verify(peer: Tested, initiator: Initiator, hostile: Hostile) -> None:
    """The packet is not answered, and the window does not move for it."""
    peer.start(esp=["aes128-sha256"])
    sa = initiator.establish(esp=["aes128-sha256"])
    tunnel = observable(sa)
    asked = request(tunnel)
    packet = tunnel.carry(hostile.make(tunnel, bytes(asked)))

    answer = post(sa, tunnel, packet, asked, patience=SILENCE)

    assert answer is None, f"a packet with {hostile} was taken"
    assert ping(sa), f"after a packet with {hostile} an honest one is not taken"


@case("ESP-05", "SHOULD")
@rfc(4303, "2.4")
def test_inspects_the_padding(peer: Tested, initiator: Initiator) -> None:
    """Padding that is not 1, 2, 3 gives a packet away, where nothing else does."""
    peer.start(esp=["aes128-sha256"])
    sa = initiator.establish(esp=["aes128-sha256"])
    observable(sa)

    # 20 octets of IP, 8 of ICMP, 4 of data, 2 of trailer: 14 of padding fill three blocks.
    answer = ping(sa, size=4, padding=bytes(14), patience=SILENCE)

    assert answer is None, "padding of zeros was taken"
    assert ping(sa), "after wrong padding an honest packet is not taken"


@case("INF-08")
@rfc(7296, "1.5", "2.21")
@rfc(4303, "3.4.2")
def test_says_nothing_unprotected_about_an_unknown_spi(peer: Tested, initiator: Initiator) -> None:
    """ESP with an unknown SPI is met with silence, or with INVALID_SPI inside the IKE SA."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    strays, said = len(initiator.strays), each_once(sa.received())

    sa.emit(tunnel.carry(_unknown_spi(tunnel, bytes(request(tunnel)))))
    sa.wait(lambda: False, SILENCE)

    assert not initiator.strays[strays:], f"unprotected: {initiator.strays[strays].data.hex()}"
    for step in each_once(sa.received())[len(said) :]:
        told = step.message.exch_type == Exchange.INFORMATIONAL and step.plain is not None
        assert told, f"an answer that is not protected: {step.text()}"
        kinds = [p.type for p in step.message.payloads if hasattr(p, "type")]
        assert not kinds or kinds == [Notify.INVALID_SPI], f"another answer: {step.text()}"
    assert not sa.inform().silent, f"the IKE SA did not survive\n{sa}"
    assert ping(sa), "the child did not survive"
