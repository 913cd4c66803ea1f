"""Every method, hash and kind of key, reference against reference (RFC 7296 2.15, 7427, 7619)."""

from __future__ import annotations

import pytest
from certified import AT, auth_of, certified, payloads, pki, reason
from talk import Talk

from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.edits import at, drop
from ikelab.harness.exchange.credentials import NullCredential, PskCredential, Trust
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Identity
from ikelab.harness.pki import KEYS
from ikelab.layers.iana import AuthMethod, Hash, IdType, Notify, Payload

DIGITAL = AuthMethod.DIGITAL_SIGNATURE
RSA = AuthMethod.RSA_DIGITAL_SIGNATURE
CLASSIC = {"rsa2048": 1, "rsa3072": 1, "rsa4096": 1, "p256": 9, "p384": 10, "p521": 11}
ALL_HASHES = tuple(Hash)[:5]
NO_HASHES = {"trust": {"hashes": ()}}
SCHEMES_OF = {
    "rsa2048": [s for s in SCHEMES if s.startswith("rsa")],
    "rsa3072": ["rsa-pkcs1-sha256", "rsa-pss-sha512"],
    "p256": [s for s in SCHEMES if s.startswith("ecdsa")],
    "p384": ["ecdsa-sha384", "ecdsa-sha256"],
    "p521": ["ecdsa-sha512"],
    "ed25519": ["ed25519"],
    "ed448": ["ed448"],
}
MATRIX = [(key, scheme) for key, schemes in SCHEMES_OF.items() for scheme in schemes]


def is_up(talk: Talk) -> None:
    assert talk.i.state is talk.r.state is State.ESTABLISHED, talk.i.transcript.text()
    assert talk.i.violations == talk.r.violations == []
    assert talk.i.peer_id == talk.i.config.remote_id and talk.r.peer_id == talk.i.config.local_id


@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_key_in_both_roles(key: str) -> None:
    talk = certified(key).up()
    is_up(talk)
    for ours in (True, False):
        assert auth_of(talk.i, ours=ours).auth_type == DIGITAL


@pytest.mark.parametrize("key", KEYS)
def test_kinds_of_key_may_differ(key: str) -> None:
    is_up(certified(key, responder="p256").up())
    is_up(certified("ed25519", responder=key).up())


@pytest.mark.parametrize(("key", "scheme"), MATRIX)
def test_every_scheme_of_rfc7427(key: str, scheme: str) -> None:
    own = {"scheme": scheme}
    talk = certified(key, i_own=own, r_own=own, trust={"hashes": ALL_HASHES}).up()
    is_up(talk)
    identifier = SCHEMES[scheme].identifier
    for ours in (True, False):
        load = bytes(auth_of(talk.i, ours=ours).load)
        assert load[: 1 + load[0]] == bytes([len(identifier)]) + identifier


@pytest.mark.parametrize("wanted", [Hash.SHA2_256, Hash.SHA2_384, Hash.SHA2_512, Hash.SHA1])
@pytest.mark.parametrize("key", ["rsa2048", "p256"])
def test_the_hash_is_one_that_the_other_side_announced(key: str, wanted: Hash) -> None:
    """RFC 7427 4, in both directions."""
    talk = certified(key, trust={"hashes": (wanted,)}).up()
    is_up(talk)
    for ours in (True, False):
        load = bytes(auth_of(talk.i, ours=ours).load)
        assert any(
            load[1 : 1 + load[0]] == s.identifier for s in SCHEMES.values() if s.hash == wanted
        )


@pytest.mark.parametrize(("key", "method"), CLASSIC.items())
def test_without_announced_hashes_each_key_has_its_own_method(key: str, method: int) -> None:
    talk = certified(key, **NO_HASHES).up()
    is_up(talk)
    assert not talk.i.transcript.text().count("SIGNATURE_HASH")
    for ours in (True, False):
        assert auth_of(talk.i, ours=ours).auth_type == method


@pytest.mark.parametrize("side", ["request", "response"])
def test_one_announcement_is_not_enough_for_method_14(side: str) -> None:
    """RFC 7427 3: sent and received by each peer."""
    silent = {"plan": f'IKE_SA_INIT/{side}: drop("N(SIGNATURE_HASH_ALGORITHMS)")'}
    talk = certified("p256", **({"i": silent} if side == "request" else {"r": silent})).up()
    is_up(talk)
    for ours in (True, False):
        assert auth_of(talk.i, ours=ours).auth_type == CLASSIC["p256"]


@pytest.mark.parametrize("key", ["ed25519", "ed448"])
def test_a_key_that_needs_method_14_says_so(key: str) -> None:
    initiator = certified(key, responder="p256", i={"trust": pki().trust(AT, hashes=())}).up()
    assert initiator.i.state is State.CLOSED and reason(initiator.i) == "method"
    assert [s.message.exch_type for s in initiator.i.transcript] == [34, 34]

    responder = certified("p256", responder=key, r={"trust": pki().trust(AT, hashes=())}).up()
    assert reason(responder.r) == "method" and responder.i.state is State.CLOSED


def test_method_1_takes_every_hash() -> None:
    """RFC 7296 3.8: SHA-1 unless it is known that the other end can do more."""
    for scheme in ("", "rsa-pkcs1-sha256", "rsa-pkcs1-sha512"):
        own = {"method": RSA, "scheme": scheme}
        is_up(certified("rsa2048", i_own=own, r_own=own, **NO_HASHES).up())


def test_the_older_methods_break_a_rule_where_both_announced() -> None:
    """RFC 7427 3: the digital signature method must be used then."""
    talk = certified("rsa2048", i_own={"method": RSA}, r_own={"method": RSA}).up()
    assert talk.i.state is State.ESTABLISHED
    for sa in (talk.i, talk.r):
        assert [(v.rule, v.rfc, v.section) for v in sa.violations] == [
            ("digital-signature-is-used", 7427, "3")
        ]


def test_method_14_without_announcement_breaks_a_rule() -> None:
    talk = certified("p256", r_own={"method": DIGITAL}, trust={"hashes": ()}).up()
    assert talk.i.state is State.ESTABLISHED
    assert [v.rule for v in talk.i.violations] == ["digital-signature-was-announced"]


def test_a_certificate_on_one_side_and_a_shared_key_on_the_other() -> None:
    """RFC 7296 4: each side has its own method."""
    right = pki().member("responder", "p256")
    talk = Talk(
        local_id=Identity.parse("left@example.org"),
        remote_id=right.identity,
        i={"own": PskCredential(b"ours"), "trust": pki().trust(AT)},
        r={"own": right.credential(), "trust": Trust(psk=b"ours")},
    ).up()
    is_up(talk)
    assert auth_of(talk.i, ours=True).auth_type == AuthMethod.PSK
    assert auth_of(talk.i, ours=False).auth_type == DIGITAL


def test_shared_keys_may_differ_by_direction() -> None:
    talk = Talk(
        i={"own": PskCredential(b"mine"), "trust": Trust(psk=b"yours")},
        r={"own": PskCredential(b"yours"), "trust": Trust(psk=b"mine")},
    ).up()
    is_up(talk)


def test_a_shared_key_says_nothing_of_certificates_or_hashes() -> None:
    talk = Talk().up()
    is_up(talk)
    assert talk.i.config.own is talk.i.config.trust is None
    for kind in (Payload.CERT, Payload.CERTREQ):
        assert not payloads(talk.i, kind, ours=True) + payloads(talk.i, kind, ours=False)
    assert "SIGNATURE_HASH" not in talk.i.transcript.text()


# -- NULL authentication (RFC 7619) ----------------------------------------------------------------


NOBODY = Identity(IdType.ID_NULL, b"")


def test_null_authentication_where_it_is_allowed() -> None:
    talk = Talk(
        local_id=NOBODY,
        remote_id=NOBODY,
        own=NullCredential(),
        trust=Trust(null=True),
    ).up()
    is_up(talk)
    for ours in (True, False):
        auth = auth_of(talk.i, ours=ours)
        assert auth.auth_type == AuthMethod.NULL_AUTHENTICATION
        assert len(auth.load) == 32


def test_one_side_may_stay_anonymous() -> None:
    right = pki().member("responder", "p256")
    talk = Talk(
        local_id=NOBODY,
        remote_id=right.identity,
        i={"own": NullCredential(), "trust": pki().trust(AT)},
        r={"own": right.credential(), "trust": Trust(null=True), "remote_id": None},
    ).up()
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert talk.r.peer_id == NOBODY


@pytest.mark.parametrize("trust", [None, Trust(psk=b"a secret"), Trust()])
def test_null_authentication_where_it_is_not_allowed(trust: Trust | None) -> None:
    talk = Talk(i={"own": NullCredential()}, r={"trust": trust}).up()
    assert talk.i.state is State.CLOSED and reason(talk.r) == "method"
    assert talk.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]


def test_null_authentication_is_bound_to_the_exchange() -> None:
    """RFC 7619 2.1: SK_pi and SK_pr are the secrets, so nobody in between can change a thing."""
    talk = Talk(own=NullCredential(), trust=Trust(null=True)).init()
    talk.auth(drop("SK.IDr"))  # is not signed
    assert talk.i.state is State.ESTABLISHED
    talk = Talk(own=NullCredential(), trust=Trust(null=True), r={"remote_id": None}).init()
    talk.auth(at("SK.IDi.ID").xor(b"\1"))
    assert talk.i.state is State.CLOSED and reason(talk.r) == "key"
