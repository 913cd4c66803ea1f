"""Choosing a suite and narrowing selectors, as pure functions (RFC 7296 2.7, 2.9, 3.3)."""

from __future__ import annotations

import ipaddress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.exchange.negotiate import (
    Choice,
    Offered,
    accepted_payload,
    choose,
    covered,
    narrow,
    offers,
    sa_payload,
    selectors_of,
    ts_payloads,
)
from ikelab.harness.model import TS, Suite, Transform, selectors, suites
from ikelab.layers.iana import Protocol, TransformType
from ikelab.layers.sa import IKEv2_SA, IKEv2_TransformAttribute

ESP, IKE = Protocol.ESP, Protocol.IKE


def chosen(offer: list[str], policy: list[str], protocol: Protocol = IKE) -> Choice | None:
    """Through the wire and back, as a responder does."""
    payload = sa_payload(suites(offer, protocol), b"" if protocol == IKE else b"abcd")
    return choose(offers(IKEv2_SA(bytes(payload))), suites(policy, protocol))


CHOICES = [
    (["3des-aes128-sha1-modp1024"], ["aes128-sha1-modp1024"], (1, "aes128-sha1-modp1024")),
    (["3des-aes128-sha1-modp1024"], ["aes128-3des-sha1-modp1024"], (1, "3des-sha1-modp1024")),
    (["3des-sha1-modp1024", "aes128-sha256-x25519"], ["aes128-sha256-x25519"],
     (2, "aes128-sha256-x25519")),
    (["aes128-sha256-x25519", "3des-sha1-modp1024"], ["3des-sha1-modp1024", "aes128-sha256-x25519"],
     (1, "aes128-sha256-x25519")),
    (["aes128-sha1-sha256-prfsha256-x25519"], ["aes128-sha256-x25519"],
     (1, "aes128-sha256-x25519")),
    (["aes128gcm16-prfsha256-x25519"], ["aes128gcm16-prfsha256-x25519"],
     (1, "aes128gcm16-prfsha256-x25519")),
    (["aes128-sha1-x25519"], ["aes256-sha1-x25519"], None),
    (["aes128-sha1-x25519"], ["aes128-sha1-modp1024"], None),
    (["aes128-sha1"], ["aes128-sha1-x25519"], None),
    (["aes128-prfsha1-x25519"], ["aes128-sha1-x25519"], None),
    (["aes128gcm16-sha1-x25519"], ["aes128gcm16-prfsha1-x25519"], None),
    (["aes128-sha1-x25519-250:1"], ["aes128-sha1-x25519"], None),
    (["aes128-sha1-x25519-250:0"], ["aes128-sha1-x25519"], None),
    (["aes128-sha1-x25519-13:0"], ["aes128-sha1-x25519"], None),
    (["aes128-sha1-x25519-addke1:0"], ["aes128-sha1-x25519"],
     (1, "aes128-sha1-x25519-addke1:0")),
    (["aes128-sha1-x25519-addke1:36"], ["aes128-sha1-x25519"], None),
    (["encr:9999-aes128-sha1-x25519"], ["aes128-sha1-x25519"], (1, "aes128-sha1-x25519")),
]  # fmt: skip


@pytest.mark.parametrize(("offer", "policy", "result"), CHOICES)
def test_the_choice_of_an_ike_suite(
    offer: list[str], policy: list[str], result: tuple[int, str] | None
) -> None:
    found = chosen(offer, policy)

    assert (found and (found.number, found.suite)) == (
        result and (result[0], Suite.parse(result[1]))
    )


CHILD = [
    (["aes128-sha1"], ["aes128-sha1"], "aes128-sha1-noesn"),
    (["aes128-sha1-esn-noesn"], ["aes128-sha1-noesn"], "aes128-sha1-noesn"),
    (["aes128-sha1-esn"], ["aes128-sha1-noesn"], None),
    (["aes128gcm16"], ["aes128gcm16"], "aes128gcm16-noesn"),
    (["aes128-sha1-x25519"], ["aes128-sha1"], None),
    (["aes128-sha1-ke:0"], ["aes128-sha1"], "aes128-sha1-ke:0-noesn"),
    (["aes128-sha1"], ["aes128-sha1-x25519"], None),
    (["null-sha1"], ["null-sha1"], "null-sha1-noesn"),
]


@pytest.mark.parametrize(("offer", "policy", "result"), CHILD)
def test_the_choice_of_a_child_suite(
    offer: list[str], policy: list[str], result: str | None
) -> None:
    found = chosen(offer, policy, ESP)

    assert (found and found.suite.keyed()) == (result and Suite.parse(result, ESP).keyed())
    assert found is None or found.spi == b"abcd"


def test_a_suite_of_another_protocol_is_none_of_ours() -> None:
    assert choose([Offered(1, b"", Suite.parse("aes128-sha1", ESP))], suites(["3des-sha1"])) is None
    odd = Suite(Suite.parse("aes128-sha1-x25519").transforms, 99)
    assert choose([Offered(1, b"", odd)], suites(["aes128-sha1-x25519"])) is None


words = st.sampled_from(["3des", "aes128", "aes256", "aes128gcm16", "sha1", "sha256", "prfsha1",
                         "prfsha256", "modp1024", "x25519", "250:1", "addke1:0"])  # fmt: skip
texts = st.lists(words, min_size=1, max_size=8, unique=True).map("-".join)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_what_is_chosen_was_offered_and_is_allowed(offer: list[str], policy: list[str]) -> None:
    found = chosen(offer, policy)
    if found is None:
        return
    offered, allowed = suites(offer), suites(policy)
    kinds = [t.type for t in found.suite.transforms]

    assert set(found.suite.transforms) <= set(offered[found.number - 1].transforms)
    assert sorted(kinds) == sorted({t.type for t in offered[found.number - 1].transforms})
    assert any(
        set(found.suite.keyed().transforms) - {Transform(6, 0)} <= set(a.transforms)
        for a in allowed
    )
    assert found.suite.aead is (found.suite.integ is None)


def test_a_transform_with_an_attribute_that_nobody_knows_is_passed_over() -> None:
    payload = sa_payload(suites(["aes128-aes256-sha1-x25519"]))
    odd = IKEv2_TransformAttribute(type=0xC000, value=7)
    payload.proposal[0].transform[0].attribute.append(odd)
    [offered] = offers(IKEv2_SA(bytes(payload)))

    assert offered.unreadable
    assert [t.key_bits for t in offered.suite.of(TransformType.ENCR)] == [256]


def test_proposals_are_numbered_from_one_and_answered_by_number() -> None:
    payload = sa_payload(suites(["3des-sha1-x25519", "aes128-sha1-x25519"]))
    found = choose(offers(payload), suites(["aes128-sha1-x25519"]))

    assert [p.number for p in payload.proposal] == [1, 2]
    assert found is not None
    assert [p.number for p in accepted_payload(found).proposal] == [2]


# -- selectors: every selector of a little world, against what it selects packet by packet -----

ADDRESSES, PORTS, PROTOCOLS = range(6), (0, 1, 2, 65535), (1, 6)
BASE = int(ipaddress.ip_address("10.0.0.0"))


@st.composite
def small(draw: st.DrawFn) -> TS:
    """A selector whose ends lie in a world of six addresses and four ports."""
    low, high = sorted((draw(st.sampled_from(ADDRESSES)), draw(st.sampled_from(ADDRESSES))))
    first, last = sorted((draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))))
    ends = [ipaddress.ip_address(BASE + n) for n in (low, high)]
    if draw(st.integers(0, 5)) == 0:
        first, last = 65535, 0
    return TS(ends[0], ends[1], draw(st.sampled_from((0, *PROTOCOLS))), first, last)


Packet = tuple[int, int, int | None]
WORLD: list[Packet] = [(a, p, q) for a, p, q in product(ADDRESSES, PROTOCOLS, (*PORTS, 3, None))]


def selects(ts: TS, packet: Packet) -> bool:
    """Port None is one that cannot be seen: OPAQUE selects it, and so do all ports."""
    address, protocol, port = packet
    if not int(ts.start) <= BASE + address <= int(ts.end) or ts.protocol not in (0, protocol):
        return False
    if port is None:
        return (ts.start_port, ts.end_port) in ((65535, 0), (0, 65535))
    return ts.start_port <= port <= ts.end_port


def selected(found: tuple[TS, ...] | list[TS]) -> set[Packet]:
    return {p for p in WORLD if any(selects(ts, p) for ts in found)}


several = st.lists(small(), min_size=1, max_size=4)


@given(several, several)
def test_narrowing_selects_what_both_select_and_nothing_else(
    offered: list[TS], policy: list[TS]
) -> None:
    assert selected(narrow(offered, policy)) == selected(offered) & selected(policy)


@given(several, several)
def test_narrowing_keeps_the_first_choice_first(offered: list[TS], policy: list[TS]) -> None:
    """2.9: what was asked for first is in the answer, if the policy allows it."""
    found = narrow(offered, policy)
    if any(p.contains(offered[0]) for p in policy):
        assert any(f.contains(offered[0]) for f in found)


@given(small(), several)
def test_covered_is_what_packets_say(ts: TS, offered: list[TS]) -> None:
    """Where all protocols are asked for, only selectors of all protocols count as covering."""
    if ts.protocol == 0:
        offered = [o for o in offered if o.protocol == 0]

    assert covered(ts, offered) is (selected([ts]) <= selected(offered))


@given(st.lists(small(), max_size=5))
def test_selectors_go_through_a_payload(found: list[TS]) -> None:
    tsi, tsr = ts_payloads(found, selectors("2001:db8::/32"))

    assert selectors_of(type(tsi)(bytes(tsi))) == tuple(found)
    assert selectors_of(type(tsr)(bytes(tsr))) == selectors("2001:db8::/32")
    assert selectors_of(None) == ()
