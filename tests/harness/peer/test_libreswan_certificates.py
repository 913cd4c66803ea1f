"""Certificates with real plutos, in both roles; and what is written for them without a daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from daemon_pair import config
from proofs import in_both_roles

from ikelab.harness.exchange.credentials import CertCredential, Send, Trust
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.libreswan import nss
from ikelab.harness.peer.libreswan.render import Build, render
from ikelab.harness.pki import Certificates, Pki

OLDER = pytest.param("bookworm", marks=pytest.mark.long)

BUILD = Build((5, 2))


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki(seed=1)


def certified(pki: Pki, key: str = "p256", **own: Any) -> PeerConfig:
    return config(V4[1], V4[0], **Certificates(pki, "initiator").theirs(key, **own))


@pytest.mark.parametrize("release", ["trixie", OLDER])
def test_every_kind_of_key_in_both_roles(needed, in_world, release) -> None:
    name = needed(f"libreswan@{release}").manifest.peer

    assert in_world(in_both_roles, name, ("rsa2048", "p256", "p384")) == []


def test_a_connection_says_who_proves_what(pki) -> None:
    text = render(certified(pki, send=Send.ASKED), BUILD)["ipsec.conf"]

    for line in ("leftcert=own", "leftsendcert=sendifasked", "sendca=all", "rightca=%any",
                 "authby=ecdsa", "leftid=@responder.ikelab.test"):  # fmt: skip
        assert f"\t{line}\n" in text
    assert render(certified(pki), BUILD)["ipsec.secrets"] == ""


@pytest.mark.parametrize(
    ("key", "own", "word"),
    [
        ("rsa2048", {}, "rsasig"),
        ("rsa2048", {"method": 1}, "rsa-sha1"),
        ("rsa2048", {"scheme": "rsa-pss-sha384"}, "rsa-sha2_384"),
        ("p521", {"scheme": "ecdsa-sha512"}, "ecdsa-sha2_512"),
    ],
)
def test_how_it_signs(pki, key, own, word) -> None:
    assert f"\tauthby={word}\n" in render(certified(pki, key, **own), BUILD)["ipsec.conf"]


def test_a_certificate_on_one_side_and_a_shared_key_on_the_other(pki) -> None:
    wanted = replace(certified(pki), trust=Trust(psk=b"secret"))
    files = render(wanted, BUILD)

    assert "\tleftauth=ecdsa\n\trightauth=secret\n" in files["ipsec.conf"]
    assert files["ipsec.secrets"] == ": PSK 0x736563726574\n"


def test_the_database_holds_what_is_shown_and_trusted(pki) -> None:
    wanted = certified(pki)
    found = nss.material(wanted)

    assert list(found) == ["own.p12", "ca-0", "crl-0", "crl-1"]
    assert found["ca-0"] == pki.root
    assert nss.folder(wanted) == nss.folder(certified(pki)) != nss.folder(certified(pki, "p384"))
    tools = [(argv[0].rpartition("/")[2], argv[1]) for argv in nss.commands(found, "nss-1")]
    assert tools == [
        ("certutil", "-N"), ("pk12util", "-d"), ("certutil", "-A"), ("crlutil", "-I"),
        ("crlutil", "-I"),
    ]  # fmt: skip
    assert nss.folder(config(V4[0], V4[1])) == "nss"
    assert len(nss.commands(nss.material(config(V4[0], V4[1])), "nss")) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: replace(c, own=replace(c.own, method=9)), "to use method 9"),
        (lambda c: replace(c, own=replace(c.own, scheme="rsa-pkcs1-sha256")), "to sign with"),
        (lambda c: replace(c, own=replace(c.own, url="http://x")), "signs as it should"),
        (lambda c: replace(c, trust=replace(c.trust, psk=b"x")), "certificates or shared keys"),
        (lambda c: replace(c, trust=replace(c.trust, certreq=False)), "always asks"),
        (lambda c: replace(c, trust=replace(c.trust, known=(b"x",))), "that the peer does not"),
        (lambda c: replace(c, trust=replace(c.trust, hashes=(2,))), "usual policy"),
    ],
)
def test_what_it_cannot_be_told(pki, change, said) -> None:
    with pytest.raises(Unsupported, match=said):
        render(change(certified(pki)), BUILD)


def test_it_has_no_keys_of_edwards_curves(pki) -> None:
    wanted = certified(pki, "ed25519")
    assert isinstance(wanted.own, CertCredential)

    with pytest.raises(Unsupported, match="no ed25519 keys"):
        render(wanted, BUILD)
