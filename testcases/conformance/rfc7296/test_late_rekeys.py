"""Two rekeys of a child of which one side's messages are late, or lost once (RFC 7296 2.8.1)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.testcases.on_path import Loss, OnPath, meddle
from ikelab.testcases.rekeys import PATIENCE, agreed, requests

REQUEST, RESPONSE = Loss(ours=True, response=False), Loss(ours=True, response=True)
LOSSES = {"our request": [REQUEST], "our response": [RESPONSE], "both": [REQUEST, RESPONSE]}
AGAIN = 8
REPETITION = 20.0  # seconds; a daemon repeats a request after four, and later each time


def now(sa: Session) -> float:
    """The time as our end has it."""
    return sa.endpoint.transport.clock()


def begun(peer: Tested, sa: Session, on_path: OnPath) -> None:
    """The peer has begun a rekey, and its request is on its way."""
    agreed(peer, sa)
    on_path.keep(requests_only=True)
    peer.rekey_child()
    assert sa.wait(lambda: bool(on_path.kept), PATIENCE), f"the peer began nothing\n{sa}"


def one_is_left(peer: Tested, sa: Session, before: bytes) -> None:
    """One child, another one than before, the same for both sides."""

    def done() -> bool:
        return not sa.sa.window.waiting and len(sa.children) == 1 and sa.child.spi_in != before

    assert sa.wait(done, REPETITION), f"{len(sa.children)} children are left\n{sa}"
    agreed(peer, sa)
    assert not sa.inform().silent, f"the IKE SA does not work\n{sa}"
    assert sa.violations == []


@case("CHD-14", "SHOULD")
@rfc(7296, "2.8.1", "2.25")
@pytest.mark.parametrize("fate", ["late", "lost"])
def test_gets_over_a_rekey_that_comes_too_late(
    peer: Tested, initiator: Initiator, fate: str
) -> None:
    """Ours is through, and the old child deleted, when the peer's request for it comes.

    CHILD_SA_NOT_FOUND answers it: that is the end of that rekey, and of nothing else. Where it
    was lost, its repetition is what comes.
    """
    peer.start()
    sa = initiator.establish()
    old = sa.child.spi_in
    on_path = meddle(initiator)
    begun(peer, sa, on_path)

    sa.sa.rekey_child(sa.child, now(sa))
    sa.wait(lambda: not sa.sa.window.waiting, PATIENCE)
    assert len(sa.children) == 1, f"our rekey does not come to its end\n{sa}"
    if fate == "lost":
        on_path.kept = []
    on_path.let_go()
    heard = sa.wait(lambda: requests(sa) > 0, REPETITION)

    assert heard, f"the peer does not repeat its rekey\n{sa}"
    one_is_left(peer, sa, old)


@case("CHD-14", "SHOULD")
@rfc(7296, "2.1", "2.8.1")
@pytest.mark.parametrize("lost", LOSSES)
def test_undoes_one_of_two_rekeys_whatever_is_lost(
    peer: Tested, initiator: Initiator, lost: str
) -> None:
    """Both rekey at once, and a message of ours has to be repeated: one child is left.

    Whose child goes is a matter of chance, and of time: it is done again until the peer's went.
    """
    peer.start()
    sa = initiator.establish()
    on_path = meddle(initiator)
    for _ in range(AGAIN if RESPONSE in LOSSES[lost] else 1):
        old = sa.child
        begun(peer, sa, on_path)

        on_path.lose(*LOSSES[lost])
        sa.sa.rekey_child(old, now(sa))
        sa.wait(lambda: True)
        on_path.let_go()

        assert sa.wait(lambda: not on_path.losses, REPETITION), f"nothing was lost\n{sa}"
        one_is_left(peer, sa, old.spi_in)
        if sa.child.made_by_us:
            break
