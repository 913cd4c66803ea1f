"""Sequence numbers of which nobody says what they are: for many senders (RFC 9827, RFC 9838)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE

UNSPECIFIED = "aes128gcm16-unspecifiedsn"


@case("INIT-04")
@rfc(7296, "2.7", "3.3.6")
@rfc(9827, "4")
def test_takes_no_numbers_that_its_policy_has_not(peer: Tested, initiator: Initiator) -> None:
    """Numbers that are not unique allow no replay protection: nobody gets them by asking."""
    peer.start()
    sa = initiator.init(esp=[UNSPECIFIED])

    reply = sa.auth()

    reply.only(Notify.NO_PROPOSAL_CHOSEN)
    assert sa.children == [], f"a child\n{sa}"


@case("INIT-04", "feature")
@rfc(9827, "4")
def test_counts_on_no_number_that_is_unspecified(peer: Tested, initiator: Initiator) -> None:
    """A child of such numbers carries an echo whose number came before."""
    peer.start(esp=[UNSPECIFIED])

    sa = initiator.establish(esp=[UNSPECIFIED])
    assert ping(sa, attempts=ATTEMPTS, patience=SILENCE), f"no echo\n{sa}"

    again = ping(sa, patience=SILENCE, number=1)

    assert again, f"an echo under a number that came before is dropped\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []
