"""Message IDs that are set anew after a failover (RFC 6311)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange import small
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested

SYNC = Features(sync=True)
NEXT, EXPECTED = 40, 7


@case("INF-15", "feature")
@rfc(6311, "5.1")
def test_sets_message_ids_anew_where_that_was_agreed(peer: Tested, initiator: Initiator) -> None:
    """The nonce comes back, and the next requests of both sides have the new IDs."""
    peer.start(features=SYNC)
    sa = initiator.establish(features=SYNC)
    assert sa.sa.small.sync, f"the peer did not announce it\n{sa}"

    _failover(sa, initiator)

    assert sa.sa.small.sync_nonce == b"", f"the nonce did not come back\n{sa}"
    assert sa.sa.window.next_request == NEXT, f"{sa.sa.window.next_request}\n{sa}"
    assert not sa.inform().silent, f"no answer to message ID {NEXT}\n{sa}"
    assert sa.violations == []


@case("INF-15")
@rfc(6311, "5.1")
def test_sets_nothing_anew_where_that_was_not_agreed(peer: Tested, initiator: Initiator) -> None:
    """Without both announcements a request outside of the window is what it always was."""
    peer.start(features=SYNC)
    sa = initiator.establish()
    sa.inform()
    following = sa.sa.window.next_request

    _failover(sa, initiator)
    sa.sa.window.waiting.clear()
    sa.sa.window.next_request = following

    assert not sa.inform().silent, f"the peer expects another message ID now\n{sa}"


def _failover(sa: Session, initiator: Initiator) -> None:
    """Tell the peer of counters that a member of our cluster would have."""
    small.ask_sync(sa.sa, initiator.transport.clock(), sends=NEXT, receives=EXPECTED)
    sa.wait(lambda: not sa.sa.window.waiting, 4.0)
