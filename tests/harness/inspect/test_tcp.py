"""IKE in TCP streams (RFC 9329), however the segments come."""

from __future__ import annotations

import random
import struct
from ipaddress import IPv4Address

from ikelab.harness.inspect.flow import Flow, Packet
from ikelab.harness.inspect.pcap import Record
from ikelab.harness.inspect.tcp import EARLY, PREFIX

LEFT, RIGHT = IPv4Address("10.0.0.1").packed, IPv4Address("10.0.0.2").packed


def ike(number: int, size: int = 28) -> bytes:
    head = b"initiate" + b"response" + bytes([41, 0x20, 37, 8]) + struct.pack("!II", number, size)
    return head + bytes(size - 28)


def framed(data: bytes) -> bytes:
    return struct.pack("!H", len(data) + 6) + bytes(4) + data


def segment(
    data: bytes, sequence: int, back: bool = False, flags: int = 16, port: int = 4500
) -> bytes:
    ports = (port, 40000) if back else (40000, port)
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, 0, 5 << 4, flags, 0, 0, 0) + data
    ends = RIGHT + LEFT if back else LEFT + RIGHT
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends + tcp


def flow(*segments: bytes) -> tuple[list[Packet], Flow]:
    found = Flow(Record(n, float(n), 101, s) for n, s in enumerate(segments, 1))
    return list(found), found


def cut(data: bytes, noise: random.Random, start: int) -> list[tuple[int, bytes]]:
    """The stream in segments of any size: (sequence, octets)."""
    parts, at = [], 0
    while at < len(data):
        size = noise.randrange(1, 60)
        parts.append((start + at, data[at : at + size]))
        at += size
    return parts


def test_a_stream_cut_anywhere_gives_its_messages_in_order() -> None:
    noise = random.Random(1)
    esp = b"\0\0\1\0" + bytes(range(40))
    for start in (1, 0xFFFFFFF0):  # the sequence number wraps
        messages = [ike(n, noise.randrange(28, 300)) for n in range(20)]
        stream = PREFIX + b"".join(map(framed, messages)) + struct.pack("!H", 46) + esp
        parts = cut(stream, noise, start)
        found, _ = flow(*(segment(data, number) for number, data in parts))
        assert [p.data for p in found] == [*messages, esp]
        assert [p.kind for p in found] == ["ike"] * 20 + ["esp"]
        assert found[0].src == ("10.0.0.1", 40000) and found[0].dst == ("10.0.0.2", 4500)


def test_segments_in_disorder_and_twice() -> None:
    noise = random.Random(2)
    for _ in range(50):
        messages = [ike(n, noise.randrange(28, 200)) for n in range(12)]
        parts = cut(PREFIX + b"".join(map(framed, messages)), noise, 1000)
        rest = parts[1:]
        for place in range(len(rest) - 1):  # neighbours change places, and some come again
            if noise.random() < 0.4:
                rest[place], rest[place + 1] = rest[place + 1], rest[place]
        rest += noise.sample(rest, 3)
        found, it = flow(*(segment(data, n) for n, data in [parts[0], *rest]))
        assert [p.data for p in found] == messages
        assert it.gaps == 0


def test_the_answers_have_no_prefix_and_any_port_will_do() -> None:
    there, back = PREFIX + framed(ike(0)), framed(ike(1))
    found, _ = flow(segment(there, 5, port=8443), segment(back, 900, back=True, port=8443))
    assert [p.data for p in found] == [ike(0), ike(1)]
    found, _ = flow(segment(b"GET / HTTP/1.1\r\n", 5, port=8443), segment(back, 9, port=8443))
    assert found == []


def test_a_capture_that_began_late_and_lost_a_segment() -> None:
    streams = [framed(ike(n, 100)) for n in range(EARLY + 40)]
    at, parts = 77, []
    for data in streams:
        parts.append(segment(data, at))
        at += len(data)
    tail = streams[0][50:]  # what was under way when the capture began
    found, it = flow(segment(tail, 77 - len(tail)), *parts[:10], *parts[11:])
    assert [p.data[20:24] for p in found] == [
        struct.pack("!I", n) for n in range(EARLY + 40) if n != 10
    ]
    assert it.gaps == 1


def test_a_stream_may_end_and_begin_anew() -> None:
    first = segment(PREFIX + framed(ike(0)), 1)
    again = segment(PREFIX + framed(ike(1)), 70_000)
    found, _ = flow(first, segment(b"", 500, flags=4), again)
    assert [p.data for p in found] == [ike(0), ike(1)]


def test_noise_in_streams_makes_no_trouble() -> None:
    noise = random.Random(3)
    for _ in range(300):
        stream = bytearray(PREFIX + b"".join(framed(ike(n, 60)) for n in range(5)))
        for _ in range(4):
            stream[noise.randrange(len(stream))] = noise.randrange(256)
        parts = cut(bytes(stream), noise, noise.randrange(1 << 32))
        noise.shuffle(parts)
        flow(*(segment(data, number & 0xFFFFFFFF) for number, data in parts))
