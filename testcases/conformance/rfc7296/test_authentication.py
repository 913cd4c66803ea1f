"""Proofs that do not hold, and identities (RFC 7296 2.15, 3.5, 3.8)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.model import Identity
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import IdType, Payload
from ikelab.testcases.conformance.refusals import refused

AUTH = "SK.AUTH.load"


@case("AUT-02")
@rfc(7296, "2.15", "2.21.2")
@pytest.mark.parametrize(
    "edit",
    [
        at("SK.IDi.IDtype").set(int(IdType.ID_KEY_ID)),
        at("SK.IDi.ID").xor(b"\0\0\0\1"),
        at("SK.IDi.ID").append(b"\0"),
        at("SK.IDi.res2").set(1),
    ],
    ids=["type", "bit", "longer", "reserved"],
)
def test_refuses_auth_over_another_identity(peer: Tested, initiator: Initiator, edit: Edit) -> None:
    """AUTH covers the ID payload: type, reserved octets and data."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[edit])

    refused(peer, sa, reply)
    assert initiator.probe()


@case("AUT-03")
@rfc(7296, "2.15")
@pytest.mark.parametrize("proof", ["shared key", "certificate"])
def test_refuses_auth_over_the_responders_octets(
    peer: Tested, initiator: Initiator, certificates: Certificates, proof: str
) -> None:
    """An initiator's AUTH over what the responder signs is no proof of the initiator."""
    certified = proof == "certificate"
    peer.start(**certificates.theirs() if certified else {})
    options = certificates.ours() if certified else {}
    sa = initiator.init(**options, conduct=Conduct().but("sign_own_octets"))

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**options)


INEXACT = {
    "bit": at(AUTH).xor(bytes(20) + b"\1"),
    "shorter": at(AUTH).truncate(-1),
    "longer": at(AUTH).append(b"\0"),
    "empty": at(AUTH).set(b""),
    "6k": at(AUTH).set(bytes(6000)),
    "10k": at(AUTH).set(bytes(10240)),
}


@case("AUT-04")
@rfc(7296, "2.15", "2.21.2")
@pytest.mark.parametrize(
    ("proof", "name"),
    [
        *(("shared key", name) for name in INEXACT),
        # Octets behind a signature in DER are for its reader to ignore or not.
        *(("certificate", name) for name in INEXACT if name != "longer"),
    ],
)
def test_refuses_auth_that_is_not_exact(
    peer: Tested, initiator: Initiator, certificates: Certificates, proof: str, name: str
) -> None:
    """One bit, one octet, nothing, thousands of octets too many: none of it is a proof."""
    certified = proof == "certificate"
    peer.start(**certificates.theirs() if certified else {})
    options = certificates.ours() if certified else {}
    sa = initiator.init(**options)

    reply = sa.auth(edits=[INEXACT[name]])

    refused(peer, sa, reply)
    assert peer.alive()
    assert initiator.probe(**options)


@case("AUT-05")
@rfc(7296, "2.15", "3.8")
@pytest.mark.parametrize("method", [0, 1, 3, 9, 12, 13, 14, 200, 255])
def test_refuses_another_method_than_the_shared_key(
    peer: Tested, initiator: Initiator, method: int
) -> None:
    """The right octets under another authentication method are no proof."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(edits=[at("SK.AUTH.auth_type").set(method)])

    refused(peer, sa, reply)
    assert initiator.probe()


@case("AUT-05")
@rfc(7296, "2.15", "3.8")
def test_refuses_a_shared_key_where_a_certificate_is_wanted(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """A peer whose policy wants a certificate does not take a shared key that it knows."""
    config = peer.start(**certificates.theirs())
    sa = initiator.init(**{**certificates.ours(), "own": None, "psk": config.psk})

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**certificates.ours())


# -- identities ----------------------------------------------------------------------------------


def own_identity(kind: IdType) -> Identity:
    data = {
        IdType.ID_IPV4_ADDR: bytes([192, 0, 2, 1]),
        IdType.ID_FQDN: b"gw.example.org",
        IdType.ID_RFC822_ADDR: b"user@example.org",
        IdType.ID_IPV6_ADDR: bytes.fromhex("20010db8") + bytes(11) + b"\1",
        IdType.ID_DER_ASN1_DN: bytes.fromhex("300d310b3009060355040613024652"),
        IdType.ID_DER_ASN1_GN: b"\x82\x0egw.example.org",
        IdType.ID_KEY_ID: bytes.fromhex("00ff107f"),
    }
    return Identity(kind, data[kind])


@case("AUT-18", "feature")
@rfc(7296, "3.5", "4")
@pytest.mark.parametrize("kind", [1, 2, 3, 5, 9, 10, 11], ids=lambda k: IdType(k).name)
def test_takes_every_type_of_identity(peer: Tested, initiator: Initiator, kind: int) -> None:
    """With a shared key; types 1, 2, 3 and 11 are those that everybody has to accept."""
    identity = own_identity(IdType(kind))
    peer.start(remote_id=identity)

    sa = initiator.establish(local_id=identity)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-18", "feature")
@rfc(7296, "1.2", "2.15")
def test_answers_who_names_no_responder(peer: Tested, initiator: Initiator) -> None:
    """IDr in the request is optional; the response has the peer's identity all the same."""
    config = peer.start()

    sa = initiator.establish(send_idr=False)

    identity = sa.reply.one(Payload.IDR)
    assert (identity.IDtype, bytes(identity.ID)) == (config.local_id.type, config.local_id.data)
    assert sa.violations == []


ODD = {
    "nul": b"gw\0.example.org",
    "not ascii": "gw.exämple.org".encode(),
    "not utf-8": b"\xff\xfe\xfd",
    "format": b"%s%n%d$(id)",
    "empty": b"",
    "4k": b"x" * 4096,
    "60k": b"x" * 60000,
}


@case("AUT-19", "policy")
@rfc(7296, "2.21.2", "3.5")
@pytest.mark.parametrize("name", ODD)
def test_survives_identities_of_odd_octets(peer: Tested, initiator: Initiator, name: str) -> None:
    """An identity that no host has is refused or dropped, and the next one is served."""
    peer.start()
    sa = initiator.init(local_id=Identity(IdType.ID_FQDN, ODD[name]))

    reply = sa.auth()

    refused(peer, sa, reply)
    peer.observe(reply.outcome)
    assert peer.alive()
    assert initiator.probe()
