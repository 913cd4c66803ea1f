"""The rule of every field: None is computed, a value is literal, bytes stand as they are."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.layers.fields import Number
from ikelab.layers.message import IKEv2, message
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform, IKEv2_TransformAttribute
from ikelab.layers.selectors import IPv4TrafficSelector
from ikelab.layers.wire import Wire

LENGTH_OF_VALUE = ("ConfigurationAttribute", "IKEv2_TransformAttribute")
"""Whose length field does not count the four octets before the value."""

# What is None by default without being computed, and why.
ABSENT = {
    "IKEv2_EAP.type",  # Success and Failure have none
    "IKEv2_Decrypted.padding",  # left to whoever seals
    "ESP_Decrypted.padding",
    "IKEv2_SK.next_payload",  # says what is inside, which is not known here
    "IKEv2_SKF.next_payload",
    "IKEv2_Proposal.number",  # its place in the list: computed, but no length, count or link
}


def expected(packet: Wire, name: str, data: bytes) -> int:
    """What a computed field must say, from the octets that were built."""
    if name == "length":
        return len(data) - (4 if type(packet).__name__ in LENGTH_OF_VALUE else 0)
    spi = packet.getfieldval("SPI") if name.startswith("SPI") else b""
    return {
        "next_payload": lambda: 40 if type(packet).__name__ == "IKEv2_Decrypted" else 0,
        "SPIsize": lambda: len(spi[0] if isinstance(spi, list) else spi),
        "SPInum": lambda: len(spi),
        "trans_nb": lambda: len(packet.transform),
        "number_of_TSs": lambda: len(packet.traffic_selector),
        "eap_length": lambda: len(data) - 4,
        "pad_length": lambda: len(packet.padding),
        "payloadlen": lambda: len(data) // 4 - 2,
    }[name]()


def test_none_is_computed(packet_class: type[Wire], make: Any) -> None:
    packet = make(packet_class)
    data = bytes(packet)
    again = packet_class(data)
    for name in packet_class.automatic:
        assert packet.getfieldval(name) is None
        assert again.getfieldval(name) == expected(packet, name, data), name
    again.recompute()
    assert bytes(again) == data


def test_no_other_field_is_none_by_default(packet_class: type[Wire]) -> None:
    nones = {f.name for f in packet_class.fields_desc if f.default is None}
    known = {n.split(".")[1] for n in ABSENT if n.startswith(packet_class.__name__ + ".")}
    assert nones - known == set(packet_class.automatic)


def test_a_number_is_literal(numbered: tuple[type[Wire], str, int], make: Any) -> None:
    cls, name, size = numbered
    one, two = bytes([0x11]) * size, bytes([0x22]) * size
    first = bytes(make(cls, **{name: int.from_bytes(one, "big")}))
    second = bytes(make(cls, **{name: int.from_bytes(two, "big")}))
    differ = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    assert differ == list(range(differ[0], differ[0] + size))
    assert first[differ[0] : differ[0] + size] == one
    assert second[differ[0] : differ[0] + size] == two


def test_bytes_stand_for_a_number(numbered: tuple[type[Wire], str, int], make: Any) -> None:
    cls, name, size = numbered
    literal = bytes(make(cls, **{name: 0}))
    raw = bytes(make(cls, **{name: b"\xde\xad\xbe\xef\x99"}))
    assert b"\xde\xad\xbe\xef\x99" in raw
    assert len(raw) == len(literal) - size + 5


def test_bytes_stand_for_everything_else(listed: tuple[type[Wire], str], make: Any) -> None:
    cls, name = listed
    packet = make(cls)
    packet.setfieldval(name, b"\xde\xad\xbe\xef\x99")
    assert b"\xde\xad\xbe\xef\x99" in bytes(packet)


def test_a_value_that_does_not_fit_is_named() -> None:
    with pytest.raises(OverflowError, match="transform_type=256 does not fit in 1 octets"):
        bytes(IKEv2_Transform(transform_type=256))


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError, match="IKEv2_Nonce has no field 'nonsense'"):
        IKEv2_Nonce(nonsense=1)


def test_names_of_the_registry_are_values() -> None:
    assert bytes(IKEv2_KE(group="CURVE25519"))[4:6] == b"\x00\x1f"
    assert bytes(IKEv2_KE(group="2048-bit MODP Group"))[4:6] == b"\x00\x0e"
    with pytest.raises(ValueError, match="no value is called 'modp'"):
        IKEv2_KE(group="modp")


def test_flags_are_names_numbers_and_bits() -> None:
    for flags in ("Initiator+Response", 0x28, ["Initiator", "Response"]):
        assert bytes(IKEv2(flags=flags))[19] == 0x28
    packet = IKEv2(bytes(IKEv2(flags=0x28)))
    assert packet.flags.Initiator and packet.flags == 0x28
    packet.flags.Initiator = False
    assert bytes(packet)[19] == 0x20


def test_addresses_are_text_or_bytes() -> None:
    assert bytes(IPv4TrafficSelector(starting_address="10.0.0.1"))[8:12] == b"\n\0\0\1"
    assert bytes(IPv4TrafficSelector(starting_address=b"abc"))[8:11] == b"abc"
    assert IPv4TrafficSelector(bytes(IPv4TrafficSelector())).ending_address == "255.255.255.255"


def test_spis_of_another_length_stand_as_they_are() -> None:
    data = bytes(IKEv2(init_SPI=b"short", resp_SPI=b"longer than eight"))
    assert data.startswith(b"shortlonger than eight\0\x20\x22")


def test_numbers_of_proposals_are_their_places() -> None:
    sa = IKEv2_SA(proposal=[IKEv2_Proposal(), IKEv2_Proposal(number=7), IKEv2_Proposal()])
    again = IKEv2_SA(bytes(sa)).proposal
    assert [p.number for p in again] == [1, 7, 3]
    assert [p.next_payload for p in again] == [2, 2, 0]


def test_transforms_say_whether_another_follows() -> None:
    proposal = IKEv2_Proposal(transform=[IKEv2_Transform(), IKEv2_Transform(key_length=256)])
    again = IKEv2_Proposal(bytes(proposal))
    assert [t.next_payload for t in again.transform] == [3, 0]
    assert [t.length for t in again.transform] == [8, 12]
    assert [t.key_length for t in again.transform] == [None, 256]


def test_the_key_length_is_an_attribute() -> None:
    transform = IKEv2_Transform(key_length=128, attribute=[IKEv2_TransformAttribute(type=18)])
    assert bytes(transform)[8:12] == b"\x80\x0e\x00\x80"
    transform.key_length = 256
    assert IKEv2_Transform(bytes(transform)).key_length == 256
    assert [a.type & 0x7FFF for a in transform.attribute] == [14, 18]
    transform.key_length = None
    assert [a.type for a in transform.attribute] == [18]
    long = IKEv2_Transform(attribute=[IKEv2_TransformAttribute(type=14, value=1 << 17)])
    assert bytes(long)[8:] == b"\x00\x0e\x00\x03\x02\x00\x00"
    assert IKEv2_Transform(bytes(long)).key_length == 1 << 17


def test_next_payload_names_what_follows() -> None:
    data = bytes(message([IKEv2_SA(), IKEv2_KE(next_payload=99), IKEv2_Nonce()]))
    assert (data[16], data[28], data[32]) == (33, 34, 99)
    assert int.from_bytes(data[24:28], "big") == len(data)


def test_every_number_can_be_random(packet_class: type[Wire], make: Any) -> None:
    from scapy.packet import fuzz

    defaults = dict(packet_class.default_fields)
    assert isinstance(bytes(fuzz(make(packet_class))), bytes)
    assert packet_class.default_fields == defaults
    for field in packet_class.fields_desc:
        if isinstance(field, Number):
            value = field.randval()._fix()
            assert 0 <= value < 256**field.sz
