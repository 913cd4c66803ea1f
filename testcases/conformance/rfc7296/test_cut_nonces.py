"""The two PRFs whose keys have one length take half of SKEYSEED's key of each nonce (2.14)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.model import Suite
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Protocol

SUITES = {
    "aes-xcbc": "aes128-aesxcbc-prfaesxcbc-modp2048",
    "aes-cmac": "aes128-aescmac-prfaescmac-modp2048",
}
LONGEST = 256  # octets of a nonce (3.9)


def started(peer: Tested, name: str) -> Suite:
    """The peer with this suite alone; Unsupported where it does not know the PRF."""
    suite = Suite.parse(SUITES[name])
    assert suite.prf is not None
    if not peer.driver.knows(suite.prf, Protocol.IKE):
        raise Unsupported(f"{peer.name} has no {suite.prf.name}")
    peer.start(ike=[suite])
    return suite


@case("KEY-02")
@rfc(7296, "2.14")
@pytest.mark.parametrize("length", [16, 32, LONGEST])
@pytest.mark.parametrize("name", SUITES)
def test_takes_the_first_64_bits_of_each_nonce(
    peer: Tested, initiator: Initiator, name: str, length: int
) -> None:
    """Whatever the length of a nonce, SKEYSEED is of its first 64 bits, and prf+ of all of them."""
    suite = started(peer, name)

    sa = initiator.establish(ike=[suite], nonce_length=length)

    assert sa.chosen == suite, f"{sa}"
    assert not sa.inform().silent, f"the IKE SA does not work\n{sa}"
    assert sa.violations == []


@case("KEY-02")
@rfc(7296, "2.14")
@pytest.mark.parametrize("name", SUITES)
def test_takes_the_first_64_bits_of_each_nonce_as_initiator(
    peer: Tested, responder: Responder, name: str
) -> None:
    """With the roles exchanged the halves are in the same order: the initiator's first."""
    suite = started(peer, name)
    responder.listen(ike=[suite], nonce_length=LONGEST)

    peer.initiate()
    sa = responder.accept()

    assert sa.chosen == suite, f"{sa}"
    assert not sa.inform().silent, f"the IKE SA does not work\n{sa}"
    assert sa.violations == []
