"""What real charons said, as views; and that nothing they leave out makes the reader fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.model import TS, Nat, Spis, Suite, selectors
from ikelab.harness.peer.base import PeerView
from ikelab.harness.peer.strongswan import parse
from ikelab.layers.iana import Protocol

RECORDED = sorted((Path(__file__).parent / "recorded").glob("list-sas-*.json"))


@pytest.fixture(params=RECORDED, ids=lambda p: p.stem)
def said(request):
    return json.loads(request.param.read_text())


def views(said, case):
    return tuple(parse.view(said[case][who]).sas[0] for who in ("initiator", "responder"))


@pytest.mark.parametrize(
    "case", ["plain", "seed", "ipv6", "pfs", "ports", "opaque", "range", "encap"]
)
def test_both_ends_agree(said, case):
    near, far = views(said, case)

    assert (near.initiator, far.initiator) == (True, False)
    assert near.spis == far.spis
    assert bytes(8) not in (near.spis.i, near.spis.r)
    assert near.state == far.state == "ESTABLISHED"
    assert near.suite == far.suite
    assert (near.local_id, near.remote_id) == (far.remote_id, far.local_id)
    assert (near.child.spi_in, near.child.spi_out) == (far.child.spi_out, far.child.spi_in)
    assert near.child.suite == far.child.suite
    assert (near.child.local_ts, near.child.remote_ts) == (far.child.remote_ts, far.child.local_ts)
    assert near.child.state == far.child.state == "INSTALLED"
    assert near.child.mode == "tunnel"


def test_suites_are_what_was_negotiated(said):
    plain, seed, pfs = (views(said, case)[1] for case in ("plain", "seed", "pfs"))

    assert plain.suite == Suite.parse("aes128gcm16-prfsha256-x25519")
    assert plain.child.suite == Suite.parse("aes128gcm16", Protocol.ESP)
    assert seed.suite == Suite.parse("3des-sha1-modp1024")
    assert seed.child.suite == Suite.parse("3des-sha1", Protocol.ESP)
    assert pfs.child.suite == Suite.parse("aes256-sha256", Protocol.ESP)  # RFC 7296 1.2: no KE yet


@pytest.mark.parametrize(
    ("case", "near", "far"),
    [
        ("plain", "10.1.0.0/24", "10.2.0.0/24"),
        ("ipv6", "2001:db8:1::/64", "2001:db8:2::/64"),
        ("ports", "10.1.0.0/24[17/500]", "10.2.0.0/24[17/1000-2000]"),
        ("opaque", "10.1.0.0/24[17/65535-0]", "10.2.0.0/24[17]"),
        ("range", "10.1.0.1-10.1.0.9", "10.2.0.1-10.2.0.8"),
    ],
)
def test_selectors_are_what_was_negotiated(said, case, near, far):
    child = views(said, case)[0].child

    assert (child.local_ts, child.remote_ts) == (selectors(near), selectors(far))


def test_nat_is_told_by_role(said):
    old = said["version"].startswith("5.")  # its libipsec always fakes a NAT before the peer
    near, far = views(said, "plain")

    assert near.nat == Nat(initiator=False, responder=old)
    assert far.nat == Nat(initiator=old, responder=False)
    assert near.child.encap == far.child.encap == old
    assert views(said, "encap")[1].nat == Nat(initiator=True, responder=False)
    assert views(said, "encap")[1].child.encap


def test_a_half_open_sa_has_unknowns_and_no_child():
    sa = {"state": "CONNECTING", "initiator-spi": "d18009dc7b402f0c", "child-sas": {}}

    (view,) = parse.view([{"(unnamed)": sa}]).sas

    assert view.spis == Spis(bytes.fromhex("d18009dc7b402f0c"), bytes(8))
    assert (view.suite, view.child, view.initiator) == (None, None, False)


def test_the_child_in_use_comes_before_the_one_it_replaced():
    children = {
        "a": {"spi-in": "01", "state": "DELETED"},
        "b": {"spi-in": "02", "state": "INSTALLED"},
    }

    (view,) = parse.view([{"ikelab": {"child-sas": children}}]).sas

    assert [child.state for child in view.children] == ["INSTALLED", "DELETED"]
    assert view.child.spi_in == bytes([0, 0, 0, 2])


def test_every_key_may_be_missing(said):
    whole = said["plain"]["responder"][0]["ikelab"]
    child = whole["child-sas"]["child-1"]
    for key in whole:
        parse.view([{"ikelab": {k: v for k, v in whole.items() if k != key}}])
    for key in child:
        less = {k: v for k, v in child.items() if k != key}
        parse.view([{"ikelab": {**whole, "child-sas": {"child-1": less}}}])

    assert parse.view([{"ikelab": {"child-sas": {"c": {}}}}]).sas[0].child
    assert parse.view([{}]) == parse.view([]) == PeerView()


@pytest.mark.parametrize("value", ["", "zz", "?", "(1031)", "[", "10.0.0.0/99", "dynamic"])
def test_values_out_of_order_are_unknown_and_not_fatal(said, value):
    whole = said["plain"]["responder"][0]["ikelab"]
    child = {
        key: [value] if key.endswith("-ts") else value for key in whole["child-sas"]["child-1"]
    }
    sa = dict.fromkeys(whole, value) | {"child-sas": {"child-1": child}}

    assert parse.view([{"ikelab": sa}]).sas[0].child.local_ts == ()


def test_sas_of_the_hidden_host_are_left_out(said):
    listed = [*said["plain"]["responder"], {"(unnamed)": {"remote-host": "127.0.0.1"}}]

    assert len(parse.view(listed).sas) == 2
    assert len(parse.view(listed, hidden="127.0.0.1").sas) == 1


def test_octets_of_the_library_become_text():
    raw = [{"ikelab": {"state": b"ESTABLISHED", "local-id": b"\xff", "x": [b"1", b"2"]}}]

    assert parse.plain(raw) == [
        {"ikelab": {"state": "ESTABLISHED", "local-id": "\\xff", "x": ["1", "2"]}}
    ]
    assert parse.view(raw).sas[0].state == "ESTABLISHED"


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("10.1.0.0/24", "10.1.0.0/24"),
        ("10.1.0.0/24[tcp]", "10.1.0.0/24[6]"),
        ("10.1.0.0/24[udp/53]", "10.1.0.0/24[17/53]"),
        ("10.1.0.1..10.1.0.9[17/500-600]", "10.1.0.1-10.1.0.9[17/500-600]"),
        ("2001:db8::1..2001:db8::9", "2001:db8::1-2001:db8::9"),
        ("::/0[6/OPAQUE]", "::/0[6/65535-0]"),
        ("10.1.0.0/24|/0", "10.1.0.0/24"),
        ("10.1.0.0/24[icmp/8]", "10.1.0.0/24[1/2048]"),
        ("10.1.0.0/24[icmp/3(4)-3(9)]", "10.1.0.0/24[1/772-777]"),
    ],
)
def test_selectors_as_charon_prints_them(text, ts):
    assert parse.selector(text) == TS.parse(ts)
