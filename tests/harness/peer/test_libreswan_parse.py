"""What pluto says, recorded from real ones of three series, as views and keys; and ugly things."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ikelab.harness.model import TS, Nat, Suite, selectors
from ikelab.harness.peer.libreswan import algorithms, logs, names, parse
from ikelab.layers.iana import Encr, Protocol, TransformType

RECORDED = sorted((Path(__file__).parent / "recorded").glob("libreswan-*.json"))
ESP = Protocol.ESP
PLAIN = "aes128gcm16-prfsha256-x25519", "aes128-sha512-noesn"
SUITES = {
    "cbc": ("aes256-sha512-modp2048", "aes256-sha1-noesn"),
    "3des": ("3des-sha1-modp2048", "3des-sha1-noesn"),
    "esn": (PLAIN[0], "aes128-sha512-esn"),
}
SELECTORS = {
    "ipv6": ("2001:db8:1::/64", "2001:db8:2::/64"),
    "ports": ("10.1.0.0/24[17/500]", "10.2.0.0/24[17/1000]"),
    "protocol": ("10.1.0.0/24[6]", "10.2.0.0/24[6]"),
    "transport": ("10.0.0.1", "10.0.0.2"),
}
CASES = ("plain", "cbc", "ipv6", "3des", "esn", "ports", "protocol", "transport", "encap")


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recorded(request):
    return json.loads(request.param.read_text())


def views(said):
    return [parse.view(said[who]["listed"], said[who]["log"]) for who in ("initiator", "responder")]


def test_there_are_recordings_of_three_series():
    assert {path.stem for path in RECORDED} == {"libreswan-4.10", "libreswan-4.3", "libreswan-5.2"}


@pytest.mark.parametrize("case", CASES)
def test_both_sides_tell_the_same_of_a_rekeyed_sa(recorded, case):
    (near,), (far,) = (view.sas for view in views(recorded[case]))

    assert (near.initiator, far.initiator) == (True, False)
    assert near.spis == far.spis and any(near.spis.i) and any(near.spis.r)
    assert near.state == far.state == "ESTABLISHED"
    ike, esp = SUITES.get(case, PLAIN)
    assert near.suite == far.suite == Suite.parse(ike)
    child, other = near.child, far.child
    assert (child.spi_in, child.spi_out) == (other.spi_out, other.spi_in)
    assert len(child.spi_in) == 4 and any(child.spi_in)
    assert child.suite == other.suite == Suite.parse(esp, ESP)
    ours, theirs = map(selectors, SELECTORS.get(case, ("10.1.0.0/24", "10.2.0.0/24")))
    assert (child.local_ts, child.remote_ts) == (ours, theirs)
    assert (other.local_ts, other.remote_ts) == (theirs, ours)
    assert child.mode == ("transport" if case == "transport" else "tunnel")
    assert child.encap == (case == "encap")
    assert child.state == "INSTALLED"
    assert near.remote_id == ("2001:db8:0:1::2" if case == "ipv6" else "10.0.0.2")
    if case != "encap":
        assert near.nat == far.nat == Nat(initiator=False, responder=False)


@pytest.mark.parametrize("case", CASES)
def test_both_sides_tell_the_same_keys(recorded, case):
    near, far = (recorded[case][who]["log"] for who in ("initiator", "responder"))

    [keys] = logs.child_keys(near)
    assert logs.child_keys(far) == {keys}
    sizes = {"cbc": [32, 20, 32, 20], "3des": [24, 20, 24, 20]}.get(case, [16, 64, 16, 64])
    assert [len(key) for key in keys] == sizes
    assert len(set(keys)) == 4
    secrets = logs.ike_secrets(near)
    assert secrets and secrets == logs.ike_secrets(far)
    for found in secrets.values():
        assert set(found) in ({"SK_ei", "SK_er"}, {"SK_ei", "SK_er", "SK_ai", "SK_ar"})


def test_a_helper_may_speak_in_the_middle_of_a_key(recorded):
    """pluto's threads share a log, and none waits until the rows of another one are complete."""
    log = recorded["plain"]["initiator"]["log"]
    row = re.compile(r"^(.*\|   [0-9a-f]{2} .*)$", re.MULTILINE)
    disturbed = row.sub(r"| helper 1: waiting for work\n\1", log)

    assert disturbed.count("helper 1: waiting") > 10
    assert logs.child_keys(disturbed) == logs.child_keys(log)
    assert logs.ike_secrets(disturbed) == logs.ike_secrets(log)


def test_a_log_cut_anywhere_raises_nothing(recorded):
    said = recorded["ports"]["responder"]
    for end in range(0, len(said["log"]), 211):
        parse.view(said["listed"], said["log"][:end])
        logs.child_keys(said["log"][:end])
        logs.ike_secrets(said["log"][end:])
    for end in range(0, len(said["listed"]), 7):
        parse.view(said["listed"][:end], said["log"])


def test_without_a_log_the_list_alone_tells_what_it_has(recorded):
    (sa,) = parse.view(recorded["plain"]["initiator"]["listed"], "").sas

    assert (sa.state, sa.suite, sa.spis.i) == ("ESTABLISHED", None, bytes(8))
    assert (
        sa.child.spi_in == parse.view(*recorded["plain"]["initiator"].values()).sas[0].child.spi_in
    )


@pytest.mark.parametrize(
    "text",
    ["", "whack: is Pluto running?", "#1: nonsense", '#2: "a":500 (x);', "000 #x: y", "\0\xff" * 9],
)
def test_nonsense_is_an_empty_view(text):
    assert parse.view(text, text).sas == ()


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("STATE_V2_PARENT_R1 (sent IKE_SA_INIT reply)", "CONNECTING"),
        ("IKE_SA_INIT_R (sent IKE_SA_INIT response)", "CONNECTING"),
        ("STATE_V2_ESTABLISHED_IKE_SA (established IKE SA)", "ESTABLISHED"),
    ],
)
def test_states(state, seen):
    (sa,) = parse.view(f'000 #7: "ikelab"[3] 10.0.0.1:500 {state}; EXPIRE in 9s; idle;', "").sas

    assert sa.state == seen and sa.children == ()


def test_who_came_by_tcp_is_listed_in_another_way():
    text = (
        '#1: "ikelab"[1] 10.0.0.1:48439(tcp) ESTABLISHED_IKE_SA (established IKE SA); idle;\n'
        '#2: "ikelab"[1] 10.0.0.1:48439(tcp) ESTABLISHED_CHILD_SA (established Child SA);'
        " eroute owner; IKE SA #1; idle;\n"
        '#2: "ikelab"[1] 10.0.0.1 esp.74ab9d91@10.0.0.1 esp.7ad53192@10.0.0.2 tun.0@10.0.0.1\n'
    )

    (sa,) = parse.view(text, "").sas

    assert sa.state == "ESTABLISHED"
    assert [c.spi_out.hex() for c in sa.children] == ["74ab9d91"]


def test_what_is_not_yet_an_sa_is_none():
    text = '#2: "ikelab":500 NEW_CHILD_I1 (sent CREATE_CHILD_SA request for new IPsec SA); idle;\n'
    text += '#3: "ikelab":500 REKEY_IKE_R0 (open IKE SA); idle;'

    assert parse.view(text, "").sas == ()


@pytest.mark.parametrize(
    ("text", "local", "remote"),
    [
        ("10.2.0.0/24===10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24"),
        ("10.2.0.0/24,10.3.0.0/24===10.1.0.0/24", "10.2.0.0/24 10.3.0.0/24", "10.1.0.0/24"),
        ("10.2.0.0-10.2.0.255:0-65535 0] -> [10.1.0.0-10.1.0.255:500-500 17",
         "10.2.0.0/24", "10.1.0.0/24[17/500-500]"),
        ("2001:db8::/64/UDP/500===2001:db8::1/128/6", "2001:db8::/64[17/500]", "2001:db8::1[6]"),
        ("10.2.0.0/24===10.1.0.1/32] [10.2.0.0/24===10.1.0.3/32",
         "10.2.0.0/24", "10.1.0.1 10.1.0.3"),
        ("nothing", "", ""),
        ("a===b", "", ""),
    ],
)  # fmt: skip
def test_selectors(text, local, remote):
    expected = [tuple(TS.parse(word) for word in words.split()) for words in (local, remote)]

    assert list(parse.selectors(text)) == expected


def test_old_and_new_names_of_ciphers():
    for text in ("AES_GCM_16_256", "AES_GCM_C_256"):
        found = names.transform(TransformType.ENCR, text)
        assert (found.id, found.key_bits) == (Encr.ENCR_AES_GCM_16, 256)
    assert names.transform(TransformType.ENCR, "CHACHA20_POLY1305_256").key_bits is None
    assert names.transform(TransformType.ENCR, "ROT13_128") is None
    assert names.transform(TransformType.INTEG, "n/a") is None


def test_algorithms_of_a_status():
    text = """000 algorithm ESP encrypt: name=AES_GCM_16, keysizemin=128, keysizemax=256
000 algorithm AH/ESP auth: name=HMAC_SHA1_96, key-length=160
000 algorithm IKE encrypt: v1id=-1, v1name=n/a, v2id=20, v2name=AES_GCM_16, blocksize=16
000 algorithm IKE PRF: name=HMAC_SHA2_256, hashlen=32
000 algorithm IKE DH Key Exchange: name=DH31, bits=256
"""
    known = algorithms.read(text)

    for word, has in (("aes128gcm16-prfsha256-x25519", True), ("aes128-sha1-modp2048", False)):
        suite = Suite.parse(word)
        assert all(known.has(t, Protocol.IKE) for t in suite.transforms) == has
    assert all(known.has(t, ESP) for t in Suite.parse("aes128gcm16-esn-x25519", ESP).transforms)
    assert not known.has(Suite.parse("aes128-sha1", ESP).encr, ESP)
