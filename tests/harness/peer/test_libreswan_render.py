"""Libreswan's configuration: golden files for whole ones, and what its language cannot say.

IKELAB_GOLDEN=write writes the golden files anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from daemon_pair import config

from ikelab.harness.exchange.credentials import NullCredential, Trust
from ikelab.harness.exchange.features import Features
from ikelab.harness.model import TS, Identity, Suite, suites
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.libreswan import names, render
from ikelab.layers.iana import Protocol

GOLDEN = Path(__file__).parent / "golden"
TRIXIE, BOOKWORM = render.Build((5, 2)), render.Build((4, 10))
ESP = Protocol.ESP


@pytest.mark.parametrize(
    ("name", "wanted", "build"),
    [
        ("plain", config(V4[1], V4[0]), TRIXIE),
        ("bookworm", config(V4[1], V4[0]), BOOKWORM),
        ("cookies", config(V4[1], V4[0], cookies=True), TRIXIE),
        ("null", config(V4[1], V4[0], own=NullCredential(), trust=Trust(null=True)), TRIXIE),
        (
            "addresses",
            config(V4[1], V4[0], pool=("10.3.0.0/24",), dns=("10.2.0.53", "10.2.0.54")),
            TRIXIE,
        ),
        ("asks-for-an-address", config(V4[0], V4[1], request=(1,)), TRIXIE),
        ("transport", config(V4[0], V4[1], mode="transport", ts=("10.0.0.1", "10.0.0.2")), TRIXIE),
        (
            "everything",
            config(
                V6[0],
                V6[1],
                local_id=Identity.parse("a@left.example"),
                remote_id=Identity.parse("keyid:0a0b"),
                psk=bytes(range(16)),
                ike=suites(
                    ["aes256-aes128-sha256-sha1-ecp256-x25519", "aes256gcm16-prfsha512-x25519"]
                ),
                esp=suites(
                    ["aes128-sha256-modp2048-esn-noesn", "aes256gcm16-modp2048-esn-noesn"], ESP
                ),
                ts=("2001:db8:1::/64[17/500]", "2001:db8:2::/64[17]"),
                port=1500,
                tries=1,
                dpd_delay=1.5,
                keepalive=7,
                options={
                    "mobike": "yes",
                    "fragmentation": "force",
                    "log": "plain",
                    "conn.ikelifetime": "60s",
                    "setup.crl-strict": "yes",
                },
            ),
            BOOKWORM,
        ),
    ],
)  # fmt: skip
def test_golden(name, wanted, build):
    text = "\n".join(f"# {path}\n{text}" for path, text in render.render(wanted, build).items())
    path = GOLDEN / f"libreswan-{name}.conf"
    if os.environ.get("IKELAB_GOLDEN") == "write":
        path.write_text(text)

    assert text == path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aes128-sha1-modp2048", "aes128-sha1-modp2048"),
        ("aes256gcm16-prfsha384-ecp384", "aes_gcm256-sha2_384-dh20"),
        ("3des-aes128-sha1-modp2048-x25519", "3des+aes128-sha1-modp2048+dh31"),
        ("chacha20poly1305-prfsha256-x25519", "chacha20_poly1305-sha2_256-dh31"),
        ("aes128-aesxcbc-prfaesxcbc-ecp256", "aes128-aes_xcbc-dh19"),
    ],
)
def test_an_ike_proposal_in_its_words(text, words):
    assert names.ike(Suite.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aes128gcm16", "aes_gcm128"),
        ("aes128gcm16-modp2048", "aes_gcm128-none-modp2048"),
        ("aes128-aes256-sha1-sha256", "aes128+aes256-sha1+sha2_256"),
        ("null-sha1-ecp256", "null-sha1-dh19"),
    ],
)
def test_a_child_proposal_in_its_words(text, words):
    assert names.child(Suite.parse(text, ESP)) == words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("aes128-sha1-prfsha256-modp2048", "one hash for both"),
        ("aes256gcm16-sha256-prfsha256-ecp256", "beside a combined-mode cipher"),
        ("aes256gcm16-aes128-sha256-ecp256", "beside a combined-mode cipher"),
        ("aes128-sha256-x25519-addke1:36", "no additional key exchanges"),
        ("blowfish128-sha1-modp2048", "no word for .*BLOWFISH"),
        ("encr:12-sha256-modp2048", "no word for .*AES_CBC"),
        ("aes128-sha256-ke:999", "no word for .*999"),
    ],
)
def test_what_an_ike_proposal_cannot_say(text, said):
    with pytest.raises(Unsupported, match=said):
        names.ike(Suite.parse(text))


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"esp": suites(["aes128gcm16", "aes128gcm16-esn"], ESP)}, "one esn="),
        ({"esp": suites(["aes128gcm16", "aes128gcm16-ecp256"], ESP)}, "the same groups"),
        ({"esp": (Suite.parse("sha1", Protocol.AH), Suite.parse("aes128gcm16", ESP))}, "not both"),
        ({"ts": ("10.1.0.1-10.1.0.9", "10.2.0.0/24")}, "takes subnets, not the range"),
        ({"ts": ("10.1.0.0/24[17/500-600]", "10.2.0.0/24[17]")}, "one port or all"),
        ({"ts": ("10.1.0.0/24[17]", "10.2.0.0/24[6]")}, "the same protocol"),
        ({"local_id": Identity(11, b"")}, "cannot be told the identity"),
        ({"local_id": Identity(2, b"sp ace")}, "cannot be told the identity"),
        ({"psk": b""}, "no empty shared key"),
        ({"window": 4}, "one request at a time"),
        ({"esp": (Suite.parse("aes128gcm16-sn:2", Protocol.ESP),)}, "of 32 and of 64 bits"),
        ({"options": {"moebike": "yes"}}, "no option 'moebike'.*mobike"),
        ({"options": {"log": "loud"}}, "log=loud"),
        ({"options": {"charon.x": "1"}}, "sections are conn, setup"),
        ({"pool": ("10.3.0.0/24", "10.4.0.0/24")}, "one pool"),
        ({"trust": Trust(psk=b"x", null=True)}, "not either"),
    ],
)  # fmt: skip
def test_what_the_language_cannot_say(differs, said):
    with pytest.raises(Unsupported, match=said):
        render.render(config(V4[0], V4[1], **differs), TRIXIE)


def test_several_subnets_need_the_fifth_series():
    several = (TS.parse("10.1.0.0/24"), TS.parse("10.3.0.0/24"))
    wanted = config(V4[0], V4[1], local_ts=several)

    assert "leftsubnet=10.1.0.0/24,10.3.0.0/24" in render.render(wanted, TRIXIE)["ipsec.conf"]
    with pytest.raises(Unsupported, match="before 5"):
        render.render(wanted, BOOKWORM)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("gw.example.org", "@gw.example.org"),
        ("user@example.org", "user@example.org"),
        ("keyid:0a0b", "@#0a0b"),
    ],
)
def test_identities(value, word):
    assert render.identity(Identity.parse(value)) == word


@pytest.mark.parametrize("mobile", [True, False])
def test_only_who_stays_listens_at_one_address(mobile):
    wanted = config(V4[0], V4[1], features=Features(mobike=mobile))

    assert ("listen" in render.setup(wanted, TRIXIE)) is not mobile


@pytest.mark.parametrize("wanted", [True, False])
def test_compression_is_said_where_it_is_wanted(wanted):
    told = config(V4[0], V4[1], features=Features(ipcomp=wanted))

    assert (render.connection(told, TRIXIE).get("compress") == "yes") is wanted


@pytest.mark.parametrize("tcp", [True, False])
def test_it_listens_by_tcp_where_the_kernel_carries_esp_there(tcp):
    files = render.render(config(V4[0], V4[1]), render.Build((5, 2), tcp=tcp))

    assert ("listen-tcp=yes" in files["ipsec.conf"]) is tcp
    assert ("enable-tcp=fallback" in files["ipsec.conf"]) is tcp
