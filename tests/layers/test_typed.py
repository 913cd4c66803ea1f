"""Notify data and configuration values: read, written, and left alone where they do not fit."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.layers import typed
from ikelab.layers.config import ConfigurationAttribute
from ikelab.layers.iana import AuthMethod, CfgAttr, Hash, IpComp, Ke, Notify, Payload, Prf
from ikelab.layers.notify import IKEv2_Notify

NOTIFIES = [
    (Notify.INVALID_KE_PAYLOAD, "0013", Ke.ECP_256),
    (Notify.UNSUPPORTED_CRITICAL_PAYLOAD, "31", Payload(49)),
    (Notify.UNSUPPORTED_CRITICAL_PAYLOAD, "c8", 200),
    (Notify.SET_WINDOW_SIZE, "00000005", 5),
    (Notify.AUTH_LIFETIME, "00000e10", 3600),
    (Notify.IPCOMP_SUPPORTED, "abcd02", typed.IpCompOffer(0xABCD, IpComp(2))),
    (Notify.SIGNATURE_HASH_ALGORITHMS, "00020005", (Hash(2), Hash(5))),
    (Notify.ADDITIONAL_IP4_ADDRESS, "c0000201", ipaddress.ip_address("192.0.2.1")),
    (Notify.REDIRECT, "03026777aabb", typed.Gateway(3, "gw", b"\xaa\xbb")),
    (Notify.REDIRECTED_FROM, "0104c0000201", typed.Gateway(1, "192.0.2.1")),
    (Notify.PUZZLE, "000510", typed.Puzzle(Prf(5), 16)),
    (Notify.IKEV2_MESSAGE_ID_SYNC, "616263640000000500000002", typed.Counters(b"abcd", 5, 2)),
    (
        Notify.NO_NATS_ALLOWED,
        "c0000201c633640211941194",
        typed.Path("192.0.2.1", "198.51.100.2", 4500, 4500),
    ),
    (Notify.USE_AGGFRAG, "03", typed.AggFrag(True, True)),
    (Notify.USE_AGGFRAG, "82", typed.AggFrag(True, False, 0x80)),
    (Notify.TICKET_LT_OPAQUE, "0000000a6162", typed.Ticket(10, b"ab")),
    (Notify.PPK_IDENTITY, "026b", typed.PpkId(2, b"k")),
    (
        Notify.SUPPORTED_AUTH_METHODS,
        "0202040e0155",
        (typed.Announcement(AuthMethod(2)), typed.Announcement(AuthMethod(14), 1, b"\x55")),
    ),
]
ATTRIBUTES = [
    (CfgAttr.INTERNAL_IP4_ADDRESS, "0a000001", ipaddress.ip_address("10.0.0.1")),
    (CfgAttr.INTERNAL_IP4_SUBNET, "0a020000ffffff00", ipaddress.ip_network("10.2.0.0/24")),
    (CfgAttr.INTERNAL_IP6_ADDRESS, "20010db8" + "00" * 11 + "0140",
     ipaddress.ip_interface("2001:db8::1/64")),
    (CfgAttr.INTERNAL_IP6_SUBNET, "20010db8" + "00" * 12 + "20",
     ipaddress.ip_network("2001:db8::/32")),
    (CfgAttr.INTERNAL_DNSSEC_TA, "f58908027f", typed.TrustAnchor(62857, 8, 2, b"\x7f")),
    (CfgAttr.ENCDNS_IP4, "00010103c6336401646f740001000202",
     typed.EncryptedDns(1, ("198.51.100.1",), "dot", bytes.fromhex("0001000202"))),
    (CfgAttr.ENCDNS_IP6, "00000000", typed.EncryptedDns(0, (), "")),
    (CfgAttr.ENCDNS_DIGEST_INFO, "0103646f740002ff",
     typed.DigestInfo("dot", (Hash(2),), b"\xff")),
    (CfgAttr.APPLICATION_VERSION, "7631", "v1"),
    (CfgAttr.SUPPORTED_ATTRIBUTES, "0001000d", (CfgAttr(1), CfgAttr(13))),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "octets", "value"), NOTIFIES)
def test_a_notify_is_read_and_written(kind: Notify, octets: str, value: object) -> None:
    read = IKEv2_Notify(type=kind, notify=bytes.fromhex(octets))
    written = IKEv2_Notify(type=kind)
    written.value = value

    assert read.value == value
    assert written.notify.hex() == octets


@pytest.mark.parametrize(("kind", "octets", "value"), ATTRIBUTES)
def test_an_attribute_is_read_and_written(kind: CfgAttr, octets: str, value: object) -> None:
    read = ConfigurationAttribute(type=kind, value=bytes.fromhex(octets))
    written = ConfigurationAttribute(type=kind)
    written.typed = value

    assert read.typed == value
    assert written.value.hex() == octets


def test_what_is_empty_asks_for_a_value() -> None:
    assert ConfigurationAttribute(type=CfgAttr.INTERNAL_IP4_DNS).typed is None
    assert IKEv2_Notify(type=Notify.SET_WINDOW_SIZE).value is None


def test_octets_that_do_not_fit_stay_octets() -> None:
    assert IKEv2_Notify(type=Notify.SET_WINDOW_SIZE, notify=b"abc").value == b"abc"
    assert ConfigurationAttribute(type=CfgAttr.INTERNAL_IP4_ADDRESS, value=b"abc").typed == b"abc"


def test_a_value_that_does_not_fit_is_refused() -> None:
    notify = IKEv2_Notify(type=Notify.SET_WINDOW_SIZE)
    with pytest.raises(ValueError, match="does not fit"):
        notify.value = 1 << 40
    with pytest.raises(ValueError, match="octets only"):
        IKEv2_Notify(type=Notify.COOKIE).value = 7


@given(st.sampled_from(sorted(typed.NOTIFY)), st.binary(max_size=40))
def test_reading_never_fails_and_writing_gives_the_octets_back(kind: int, data: bytes) -> None:
    value = typed.read(typed.NOTIFY, kind, data)

    assert typed.write(typed.NOTIFY, kind, value) == data
