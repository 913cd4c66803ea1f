"""What iked says, recorded in the guest kernel, as views and keys; and ugly things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.model import Nat, Suite, selectors
from ikelab.harness.peer.openiked import logs, parse
from ikelab.layers.iana import Protocol

RECORDED = sorted((Path(__file__).parent / "recorded").glob("openiked-*.json"))
PLAIN = "aes128gcm16-prfsha256-x25519", "aes128-sha512-noesn"
SUITES = {
    "cbc": ("aes256-sha512-modp2048", "aes256-sha1-noesn"),
    "3des": ("3des-sha1-modp2048", "3des-sha1-noesn"),
}
SELECTORS = {
    "ipv6": ("2001:db8:1::/64", "2001:db8:2::/64"),
    "ports": ("10.1.0.0/24[17]", "10.2.0.0/24[17]"),  # iked does not tell the ports of its flows
    "protocol": ("10.1.0.0/24[6]", "10.2.0.0/24[6]"),
    "transport": ("10.0.0.1", "10.0.0.2"),
}
CASES = ("plain", "cbc", "ipv6", "3des", "ports", "protocol", "transport")
INITIATOR = "iked_sas: 0x1 rspi 0x0000000000000000 ispi 0x76027689d9dd5057 any->any<>[] SA_INIT i x"


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recorded(request):
    return json.loads(request.param.read_text())


def views(said, case):
    transport = case == "transport"
    return [
        parse.view(said[who]["listed"], said[who]["log"], transport=transport)
        for who in ("initiator", "responder")
    ]


def test_there_are_recordings_of_both_releases():
    assert {path.stem for path in RECORDED} == {"openiked-7.2", "openiked-7.4"}


@pytest.mark.parametrize("case", CASES)
def test_both_sides_tell_the_same(recorded, case):
    (near,), (far,) = (view.sas for view in views(recorded[case], case))

    assert (near.initiator, far.initiator) == (True, False)
    assert near.spis == far.spis and any(near.spis.i) and any(near.spis.r)
    assert near.state == far.state == "ESTABLISHED"
    ike, esp = SUITES.get(case, PLAIN)
    assert near.suite == far.suite == Suite.parse(ike)
    child, other = near.child, far.child
    assert (child.spi_in, child.spi_out) == (other.spi_out, other.spi_in)
    assert child.suite == other.suite == Suite.parse(esp, Protocol.ESP)
    ours, theirs = map(selectors, SELECTORS.get(case, ("10.1.0.0/24", "10.2.0.0/24")))
    assert (child.local_ts, child.remote_ts) == (ours, theirs)
    assert (other.local_ts, other.remote_ts) == (theirs, ours)
    assert child.mode == ("transport" if case == "transport" else "tunnel")
    assert (child.state, child.encap) == ("INSTALLED", False)
    assert (near.local_id, near.remote_id) == (far.remote_id, far.local_id)
    assert near.nat == far.nat == Nat(initiator=False, responder=False)


@pytest.mark.parametrize("case", CASES)
def test_both_sides_tell_the_same_keys(recorded, case):
    near, far = (recorded[case][who]["log"] for who in ("initiator", "responder"))

    [keys] = logs.child_keys(near)
    assert logs.child_keys(far) == {keys}
    sizes = {"cbc": [32, 20, 32, 20], "3des": [24, 20, 24, 20]}.get(case, [16, 64, 16, 64])
    assert [len(key) for key in keys] == sizes
    [(spi, told)] = logs.told(near).items()
    assert told.keys == logs.told(far)[spi].keys
    assert {"SK_d", "SK_ei", "SK_er", "SK_pi", "SK_pr"} <= set(told.keys)


def test_a_log_cut_anywhere_raises_nothing(recorded):
    said = recorded["ports"]["responder"]
    for end in range(0, len(said["log"]), 97):
        parse.view(said["listed"], said["log"][:end])
        logs.child_keys(said["log"][:end])
        logs.told(said["log"][end:])
    for end in range(0, len(said["listed"]), 7):
        parse.view(said["listed"][:end], said["log"])


def test_an_sa_that_is_not_up_yet():
    (sa,) = parse.view(INITIATOR, "").sas

    assert (sa.state, sa.initiator, sa.children, sa.suite) == ("SA_INIT", True, (), None)
    assert sa.spis.r == bytes(8)


@pytest.mark.parametrize(
    "text", ["", "ikectl: connect: refused", "iked_sas: x", "\0\xff" * 9, "  "]
)
def test_nonsense_is_an_empty_view(text):
    assert parse.view(text, text).sas == ()


def test_selectors_of_several_flows():
    text = "ESP-10.2.0.0/24=10.1.0.0/24(0), ESP-10.3.0.0/24=10.1.0.0/24(0)"

    assert parse.selectors(text) == (
        selectors("10.2.0.0/24") + selectors("10.3.0.0/24"),
        selectors("10.1.0.0/24"),
    )
    assert parse.selectors("nothing") == ((), ())


REKEYED = """\
spi=0x8564f669efa629d9: ikev2_childsa_enable: something of before
ikev2_childsa_enable: loaded flow 0x552abf1e20
ikev2_childsa_enable: loaded flow 0x552abf19a0
spi=0x8564f669efa629d9: ikev2_childsa_enable: loaded SPIs: 0x2c2e2db9, 0x1d4093 (enc aes-128 auth hmac-sha2-512)
spi=0x8564f669efa629d9: ikev2_childsa_enable: loaded flows: ESP-10.2.0.0/24=10.1.0.0/24(0)
ikev2_childsa_enable: flow already loaded 0x552abf1e20
ikev2_childsa_enable: flow already loaded 0x552abf19a0
spi=0x8564f669efa629d9: ikev2_childsa_enable: loaded SPIs: 0xf0b48e34, 0x2c550649 (enc aes-128 auth hmac-sha2-512)
spi=0x8564f669efa629d9: rekeyed as new IKESA 0x8f837203f5d81e26 (enc aes-256-gcm group curve25519 prf hmac-sha2-256)
"""  # noqa: E501


def test_a_rekeyed_child_has_the_flows_of_the_one_before_it():
    told = logs.told(REKEYED)[bytes.fromhex("8564f669efa629d9")]

    spis = [bytes.fromhex(spi) for spi in ("2c2e2db9", "001d4093", "f0b48e34", "2c550649")]
    assert told.flows == dict.fromkeys(spis, "ESP-10.2.0.0/24=10.1.0.0/24(0)")


def test_a_rekeyed_ike_sa_has_the_children_of_the_one_before_it():
    told = logs.told(REKEYED)
    old, new = (told[bytes.fromhex(spi)] for spi in ("8564f669efa629d9", "8f837203f5d81e26"))

    assert (new.children, new.flows) == (old.children, old.flows)
    assert len(new.children) == 4


@pytest.mark.parametrize("state", ["CLOSING", "CLOSED"])
def test_what_it_has_ended_is_no_sa_of_its(state):
    assert parse.view(INITIATOR, "").sas
    assert parse.view(INITIATOR.replace("SA_INIT", state), "").sas == ()


LISTED = (
    "iked_sas: 0x1 rspi 0xe0000000000000e0 ispi 0x76027689d9dd5057 10.0.0.2:4500->10.0.0.1:4500"
    "<IPV4/10.0.0.1>[] ESTABLISHED r natt udpecap nexti 0x0 pol 0x2\n"
    "  sa_childsas: 0x3 ESP 0xaaaaaaaa in 10.0.0.1:4500 -> 10.0.0.2:4500 (L) B=0x0 P=0x4 @0x1\n"
    "  sa_childsas: 0x4 ESP 0xbbbbbbbb out 10.0.0.2:4500 -> 10.0.0.1:4500 (L) B=0x0 P=0x3 @0x1\n"
)
FOUND = "spi=0x76027689d9dd5057: ikev2_enable_natt: type NAT_DETECTION_SOURCE_IP"


@pytest.mark.parametrize("nat", [True, False])
def test_port_4500_alone_does_not_put_esp_into_udp(nat):
    log = f"{FOUND}\n" + (f"{FOUND} detected NAT\n" if nat else "")

    [sa] = parse.view(LISTED, log).sas

    assert (sa.child.encap, sa.nat.initiator) == (nat, nat)


STREAM = """\
spi=0x8564f669efa629d9: ikev2_childsa_negotiate: proposal 1
ikev2_childsa_negotiate: key material length 72
ikev2_prfplus: Tn with 72 bytes
01010101 01010101 01010101 01010101 01010101 02020202 02020202 02020202
02020202 03030303 03030303 03030303 03030303 03030303 04040404 04040404
04040404 04040404
spi=0x8564f669efa629d9: ikev2_childsa_enable: loaded SPIs: 0xd9, 0x9b (enc unknown auth hmac-md5)
"""


def test_the_key_of_a_cipher_without_a_name_is_what_the_mac_leaves():
    [keys] = logs.child_keys(STREAM)

    assert keys == (b"\1" * 20, b"\2" * 16, b"\3" * 20, b"\4" * 16)
