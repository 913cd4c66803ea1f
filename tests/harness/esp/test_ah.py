"""AH: what the ICV covers and what it does not, with Scapy's own IP and HMAC as the yardstick."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop, RouterAlert

from ikelab.harness.esp import ah
from ikelab.harness.esp.child import ChildPath
from ikelab.harness.esp.packet import Echo
from ikelab.harness.esp.seal import Kind, Refused
from ikelab.harness.model import Suite
from ikelab.layers.esp import AH
from ikelab.layers.iana import Protocol

Pair = Callable[..., tuple[ChildPath, ChildPath]]
SHA256 = Suite.parse("sha256", Protocol.AH)
INNER = bytes(Echo("10.1.0.1", "10.2.0.1", False, 1, 2, b"octets"))
INNER6 = bytes(Echo("2001:db8:1::1", "2001:db8:2::1", False, 1, 2, b"octets"))


def test_the_icv_is_the_hmac_of_rfc_4302(child: Pair) -> None:
    """Computed here by hand: mutable fields and the ICV zero, the rest as sent."""
    ours, _ = child(SHA256)
    sealed = ours.wrap(INNER)
    assert ours.child.keys is not None
    head, body = bytearray(sealed[:20]), sealed[20:]
    assert (body[0], body[1], body[2:4]) == (4, 5, bytes(2))  # IPv4 inside, 28 octets of AH
    head[1] = head[6] = head[7] = head[8] = head[10] = head[11] = 0
    covered = bytes(head) + body[:12] + bytes(16) + body[28:]
    assert body[12:28] == hmac.digest(ours.child.keys.integ_i, covered, "sha256")[:16]
    assert body[28:] == INNER


def test_under_ipv6_the_header_is_whole_64_bit_words(child: Pair) -> None:
    """RFC 4302 3.3.3.2.1: 12 and 16 octets, and 4 of padding."""
    ours, theirs = child(SHA256, version=6)
    sealed = ours.wrap(INNER6)
    header = AH(sealed[40:])
    assert (len(bytes(header)) - len(INNER6), header.payloadlen) == (32, 6)
    assert header.icv[16:] == bytes(4)
    assert theirs.unwrap(sealed) == INNER6


@pytest.mark.parametrize(
    ("version", "places"), [(4, [1, 6, 8, 10, 11]), (6, [1, 2, 3, 7])], ids=["ipv4", "ipv6"]
)
def test_what_routers_change_is_not_covered(child: Pair, version: int, places: list[int]) -> None:
    ours, theirs = child(SHA256, version=version)
    sealed = bytearray(ours.wrap(INNER if version == 4 else INNER6))
    for place in places:
        sealed[place] ^= 0x0F
    assert theirs.unwrap(bytes(sealed))


@pytest.mark.parametrize(
    ("version", "places"), [(4, [4, 5, 12, 16]), (6, [8, 24])], ids=["ipv4", "ipv6"]
)
def test_what_nobody_changes_is_covered(child: Pair, version: int, places: list[int]) -> None:
    ours, theirs = child(SHA256, version=version)
    sealed = ours.wrap(INNER if version == 4 else INNER6)
    for place in (*places, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(Refused) as refused:
            theirs.unwrap(bytes(damaged))
        assert refused.value.kind is Kind.INTEGRITY


def test_ipv4_options_are_frozen_by_their_kind() -> None:
    """RFC 4302 appendix A1: router alert is immutable, record route is zero from end to end."""
    alert, route = b"\x94\x04\0\0", b"\x07\x07\x04\x0a\0\0\x01"
    header = bytes(IP(src="10.0.0.1", dst="10.0.0.2", options=alert + route + b"\x01"))
    assert ah.frozen(header)[20:] == alert + bytes(7) + b"\x01"


def test_ipv6_options_are_frozen_by_their_bit() -> None:
    """RFC 4302 3.3.3.1.2: an option that may change keeps type and length, its data are zero."""
    header = bytes(IPv6(tc=3, fl=5, hlim=9) / IPv6ExtHdrHopByHop(options=[RouterAlert(value=3)]))
    mutable = bytearray(header)
    mutable[42] |= 0x20
    assert ah.frozen(header)[40:] == header[40:]
    assert ah.frozen(bytes(mutable))[42:46] == bytes([mutable[42], 2, 0, 0])
    assert ah.frozen(header)[:8] == b"\x60\0\0\0" + header[4:7] + b"\0"


def test_an_extended_number_is_covered_and_not_sent(child: Pair) -> None:
    ours, theirs = child(Suite.parse("sha256-esn", Protocol.AH))
    first = 2**32 + 5
    theirs.window.highest = first - 1
    sealed = ours.wrap(INNER, number=first)
    assert AH(sealed[20:]).seq == 5
    assert theirs.unwrap(sealed) == INNER
    other = child(Suite.parse("sha256-esn", Protocol.AH))[1]
    with pytest.raises(Refused) as refused:
        other.unwrap(sealed)
    assert refused.value.kind is Kind.INTEGRITY


@pytest.mark.parametrize("octets", [b"", b"\x45", bytes(19), INNER, bytes(IPv6(nh=51))])
def test_what_holds_no_ah_is_refused(child: Pair, octets: bytes) -> None:
    with pytest.raises(Refused) as refused:
        child(SHA256)[1].unwrap(octets)
    assert refused.value.kind is Kind.LENGTH
