"""NULL authentication: where it is configured and nowhere else (RFC 7619)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.credentials import NullCredential, Trust
from ikelab.harness.model import Identity
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import AuthMethod, IdType, Payload
from ikelab.testcases.conformance.refusals import refused

NOBODY = Identity(IdType.ID_NULL, b"")


@case("AUT-20")
@rfc(7619, "2.1")
@pytest.mark.parametrize("wanted", ["shared key", "certificate"])
@pytest.mark.parametrize("name", ["its own", "none"])
def test_refuses_null_authentication_unless_configured(
    peer: Tested, initiator: Initiator, certificates: Certificates, wanted: str, name: str
) -> None:
    """A right AUTH of method 13, under the expected identity or ID_NULL, lets nobody in."""
    certified = wanted == "certificate"
    peer.start(**certificates.theirs() if certified else {})
    options = certificates.ours() if certified else {}
    anonymous = {"local_id": NOBODY} if name == "none" else {}
    sa = initiator.init(**{**options, "own": NullCredential(), **anonymous})

    reply = sa.auth()

    refused(peer, sa, reply)
    assert initiator.probe(**options)


@case("AUT-20", "feature")
@rfc(7619, "2.1", "2.2")
def test_authenticates_nobody_where_it_is_configured(peer: Tested, initiator: Initiator) -> None:
    """Both sides stay anonymous; AUTH is made with SK_pi and SK_pr and protects the exchange."""
    nobody = {
        "own": NullCredential(),
        "trust": Trust(null=True),
        "local_id": NOBODY,
        "remote_id": NOBODY,
    }
    peer.start(**nobody)

    sa = initiator.establish(**nobody)

    assert sa.reply.one(Payload.AUTH).auth_type == AuthMethod.NULL_AUTHENTICATION
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-20")
@rfc(7619, "2.1")
def test_refuses_null_authentication_that_is_not_exact(peer: Tested, initiator: Initiator) -> None:
    """Nobody is authenticated, but nobody in between may change a thing either."""
    nobody = {
        "own": NullCredential(),
        "trust": Trust(null=True),
        "local_id": NOBODY,
        "remote_id": NOBODY,
    }
    peer.start(**nobody)
    sa = initiator.init(**nobody)

    reply = sa.auth(edits=[at("SK.AUTH.load").xor(b"\1")])

    refused(peer, sa, reply)
    assert initiator.probe(**nobody)
