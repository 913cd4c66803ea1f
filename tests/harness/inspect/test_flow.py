"""From frames of any link type to UDP payloads, fragments put together."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from ikelab.harness.inspect import flow
from ikelab.harness.inspect.flow import LINKS, Flow, Packet, looks_like_ike
from ikelab.harness.inspect.pcap import Capture, Record

HEADER = bytes.fromhex("0102030405060708 0000000000000000 21202208 00000000 0000001c")
A4, B4 = IPv4Address("10.0.0.1").packed, IPv4Address("10.0.0.2").packed
A6, B6 = IPv6Address("2001:db8::1").packed, IPv6Address("2001:db8::2").packed


def udp(payload: bytes, sport: int = 500, dport: int = 500) -> bytes:
    return struct.pack("!HHHH", sport, dport, len(payload) + 8, 0) + payload


def ipv4(body: bytes, protocol: int = 17, fragment: int = 0, ident: int = 7) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, fragment, 64, protocol, 0)
    return head + A4 + B4 + body


def ipv6(body: bytes, protocol: int = 17) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + A6 + B6 + body


def ethernet(body: bytes, kind: int = 0x0800) -> bytes:
    return bytes(12) + struct.pack("!H", kind) + body


def packets(frames: Iterable[bytes], linktype: int = 1) -> list[Packet]:
    records = (Record(n, float(n), linktype, f) for n, f in enumerate(frames, 1))
    return list(Flow(records))


V4, V6 = ipv4(udp(HEADER)), ipv6(udp(HEADER))
GRE = struct.pack("!HH", 0, 0x0800)
SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"


@pytest.mark.parametrize(
    ("linktype", "frame"),
    [
        (1, ethernet(V4)),
        (1, ethernet(V6, 0x86DD)),
        (1, ethernet(V4 + b"padding of a short frame")),
        (1, ethernet(struct.pack("!HH", 42, 0x0800) + V4, 0x8100)),
        (1, ethernet(struct.pack("!HHHH", 1, 0x8100, 2, 0x86DD) + V6, 0x88A8)),
        (1, ethernet(b"\x11\0\0\1\0\x40\0\x21" + V4, 0x8864)),
        (1, ethernet(b"\0\0\x10\x40\0\0\x21\x40" + V4, 0x8847)),
        (1, ethernet(ipv4(GRE + V4, 47))),
        (1, ethernet(ipv4(V4, 4))),
        (1, ethernet(ipv4(V6, 41))),
        (12, V4),
        (101, V6),
        (228, V4),
        (229, V6),
        (0, b"\2\0\0\0" + V4),
        (108, b"\0\0\0\x18" + V6),
        (113, bytes(14) + b"\x08\0" + V4),
        (276, b"\x86\xdd" + bytes(18) + V6),
        (9, b"\xff\x03\0\x21" + V4),
        (9, b"\x21" + V4),
        (50, b"\xff\x03\0\x57" + V6),
        (104, b"\x0f\0\x08\0" + V4),
        (51, b"\x11\0\0\1\0\x40\0\x57" + V6),
        (109, bytes(12) + V4),
        (1, bytes(12) + struct.pack("!H", 8 + len(V4)) + SNAP + V4),
        (1, ethernet(ipv4(struct.pack("!HH", 0, 0x6558) + ethernet(V4), 47))),
        (1, ethernet(ipv4(struct.pack("!HHI", 0x1000, 0x88BE, 1) + bytes(8) + ethernet(V4), 47))),
        (1, ethernet(ipv4(b"\x30\x81\x88\x0b" + bytes(12) + b"\xff\x03\0\x21" + V4, 47))),
        (1, ethernet(ipv4(udp(b"\x08\0\0\0\0\0\x2a\0" + ethernet(V4), 40000, 4789)))),
        (6, bytes(14) + SNAP + V4),
        (8, bytes(16) + V4),
        (10, bytes(13) + SNAP + V4),
        (100, SNAP + V4),
        (105, b"\x08\x01" + bytes(22) + SNAP + V4),
        (105, b"\x88\x02" + bytes(24) + SNAP + V4),
        (105, b"\x08\x03" + bytes(28) + SNAP + V4),
        (107, b"\x18\x41\x03\xcc" + V4),
        (117, b"\x3d" + bytes(63) + V4),
        (119, bytes(144) + b"\x08\x01" + bytes(22) + SNAP + V4),
        (127, b"\0\0\x0a\0" + bytes(6) + b"\x08\x01" + bytes(22) + SNAP + V4),
        (138, bytes(16) + b"\x08\0" + V4),
        (163, bytes(4) + b"\0\0\0\x40" + bytes(56) + b"\x08\x01" + bytes(22) + SNAP + V4),
        (166, b"\1\x21" + V4),
        (192, b"\0\0\x08\0\x01\0\0\0" + ethernet(V4)),
        (239, b"\2\0\0\0\x08\0\1\0\0\0\0\0" + struct.pack("<HH", 4 + len(V4), 9) + V4),
        (242, b"\x08\0\0\0" + V4),
        (258, struct.pack("<III", 12, 1, 1) + ethernet(V6, 0x86DD)),
    ],
)
def test_every_link_type_leads_to_the_datagram(linktype: int, frame: bytes) -> None:
    (found,) = packets([frame], linktype)
    assert (found.kind, found.data) == ("ike", HEADER)
    assert found.src[1] == found.dst[1] == 500
    assert found.src[0] in ("10.0.0.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("ports", "payload", "kind", "data"),
    [
        ((4500, 4500), bytes(4) + HEADER, "ike", HEADER),
        ((4500, 1024), b"\xff", "keepalive", b"\xff"),
        ((31000, 4500), b"\1\2\3\4\0\0\0\1rest", "esp", b"\1\2\3\4\0\0\0\1rest"),
        ((31000, 500), HEADER, "ike", HEADER),
        ((1500, 1501), HEADER, "ike", HEADER),
        ((1500, 14500), bytes(4) + HEADER, "ike", HEADER),
    ],
)
def test_ports_tell_what_a_datagram_is(
    ports: tuple[int, int], payload: bytes, kind: str, data: bytes
) -> None:
    (found,) = packets([ipv4(udp(payload, *ports))], 101)
    assert (found.kind, found.data, (found.src[1], found.dst[1])) == (kind, data, ports)


def test_what_merely_resembles_ike_on_other_ports_is_left_alone() -> None:
    assert looks_like_ike(HEADER)
    assert not looks_like_ike(HEADER + b"more")
    assert packets([ipv4(udp(HEADER + b"x", 53, 53)), ipv4(b"tcp", 6)], 101) == []


def test_esp_and_ah_over_ip() -> None:
    esp, ah = packets([ipv4(b"\0\0\1\0rest", 50), ipv6(b"\x11\4\0\0\0\0\2\0", 51)], 101)
    assert (esp.kind, esp.data, esp.src) == ("esp", b"\0\0\1\0rest", ("10.0.0.1", 0))
    assert (ah.kind, ah.dst) == ("ah", ("2001:db8::2", 0))


def test_ipv4_fragments_in_any_order() -> None:
    whole = udp(HEADER + bytes(range(200)))
    pieces = [
        ipv4(whole[:80], fragment=0x2000),
        ipv4(whole[80:160], fragment=0x2000 | 10),
        ipv4(whole[160:], fragment=20),
    ]
    for order in itertools.permutations(pieces):
        (found,) = packets(order, 101)
        assert found.data == whole[8:]
        assert found.number == 3


def test_ipv6_fragments_and_extension_headers() -> None:
    whole = udp(HEADER + bytes(100))
    hop = b"\x2c\0" + bytes(6)
    first = ipv6(hop + struct.pack("!BBHI", 17, 0, 1, 99) + whole[:64], 0)
    last = ipv6(hop + struct.pack("!BBHI", 17, 0, 64, 99) + whole[64:], 0)
    assert [p.data for p in packets([last, first], 101)] == [whole[8:]]


def test_missing_fragments_are_counted() -> None:
    flow = Flow([Record(1, 0.0, 101, ipv4(udp(HEADER)[:16], fragment=0x2000))])
    assert (list(flow), flow.incomplete) == ([], 1)


def test_fragments_that_never_end_cost_bounded_memory() -> None:
    pieces = (Record(n, 0.0, 101, ipv4(bytes(16), fragment=0x2000, ident=n)) for n in range(10_000))
    flow = Flow(pieces)
    assert list(flow) == []
    assert flow.incomplete == 10_000


def test_unknown_link_types_are_counted() -> None:
    flow = Flow([Record(1, 0.0, 147, V4), Record(2, 0.0, 147, V4)])
    assert list(flow) == []
    assert flow.unknown_links == {147: 2}


def test_no_octets_make_it_fail() -> None:
    noise = random.Random(2)
    seeds = [ethernet(V4), ethernet(V6, 0x86DD), ethernet(b"\x11\0\0\1\0\x40\0\x21" + V4, 0x8864)]
    for linktype in LINKS:
        frames = [noise.randbytes(noise.randrange(80)) for _ in range(300)]
        for seed in seeds:
            frames += [seed[:n] for n in range(len(seed))]
            for _ in range(300):
                spoilt = bytearray(seed)
                spoilt[noise.randrange(len(spoilt))] = noise.randrange(256)
                frames.append(bytes(spoilt))
        packets(frames, linktype)


def test_the_straight_way_and_the_long_way_find_the_same(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise, found = random.Random(12), 0
    records = [r for p in sorted(shared.rglob("*.pcap*")) if p.is_file() for r in Capture(p)]
    usual = [ipv4(udp(bytes(4) + HEADER, *ports)) for ports in ((500, 500), (4500, 4500), (9, 500))]
    frames = [r for r in records if r.linktype in flow._STRAIGHT and len(r.data) < 2000]
    frames += [Record(0, 0.0, 101, frame) for frame in usual]
    frames += [Record(0, 0.0, 1, ethernet(frame)) for frame in usual]
    frames += [Record(0, 0.0, 113, bytes(14) + b"\x08\0" + frame) for frame in usual]
    for number in range(8_000):
        _, time, linktype, data = frames[number % len(frames)]
        spoilt = bytearray(data)
        for _ in range(noise.randrange(0, 3)):
            spoilt[noise.randrange(min(64, len(spoilt)))] = noise.randrange(256)
        cut = bytes(spoilt[: noise.choice((len(spoilt), len(spoilt), noise.randrange(64)))])
        record = Record(number, time, linktype, cut)
        straight = list(Flow([record]))
        with monkeypatch.context() as patch:
            patch.setattr(flow, "_STRAIGHT", {})
            assert straight == list(Flow([record])), cut.hex()
        found += len(straight)
    assert found > 1200
