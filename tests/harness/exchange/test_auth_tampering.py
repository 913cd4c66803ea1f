"""AUTH that was tampered with is refused: the catalogue's AUT-02 to AUT-05, AUT-09 to AUT-11."""

from __future__ import annotations

from typing import Any

import pytest
from certified import auth_of, certified, pki, reason
from talk import Talk

from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.edits import Edit, at
from ikelab.harness.exchange import proof
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import AuthMethod, Hash, IdType, Notify

ANYBODY = {"remote_id": None}
BOTH = ["shared key", "certificate"]


def talk(kind: str) -> Talk:
    """A responder that lets the proof alone decide, not the name."""
    return Talk(r=ANYBODY) if kind == "shared key" else certified("p256", r=ANYBODY)


def refused(talk: Talk, *reasons: str) -> None:
    assert talk.i.state is talk.r.state is State.CLOSED, talk.i.transcript.text()
    assert talk.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]
    assert talk.i.last_response.opened
    assert talk.r.children == {}
    assert reason(talk.r) in reasons


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "edit",
    [
        at("SK.IDi.IDtype").set(int(IdType.ID_KEY_ID)),
        at("SK.IDi.ID").xor(b"\x20"),
        at("SK.IDi.ID").append(b"x"),
        at("SK.IDi.ID").truncate(-1),
        at("SK.IDi.ID").set(b""),
        at("SK.IDi.res2").set(1),
        at("SK.IDi.res2").set(0x800000),
    ],
    ids=str,
)
def test_auth_covers_every_octet_of_the_identity(kind: str, edit: Edit) -> None:
    """AUT-02."""
    refused(talk(kind).init().auth(edit), "key", "signature", "identity")


@pytest.mark.parametrize("kind", BOTH)
def test_the_initiator_checks_the_responders_identity_too(kind: str) -> None:
    plan = {"plan": "IKE_AUTH/response: SK.IDr.res2 = 1"}
    if kind == "shared key":
        talked = Talk(r=plan, i=ANYBODY).up()
    else:
        talked = certified(r=plan, i=ANYBODY).up()
    assert talked.i.state is talked.r.state is State.CLOSED
    assert reason(talked.i) in ("key", "signature")


@pytest.mark.parametrize("kind", BOTH)
def test_reflected_octets(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUT-03: what the initiator signs as if it were the responder."""
    own = proof.covered
    talked = talk(kind).init()

    def swapped(sa: Any, body: bytes, *, ours: bool) -> Any:
        return own(sa, body, ours=not ours if sa.initiator and ours else ours)

    monkeypatch.setattr(proof, "covered", swapped)
    refused(talked.auth(), "key", "signature")


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "edit",
    [
        at("SK.AUTH.load").xor(b"\x80"),
        at("SK.AUTH.load").truncate(-1),
        at("SK.AUTH.load").set(b""),
        at("SK.AUTH.load").append(b"\0"),
        at("SK.AUTH.load").append(bytes(10240)),
        at("SK.AUTH.load").set(bytes(32)),
    ],
    ids=lambda edit: str(edit)[:40],
)
def test_auth_data_is_exact(kind: str, edit: Edit) -> None:
    """AUT-04."""
    refused(talk(kind).init().auth(edit), "key", "signature")


def test_every_bit_of_auth_data_counts() -> None:
    load = bytes(auth_of(certified("ed25519").up().i, ours=True).load)
    for position in range(0, len(load), 5):
        flip = at("SK.AUTH.load").xor(bytes(position) + b"\1")
        refused(certified("ed25519").init().auth(flip), "signature", "hash")


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 201, 255])
def test_a_method_that_is_not_the_credentials(kind: str, method: int) -> None:
    """AUT-05."""
    if method == (AuthMethod.PSK if kind == "shared key" else AuthMethod.DIGITAL_SIGNATURE):
        return
    edit = at("SK.AUTH.auth_type").set(method)
    refused(talk(kind).init().auth(edit), "method", "signature")


@pytest.mark.parametrize(
    "announced", [(Hash.SHA2_384,), (Hash.SHA2_256,), (Hash.SHA2_512, Hash.SHA1)]
)
def test_a_hash_that_was_not_announced(announced: tuple[Hash, ...]) -> None:
    """AUT-09."""
    scheme = "rsa-pss-sha256" if Hash.SHA2_256 not in announced else "rsa-pss-sha512"
    talked = certified("rsa2048", i_own={"scheme": scheme}, trust={"hashes": announced}).up()
    refused(talked, "hash")
    assert [(v.rule, v.section) for v in talked.r.violations] == [
        ("signature-hash-was-announced", "4")
    ]
    as_responder = certified("rsa2048", r_own={"scheme": scheme}, trust={"hashes": announced}).up()
    assert as_responder.i.state is State.CLOSED and reason(as_responder.i) == "hash"


def rewritten(scheme: str, identifier: bytes, length: int | None = None) -> Edit:
    """AUTH data that says another AlgorithmIdentifier over the signature that it has."""
    known = SCHEMES[scheme].identifier
    talked = certified("rsa2048", i_own={"scheme": scheme}).up()
    signature = bytes(auth_of(talked.i, ours=True).load)[1 + len(known) :]
    size = len(identifier) if length is None else length
    return at("SK.AUTH.load").set(bytes([size]) + identifier + signature)


PKCS1 = SCHEMES["rsa-pkcs1-sha256"].identifier
PSS = SCHEMES["rsa-pss-sha256"].identifier


@pytest.mark.parametrize(
    ("scheme", "identifier", "length"),
    [
        ("rsa-pkcs1-sha256", PKCS1 + b"\0", None),  # trailing octets inside the length
        ("rsa-pkcs1-sha256", PKCS1[:-1], None),  # cut
        ("rsa-pkcs1-sha256", b"\x31" + PKCS1[1:], None),  # a SET
        ("rsa-pkcs1-sha256", b"", None),
        ("rsa-pkcs1-sha256", PKCS1, 0),
        ("rsa-pkcs1-sha256", PKCS1, 255),
        ("rsa-pkcs1-sha256", b"\x30\x80" + PKCS1[2:], None),  # indefinite length
        ("rsa-pkcs1-sha256", PKCS1.replace(b"\x0b\x05", b"\x0c\x05"), None),  # sha384 said
        ("rsa-pkcs1-sha256", PKCS1.replace(b"\x2a\x86", b"\x2b\x86"), None),  # another arc
        ("rsa-pss-sha256", PSS.replace(b"\x02\x01\x20", b"\x02\x01\x14"), None),  # a salt of 20
        ("rsa-pss-sha256", PSS.replace(b"\x02\x01\x20", b"\x02\x01\x00"), None),
        ("rsa-pss-sha256", PKCS1, None),
    ],
)
def test_an_algorithm_identifier_that_is_not_the_signatures(
    scheme: str, identifier: bytes, length: int | None
) -> None:
    """AUT-10. The signature itself is right."""
    edit = rewritten(scheme, identifier, length)
    refused(certified("rsa2048", i_own={"scheme": scheme}).init().auth(edit), "signature")


@pytest.mark.parametrize("scheme", ["rsa-pkcs1-sha256", "rsa-pss-sha256"])
def test_the_rewriting_alone_breaks_nothing(scheme: str) -> None:
    """The control of the test above: entropy is fixed, so both talks have one signature."""
    edit = rewritten(scheme, SCHEMES[scheme].identifier)
    talked = certified("rsa2048", i_own={"scheme": scheme}).init().auth(edit)
    assert talked.i.state is State.ESTABLISHED


@pytest.mark.parametrize("octets", [0, 1, 16, 31])
@pytest.mark.parametrize("method", [None, AuthMethod.RSA_DIGITAL_SIGNATURE])
def test_a_part_of_the_hash_is_no_signature(octets: int, method: int | None) -> None:
    """AUT-11."""
    own = {"scheme": "rsa-pkcs1-sha256", "hash_octets": octets, "method": method}
    refused(certified("rsa2048", i_own=own).up(), "signature")


def test_a_whole_hash_signed_the_same_way_is_one() -> None:
    own = {"scheme": "rsa-pkcs1-sha256", "hash_octets": 32}
    assert certified("rsa2048", i_own=own).up().i.state is State.ESTABLISHED


@pytest.mark.parametrize("missing", ["IDi", "AUTH"])
def test_a_missing_identity_or_auth_is_no_proof(missing: str) -> None:
    talked = Talk().init().auth(Edit.parse(f'drop("SK.{missing}")'))
    assert talked.i.state is State.CLOSED and talked.r.state is State.CLOSED
    assert talked.i.last_response.errors() == [Notify.INVALID_SYNTAX]


def test_identities_of_odd_octets_are_no_crash() -> None:
    """AUT-19."""
    for data in (b"a\0b", b"\xff" * 4, "ä".encode(), b"x" * 60000, b""):
        edit = at("SK.IDi.ID").set(data)
        for kind in BOTH:
            refused(talk(kind).init().auth(edit), "key", "signature", "identity")


def test_the_pki_of_these_tests_is_trusted() -> None:
    """What the refusals are worth: the same talks, left alone, come up."""
    for kind in BOTH:
        assert talk(kind).up().i.state is State.ESTABLISHED
    assert pki().member("initiator").identity == certified().i.config.local_id
