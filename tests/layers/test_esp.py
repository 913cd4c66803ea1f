"""ESP and AH as packets: built, dissected, shown, and held against scapy.layers.ipsec."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import IP
from scapy.layers.ipsec import AH as ScapyAH
from scapy.layers.ipsec import ESP as ScapyESP

from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.esp import AH, ESP, ESP_Decrypted, IpProtocol


def test_esp_is_scapys_esp() -> None:
    data = bytes(ScapyESP(spi=0xC0FFEE01, seq=7, data=b"sealed octets"))
    packet = ESP(data)
    assert (packet.spi, packet.seq, packet.data) == (0xC0FFEE01, 7, b"sealed octets")
    assert bytes(ESP(spi=0xC0FFEE01, seq=7, data=b"sealed octets")) == data
    assert "0xc0ffee01" in packet.show(dump=True)
    assert packet.summary() == "ESP(spi=0xc0ffee01, seq=7)"


def test_ah_is_scapys_ah_where_that_is_right() -> None:
    """payloadlen counts words less two; Scapy leaves it to its caller."""
    data = bytes(ScapyAH(nh=4, payloadlen=5, spi=9, seq=3, icv=bytes(16))) + b"inner"
    packet = AH(data)
    assert (packet.nh, packet.payloadlen, packet.spi, packet.seq) == (4, 5, 9, 3)
    assert (packet.icv, bytes(packet.payload)) == (bytes(16), b"inner")
    assert bytes(AH(nh=4, spi=9, seq=3, icv=bytes(16)) / b"inner") == data


@pytest.mark.parametrize("octets", [12, 16, 20, 24, 28, 36])
def test_the_length_of_ah_is_computed(octets: int) -> None:
    built = bytes(AH(spi=1, seq=2, icv=bytes(octets)))
    assert (built[1] + 2) * 4 == len(built) == 12 + octets


def test_opened_esp_is_built_as_it_stands() -> None:
    packet = ESP_Decrypted(
        spi=1, seq=2, iv=b"iv", data=b"inner", tfc=b"tfc", padding=b"\1\2", nh=4, icv=b"icv"
    )
    assert bytes(packet) == b"\0\0\0\1\0\0\0\2ivinnertfc\1\2\2\4icv"
    assert bytes(ESP_Decrypted(spi=1, seq=2, pad_length=9)) == b"\0\0\0\1\0\0\0\2\x09\x04"


def test_a_plaintext_is_cut_by_its_trailer() -> None:
    packet = ESP_Decrypted(b"\0\0\0\1\0\0\0\2inner\1\2\3\3\x29")
    assert (packet.data, packet.padding, packet.pad_length) == (b"inner", b"\1\2\3", 3)
    assert packet.nh == IpProtocol.IPV6
    packet = ESP_Decrypted(b"\0\0\0\1\0\0\0\2inner\xff\x04")
    assert (packet.data, packet.padding, packet.pad_length) == (b"inner", b"", 255)


@pytest.mark.parametrize("cls", [ESP, ESP_Decrypted, AH])
def test_any_octets_are_read_and_built_again(cls: type) -> None:
    draw = random.Random(4302)
    for length in [*range(40), 200]:
        for _ in range(20):
            data = draw.randbytes(length)
            packet = cls(data)
            packet.show(dump=True)
            assert bytes(packet) == data
            assert bytes(packet.copy()) == data
            if length < cls.least:
                assert packet.haslayer(IKEv2_Malformed)


def test_a_changed_field_is_built_anew() -> None:
    packet = ESP(b"\0\0\0\1\0\0\0\2data")
    packet.seq = 3
    assert bytes(packet) == b"\0\0\0\1\0\0\0\3data"
    packet = AH(bytes(AH(spi=1, icv=bytes(12))) + b"rest")
    packet.icv = b"x" * 16
    packet.recompute()
    assert bytes(packet) == b"\x3b\x05\0\0\0\0\0\1\0\0\0\0" + b"x" * 16 + b"rest"


def test_they_stand_behind_an_ip_header() -> None:
    data = bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=50) / ESP(spi=5, seq=6, data=b"abcd"))
    assert data[20:] == b"\0\0\0\5\0\0\0\6abcd"
