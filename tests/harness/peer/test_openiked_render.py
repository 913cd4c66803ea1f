"""OpenIKED's configuration: golden files for whole ones, and what its language cannot say.

IKELAB_GOLDEN=write writes the golden files anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from daemon_pair import config

from ikelab.harness.exchange.credentials import NullCredential, Trust
from ikelab.harness.model import Identity, Suite, suites
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.openiked import credentials, names, render
from ikelab.harness.pki import Certificates, Pki
from ikelab.layers.iana import Protocol

GOLDEN = Path(__file__).parent / "golden"
ESP = Protocol.ESP
CBC = suites(["aes128-sha512"], ESP)


@pytest.mark.parametrize(
    ("name", "wanted", "active"),
    [
        ("plain", config(V4[1], V4[0], esp=CBC), False),
        ("active", config(V4[0], V4[1], esp=CBC), True),
        ("addresses", config(V4[1], V4[0], pool=("10.3.0.0/24",), dns=("10.2.0.53",)), False),
        ("asks-for-an-address", config(V4[0], V4[1], request=(1, 3)), True),
        (
            "everything",
            config(
                V6[0],
                V6[1],
                local_id=Identity.parse("a@left.example"),
                remote_id=Identity.parse("right.example"),
                psk=bytes(range(16)),
                ike=suites(
                    ["aes256-aes128-sha256-sha1-ecp256-x25519", "aes256gcm16-prfsha512-x25519"]
                ),
                esp=suites(["aes128-sha256-modp2048-esn-noesn", "3des-md5"], ESP),
                ts=("2001:db8:1::/64[17/500]", "2001:db8:2::/64[17]"),
                mode="transport",
                fragment=1280,
                options={"mobike": "yes"},
            ),
            False,
        ),
    ],
)
def test_golden(name, wanted, active):
    text = render.render(wanted, active=active)["iked.conf"]
    path = GOLDEN / f"openiked-{name}.conf"
    if os.environ.get("IKELAB_GOLDEN") == "write":
        path.write_text(text)

    assert text == path.read_text()


@pytest.mark.parametrize(
    ("text", "protocol", "words"),
    [
        ("aes128-sha1-modp2048", Protocol.IKE,
         "enc aes-128 prf hmac-sha1 auth hmac-sha1 group modp2048"),
        ("aes256gcm16-prfsha384-x25519-ecp384", Protocol.IKE,
         "enc aes-256-gcm prf hmac-sha2-384 group curve25519 group ecp384"),
        ("3des-sha1", ESP, "enc 3des auth hmac-sha1 noesn"),
        ("null-sha512-ecp256", ESP, "enc null auth hmac-sha2-512 group ecp256 noesn"),
    ],
)  # fmt: skip
def test_a_proposal_in_its_words_and_back(text, protocol, words):
    suite = Suite.parse(text, protocol)

    assert names.proposal(suite) == words
    back = names.read(words, protocol)
    assert back == Suite(tuple(t for t in suite.transforms if t.type != 5), protocol)


@pytest.mark.parametrize(
    ("text", "protocol", "said"),
    [
        ("aes256gcm16-sha256-prfsha256-ecp256", Protocol.IKE, "beside a combined-mode cipher"),
        ("aes128-sha256-x25519-addke1:36", Protocol.IKE, "no additional key exchanges"),
        ("camellia128-sha1-modp2048", Protocol.IKE, "no word for .*CAMELLIA"),
        ("encr:12-sha256-modp2048", Protocol.IKE, "no word for .*AES_CBC"),
        ("aes128gcm16-unspecifiedsn", Protocol.ESP, "of 32 and of 64 bits"),
        ("sha1", Protocol.AH, "ciphers into its proposals for AH"),
    ],
)
def test_what_a_proposal_cannot_say(text, protocol, said):
    with pytest.raises(Unsupported, match=said):
        names.proposal(Suite.parse(text, protocol))


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"ts": ("10.1.0.1-10.1.0.9", "10.2.0.0/24")}, "takes networks, not the range"),
        ({"ts": ("10.1.0.0/24[17/500-600]", "10.2.0.0/24[17]")}, "one port or all"),
        ({"ts": ("10.1.0.0/24[17]", "10.2.0.0/24[6]")}, "one protocol for all"),
        ({"local_id": Identity.parse("keyid:0a0b")}, "cannot be told the identity"),
        ({"local_id": Identity(2, b'"')}, "cannot be told the identity"),
        ({"local_id": Identity(2, b"a@b")}, "cannot be told the identity"),
        ({"psk": b""}, "no empty shared key"),
        ({"cookies": True}, "ask for cookies"),
        ({"port": 1500}, "no other port"),
        ({"dpd_delay": 1.0}, "looks after a silent peer only when"),
        ({"window": 4}, "one request at a time"),
        ({"request": (7,)}, "addresses and name servers only"),
        ({"options": {"encap": "yes"}}, "no option encap"),
        ({"own": NullCredential()}, "no NULL authentication"),
        ({"trust": Trust(anchors=(b"x",))}, "one way of authentication for both"),
    ],
)
def test_what_the_language_cannot_say(differs, said):
    with pytest.raises(Unsupported, match=said):
        render.render(config(V4[0], V4[1], **differs))


@pytest.fixture(scope="module")
def pki():
    return Pki(seed=1)


def certified(pki, key="p256", **own):
    return config(V4[1], V4[0], esp=CBC, **Certificates(pki, "initiator").theirs(key, **own))


@pytest.mark.parametrize(
    ("key", "own", "end"),
    [
        ("p256", {}, 'dstid "initiator.ikelab.test"'),
        ("p256", {"method": 9}, "ecdsa256"),
        ("rsa2048", {"method": 1}, "rsa"),
        ("p384", {"method": 14}, "rfc7427"),
    ],
)
def test_a_policy_with_certificates(pki, key, own, end):
    text = render.render(certified(pki, key, **own))["iked.conf"]

    assert text.endswith(f"{end}\n") and "psk" not in text


def test_what_lies_below_etc_iked(pki):
    found = credentials.material(certified(pki))

    assert list(found) == [
        "private/local.key", "certs/own.crt", "ca/anchor-0.crt", "ca/above-0.crt",
        "crls/crl-0.crl", "crls/crl-1.crl",
    ]  # fmt: skip
    assert all(octets.startswith(b"-----BEGIN ") for octets in found.values())
    assert credentials.material(config(V4[1], V4[0], esp=CBC)) == {}


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("ed25519", lambda c: c, "no ed25519 keys"),
        ("p256", lambda c: replace(c, own=replace(c.own, scheme="ecdsa-sha256")), "to sign with"),
        ("p256", lambda c: replace(c, own=replace(c.own, send="never")), "always sends"),
        ("p256", lambda c: replace(c, trust=replace(c.trust, hashes=(2,))), "usual policy"),
        ("p256", lambda c: replace(c, trust=replace(c.trust, psk=b"x")), "not either"),
        ("p256", lambda c: replace(c, trust=replace(c.trust, certreq=False)), "always asks"),
    ],
)
def test_what_a_policy_cannot_say_of_certificates(pki, key, change, said):
    with pytest.raises(Unsupported, match=said):
        render.render(change(certified(pki, key)))
