"""A child's two ends: every transform there and back, and what the receiver refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.crypto.support import computable
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.esp.child import ChildPath, Strictness
from ikelab.harness.esp.packet import Echo, ip_packet
from ikelab.harness.esp.replay import HALF
from ikelab.harness.esp.seal import Kind, Refused
from ikelab.harness.exchange.child import Compression
from ikelab.harness.model import Suite, Transform
from ikelab.layers.esp import ESP, IpProtocol
from ikelab.layers.iana import Encr, Integ, IpComp, Protocol, Sn, TransformType

Pair = Callable[..., tuple[ChildPath, ChildPath]]

ENCRS = [
    Transform(TransformType.ENCR, row, bits)
    for row in Encr
    for bits in (row.key_bits if row.key_attribute else (None,))
    if bits is None or bits % 64 == 0
]
INTEGS = [Transform(TransformType.INTEG, row) for row in Integ if row != Integ.NONE]
SHA256 = Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
AES = Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128)


def suite(*transforms: Transform, esn: bool = False, protocol: int = Protocol.ESP) -> Suite:
    numbers = Transform(TransformType.SN, Sn.ESN if esn else Sn.NO_ESN)
    return Suite((*transforms, numbers), protocol)


def inner(size: int = 32, version: int = 4, *, transport: bool = False) -> bytes:
    src, dst = ("10.1.0.1", "10.2.0.1") if version == 4 else ("2001:db8:1::1", "2001:db8:2::1")
    if transport:
        src, dst = ("10.0.0.1", "10.0.0.2") if version == 4 else ("2001:db8::1", "2001:db8::2")
    return bytes(Echo(src, dst, False, 1, 2, bytes(size)))


def refusal(path: ChildPath, data: bytes) -> Kind:
    with pytest.raises(Refused) as refused:
        path.unwrap(data)
    return refused.value.kind


@pytest.mark.parametrize("esn", [False, True], ids=["32", "64"])
@pytest.mark.parametrize("encr", ENCRS, ids=lambda t: f"{t.name}-{t.key_bits}")
def test_every_encryption_there_and_back(child: Pair, encr: Transform, esn: bool) -> None:
    """Every size of inner packet; damage anywhere is noticed; each direction has its own keys."""
    if reason := computable(encr):
        with pytest.raises(UnsupportedAlgorithm):
            child(suite(encr, SHA256, esn=esn))
        assert reason
        return
    chosen = suite(encr, esn=esn) if Encr(encr.id).aead else suite(encr, SHA256, esn=esn)
    ours, theirs = child(chosen)
    start = HALF - 4 if esn else 0
    ours.counter.last, theirs.window.highest = start, start
    for size in range(20):
        packet = inner(size)
        sealed = ours.wrap(packet)
        assert (len(sealed) - ours._out.icv_length) % 4 == 0
        assert theirs.unwrap(sealed) == packet
        assert ours.unwrap(theirs.wrap(_back(packet))) == _back(packet)
    assert theirs.window.highest == start + 20
    sealed = ours.wrap(inner())
    for place in (8, len(sealed) // 2, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[place] ^= 0x40
        assert refusal(theirs, bytes(damaged)) is Kind.INTEGRITY
    assert theirs.unwrap(sealed) == inner()


def _back(packet: bytes) -> bytes:
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


@pytest.mark.parametrize("integ", INTEGS, ids=lambda t: t.name)
@pytest.mark.parametrize("protocol", [Protocol.ESP, Protocol.AH], ids=["esp", "ah"])
def test_every_integrity_there_and_back(child: Pair, integ: Transform, protocol: int) -> None:
    transforms = (AES, integ) if protocol == Protocol.ESP else (integ,)
    for esn in (False, True):
        chosen = suite(*transforms, esn=esn, protocol=protocol)
        if computable(integ):
            with pytest.raises(UnsupportedAlgorithm):
                child(chosen)
            continue
        for version in (4, 6):
            ours, theirs = child(chosen, version=version)
            sealed = ours.wrap(inner(version=version))
            damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
            assert refusal(theirs, damaged) is Kind.INTEGRITY
            assert theirs.unwrap(sealed) == inner(version=version)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("words", ["aes128gcm16", "aes128-sha256", "null-sha1"])
def test_transport_mode_seals_the_payload_alone(child: Pair, words: str, version: int) -> None:
    ours, theirs = child(words, mode="transport", version=version)
    packet = inner(version=version, transport=True)
    sealed = ours.wrap(packet)
    tunnelled = child(words, version=version)[0].wrap(packet)
    assert len(sealed) <= len(tunnelled) - (16 if version == 4 else 40)
    opened = theirs.open(sealed)
    assert opened.packet.nh == (IpProtocol.ICMP if version == 4 else IpProtocol.ICMPV6)
    assert (str(opened.flow.src), str(opened.flow.dst)) == (ours.local, ours.remote)
    assert opened.inner[opened.flow.start :] == packet[opened.flow.start :]


def test_the_padding_is_one_two_three_and_fills_a_block(child: Pair) -> None:
    """RFC 4303 2.4: to the cipher's block, to four octets at least."""
    for words, block in (("aes128-sha256", 16), ("3des-sha256", 8), ("aes128gcm16", 4)):
        ours, theirs = child(words)
        for size in range(block):
            packet = theirs.open(ours.wrap(inner(size))).packet
            assert packet.padding == bytes(range(1, packet.pad_length + 1))
            assert packet.pad_length < block
            assert (28 + size + packet.pad_length + 2) % block == 0


def test_tfc_padding_is_cut_off_and_told(child: Pair) -> None:
    ours, theirs = child()
    opened = theirs.open(ours.wrap(inner(), tfc=100))
    assert (opened.inner, opened.tfc) == (inner(), bytes(100))


def test_dummies_are_dropped_and_counted(child: Pair) -> None:
    ours, theirs = child()
    assert refusal(theirs, ours.dummy()) is Kind.DUMMY
    assert theirs.window.highest == 1
    assert theirs.unwrap(ours.wrap(inner())) == inner()


REFUSED: dict[Kind, Callable[[ChildPath], bytes]] = {
    Kind.SPI: lambda path: path.wrap(inner(), spi=0x01020304),
    Kind.REPLAY: lambda path: path.wrap(inner(), number=1),
    Kind.INTEGRITY: lambda path: path.wrap(inner(), icv=bytes(16)),
    Kind.PADDING: lambda path: path.wrap(inner(), padding=b"\x01\x02\x04\x04\x05\x06"),
    Kind.NEXT_HEADER: lambda path: path.wrap(inner(), nh=17),
    Kind.INNER: lambda path: path.wrap(inner()[:30]),
    Kind.SELECTORS: lambda path: path.wrap(
        bytes(Echo("10.9.0.1", "10.2.0.1", False, 1, 2, bytes(8)))
    ),
    Kind.LENGTH: lambda path: path.wrap(inner())[:20],
    Kind.DUMMY: lambda path: path.dummy(10),
    Kind.COMPRESSION: lambda path: path.wrap(inner(), nh=IpProtocol.IPCOMP),
}


@pytest.mark.parametrize("kind", Kind)
def test_each_refusal_has_its_kind_and_changes_nothing(child: Pair, kind: Kind) -> None:
    ours, theirs = child()
    deflate = Compression(IpComp.IPCOMP_DEFLATE, 0x1111, 0x2222)
    theirs.child = replace(theirs.child, compression=deflate)
    first = ours.wrap(inner())
    assert theirs.unwrap(first) == inner()
    before = replace(theirs.window)

    assert refusal(theirs, REFUSED[kind](ours)) is kind

    unauthentic = (Kind.SPI, Kind.REPLAY, Kind.INTEGRITY, Kind.LENGTH)
    assert (theirs.window == before) is (kind in unauthentic)
    assert theirs.unwrap(ours.wrap(inner())) == inner()


def test_a_pad_length_beyond_the_packet_is_refused_and_counted(child: Pair) -> None:
    ours, theirs = child("aes128-sha256")
    assert refusal(theirs, ours.wrap(inner(), pad_length=255)) is Kind.PADDING
    assert theirs.window.highest == 1


def test_a_forged_number_far_ahead_does_not_move_the_window(child: Pair) -> None:
    ours, theirs = child()
    assert refusal(theirs, ours.wrap(inner(), number=10**6, icv=bytes(16))) is Kind.INTEGRITY
    assert theirs.window.highest == 0


@pytest.mark.parametrize("wrong", ["padding", "selectors", "replay", "integrity"])
def test_each_check_can_be_left_out(child: Pair, wrong: str) -> None:
    """The reference peer's faults: what is not looked at is taken."""
    ours, theirs = child("aes128-sha256", strictness=Strictness(**{wrong: False}))
    packet = inner()
    crafted: dict[str, Any] = {
        "padding": {"padding": bytes(2)},
        "selectors": {},
        "replay": {"number": 5},
        "integrity": {"icv": bytes(16)},
    }[wrong]
    if wrong == "selectors":
        packet = ip_packet("10.9.0.1", "10.8.0.1", 17, bytes(8))
    for _ in range(2):
        assert theirs.unwrap(ours.wrap(packet, **crafted)) == packet


def test_literal_fields_go_out_as_they_are(child: Pair) -> None:
    ours, _ = child()
    sealed = ours.wrap(inner(), iv=b"literal!", seq=77, spi=5)
    assert sealed[:16] == b"\0\0\0\x05\0\0\0\x4dliteral!"


def test_numbers_go_on_from_the_highest_sent(child: Pair) -> None:
    ours, _ = child()
    seqs = [ESP(ours.wrap(inner(), number=n)).seq for n in (None, 9, 3, None)]
    assert seqs == [1, 9, 3, 10]


def test_without_integrity_there_is_no_replay_service(child: Pair) -> None:
    """RFC 4303 3.4.3: nothing says that the number is the sender's."""
    ours, theirs = child(suite(AES))
    sealed = ours.wrap(inner())
    assert theirs.unwrap(sealed) == theirs.unwrap(sealed) == inner()


def test_a_child_without_keys_cannot_be_used(child: Pair) -> None:
    ours, _ = child()
    with pytest.raises(UnsupportedAlgorithm):
        ChildPath(
            replace(ours.child, keys=None), local="10.0.0.1", remote="10.0.0.2", entropy=bytes
        )


def test_nothing_is_raised_but_refusals_for_any_octets(child: Pair) -> None:
    """Truncations of an authentic packet at every length, for each kind of suite."""
    for words in ("aes128gcm16", "aes128-sha256", "null-sha256", "aes128gmac"):
        ours, theirs = child(words)
        sealed = ours.wrap(inner())
        for cut in range(len(sealed)):
            assert refusal(theirs, sealed[:cut]) in (Kind.LENGTH, Kind.INTEGRITY, Kind.SPI)
    ah = suite(SHA256, protocol=Protocol.AH)
    ours, theirs = child(ah)
    sealed = ours.wrap(inner())
    for cut in range(len(sealed)):
        assert refusal(theirs, sealed[:cut]) in (Kind.LENGTH, Kind.INTEGRITY)


def test_random_octets_behind_a_known_spi_are_refused(child: Pair) -> None:
    draw = random.Random(4303)
    ah = suite(SHA256, protocol=Protocol.AH)
    for chosen in (ah, "aes128gcm16", "aes128-sha256", "null-sha256"):
        _, theirs = child(chosen)
        heads = [theirs.child.spi_in, b"\x4f" + bytes(8) + b"\x33", b"\x60" + bytes(5) + b"\0\x40"]
        for _ in range(500):
            data = draw.choice(heads) + draw.randbytes(draw.randrange(120))
            with pytest.raises(Refused):
                theirs.unwrap(data)


def test_the_window_of_an_extended_number_finds_the_upper_half(child: Pair) -> None:
    """A sender that leaps over a whole subspace is not followed: the ICV does not match."""
    ours, theirs = child("aes128gcm16-esn")
    assert theirs.unwrap(ours.wrap(inner(), number=HALF - 1000))
    assert theirs.unwrap(ours.wrap(inner(), number=HALF - 10))
    assert theirs.unwrap(ours.wrap(inner(), number=HALF + 5))
    assert theirs.window.highest == HALF + 5
    assert theirs.unwrap(ours.wrap(inner(), number=HALF - 1)), "left half of the window"
    assert refusal(theirs, ours.wrap(inner(), number=3 * HALF)) is Kind.INTEGRITY
