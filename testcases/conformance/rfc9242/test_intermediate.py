"""IKE_INTERMEDIATE: that it is announced, and that AUTH covers it (RFC 9242)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify

PLAIN = "aes128-sha256-x25519"
HYBRID = f"{PLAIN}-ke1_mlkem768"


@case("PQ-03")
@rfc(9242, "3.1")
def test_announces_it_to_who_announces_it(peer: Tested, initiator: Initiator) -> None:
    """INTERMEDIATE_EXCHANGE_SUPPORTED answers an initiator that announced it.

    That nobody else may be told so is written nowhere: 3.1 says what follows upon the initiator's
    notify, and RFC 7296 3.10.1 lets status notifies go into any message.
    """
    peer.start(ike=[HYBRID, PLAIN])

    without = initiator.init(ike=[PLAIN])
    both = initiator.init(ike=[HYBRID])

    kind = Notify.INTERMEDIATE_EXCHANGE_SUPPORTED
    if without.reply.notify(kind) is not None:
        peer.observe("it announces IKE_INTERMEDIATE to who does not")
    assert both.reply.notify(kind) is not None, f"not announced\n{both}"


@case("PQ-04")
@rfc(9242, "3.3.2")
def test_auth_covers_it(peer: Tested, initiator: Initiator) -> None:
    """An AUTH that does not cover IKE_INTERMEDIATE proves nothing."""
    peer.start(ike=[HYBRID])

    sa = initiator.init(ike=[HYBRID], conduct=Conduct().but("cover_intermediate"))
    reply = sa.auth()

    peer.observe(reply.outcome)
    assert not sa.established, f"it accepts an AUTH without IntAuth\n{sa}"


@case("PQ-13", "feature")
@rfc(9242, "3.2")
@rfc(7383, "2.4")
def test_takes_it_in_fragments(peer: Tested, initiator: Initiator) -> None:
    """IKE_INTERMEDIATE goes in fragments as any protected message does."""
    peer.start(ike=[HYBRID], fragment=600)

    sa = initiator.establish(ike=[HYBRID], fragment=600)

    assert sa.violations == []
    assert peer.disagreements(sa) == []
