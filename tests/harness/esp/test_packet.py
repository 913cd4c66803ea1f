"""Flows, selectors and echoes, held against Scapy's own IP."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.packet import Packet, Raw

from ikelab.harness.esp.packet import Echo, NotIp, echo, flow, ip_packet, selected
from ikelab.harness.model import selectors

V4 = {"src": "10.1.0.1", "dst": "10.2.0.1"}
V6 = {"src": "2001:db8:1::1", "dst": "2001:db8:2::1"}


@pytest.mark.parametrize(
    ("packet", "protocol", "ports"),
    [
        (IP(**V4) / UDP(sport=5, dport=7) / b"data", 17, (5, 7)),
        (IP(**V4, options=b"\x94\x04\0\0") / TCP(sport=1, dport=2), 6, (1, 2)),
        (IP(**V4) / ICMP(type=8, code=0), 1, (0x0800, 0x0800)),
        (IP(**V4, frag=3) / Raw(b"middle of something"), 0, (None, None)),
        (IP(**V4, proto=47) / Raw(b"gre"), 47, (None, None)),
        (IPv6(**V6) / UDP(sport=5, dport=7), 17, (5, 7)),
        (IPv6(**V6) / IPv6ExtHdrDestOpt() / TCP(sport=9, dport=8), 6, (9, 8)),
        (IPv6(**V6) / IPv6ExtHdrFragment(offset=4, nh=17) / Raw(b"more"), 17, (None, None)),
        (IPv6(**V6) / ICMPv6EchoRequest(), 58, (0x8000, 0x8000)),
    ],
)
def test_a_flow_is_what_scapy_built(
    packet: Packet, protocol: int, ports: tuple[int | None, int | None]
) -> None:
    data = bytes(packet)
    it = flow(data + b"tfc padding")
    assert (str(it.src), str(it.dst), it.protocol) == (packet.src, packet.dst, protocol)
    assert (it.src_port, it.dst_port) == ports
    assert it.end == len(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x45", b"\x35" * 40, bytes(IP() / b"abc")[:-1], b"\x60" * 30]
)
def test_what_is_no_ip_packet_is_told(data: bytes) -> None:
    with pytest.raises(NotIp):
        flow(data)


@pytest.mark.parametrize(
    ("source", "target", "packet", "passes"),
    [
        ("10.1.0.0/24", "10.2.0.0/24", IP(**V4) / UDP(), True),
        ("10.1.0.0/24", "10.3.0.0/24", IP(**V4) / UDP(), False),
        ("10.3.0.0/24", "10.2.0.0/24", IP(**V4) / UDP(), False),
        ("10.1.0.0/24[17]", "10.2.0.0/24[17/53]", IP(**V4) / UDP(dport=53), True),
        ("10.1.0.0/24[17]", "10.2.0.0/24[17/53]", IP(**V4) / UDP(dport=54), False),
        ("10.1.0.0/24[6]", "10.2.0.0/24[6]", IP(**V4) / UDP(), False),
        ("10.1.0.0/24[17/53]", "10.2.0.0/24", IP(**V4, frag=9, proto=17) / b"x", False),
        ("10.1.0.0/24[17/65535-0]", "10.2.0.0/24", IP(**V4, frag=9, proto=17) / b"x", True),
        ("10.1.0.0/24[1/2048]", "10.2.0.0/24[1/2048]", IP(**V4) / ICMP(type=8), True),
        ("10.1.0.0/24[1/2048]", "10.2.0.0/24[1/2048]", IP(**V4) / ICMP(type=0), False),
        ("2001:db8:1::/64", "::/0", IPv6(**V6) / UDP(), True),
        ("10.1.0.0/24", "10.2.0.0/24", IPv6(**V6) / UDP(), False),
    ],
)
def test_selectors_let_pass_what_they_name(
    source: str, target: str, packet: Packet, passes: bool
) -> None:
    assert selected(flow(bytes(packet)), selectors(source), selectors(target)) is passes


@pytest.mark.parametrize("ends", [V4, V6], ids=["ipv4", "ipv6"])
def test_an_echo_has_the_checksums_that_scapy_computes(ends: dict[str, str]) -> None:
    asked = Echo(ends["src"], ends["dst"], False, 7, 8, b"abc")
    data = bytes(asked)
    layer = IPv6 if ":" in ends["src"] else IP
    fresh = layer(data)
    if layer is IP:
        del fresh.chksum, fresh.payload.chksum
    else:
        del fresh.payload.cksum
    assert bytes(fresh) == data
    assert echo(data) == asked
    assert echo(bytes(asked.answer())) == Echo(ends["dst"], ends["src"], True, 7, 8, b"abc")


@pytest.mark.parametrize("place", [10, 22, 30])
def test_a_damaged_echo_is_none(place: int) -> None:
    data = bytearray(bytes(Echo("10.1.0.1", "10.2.0.1", False, 7, 8, b"abcdef")))
    data[place] ^= 1
    assert echo(bytes(data)) is None


def test_other_packets_are_no_echoes() -> None:
    assert echo(ip_packet("10.1.0.1", "10.2.0.1", 17, bytes(20))) is None
    assert echo(b"not IP") is None
    assert echo(bytes(IP(**V4) / ICMP(type=3) / bytes(20))) is None
