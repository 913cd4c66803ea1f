"""Suites, selectors, identities: what text says of them, and what set operations do."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.model import (
    TS,
    Identity,
    Level,
    Nat,
    Spis,
    Suite,
    Transform,
    Violation,
    encapsulated,
    selectors,
    suites,
)
from ikelab.layers.iana import TRANSFORMS, Encr, Integ, Ke, Prf, Protocol, Sn, TransformType

SEED = "3des-aes128-sha1-modp1024"


def test_the_words_of_the_field_say_transforms() -> None:
    assert Suite.parse(SEED).transforms == (
        Transform(TransformType.ENCR, Encr.ENCR_3DES),
        Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128),
        Transform(TransformType.PRF, Prf.PRF_HMAC_SHA1),
        Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA1_96),
        Transform(TransformType.KE, Ke.MODP_1024),
    )


def test_what_goes_without_saying() -> None:
    assert Suite.parse("aes256gcm16-prfsha384-x25519").integ is None
    assert Suite.parse("aes128-sha256", Protocol.ESP).sn == Transform(5, Sn.NO_ESN)
    assert Suite.parse("aes128-sha256-esn", Protocol.ESP).of(5) == (Transform(5, Sn.ESN),)
    assert Suite.parse("aes128-sha256", Protocol.ESP).prf is None


EVERY = [
    Transform(kind, row, bits)
    for kind, registry in TRANSFORMS.items()
    if kind <= TransformType.SN
    for row in registry
    for bits in ((row.key_bits if kind == 1 and row.key_attribute else ()) or (None,))
]


@pytest.mark.parametrize("transform", EVERY, ids=str)
def test_every_transform_has_a_word_that_reads_back(transform: Transform) -> None:
    parsed = Suite.parse(transform.word, Protocol.IKE)

    assert transform in parsed.transforms


some = st.lists(st.sampled_from(EVERY), min_size=1, max_size=6, unique=True)


@given(some, st.sampled_from([Protocol.IKE, Protocol.ESP, Protocol.AH]))
def test_a_suite_is_its_text(transforms: list[Transform], protocol: Protocol) -> None:
    """What goes without saying is said again by parsing: types in order, as on the wire."""
    once = Suite.parse("-".join(t.word for t in transforms), protocol)

    assert Suite.parse(str(once), protocol) == once
    assert [t.type for t in once.transforms] == sorted(t.type for t in once.transforms)


@given(st.integers(0, 255), st.integers(0, 65535), st.one_of(st.none(), st.integers(0, 65535)))
def test_any_number_has_a_word(kind: int, number: int, bits: int | None) -> None:
    transform = Transform(kind, number, bits)

    assert transform in Suite.parse(transform.word).transforms


@given(st.text(max_size=20))
def test_any_text_is_a_suite_or_a_config_error(text: str) -> None:
    try:
        Suite.parse(text)
    except ConfigError:
        return


@pytest.mark.parametrize(("text", "says"), [
    ("aes127-sha1", "'aes128'"), ("3dse-sha1", "did you mean '3des'"),
    ("aes128-sha257", "did you mean 'sha25"), ("encrr:12", "did you mean 'encr'"),
    ("", "unknown word"), ("aes128--sha1", "unknown word"), ("²:1", "unknown"),
])  # fmt: skip
def test_an_unknown_word_names_the_nearest(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Suite.parse(text)


def test_suites_pass_through() -> None:
    one = Suite.parse(SEED)

    assert suites([one, SEED]) == (one, one)
    assert one.without(TransformType.KE).ke is None
    assert one.aead is False and Suite.parse("aes128gcm16-prfsha1").aead is True


# -- selectors -------------------------------------------------------------------------------

v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
ports = st.one_of(
    st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted),
    st.sampled_from([[65535, 0], [0, 65535], [500, 500]]),
)


@st.composite
def ranges(draw: st.DrawFn) -> TS:
    ends = sorted([draw(kind := draw(st.sampled_from([v4, v6]))), draw(kind)], key=int)
    first, last = draw(ports)
    return TS(ends[0], ends[1], draw(st.sampled_from([0, 1, 6, 17])), first, last)


@given(ranges())
def test_a_selector_is_its_text(ts: TS) -> None:
    assert TS.parse(str(ts)) == ts


@given(ranges())
def test_a_selector_contains_itself(ts: TS) -> None:
    assert ts.contains(ts) and ts.intersection(ts) == ts


@given(ranges(), ranges())
def test_an_intersection_is_in_both_and_the_same_from_either_side(a: TS, b: TS) -> None:
    both = a.intersection(b)

    assert both == b.intersection(a)
    if both is not None:
        assert a.contains(both) and b.contains(both)
    assert a.contains(b) is (both == b)


def test_the_forms_of_a_selector() -> None:
    whole = TS.parse("10.1.0.0/16")

    assert str(whole) == "10.1.0.0-10.1.255.255[0/0-65535]"
    assert TS.parse("10.1.0.0-10.1.255.255") == whole
    assert TS.parse(" 10.1.2.3/16 ") == whole
    assert str(TS.parse("10.1.0.9[17/500]")) == "10.1.0.9-10.1.0.9[17/500-500]"
    assert str(TS.parse("2001:db8::/126[6]")) == "2001:db8::-2001:db8::3[6/0-65535]"
    assert TS.parse("10.1.0.9[6/65535-0]").opaque and not whole.opaque
    assert selectors("10.1.0.0/16") == selectors([whole]) == (whole,)


@pytest.mark.parametrize("text", [
    "", "10.1.0.0/33", "10.1.0.0-x", "10.1.0.0[tcp]", "host", "1-2-3", "10.0.0.1-2001:db8::1",
    "10.0.0.1[256]", "10.0.0.1[6/65536]", "10.0.0.1[6/-1]",
])  # fmt: skip
def test_what_is_no_selector_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write 10\.1\.0\.0/24"):
        TS.parse(text)


# -- the rest --------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "kind", "data"), [
    ("10.0.0.1", 1, b"\n\0\0\1"), ("gw.example.org", 2, b"gw.example.org"),
    ("me@example.org", 3, b"me@example.org"),
    ("2001:db8::1", 5, b"\x20\1\x0d\xb8" + bytes(11) + b"\1"),
    ("keyid:00ff", 11, b"\0\xff"),
])  # fmt: skip
def test_identities_of_every_form(text: str, kind: int, data: bytes) -> None:
    identity = Identity.parse(text)

    assert identity == Identity(kind, data)
    assert str(identity) == text if kind != 11 else str(identity).endswith("00ff")


def test_a_key_id_is_hexadecimal() -> None:
    with pytest.raises(ConfigError, match="keyid"):
        Identity.parse("keyid:xyz")


def test_values_print_for_people() -> None:
    assert str(Spis(b"\1" * 8, b"\2" * 8)) == "01" * 8 + ":" + "02" * 8
    assert str(Nat(True, None)) == "initiator translated, responder unknown"
    broken = Violation("a-rule", 7296, "2.1", Level.MUST, "evidence", 4)
    assert str(broken) == "a-rule (RFC 7296 2.1, MUST): evidence"
    assert broken == Violation("a-rule", 7296, "2.1", Level.MUST, "evidence", 9)


@pytest.mark.parametrize(("own", "peer", "marked"), [
    (500, 500, False), (4500, 4500, True), (4500, 31337, True), (500, 31337, False),
    (31337, 4500, True), (31337, 500, False), (4500, 500, True), (500, 4500, False),
    (31337, 31338, False),
])  # fmt: skip
def test_one_end_on_4500_means_the_marker(own: int, peer: int, marked: bool) -> None:
    assert encapsulated(("10.0.0.1", own), ("10.0.0.2", peer)) is marked


def test_nearest_does_not_mind_case_and_says_nothing_where_nothing_is_near() -> None:
    words = ["IKE_AUTH", "IKE_SA_INIT", "INFORMATIONAL"]

    assert nearest("ike_ath", words, 1) == "; did you mean 'IKE_AUTH'?"
    assert nearest("Informational", words, 1) == "; did you mean 'INFORMATIONAL'?"
    assert nearest("zzz", words) == nearest("x", []) == ""
