"""What a refusal of IKE_AUTH is, for the cases that expect one.

Which error it carries is only a SHOULD (RFC 7296 2.21.2); that nobody is let in is what counts.
"""

from __future__ import annotations

from ikelab.harness.exchange.table import State
from ikelab.harness.reply import Reply
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload

PATIENCE = 8.0  # seconds
# Kept for a while, to repeat the refusal to who asks again (RFC 7296 2.1).
ENDING = ("CLOSING", "CLOSED", "DELETING")


def refused(peer: Tested, sa: Session, reply: Reply) -> None:
    """Nobody was let in, and what was said of it came protected."""
    assert sa.state is not State.ESTABLISHED, f"the peer accepted it\n{sa}"
    assert not reply.has(Payload.AUTH), f"the response authenticates the peer\n{sa}"
    assert reply.silent or reply.protected, f"the refusal came in clear\n{sa}"
    assert peer.alive(), f"the peer ended\n{sa}"
    assert _let_go(peer, sa, reply), "the peer keeps an IKE SA that failed to authenticate"
    assert sa.violations == []


def given_up(peer: Tested, sa: Session) -> bool:
    """Whether the peer has no such IKE SA, or is about to have none; a busy one gets its time."""

    def gone() -> bool:
        seen = peer.sa(sa)
        return seen is None or seen.state in ENDING

    return sa.wait(gone, PATIENCE)


def forgotten(peer: Tested, sa: Session) -> bool:
    """Whether the peer has no IKE SA that began with our SPI; a busy one gets its time."""

    def gone() -> bool:
        return all(known.spis.i != sa.spis.i for known in peer.view().sas)

    return sa.wait(gone, PATIENCE)


def _let_go(peer: Tested, sa: Session, reply: Reply) -> bool:
    """Whether the peer gives it up; it may say so a moment after it answered."""

    def gone() -> bool:
        seen = peer.sa(sa)
        dropped = reply.silent and seen is not None and seen.state != "ESTABLISHED"
        return seen is None or seen.state in ENDING or dropped

    return sa.wait(gone, PATIENCE)
