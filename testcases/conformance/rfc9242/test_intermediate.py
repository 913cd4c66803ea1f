"""IKE_INTERMEDIATE: who announces it, and that AUTH covers it (RFC 9242)."""

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
    """INTERMEDIATE_EXCHANGE_SUPPORTED is in the response where it was in the request only."""
    peer.start(ike=[HYBRID, PLAIN])

    without = initiator.init(ike=[PLAIN])
    both = initiator.init(ike=[HYBRID])

    kind = Notify.INTERMEDIATE_EXCHANGE_SUPPORTED
    assert without.reply.notify(kind) is None, f"announced to who does not know it\n{without}"
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
