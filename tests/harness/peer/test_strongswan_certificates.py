"""Certificates with real charons of each release: every kind of key and scheme, both roles, 8 KiB.

And without a daemon: what is handed over by vici, what strongSwan cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from daemon_pair import config
from proofs import as_initiator, as_responder, in_both_roles, rig

from ikelab.harness.crypto.certs import Certificate
from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.endpoint import Endpoint
from ikelab.harness.exchange.credentials import CertCredential, NullCredential, Send, Trust
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.strongswan import credentials
from ikelab.harness.peer.strongswan.render import Build, connections, render
from ikelab.harness.pki import KEYS, Certificates, Pki

FAST = ("rsa2048", "p256", "p384", "p521", "ed25519", "ed448")
RSA = [s for s in SCHEMES if s.startswith("rsa") and "sha1" not in s]


def test_every_kind_of_key_in_both_roles(strongswan, in_world, tunnels) -> None:
    assert in_world(in_both_roles, strongswan.manifest.peer, KEYS) == []


def test_every_scheme_for_rsa(strongswan, in_world, tunnels) -> None:
    def talk() -> list[Any]:
        sides, found = Certificates(Pki(), "initiator"), []
        with rig(strongswan.manifest.peer) as made:
            for scheme in RSA:
                own = {"scheme": scheme}
                found += as_responder(
                    made, sides.ours("rsa2048", **own), sides.theirs("rsa2048", **own)
                )
        return found

    assert in_world(talk) == []


def test_the_older_methods_in_both_roles(strongswan, in_world, tunnels) -> None:
    def talk() -> list[Any]:
        pki, found = Pki(), []
        with rig(strongswan.manifest.peer) as made:
            for key, method in (("rsa2048", 1), ("p256", 9), ("p384", 10), ("p521", 11)):
                for side, run in (("initiator", as_responder), ("responder", as_initiator)):
                    sides = Certificates(pki, side)
                    ours, theirs = sides.ours(key), sides.theirs(key, method=method)
                    found += run(made, ours, theirs)
        return found

    assert in_world(talk) == []


class Disorderly:
    """A transport that sends what has gathered backwards, each datagram twice."""

    def __init__(self, below: Any) -> None:
        self._below = below
        self._waiting: list[Datagram] = []
        self.most = 0

    def send(self, datagram: Datagram) -> None:
        self._waiting.append(datagram)

    def receive(self, until: float) -> Datagram | None:
        self.most = max(self.most, len(self._waiting))
        for datagram in reversed(self._waiting):
            self._below.send(datagram)
            self._below.send(datagram)
        self._waiting.clear()
        return self._below.receive(until)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


def disorderly(endpoint: Endpoint) -> Disorderly:
    endpoint.transport = wrapped = Disorderly(endpoint.transport)
    return wrapped


def test_a_chain_of_eight_kilobytes_in_fragments_of_576_octets(
    strongswan, in_world, tunnels
) -> None:
    """RFC 7383, both roles; our fragments come backwards and each of them twice."""

    def talk() -> list[Any]:
        pki, found = Pki(depth=2, bulk=2400), []
        assert sum(map(len, pki.member("initiator").chain)) > 8192
        with rig(strongswan.manifest.peer) as made:
            sides = Certificates(pki, "initiator")
            made.begin("responder", None)
            made.peer.start(**sides.theirs(), fragment=576)
            initiator = made.initiator()
            transport = disorderly(initiator)
            sa = initiator.init(**sides.ours(), fragment=576)
            sa.auth()
            found += [str(sa)] if sa.state is not State.ESTABLISHED else made.peer.disagreements(sa)
            found += sa.violations
            found += [f"{transport.most} fragments"] if transport.most < 16 else []
            made.end()

            sides = Certificates(pki, "responder")
            made.begin("initiator", None)
            made.peer.start(**sides.theirs(), fragment=576)
            responder = made.responder()
            transport = disorderly(responder)
            responder.listen(**sides.ours(), fragment=576)
            made.peer.initiate()
            sa = responder.accept()
            found += [*made.peer.disagreements(sa), *sa.violations]
            found += [f"{transport.most} fragments"] if transport.most < 16 else []
            made.end()
        return found

    assert in_world(talk) == []


# -- without a daemon --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki(seed=5)


@pytest.fixture
def plain(pki: Pki) -> PeerConfig:
    member = pki.member("responder")
    return replace(
        config(V4[1], V4[0], swap=True),
        own=member.credential(),
        trust=pki.trust(),
        local_id=member.identity,
    )


def test_a_shared_key_is_what_it_was() -> None:
    tree = connections(config(V4[1], V4[0], swap=True))["ikelab"]
    assert tree["local"]["auth"] == tree["remote"]["auth"] == "psk"
    assert tree["send_certreq"] == "no"
    assert credentials.loaded(config(V4[1], V4[0], swap=True)) == []


def test_what_vici_gets(plain: PeerConfig, pki: Pki) -> None:
    tree = connections(plain)["ikelab"]
    own = plain.own
    assert isinstance(own, CertCredential)
    assert tree["local"] == {
        "auth": "pubkey", "certs": [own.chain[0]], "id": "fqdn:responder.ikelab.test"
    }  # fmt: skip
    assert tree["remote"]["auth"] == "pubkey" and tree["remote"]["cacerts"] == [pki.root]
    assert (tree["send_cert"], tree["send_certreq"]) == ("always", "yes")
    loaded = credentials.loaded(plain)
    kinds = [(c, m["type"], m.get("flag")) for c, m in loaded]
    assert kinds == [
        ("load_cert", "X509", "CA"),
        ("load_cert", "X509", "NONE"),
        ("load_cert", "X509_CRL", "NONE"),
        ("load_cert", "X509_CRL", "NONE"),
        ("load_key", "any", None),
    ]
    assert Certificate.load(loaded[1][1]["data"]).name.startswith("CN=ikelab intermediate 1")


def test_the_files_hold_names_and_no_key(plain: PeerConfig) -> None:
    files = "".join(render(plain, Build()).values())
    assert "certs = certs-0.der" in files and "cacerts = cacerts-0.der" in files
    own = plain.own
    assert isinstance(own, CertCredential)
    assert own.key.hex()[:40] not in files and "PRIVATE" not in files


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ("rsa-pkcs1-sha256", "ike:rsa-sha256"),
        ("rsa-pss-sha512", "ike:rsa/pss-sha512"),
        ("ecdsa-sha384", "ike:ecdsa-sha384"),
        ("ed448", "ike:ed448"),
    ],
)
def test_schemes_in_its_words(plain: PeerConfig, scheme: str, auth: str) -> None:
    own = replace(plain.own, scheme=scheme)  # type: ignore[arg-type]
    assert credentials.local(replace(plain, own=own))["auth"] == auth


def test_older_methods_turn_rfc7427_off(plain: PeerConfig) -> None:
    assert "signature_authentication" not in render(plain, Build())["strongswan.conf"]
    for changed in (
        replace(plain, own=replace(plain.own, method=9)),  # type: ignore[arg-type]
        replace(plain, trust=replace(plain.trust, hashes=())),  # type: ignore[arg-type]
    ):
        conf = render(changed, Build())["strongswan.conf"]
        assert "signature_authentication = no" in conf


def test_when_certificates_go_and_are_asked_for(plain: PeerConfig) -> None:
    for send, word in ((Send.ASKED, "ifasked"), (Send.NEVER, "never")):
        own = replace(plain.own, send=send)  # type: ignore[arg-type]
        assert credentials.connection(replace(plain, own=own))["send_cert"] == word
    silent = replace(plain.trust, certreq=False)  # type: ignore[arg-type]
    assert credentials.connection(replace(plain, trust=silent))["send_certreq"] == "no"


Change = Callable[[PeerConfig], PeerConfig]
IMPOSSIBLE: dict[str, Change] = {
    "null": lambda c: replace(c, own=NullCredential()),
    "takes null": lambda c: replace(c, trust=Trust(null=True)),
    "either": lambda c: replace(c, trust=replace(c.trust, psk=b"x")),  # type: ignore[arg-type]
    "hashes": lambda c: replace(c, trust=replace(c.trust, hashes=(4,))),  # type: ignore[arg-type]
    "url": lambda c: replace(c, own=replace(c.own, url="http://x")),  # type: ignore[arg-type]
    "part": lambda c: replace(c, own=replace(c.own, hash_octets=4)),  # type: ignore[arg-type]
    "method": lambda c: replace(c, own=replace(c.own, method=3)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_it_cannot_be_told(plain: PeerConfig, name: str) -> None:
    with pytest.raises(Unsupported):
        render(IMPOSSIBLE[name](plain), Build())
