"""Records out of capture files: every variant of the formats, and every way they end early."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.pcap import SECRETS, Capture, Record

FRAMES = [b"first frame", b"", b"the third, of 25 octets.."]


def pcap(order: str = "<", magic: int = 0xA1B2C3D4, network: int = 1, extra: int = 0) -> bytes:
    """FRAMES at 1000.5 s, 1001.5 s, ... as a pcap file."""
    ticks = 10**9 if magic == 0xA1B23C4D else 10**6
    out = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, network)
    for n, frame in enumerate(FRAMES):
        out += struct.pack(f"{order}IIII", 1000 + n, ticks // 2, len(frame), len(frame))
        out += bytes(extra) + frame
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    """A pcapng block around a body, padded to 4 octets."""
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, linktype: int, options: bytes = b"", snaplen: int = 0) -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", linktype, 0, snaplen) + options)


def enhanced(order: str, index: int, stamp: int, frame: bytes) -> bytes:
    head = struct.pack(
        f"{order}IIIII", index, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame)
    )
    return block(order, 6, head + frame)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def pcapng(order: str = "<") -> bytes:
    """FRAMES over two interfaces, one of them counting in units of 2^-10 s from an offset."""
    slow = option(order, 9, b"\x8a") + option(order, 14, struct.pack(f"{order}q", 1000))
    out = section(order) + interface(order, 1) + interface(order, 101, slow)
    out += block(order, 0xBAD, b"a block nobody knows")
    out += enhanced(order, 0, 1_000_500_000, FRAMES[0])
    out += enhanced(order, 1, 1536, FRAMES[1])
    return out + enhanced(order, 1, 2560, FRAMES[2])


def read(data: bytes) -> tuple[list[Record], str | None]:
    capture = Capture(io.BytesIO(data))
    return list(capture), capture.lost


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "extra"), [(0xA1B2C3D4, 0), (0xA1B23C4D, 0), (0xA1B2CD34, 8)], ids=hex
)
def test_pcap_in_both_byte_orders_and_all_resolutions(order: str, magic: int, extra: int) -> None:
    records, lost = read(pcap(order, magic, extra=extra))
    assert lost is None
    assert records == [Record(n + 1, 1000.5 + n, 1, f) for n, f in enumerate(FRAMES)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_interfaces_of_their_own_link_type_and_clock(order: str) -> None:
    records, lost = read(pcapng(order))
    assert lost is None
    assert records == [
        Record(1, 1000.5, 1, FRAMES[0]),
        Record(2, 1001.5, 101, FRAMES[1]),
        Record(3, 1002.5, 101, FRAMES[2]),
    ]


def test_simple_and_obsolete_packet_blocks() -> None:
    simple = block("<", 3, struct.pack("<I", 50) + b"cut at the snap length"[:10])
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 3_000_000, 3, 3) + b"old")
    records, lost = read(section() + interface("<", 12, snaplen=10) + simple + old)
    assert lost is None
    assert records == [Record(1, 0.0, 12, b"cut at the"), Record(2, 3.0, 12, b"old")]


def test_sections_in_a_row_start_anew() -> None:
    records, lost = read(pcapng("<") + pcapng(">"))
    assert lost is None
    assert [r.data for r in records] == FRAMES * 2
    assert [r.number for r in records] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_gzip_is_seen_through(make: object) -> None:
    data = make()  # type: ignore[operator]
    assert read(gzip.compress(data)) == read(data)


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_file_cut_anywhere_gives_what_was_whole_and_says_what_was_lost(make: object) -> None:
    whole = make()  # type: ignore[operator]
    all_records, _ = read(whole)
    ends = _ends(make)
    for size in range(4, len(whole)):
        records, lost = read(whole[:size])
        assert records == all_records[: len(records)]
        assert len(records) == sum(end <= size for end in ends)
        # Between two records nothing shows that more was to come.
        assert (lost is None) == (size in _clean_cuts(make)), size
        assert lost is None or "ends inside" in lost


def _ends(make: object) -> list[int]:
    """The file offsets at which FRAMES end."""
    if make is pcap:
        sizes = [16 + len(f) for f in FRAMES]
        return [24 + sum(sizes[: n + 1]) for n in range(3)]
    sizes = [len(enhanced("<", 0, 0, f)) for f in FRAMES]
    start = len(pcapng()) - sum(sizes)
    return [start + sum(sizes[: n + 1]) for n in range(3)]


def _clean_cuts(make: object) -> set[int]:
    """Sizes at which a cut file is a whole file with fewer records."""
    if make is pcap:
        return {24, *_ends(make)}
    data, at, found = pcapng(), 0, set()
    while at < len(data):
        at += int.from_bytes(data[at + 4 : at + 8], "little")
        found.add(at)
    return found


def test_a_cut_gzip_file_gives_what_was_whole() -> None:
    data = pcap() + b"".join(
        struct.pack("<IIII", n, 0, 64, 64) + bytes((n * k) % 251 for k in range(64))
        for n in range(4000)
    )
    packed, (records, _) = gzip.compress(data), read(data)
    counts = []
    for size in range(len(packed) // 2, len(packed), 5000):
        found, lost = read(packed[:size])
        assert lost is not None and "gzip data end early" in lost
        assert found == records[: len(found)]
        counts.append(len(found))
    assert counts[0] > 0 and counts == sorted(counts)


def test_a_gzip_file_cut_before_its_first_octets_is_refused() -> None:
    with pytest.raises(ConfigError, match="ended before"):
        read(gzip.compress(pcap())[:14])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\xa1\xb2", "not a pcap"),
        (b"GIF89a\x01\0\x01\0", "begins with 47 49 46 38"),
        (b"*Nov 11: IKEv2:", "it is text"),
        (b"\x28\xb5\x2f\xfd....", "compressed with zstd"),
        (b"\x1f\x8b\x08\x00rubbish that is not deflate", "cannot read"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Capture(tmp_path / "nothing.pcap")
    with pytest.raises(ConfigError, match="cannot read"):
        Capture(tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (struct.pack("<II", 6, 0), "a block claims 0 octets"),
        (struct.pack("<II", 6, 0xFFFFFFFC), "a block claims 4294967292"),
        (struct.pack("<II", 6, 30), "a block claims 30"),
        (struct.pack("<III", 5, 16, 0) + struct.pack("<I", 20), "two lengths differ"),
        (enhanced("<", 7, 0, b"x"), "names interface 7"),
        (block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "claims 99 octets in a block"),
        (block("<", 6, b"short"), "too short for its fields"),
        (block("<", 1, b"????"), "interface description is too short"),
    ],
)
def test_damage_ends_the_reading_with_a_reason(damage: bytes, reason: str) -> None:
    records, lost = read(pcapng() + damage)
    assert [r.data for r in records] == FRAMES
    assert lost is not None and reason in lost


def test_a_record_that_claims_gigabytes_is_damage_and_costs_no_memory() -> None:
    records, lost = read(pcap() + struct.pack("<IIII", 0, 0, 0xFFFFFFF0, 0xFFFFFFF0))
    assert len(records) == 3
    assert lost is not None and "claims 4294967280 octets" in lost


def test_comments_and_secrets_of_a_pcapng_file() -> None:
    def block(kind: int, body: bytes) -> bytes:
        size = 12 + len(body)
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    def comment(text: bytes) -> bytes:
        padded = text + bytes(-len(text) % 4)
        return struct.pack("<HH", 1, len(text)) + padded + bytes(4)

    table = b"a row\nanother one"
    secrets = struct.pack("<II", SECRETS, len(table)) + table + bytes(-len(table) % 4)
    frame = struct.pack("<IIIII", 1, 0, 7, 6, 6) + b"abcdef\0\0"
    data = (
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + comment(b"made\nby hand"))
        + block(1, struct.pack("<HHI", 1, 0, 0))
        + block(1, struct.pack("<HHI", 101, 0, 0))
        + block(10, secrets)
        + block(10, struct.pack("<II", 0x544C534B, 4) + b"tls!")
        + block(6, frame)
        + block(6, frame + comment("das fällt auf".encode()))
    )
    capture = Capture(io.BytesIO(data))
    assert [(r.number, r.linktype, r.data) for r in capture] == [
        (1, 101, b"abcdef"),
        (2, 101, b"abcdef"),
    ]
    assert capture.lost is None
    assert capture.comments == [(0, "made by hand"), (2, "das fällt auf")]
    assert capture.secrets == [table.decode()]
