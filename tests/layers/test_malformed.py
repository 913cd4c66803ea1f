"""What cannot be read is kept with a reason, and spoils no more than it must."""

from __future__ import annotations

import pytest

from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2, message, parse_payloads
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform

NONCE = bytes(IKEv2_Nonce(nonce=b"nonce"))


@pytest.mark.parametrize(
    ("kind", "data", "kinds", "reason"),
    [
        (40, b"", [40], "the chain announces payload Nonce, no octets are left"),
        (40, b"\0\0\0", [40], "payload Nonce: 3 octets left, a payload header has 4"),
        (40, b"\0\0\0\3", [40], "payload Nonce: length 3, at least 4 are needed"),
        (40, b"\0\0\0\x09data", [40], "payload Nonce: length 9, 8 octets left"),
        (200, b"\0\0\0\x09data", [200], "payload type 200: length 9, 8 octets left"),
        (34, b"\x28\0\0\6\0\x0e" + NONCE, [34, 40], "payload KE: length 6, at least 8 are needed"),
        (40, NONCE + b"more", [40, 0], "4 octets after the end"),
        (46, b"\x28\0\0\4" + NONCE, [46, 0], "9 octets after the end"),
        (0, b"x", [0], "1 octets after the end"),
    ],
)
def test_a_chain(kind: int, data: bytes, kinds: list[int], reason: str) -> None:
    found = parse_payloads(kind, data)
    assert [p.kind for p in found] == kinds
    assert [p.reason for p in found if isinstance(p, IKEv2_Malformed)] == [reason]
    assert b"".join(bytes(p) for p in found) == data


@pytest.mark.parametrize("size", range(28))
def test_too_few_octets_for_a_header(size: int) -> None:
    data = bytes(range(1, size + 1))
    packet = IKEv2(data)
    (found,) = packet.payloads
    assert found.load == data and found.reason == f"{size} octets, an IKE header has 28"
    assert (packet.init_SPI + packet.resp_SPI)[:size] == data[:16]
    assert bytes(packet) == data


def test_octets_beyond_the_length() -> None:
    data = bytes(message([IKEv2_Nonce(nonce=b"n")]))
    packet = IKEv2(data + b"beyond")
    assert [type(p) for p in packet.payloads] == [IKEv2_Nonce, IKEv2_Malformed]
    assert packet.payloads[1].reason == "6 octets beyond the message's length"
    assert bytes(packet) == data + b"beyond"


def test_a_length_below_the_header_hides_all() -> None:
    packet = IKEv2(bytes(message([IKEv2_Nonce()], length=3)))
    assert [p.kind for p in packet.payloads] == [Payload.NONCE, 0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\0\0\0\x07\1\1\0\0", "proposal: length 7, 8 octets left, at least 8 are needed"),
        (b"\0\0\0\x09\1\1\0\0", "proposal: length 9, 8 octets left, at least 8 are needed"),
        (b"\0\0\0", "proposal: length 0, 3 octets left, at least 8 are needed"),
        (
            b"\0\0\0\x10\1\1\0\1\0\0\0\x09\1\0\0\x0c",
            "transform: length 9, 8 octets left, at least 8 are needed",
        ),
        (
            b"\0\0\0\x13\1\1\0\1\0\0\0\x0b\1\0\0\x0c\x80\x0e\0",
            "attribute of 4 octets, 3 are left",
        ),
        (
            b"\0\0\0\x14\1\1\0\1\0\0\0\x0c\1\0\0\x0c\0\x0e\0\1",
            "attribute of 5 octets, 4 are left",
        ),
    ],
)
def test_inside_a_security_association(body: bytes, reason: str) -> None:
    data = b"\0\0" + (4 + len(body)).to_bytes(2, "big") + body
    (sa,) = parse_payloads(Payload.SA, data)
    items = sa.proposal
    while not isinstance(items[0], IKEv2_Malformed):
        items = items[0].transform if isinstance(items[0], IKEv2_Proposal) else items[0].attribute
    assert items[0].reason == reason
    sa.clear_cache()
    assert bytes(sa) == data


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (44, b"\1\0\0\0\7\0\0\3", "traffic selector: length 3, 4 octets left"),
        (45, b"\1\0\0\0\7\0\0", "traffic selector: length 0, 3 octets left"),
        (47, b"\1\0\0\0\0\1\0\1", "configuration attribute of 5 octets, 4 are left"),
        (47, b"\1\0\0\0\0\1", "configuration attribute of 4 octets, 2 are left"),
    ],
)
def test_inside_a_list(kind: int, body: bytes, reason: str) -> None:
    data = b"\0\0" + (4 + len(body)).to_bytes(2, "big") + body
    (packet,) = parse_payloads(kind, data)
    (item,) = packet.fields[packet._lists[0]]
    assert item.reason == reason
    assert bytes(packet) == data


def test_counts_and_sizes_that_lie_are_kept() -> None:
    proposal = IKEv2_Proposal(SPIsize=200, trans_nb=9, SPI=b"abcd", transform=[IKEv2_Transform()])
    data = bytes(IKEv2_SA(proposal=[proposal]))
    sa = IKEv2_SA(data)
    assert b"abcd" + bytes(IKEv2_Transform()) == sa.proposal[0].SPI
    assert sa.proposal[0].transform == []
    assert (sa.proposal[0].SPIsize, sa.proposal[0].trans_nb) == (200, 9)
    sa.clear_cache()
    assert bytes(sa) == data


def test_a_class_that_is_given_too_little_keeps_it() -> None:
    packet = IKEv2_KE(b"\0\0\0\6\0\x0e")
    assert packet.payload.reason == "payload KE: length 6, at least 8 are needed"
    assert packet.payload.kind == Payload.KE
    assert bytes(packet) == b"\0\0\0\6\0\x0e"


def test_the_reason_is_shown() -> None:
    packet = IKEv2(b"short")
    assert "5 octets, an IKE header has 28" in packet.show(dump=True)
    assert "Malformed(5 octets, an IKE header has 28)" in packet.summary()
