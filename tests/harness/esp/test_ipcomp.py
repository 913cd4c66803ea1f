"""IPComp: packed and unpacked, through a child in both modes, and what a receiver refuses."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.esp import ipcomp
from ikelab.harness.esp.child import ChildPath, Strictness
from ikelab.harness.esp.packet import Echo
from ikelab.harness.esp.seal import Kind, Refused
from ikelab.harness.exchange.child import Compression
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import IpComp
from tests.harness.esp.conftest import BEHIND, ENDS, pair

OURS, THEIRS = 0x1111, 0x2222
ENDED = zlib.compressobj(wbits=-15)
EMPTY = ENDED.compress(b"") + ENDED.flush()


def refusal(data: bytes, cpi: int = OURS) -> Refused:
    with pytest.raises(Refused) as refused:
        ipcomp.unpack(data, cpi)
    assert refused.value.kind is Kind.COMPRESSION
    return refused.value


def compressing(
    mode: str = "tunnel",
    version: int = 4,
    transform: int = IpComp.IPCOMP_DEFLATE,
    **options: Any,
) -> tuple[ChildPath, ChildPath]:
    """Both ends of a child that agreed on compression."""
    ours, theirs = pair(mode=mode, version=version, **options)
    ours.child = replace(ours.child, compression=Compression(transform, OURS, THEIRS))
    theirs.child = replace(theirs.child, compression=Compression(transform, THEIRS, OURS))
    return ours, theirs


def inner(size: int = 1000, mode: str = "tunnel", version: int = 4) -> bytes:
    if mode == "transport":
        src, dst = ENDS[version]
    else:
        src, dst = (text.split("/")[0] for text in BEHIND[version, "tunnel"])
        src, dst = (end[:-1] + "1" if version == 4 else end + "1" for end in (src, dst))
    return bytes(Echo(src, dst, False, 1, 2, bytes(size)))


# -- one payload ---------------------------------------------------------------------------------


def test_what_is_packed_comes_back() -> None:
    data = bytes(range(256)) * 8
    packed = ipcomp.pack(data, 4, OURS)
    assert packed is not None and len(packed) < len(data)
    assert packed[:4] == bytes.fromhex("04001111")  # next header, flags, CPI (RFC 3173 3.3)
    assert zlib.decompress(packed[4:], wbits=-15) == data
    assert ipcomp.unpack(packed, OURS) == ipcomp.Unpacked(data, 4, b"")


@pytest.mark.parametrize("size", [0, 1, 60, 1000])
def test_what_gets_no_smaller_is_not_packed(size: int) -> None:
    """RFC 3173 2.2: the header counts too."""
    assert ipcomp.pack(random.Random(size).randbytes(size), 4, OURS) is None


def test_flags_are_ignored_and_what_is_behind_is_told_apart() -> None:
    packed = ipcomp.pack(bytes(100), 17, OURS)
    assert packed is not None
    found = ipcomp.unpack(packed[:1] + b"\xff" + packed[2:] + b"padding", OURS)
    assert found == ipcomp.Unpacked(bytes(100), 17, b"padding")


def test_another_cpi_is_refused() -> None:
    packed = ipcomp.pack(bytes(100), 4, THEIRS)
    assert packed is not None
    assert str(refusal(packed)) == "CPI 2222, ours is 1111"


def test_who_looks_on_takes_any_cpi() -> None:
    packed = ipcomp.pack(bytes(100), 4, THEIRS)
    assert packed is not None and ipcomp.unpack(packed).data == bytes(100)


def test_every_way_to_be_cut_short_is_refused() -> None:
    packed = ipcomp.pack(bytes(range(256)) * 2, 4, OURS)
    assert packed is not None
    for size in range(len(packed)):
        refusal(packed[:size])


def test_a_bomb_is_refused_before_it_is_big() -> None:
    """Of 60 MB only as much is inflated as an IP packet can have."""
    squeeze = zlib.compressobj(wbits=-15)
    bomb = squeeze.compress(bytes(60_000_000)) + squeeze.flush()
    assert len(bomb) < 65536
    assert "more than 65575 octets" in str(refusal(ipcomp.header(4, OURS) + bomb))


def test_the_largest_packet_is_no_bomb() -> None:
    packed = ipcomp.pack(bytes(ipcomp.MOST), 41, OURS)
    assert packed is not None and len(ipcomp.unpack(packed, OURS).data) == ipcomp.MOST
    over = ipcomp.pack(bytes(ipcomp.MOST + 1), 41, OURS)
    assert over is not None
    refusal(over)


def test_noise_is_refused_or_ends_within_bounds() -> None:
    draw = random.Random(3173)
    refused = 0
    for _ in range(2000):
        noise = ipcomp.header(4, OURS) + draw.randbytes(draw.randrange(200))
        try:
            assert len(ipcomp.unpack(noise, OURS).data) <= ipcomp.MOST
        except Refused as error:
            assert error.kind is Kind.COMPRESSION
            refused += 1
    assert refused > 1000


# -- through a child -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_a_packet_crosses_compressed(mode: str, version: int) -> None:
    ours, theirs = compressing(mode, version)
    packet = inner(mode=mode, version=version)
    sealed = ours.wrap(packet)
    assert len(sealed) < 200
    opened = theirs.open(sealed)
    assert opened.compressed and opened.tfc == b""
    assert opened.inner[-1000:] == packet[-1000:] and len(opened.inner) == len(packet)
    assert opened.packet.nh == IpProtocol.IPCOMP


def test_the_cpi_is_the_receivers() -> None:
    ours, theirs = compressing()
    packet = theirs.open(ours.wrap(inner())).packet
    assert bytes(packet.data)[:4] == bytes([IpProtocol.IPV4, 0]) + THEIRS.to_bytes(2, "big")


@pytest.mark.parametrize("size", [0, 1000])
def test_a_packet_that_is_not_compressed_crosses_too(size: int) -> None:
    ours, theirs = compressing()
    noise = random.Random(1).randbytes(size)
    packet = bytes(Echo("10.1.0.1", "10.2.0.1", False, 1, 2, noise))
    opened = theirs.open(ours.wrap(packet))
    assert not opened.compressed and opened.inner == packet
    opened = theirs.open(ours.wrap(inner(), compress=False))
    assert not opened.compressed and opened.inner == inner()


def test_padding_behind_what_is_compressed_is_cut_off() -> None:
    ours, theirs = compressing()
    opened = theirs.open(ours.wrap(inner(), tfc=40))
    assert opened.inner == inner() and opened.tfc == bytes(40)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.COMPRESSION),
        (b"\x04\x00\x22", Kind.COMPRESSION),
        (ipcomp.header(4, OURS) + EMPTY, Kind.COMPRESSION),  # the sender's CPI, not ours
        (ipcomp.header(4, THEIRS) + b"\xff" * 64, Kind.COMPRESSION),
        (ipcomp.header(4, THEIRS) + EMPTY, Kind.NEXT_HEADER),  # nothing inside
        (ipcomp.header(59, THEIRS) + EMPTY, Kind.INNER),
        (ipcomp.header(108, THEIRS) + EMPTY, Kind.INNER),  # compressed once more
    ],
)
def test_hostile_insides_are_refused(data: bytes, kind: Kind) -> None:
    """What is authentic is held against the agreement all the same; the child lives on."""
    ours, theirs = compressing()
    with pytest.raises(Refused) as refused:
        theirs.open(ours.wrap(inner(), compress=False, data=data, nh=IpProtocol.IPCOMP))
    assert refused.value.kind is kind
    assert theirs.unwrap(ours.wrap(inner())) == inner()


def test_the_selectors_hold_for_what_was_compressed() -> None:
    ours, theirs = compressing()
    stranger = bytes(Echo("192.0.2.1", "10.2.0.1", False, 1, 2, bytes(1000)))
    with pytest.raises(Refused) as refused:
        theirs.open(ours.wrap(stranger))
    assert refused.value.kind is Kind.SELECTORS


def test_without_an_agreement_nothing_is_unpacked() -> None:
    ours, theirs = compressing()
    theirs.child = replace(theirs.child, compression=None)
    with pytest.raises(Refused) as refused:
        theirs.open(ours.wrap(inner()))
    assert refused.value.kind is Kind.NEXT_HEADER


def test_an_algorithm_that_is_not_done_here_compresses_nothing() -> None:
    ours, theirs = compressing(transform=IpComp.IPCOMP_LZS)
    assert not theirs.open(ours.wrap(inner())).compressed
    data = ipcomp.header(4, THEIRS) + EMPTY
    with pytest.raises(Refused) as refused:
        theirs.open(ours.wrap(inner(), data=data, nh=IpProtocol.IPCOMP))
    assert refused.value.kind is Kind.COMPRESSION


def test_a_receiver_may_be_told_to_drop_what_is_compressed() -> None:
    ours, theirs = compressing(strictness=Strictness(compressed=False))
    with pytest.raises(Refused) as refused:
        theirs.open(ours.wrap(inner()))
    assert refused.value.kind is Kind.COMPRESSION
