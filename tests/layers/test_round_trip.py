"""Dissecting never raises, and building gives the same octets back, changed where one changed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.fields import Number
from ikelab.layers.iana import Payload
from ikelab.layers.message import (
    PAYLOADS,
    IKEv2,
    build_payloads,
    chain,
    demux,
    message,
    parse_payloads,
    recompute,
    unknown,
)
from ikelab.layers.payloads import IKEv2_Delete, IKEv2_Nonce
from ikelab.layers.wire import Wire

KINDS = st.one_of(st.sampled_from([int(k) for k in Payload]), st.integers(0, 255))


@st.composite
def payload(draw: st.DrawFn) -> bytes:
    """A payload with a generic header that is sound more often than not."""
    body = draw(st.binary(max_size=80))
    length = 4 + len(body) + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1, 300, -4]))
    flags = draw(st.sampled_from([0, 0x80, 0x7F]))
    return bytes([draw(KINDS), flags]) + max(length, 0).to_bytes(2, "big") + body


@st.composite
def datagram(draw: st.DrawFn) -> bytes:
    """A header and payloads; the length is right more often than not."""
    body = b"".join(draw(st.lists(payload(), max_size=5))) + draw(st.binary(max_size=5))
    length = 28 + len(body) + draw(st.sampled_from([0, 0, 0, 1, -3, -60]))
    front = draw(st.binary(min_size=16, max_size=16)) + bytes([draw(KINDS)])
    return (
        front + draw(st.binary(min_size=7, max_size=7)) + max(length, 0).to_bytes(4, "big") + body
    )


def tree(packet: Any) -> list[Any]:
    """A packet, what follows it, and everything inside."""
    found, todo = [], [packet]
    while todo:
        item = todo.pop(0)
        while isinstance(item, Wire):
            found.append(item)
            for value in item.fields.values():
                todo += value if isinstance(value, list) else []
            item = item.payload
    return found


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), datagram()))
@example(b"")
@example(bytes(27))
@example(bytes(28))
def test_any_datagram_comes_back(data: bytes) -> None:
    assert bytes(IKEv2(data)) == data
    packet = IKEv2(data)
    assert isinstance(packet.show(dump=True), str)
    tree(packet)
    assert bytes(packet) == data
    assert bytes(packet.copy()) == data
    for port in (500, 4500):
        demux(data, port)


@settings(max_examples=300)
@given(datagram())
def test_any_datagram_comes_back_from_its_fields(data: bytes) -> None:
    packet = IKEv2(data)
    packet.clear_cache()
    assert bytes(packet) == data


@settings(max_examples=200)
@given(KINDS, st.one_of(st.binary(max_size=60), st.lists(payload(), max_size=4).map(b"".join)))
def test_any_chain_comes_back_as_a_list(kind: int, data: bytes) -> None:
    found = parse_payloads(kind, data)
    assert b"".join(bytes(p) for p in found) == data
    assert build_payloads(found) == data


@given(st.data())
def test_any_bytes_come_back_from_every_class(packet_class: type[Wire], data: Any) -> None:
    octets = data.draw(st.one_of(st.binary(max_size=60), payload()))
    packet = packet_class(octets)
    tree(packet)
    assert bytes(packet) == octets
    packet.clear_cache()
    packet.show(dump=True)


def test_any_changed_number_is_built(decoder: ModuleType) -> None:
    """Whatever number changes at whatever depth, the octets of the whole message change with it."""
    for data in decoder.seeds():
        for place, packet in enumerate(tree(IKEv2(data))):
            for field in packet.fields_desc:
                if not isinstance(getattr(field, "fld", field), Number):
                    continue
                changed = IKEv2(data)
                item = tree(changed)[place]
                value = item.getfieldval(field.name)
                if value is None:
                    continue
                item.setfieldval(field.name, value ^ 1)
                built = bytes(changed)
                assert built != data, (type(packet), field.name)
                assert len(built) == len(data)
                changed.clear_cache()
                assert bytes(changed) == built


def test_a_list_can_be_changed_in_place(decoder: ModuleType) -> None:
    for data in decoder.seeds():
        for place, packet in enumerate(tree(IKEv2(data))):
            for name in packet._lists:
                changed = IKEv2(data)
                items = tree(changed)[place].getfieldval(name)
                if not items:
                    continue
                gone = items.pop()
                size = len(gone) if isinstance(gone, bytes) else len(gone.self_build())
                assert len(bytes(changed)) == len(data) - size
                items.append(gone)
                assert bytes(changed) == data


def test_an_item_can_be_exchanged_for_an_equal_one() -> None:
    packet = IKEv2(bytes(message([IKEv2_Delete(proto=3, SPI=[b"abcd", b"efgh"])])))
    packet.SPI[0] = b"ABCD"
    assert b"ABCDefgh" in bytes(packet)


def test_recompute_makes_a_changed_message_consistent(decoder: ModuleType) -> None:
    for data in decoder.seeds():
        packet = IKEv2(data)
        for item in tree(packet):
            for name, value in item.fields.items():
                if isinstance(value, list) and value:
                    value.append(value[0] if isinstance(value[0], bytes) else value[0].copy())
                elif name in ("nonce", "load", "ke") and isinstance(value, bytes):
                    item.setfieldval(name, value + b"more")
        assert recompute(packet) is packet
        again = IKEv2(bytes(packet))
        assert again.length == len(bytes(packet))
        assert not [p for p in tree(again) if isinstance(p, IKEv2_Malformed)]
        assert [type(p) for p in tree(again)] == [type(p) for p in tree(packet)]


def test_recompute_keeps_what_an_encrypted_payload_says_of_its_inside(decoder: ModuleType) -> None:
    sealed = [IKEv2(d) for d in decoder.seeds() if d[16] in (Payload.SK, Payload.SKF)]
    assert len(sealed) >= 2
    for packet in sealed[:2]:
        assert recompute(packet).payloads[0].next_payload == Payload.IDI


def test_a_chain_is_linked_in_place() -> None:
    items = [IKEv2_Nonce(nonce=b"a"), unknown(200, b"b"), IKEv2_Nonce(nonce=b"c")]
    assert chain(items) is items[0]
    assert items[0].payload is items[1] and items[2].underlayer is items[1]
    assert not chain([])
    assert bytes(chain(items)) == build_payloads(items)
    assert bytes(items[1].self_build())[0] == Payload.NONCE


def test_payload_classes_are_known_by_number() -> None:
    assert {int(k) for k in PAYLOADS} == {int(k) for k in Payload if k}
    for kind, cls in PAYLOADS.items():
        assert cls.payload_type == kind and cls().kind == kind


@pytest.mark.parametrize("kind", [1, 32, 55, 128, 200, 255])
def test_unknown_payloads_keep_their_type(kind: int) -> None:
    packet = IKEv2(bytes(message([unknown(kind, b"data", critical=True)])))
    (found,) = packet.payloads
    assert (found.kind, found.load, found.critical) == (kind, b"data", True)
    assert packet.next_payload == kind


def test_version_1_is_read_as_far_as_it_goes() -> None:
    body = b"\x00\x00\x00\x08\x00\x00\x00\x01"
    data = bytes(16) + b"\x01\x10\x02\x00" + bytes(4) + (28 + len(body)).to_bytes(4, "big") + body
    packet = IKEv2(data)
    assert packet.version == 0x10 and packet.payloads[0].kind == 1
    assert bytes(packet) == data
