"""Post-quantum preshared keys beside EAP: named with the last AUTH (RFC 8784)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.eap import EapType
from ikelab.testcases.conformance.eap import gate, initiating, responding, user, word
from ikelab.testcases.conformance.ppk import KEY, UNKNOWN, same_keys, told

METHODS = (EapType.MD5_CHALLENGE, EapType.MSCHAPV2)


@case("PQ-15")
@rfc(8784, "3")
@pytest.mark.parametrize("kind", METHODS, ids=word)
def test_lets_a_user_in_by_eap_with_a_key(
    peer: Tested, initiator: Initiator, certificates: Certificates, kind: int
) -> None:
    """The AUTH after EAP has the key in it, that of the responder before EAP has not."""
    theirs = responding(certificates.theirs, gate(certificates, kind))
    peer.start(**theirs, features=told(KEY, must=True))

    ours = initiating(certificates.ours, user(certificates, kind))
    sa = initiator.establish(**ours, features=told(KEY, must=True))

    assert sa.sa.mixing.used == KEY, f"the key is not in use\n{sa}"
    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
def test_lets_a_user_in_by_eap_without_a_key_that_it_does_not_know(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """NO_PPK_AUTH stands in for the AUTH after EAP, too."""
    theirs = responding(certificates.theirs, gate(certificates, METHODS[0]))
    peer.start(**theirs, features=told(KEY))

    ours = initiating(certificates.ours, user(certificates, METHODS[0]))
    sa = initiator.establish(**ours, features=told(UNKNOWN))

    assert sa.sa.mixing.used is None, f"{sa}"
    same_keys(peer, sa)


@case("PQ-15")
@rfc(8784, "3")
@pytest.mark.parametrize("kind", METHODS, ids=word)
def test_proves_itself_by_eap_with_a_key(
    peer: Tested, responder: Responder, certificates: Certificates, kind: int
) -> None:
    """As initiator it names the key with the AUTH after EAP."""
    theirs = initiating(certificates.theirs, user(certificates, kind))
    peer.start(**theirs, features=told(KEY, must=True))
    ours = responding(certificates.ours, gate(certificates, kind))
    responder.listen(**ours, features=told(KEY, must=True))

    peer.initiate()
    sa = responder.accept()

    assert sa.sa.mixing.used == KEY, f"the key is not in use\n{sa}"
    same_keys(peer, sa)
