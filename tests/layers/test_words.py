"""Data told in words: vendor IDs, notify data, identities, attributes; datagrams sorted."""

from __future__ import annotations

import pytest

from ikelab.layers.config import ConfigurationAttribute, IKEv2_CP
from ikelab.layers.eap import IKEv2_EAP
from ikelab.layers.iana import CfgAttr, Notify
from ikelab.layers.message import demux
from ikelab.layers.notify import notify_repr
from ikelab.layers.payloads import IKEv2_Delete, IKEv2_IDi, IKEv2_VendorID
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_Transform
from ikelab.layers.selectors import IKEv2_TSi, IPv4TrafficSelector, IPv6TrafficSelector
from ikelab.layers.vendor import vendor_name


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (b"CISCO-DELETE-REASON", "CISCO-DELETE-REASON"),
        (b"FLEXVPN-SUPPORTED", "FLEXVPN-SUPPORTED"),
        ("882fe56d6fd20dbc2251613b2ebe5beb", "strongSwan"),
        (b"OE-Libreswan-5.2", "Libreswan"),
        ("4f456b5262475852766d5045", "Openswan or FreeS/WAN"),
        ("1e2b516905991c7d7c96fcbfb587e46100000009", "MS NT5 ISAKMPOAKLEY"),
        ("09002689dfd6b712", "XAUTH"),
        ("afcad71368a1f1c96b8696fc77570100", "DPD 1.0 (RFC 3706)"),
        ("12f5f28c457168a9702d9fe274cc0100", "Cisco Unity 1.0"),
        ("4048b7d56ebce88525e7de7f00d6c2d3c0000000", "FRAGMENTATION"),
        ("4a131c81070358455c5728f20e95452f", "RFC 3947 NAT-T"),
        ("7d9419a65310ca6f2c179d9215529d56", "draft-ietf-ipsec-nat-t-ike-03"),
        ("90cb80913ebb696e086381b5ec427b1f", "draft-ietf-ipsec-nat-t-ike-02\\n"),
        (b"OE", None),
        (b"", None),
        (bytes(16), None),
    ],
)
def test_vendor_ids(data: bytes | str, known: str | None) -> None:
    octets = data if isinstance(data, bytes) else bytes.fromhex(data)
    assert vendor_name(octets) == known
    if known:
        assert IKEv2_VendorID(vendorID=octets).summary() == f"V({known})"


def test_a_vendor_id_that_is_text_is_shown_as_text() -> None:
    assert "vendorID='Anyone 1.0'" in repr(IKEv2_VendorID(vendorID="Anyone 1.0"))


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (Notify.INVALID_KE_PAYLOAD, "0013", "256-bit random ECP group"),
        (Notify.INVALID_KE_PAYLOAD, "ffff", "65535"),
        (Notify.SIGNATURE_HASH_ALGORITHMS, "000200030005", "SHA2-256, SHA2-384, Identity"),
        (Notify.SET_WINDOW_SIZE, "00000005", "5"),
        (Notify.UNSUPPORTED_CRITICAL_PAYLOAD, "c8", "200"),
        (Notify.IPCOMP_SUPPORTED, "123402", "CPI 1234 IPCOMP_DEFLATE"),
        (Notify.ADDITIONAL_IP4_ADDRESS, "0a000001", "10.0.0.1"),
        (Notify.ADDITIONAL_IP6_ADDRESS, "20010db8" + "00" * 11 + "01", "2001:db8::1"),
        (Notify.REDIRECT, "01040a000001ffff", "10.0.0.1 nonce ffff"),
        (Notify.REDIRECTED_FROM, "0303" + b"gw1".hex(), "'gw1'"),
        (Notify.COOKIE, "beef", "beef"),
        (60000, "", "''"),
    ],
)
def test_notify_data(kind: int, data: str, words: str) -> None:
    assert notify_repr(kind, bytes.fromhex(data)) == words


def test_identities() -> None:
    assert IKEv2_IDi(ID="10.0.0.1").summary() == "IDi(10.0.0.1)"
    assert IKEv2_IDi(IDtype=5, ID="2001:db8::1").summary() == "IDi(2001:db8::1)"
    assert IKEv2_IDi(IDtype=2, ID="gw.example").summary() == "IDi('gw.example')"
    assert IKEv2_IDi(IDtype=9, ID=b"\x30\x00").summary() == "IDi(3000)"
    assert IKEv2_IDi(IDtype=1, ID=b"\1\2").summary() == "IDi(0102)"


def test_configuration() -> None:
    cp = IKEv2_CP(
        attributes=[
            ConfigurationAttribute(type=CfgAttr.INTERNAL_IP4_DNS),
            ConfigurationAttribute(type=CfgAttr.INTERNAL_IP4_SUBNET, value=b"\n\0\0\0\xff\0\0\0"),
            ConfigurationAttribute(type=CfgAttr.INTERNAL_IP6_ADDRESS, value=bytes(16) + b"\x40"),
            ConfigurationAttribute(type=CfgAttr.APPLICATION_VERSION, value="one"),
            ConfigurationAttribute(type=CfgAttr.SUPPORTED_ATTRIBUTES, value=b"\0\1\0\7"),
            ConfigurationAttribute(type=28675),
        ]
    )
    assert IKEv2_CP(bytes(cp)).summary() == (
        "CP(CFG_REQUEST: INTERNAL_IP4_DNS, INTERNAL_IP4_SUBNET=10.0.0.0/255.0.0.0, "
        "INTERNAL_IP6_ADDRESS=::/64, APPLICATION_VERSION='one', "
        "SUPPORTED_ATTRIBUTES=INTERNAL_IP4_ADDRESS, APPLICATION_VERSION, 28675)"
    )


def test_the_rest() -> None:
    ts = IKEv2_TSi(traffic_selector=[IPv4TrafficSelector(), IPv6TrafficSelector(end_port=0)])
    last6 = ":".join(["ffff"] * 8)
    assert ts.summary() == f"TSi(0.0.0.0-255.255.255.255[0/0-65535], ::-{last6}[0/0-0])"
    assert IKEv2_Delete(proto=3, SPI=[b"abcd"]).summary() == "D(ESP 61626364)"
    assert IKEv2_EAP(code=2, type=26).summary() == "EAP(RESPONSE MSCHAPV2)"
    assert IKEv2_EAP(code=3).summary() == "EAP(SUCCESS)"
    transforms = [IKEv2_Transform(transform_id=12, key_length=128), IKEv2_Transform()]
    assert IKEv2_Proposal(transform=transforms).summary() == "IKE(ENCR_AES_CBC/128, ENCR_3DES)"
    assert len(repr(IKEv2_Delete(SPI=[b"abcd"] * 10000))) < 1000


MARKER = bytes(4)
ESP = b"\0\0\1\0" + bytes(20)


@pytest.mark.parametrize(
    ("data", "port", "tcp", "kind", "rest"),
    [
        (b"ike", 500, False, "ike", b"ike"),
        (MARKER + b"ike", 500, False, "ike", MARKER + b"ike"),
        (MARKER + b"ike", 4500, False, "ike", b"ike"),
        (MARKER, 4500, False, "ike", b""),
        (MARKER + b"ike", 4500, True, "ike", b"ike"),
        (ESP, 4500, False, "esp", ESP),
        (ESP, 4500, True, "esp", ESP),
        (ESP[:7], 4500, False, "unknown", ESP[:7]),
        (b"\xff", 4500, False, "keepalive", b"\xff"),
        (b"\xff", 500, False, "keepalive", b"\xff"),
        (b"\xff", 4500, True, "unknown", b"\xff"),
        (b"", 500, False, "unknown", b""),
        (b"", 4500, False, "unknown", b""),
    ],
)
def test_datagrams_are_sorted(data: bytes, port: int, tcp: bool, kind: str, rest: bytes) -> None:
    assert demux(data, port, tcp) == (kind, rest)
