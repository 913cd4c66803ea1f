"""strongSwan's configuration: golden files for whole ones, and what its language cannot say.

IKELAB_GOLDEN=write writes the golden files anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from daemon_pair import config

from ikelab.harness.exchange.features import Features
from ikelab.harness.model import TS, Identity, Suite, Transform, suites
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.strongswan import names, render
from ikelab.layers.iana import Protocol, TransformType

GOLDEN = Path(__file__).parent / "golden"
TRIXIE = render.Build()
BOOKWORM = render.Build(raw_esp=False)
KERNEL_ESP = render.Build(libipsec=False)
WIDE = {"ts": ("0.0.0.0/0", "0.0.0.0/0")}
SEED = suites(["3des-aes128-sha1-modp1024"]), suites(["3des-sha1"], Protocol.ESP)


@pytest.mark.parametrize(
    ("name", "wanted", "build"),
    [
        ("plain", config(V4[1], V4[0]), TRIXIE),
        ("bookworm", config(V4[1], V4[0]), BOOKWORM),
        ("kernel-esp", config(V4[1], V4[0]), KERNEL_ESP),
        ("seed", config(V4[1], V4[0], ike=SEED[0], esp=SEED[1], **WIDE), TRIXIE),
        ("cookies", config(V4[1], V4[0], cookies=True), TRIXIE),
        (
            "addresses",
            config(V4[1], V4[0], pool=("10.3.0.0/24", "2001:db8:3::/120"), dns=("10.2.0.53",)),
            TRIXIE,
        ),
        ("asks-for-an-address", config(V4[0], V4[1], request=(1, 8)), TRIXIE),
        (
            "everything",
            config(
                V6[0],
                V6[1],
                local_id=Identity.parse("a@left.example"),
                remote_id=Identity.parse("keyid:0a0b"),
                psk=bytes(range(16)),
                ike=suites(
                    ["aes256-aes128-sha256-sha1-ecp256-x25519", "chacha20poly1305-prfsha512-x448"]
                ),
                esp=suites(["aes128-sha256-modp2048-esn-noesn", "3des-md5"], Protocol.ESP),
                port=1500,
                dpd_delay=1.5,
                options={
                    "mobike": "yes",
                    "fragmentation": "force",
                    "vips": "0.0.0.0, ::",
                    "pool": "10.3.0.0/24",
                    "log": "plain",
                    "charon.retransmit_tries": "1",
                    "charon.plugins.attr.dns": "10.2.0.53",
                    "connection.childless": "force",
                    "child.mode": "transport",
                    "local.round": "1",
                },
            ),
            KERNEL_ESP,
        ),
    ],
)
def test_golden(name, wanted, build):
    text = "\n".join(f"# {path}\n{text}" for path, text in render.render(wanted, build).items())
    path = GOLDEN / f"strongswan-{name}.conf"
    if os.environ.get("IKELAB_GOLDEN") == "write":
        path.write_text(text)

    assert text == path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aes128-sha1-modp1024", "aes128-sha1-prfsha1-modp1024"),
        ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha384-ecp384"),
        ("3des-aes128-sha1-modp1024", "3des-aes128-sha1-prfsha1-modp1024"),
        ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305-prfsha256-curve25519"),
        ("aes128gcm16-nointeg-prfsha256-x25519", "aes128gcm16-prfsha256-curve25519"),
        ("aes128gcm16-prfsha256-x25519-addke1:36", "aes128gcm16-prfsha256-curve25519-ke1_mlkem768"),
    ],
)
def test_a_proposal_is_spelt_out(text, words):
    assert names.proposal(Suite.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "encr:4/128-sha1-modp2048",
            "has no word for Encryption Algorithm .* ENCR_RC5 with 128 bits",
        ),
        ("encr:12-sha1-modp2048", None),
        ("encr:12/100-sha1-modp2048", "ENCR_AES_CBC with 100 bits"),
        ("aes128-sha1-ke:9999", "9999"),
    ],
)
def test_a_transform_without_a_word_is_unsupported(text, said):
    if said is None:
        assert names.proposal(Suite.parse(text)).startswith("aes-")
        return
    with pytest.raises(Unsupported, match=said):
        names.proposal(Suite.parse(text))


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_printed_names_lead_back_to_their_transform(kind):
    table = names._by_name(kind)

    assert len(table) > 8
    for text, row in table.items():
        assert names.printed(Transform(kind, row)) == text
        assert names.transform(kind, text) == Transform(kind, row)


def test_a_number_without_a_name_is_kept():
    assert names.transform(TransformType.ENCR, "(1024)", 128) == Transform(1, 1024, 128)
    assert names.transform(TransformType.ENCR, "AES_CFB") is None


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (Identity.parse("10.0.0.1"), "10.0.0.1"),
        (Identity.parse("2001:db8::1"), "2001:db8::1"),
        (Identity.parse("gw.example.org"), "fqdn:gw.example.org"),
        (Identity.parse("user@example.org"), "rfc822:user@example.org"),
        (Identity.parse("keyid:0a0b"), "keyid:#0a0b"),
        (Identity(2, b"\xff\xfe"), "fqdn:#fffe"),
        (Identity(2, b"#name"), "fqdn:#236e616d65"),
        (Identity(9, bytes.fromhex("3000")), "asn1dn:#3000"),
    ],
)
def test_identities(identity, text):
    assert render.identity(identity) == text


@pytest.mark.parametrize("identity", [Identity(1, b"\1\2"), Identity(200, b"x"), Identity(2, b"")])
def test_an_identity_without_words_is_unsupported(identity):
    with pytest.raises(Unsupported, match="cannot be told the identity"):
        render.identity(identity)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.1.0.0/24", "10.1.0.0/24"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0/0"),
        ("10.1.0.1", "10.1.0.1/32"),
        ("10.1.0.1-10.1.0.2", "10.1.0.1-10.1.0.2"),
        ("10.1.0.0-10.1.0.2", "10.1.0.0-10.1.0.2"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("::/0", "::/0"),
        ("10.1.0.0/24[6]", "10.1.0.0/24[6]"),
        ("10.1.0.0/24[17/500]", "10.1.0.0/24[17/500]"),
        ("10.1.0.0/24[0/5-9]", "10.1.0.0/24[0/5-9]"),
        ("10.1.0.0/24[17/65535-0]", "10.1.0.0/24[17/opaque]"),
    ],
)
def test_selectors(text, words):
    assert render.selector(TS.parse(text)) == words


@pytest.mark.parametrize("text", ["10.1.0.9-10.1.0.1", "10.1.0.0/24[17/9-5]"])
def test_an_empty_selector_is_unsupported(text):
    with pytest.raises(Unsupported, match="empty selector"):
        render.selector(TS.parse(text))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mobikee": "yes"}, "no option 'mobikee'; did you mean 'mobike'"),
        ({"conection.mobike": "yes"}, "sections are connection"),
        ({"log": "loud"}, "log=loud"),
        ({"kernel": "bsd"}, "kernel=bsd"),
    ],
)
def test_an_unknown_option_is_unsupported(options, said):
    with pytest.raises(Unsupported, match=said):
        render.render(config(V4[1], V4[0], options=options), TRIXIE)


@pytest.mark.parametrize("wanted", [True, False])
def test_compression_is_said_where_it_is_wanted(wanted):
    told = config(V4[1], V4[0], features=Features(ipcomp=wanted))

    assert ("ipcomp = yes\n" in render.render(told, TRIXIE)["swanctl.conf"]) is wanted


def test_esp_and_ah_together_are_unsupported():
    both = (Suite.parse("aes128-sha1", Protocol.ESP), Suite.parse("sha1", Protocol.AH))

    with pytest.raises(Unsupported, match="either ESP or AH"):
        render.render(config(V4[1], V4[0], esp=both), TRIXIE)


@pytest.mark.parametrize(
    ("psk", "text"),
    [(b"cisco", "cisco"), (b'a"b', "0x612262"), (b"0x12", "0x30783132"), (b"\xff", "0xff")],
)
def test_a_secret_reads_back_as_what_it_is(psk, text):
    assert (
        f"secret = {text}\n" in render.render(config(V4[1], V4[0], psk=psk), TRIXIE)["swanctl.conf"]
    )
