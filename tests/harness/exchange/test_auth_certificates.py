"""CERT and CERTREQ, and every wrong certificate refused in both roles (RFC 7296 3.6, 3.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import permutations

import pytest
from certified import AT, auth_of, certified, payloads, pki, reason
from talk import Talk, events

from ikelab.harness.crypto.certs import Certificate, HashAndUrl, requested
from ikelab.harness.crypto.chains import Policy
from ikelab.harness.edits import drop
from ikelab.harness.exchange.credentials import Send, Trust
from ikelab.harness.exchange.events import Closed, NotAuthenticated
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram, Identity
from ikelab.harness.pki import FLAWS, Pki
from ikelab.layers.iana import CertEncoding, Exchange, IdType, Notify, Payload

X509 = CertEncoding.X_509_CERTIFICATE_SIGNATURE
URL = CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_responder_refuses_what_is_wrong(flaw: str) -> None:
    talk = certified(flaws=(flaw, "")).up()
    assert talk.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]
    assert talk.i.last_response.opened, "the refusal came in clear"
    assert talk.i.state is talk.r.state is State.CLOSED
    assert not talk.i.last_response.has(Payload.AUTH)
    found = [e for e in events(talk.r) if isinstance(e, NotAuthenticated)]
    assert [e.reason for e in found] == [str(FLAWS[flaw] or "signature")]
    assert len(found[0].text) > 20


@pytest.mark.parametrize("flaw", FLAWS)
def test_an_initiator_refuses_what_is_wrong(flaw: str) -> None:
    """RFC 7296 2.21.2: and says so in an exchange of its own, which ends the responder's SA too."""
    talk = certified(flaws=("", flaw)).up()
    assert talk.i.state is talk.r.state is State.CLOSED
    last = talk.i.transcript.steps[-2]
    assert last.message.exch_type == Exchange.INFORMATIONAL
    assert "SK{N(AUTHENTICATION_FAILED)}" in last.text()
    said = events(talk.i)
    assert [e.reason for e in said if isinstance(e, NotAuthenticated)] == [
        str(FLAWS[flaw] or "signature")
    ]
    assert [e for e in said if isinstance(e, Closed)]
    assert talk.i.children == talk.r.children == {}


def test_only_a_signature_that_is_wrong_breaks_a_rule() -> None:
    """Not to trust a peer's certificate is our policy, no fault of the peer's."""
    for flaw in FLAWS:
        broken = [v.rule for v in certified(flaws=("", flaw)).up().i.violations]
        assert broken == (["auth-verifies"] if flaw in ("wrong-key",) else []), flaw


def test_policy_lets_a_flaw_pass() -> None:
    lax = Policy(extended_key_usage=False)
    talk = certified(flaws=("wrong-eku", "wrong-eku"), trust={"policy": lax}).up()
    assert talk.i.state is State.ESTABLISHED


def test_a_crl_is_required_where_the_policy_says_so() -> None:
    strict = Policy(crl_required=True)
    assert certified(trust={"policy": strict}).up().i.state is State.ESTABLISHED
    talk = certified(trust={"policy": strict, "crls": ()}).up()
    assert reason(talk.r) == "no valid CRL"


def test_the_certificates_that_were_sent_are_the_chain() -> None:
    talk = certified().up()
    for ours, side in ((True, "initiator"), (False, "responder")):
        sent = payloads(talk.i, Payload.CERT, ours=ours)
        assert [p.cert_encoding for p in sent] == [X509, X509]
        assert tuple(bytes(p.cert_data) for p in sent) == pki().member(side).chain


def test_certreq_names_the_trust_anchors_of_each_side() -> None:
    talk = certified().up()
    root = Certificate.load(pki().root)
    for ours in (True, False):
        (request,) = payloads(talk.i, Payload.CERTREQ, ours=ours)
        assert request.cert_encoding == X509
        assert requested(bytes(request.cert_authority)) == (root.key_hash,)
    in_clear = [s for s in talk.i.transcript if s.message.exch_type == Exchange.IKE_SA_INIT]
    assert "CERTREQ" not in in_clear[0].text() and "CERTREQ" in in_clear[1].text()


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("send", Send)
def test_when_certificates_are_sent(send: Send, asks: bool) -> None:
    known = tuple(pki().member(side).chain[0] for side in ("initiator", "responder"))
    talk = certified(
        i_own={"send": send},
        r_own={"send": send},
        trust={"certreq": asks, "known": known, "intermediates": pki().intermediates},
    ).up()
    assert talk.i.state is State.ESTABLISHED
    expected = send is Send.ALWAYS or (send is Send.ASKED and asks)
    for ours in (True, False):
        assert bool(payloads(talk.i, Payload.CERT, ours=ours)) is expected


def test_a_peer_that_sends_no_certificate_has_to_be_known() -> None:
    talk = certified(i_own={"send": Send.NEVER}).up()
    assert reason(talk.r) == "no certificate"
    assert talk.i.state is State.CLOSED


def test_intermediates_in_any_order() -> None:
    deep = Pki(depth=3)
    left = deep.member("initiator")
    trust = deep.trust(AT)
    for order in permutations(left.chain[1:]):
        chain = (left.chain[0], *order)
        talk = Talk(
            local_id=left.identity,
            remote_id=Identity.parse("right@example.org"),
            i={"own": type(left.credential())(chain, left.key), "trust": Trust(psk=b"a secret")},
            r={"trust": trust},
        ).up()
        assert talk.i.state is State.ESTABLISHED


def test_a_missing_intermediate_is_an_unknown_ca_unless_it_is_held() -> None:
    talk = certified().init().auth(drop("SK.CERT[1]"))
    assert reason(talk.r) == "unknown CA"
    held = {"intermediates": pki().intermediates}
    assert certified(trust=held).init().auth(drop("SK.CERT[1]")).i.state is State.ESTABLISHED


def test_the_first_certificate_is_the_end_entitys() -> None:
    """RFC 7296 3.6."""
    left = pki().member("initiator")
    chain = tuple(reversed(left.chain))
    swapped = {"own": type(left.credential())(chain, left.key)}
    talk = certified(i=swapped).up()
    assert talk.i.state is State.CLOSED
    assert reason(talk.r) in ("key usage", "identity", "signature")


def test_a_chain_of_eight_kilobytes() -> None:
    large = Pki(depth=2, bulk=2400)
    left, right = large.member("initiator"), large.member("responder")
    assert sum(map(len, left.chain)) > 8192
    talk = Talk(
        local_id=left.identity,
        remote_id=right.identity,
        i={"own": left.credential(), "trust": large.trust(AT)},
        r={"own": right.credential(), "trust": large.trust(AT)},
    ).up()
    assert talk.i.state is State.ESTABLISHED
    assert max(len(s.data) for s in talk.i.transcript) > 8192


WAYS: dict[str, Callable[[list[Datagram]], list[Datagram]]] = {
    "backwards": lambda sent: sent[::-1],
    "odd ones first": lambda sent: [*sent[::2], *sent[1::2]],
    "each twice": lambda sent: [d for d in sent for _ in range(2)],
    "backwards, each twice": lambda sent: [d for d in sent[::-1] for _ in range(2)],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_of_eight_kilobytes_in_fragments_of_576_octets(way: str) -> None:
    """RFC 7383: both ways, in any order, each fragment doubled."""
    large = Pki(depth=2, bulk=2400)
    left, right = large.member("initiator"), large.member("responder")
    talk = Talk(
        fragment=576,
        local_id=left.identity,
        remote_id=right.identity,
        i={"own": left.credential(), "trust": large.trust(AT)},
        r={"own": right.credential(), "trust": large.trust(AT)},
    ).init()
    talk.i.start_auth(talk.now)
    there = talk.sent()
    talk.to_responder(WAYS[way](there))
    here = talk.answered()
    talk.to_initiator(WAYS[way](here))
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert not talk.i.violations and not talk.r.violations
    for sent in (there, here):
        assert len(sent) > 16 and max(len(d.data) for d in sent) <= 576 - 28


# -- identities ----------------------------------------------------------------------------------


def identities() -> dict[str, Identity]:
    left = pki().member("initiator")
    return {
        "fqdn": left.identity,
        "mail": Identity.parse("initiator@ikelab.test"),
        "ipv4": Identity.parse("10.0.0.1"),
        "ipv6": Identity.parse("2001:db8:0:1::1"),
        "dn": left.subject,
        "gn": Identity(IdType.ID_DER_ASN1_GN, b"\x82\x15initiator.ikelab.test"),
    }


WRONG = {
    "fqdn": Identity.parse("responder.ikelab.test"),
    "mail": Identity.parse("responder@ikelab.test"),
    "ipv4": Identity.parse("10.0.0.3"),
    "ipv6": Identity.parse("2001:db8:0:1::3"),
    "dn": Identity(IdType.ID_DER_ASN1_DN, b"\x30\x00"),
    "gn": Identity(IdType.ID_DER_ASN1_GN, b"\x82\x09nowhere.x"),
    "key id": Identity(IdType.ID_KEY_ID, b"initiator.ikelab.test"),
}


@pytest.mark.parametrize("kind", identities())
def test_every_type_of_identity(kind: str) -> None:
    own = {"local_id": identities()[kind]}
    talk = certified(i=own, r={"remote_id": None}).up()
    assert talk.i.state is State.ESTABLISHED
    assert talk.r.peer_id == own["local_id"]


@pytest.mark.parametrize("kind", WRONG)
def test_an_identity_that_the_certificate_does_not_hold(kind: str) -> None:
    talk = certified(i={"local_id": WRONG[kind]}, r={"remote_id": None}).up()
    assert talk.i.state is State.CLOSED and reason(talk.r) == "identity"


def test_an_identity_that_was_not_configured() -> None:
    """A right certificate of somebody else."""
    left = pki().member("initiator")
    for side in ("i", "r"):
        talk = certified(**{side: {"remote_id": Identity.parse("another.ikelab.test")}}).up()
        assert reason(getattr(talk, side)) == "stranger"
        assert talk.i.state is State.CLOSED
    assert certified(r={"remote_id": left.identity}).up().i.state is State.ESTABLISHED


# -- hash and URL -------------------------------------------------------------------------------


def stored(content: dict[str, bytes]):
    """A fetcher of what is in a dictionary, and what was asked of it."""
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if url not in content:
            raise FileNotFoundError(url)
        return content[url]

    return fetch, asked


PLACE = "http://ca.ikelab.test/initiator.der"


def test_a_url_is_sent_to_who_can_look_it_up_and_fetched_there() -> None:
    leaf = pki().member("initiator").chain[0]
    fetch, asked = stored({PLACE: leaf})
    talk = certified(i_own={"url": PLACE}, r={"trust": pki().trust(AT, fetch=fetch)}).up()
    assert talk.i.state is State.ESTABLISHED and asked == [PLACE]
    first = payloads(talk.i, Payload.CERT, ours=True)[0]
    assert first.cert_encoding == URL
    assert bytes(first.cert_data) == hashlib.sha1(leaf).digest() + PLACE.encode()
    assert "HTTP_CERT_LOOKUP_SUPPORTED" in talk.i.transcript.text()


def test_a_url_is_not_sent_to_who_cannot_look_it_up() -> None:
    talk = certified(i_own={"url": PLACE}).up()
    assert talk.i.state is State.ESTABLISHED
    assert [p.cert_encoding for p in payloads(talk.i, Payload.CERT, ours=True)] == [X509, X509]


def test_nothing_is_fetched_unless_asked() -> None:
    """A peer that sends a URL all the same learns that it is not looked up."""
    leaf = pki().member("initiator").chain[0]
    data = bytes(HashAndUrl.of(leaf, PLACE))
    plan = f"IKE_AUTH/request: SK.CERT[0].cert_encoding = {int(URL)}\n"
    plan += f"IKE_AUTH/request: SK.CERT[0].cert_data = {data!r}"
    talk = certified(i={"plan": plan}).up()
    assert reason(talk.r) == "not fetched"
    (event,) = [e for e in events(talk.i) if isinstance(e, Closed)]
    assert "AUTHENTICATION_FAILED" in event.reason


@pytest.mark.parametrize("content", [{}, {PLACE: b"something else"}])
def test_what_cannot_be_fetched_or_is_another_is_refused(content: dict[str, bytes]) -> None:
    fetch, asked = stored(content)
    talk = certified(i_own={"url": PLACE}, r={"trust": pki().trust(AT, fetch=fetch)}).up()
    assert reason(talk.r) == "not fetched" and asked == [PLACE]


# -- hostile CERT payloads ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        (int(X509), b"", "malformed"),
        (int(X509), b"\x30\x80garbage", "malformed"),
        (int(URL), b"short", "malformed"),
        (int(CertEncoding.CERTIFICATE_REVOCATION_LIST_CRL), b"no crl", "malformed"),
        (int(CertEncoding.HASH_AND_URL_OF_X_509_BUNDLE), bytes(20) + b"http://x", "not fetched"),
        (int(CertEncoding.PGP_CERTIFICATE), b"whatever", "key usage"),
        (200, b"", "key usage"),
    ],
)
def test_odd_cert_payloads_are_refused(encoding: int, data: bytes, expected: str) -> None:
    """An encoding that is not understood leaves the next certificate, here a CA's, as the first."""
    plan = f"IKE_AUTH/request: SK.CERT[0].cert_encoding = {encoding}\n"
    plan += f"IKE_AUTH/request: SK.CERT[0].cert_data = {data!r}"
    talk = certified(i={"plan": plan}).up()
    assert talk.i.state is State.CLOSED and reason(talk.r) == expected


def test_a_crl_in_a_cert_payload_counts() -> None:
    crl = pki().crls[-1]
    encoding = int(CertEncoding.CERTIFICATE_REVOCATION_LIST_CRL)
    plan = f"IKE_AUTH/request: SK.CERT[1].cert_encoding = {encoding}\n"
    plan += f"IKE_AUTH/request: SK.CERT[1].cert_data = {crl!r}"
    trust = pki().trust(AT, crls=(), intermediates=pki().intermediates)
    talk = certified(flaws=("revoked", ""), i={"plan": plan}, r={"trust": trust}).up()
    assert reason(talk.r) == "revoked"
    talk = certified(i={"plan": plan}, r={"trust": trust}).up()
    assert talk.i.state is State.ESTABLISHED


def test_of_a_heap_of_certificates_the_first_are_looked_at() -> None:
    left = pki().member("initiator")
    many = (left.chain[0], *[left.chain[1]] * 100)
    talk = certified(i={"own": type(left.credential())(many, left.key)}).up()
    assert talk.i.state is State.ESTABLISHED
    assert auth_of(talk.i, ours=True).auth_type == 14
