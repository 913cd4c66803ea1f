"""What the cases with post-quantum preshared keys have in common: the keys, and how one is told."""

from __future__ import annotations

from dataclasses import replace

from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.exchange.table import State
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.testcases.conformance.refusals import refused
from ikelab.testcases.rekeys import PATIENCE, agreed

KEY = Ppk(b"ikelab-ppk", bytes(range(32)))
WRONG = Ppk(KEY.id, bytes(range(1, 33)))
UNKNOWN = Ppk(b"nobody-has-it", bytes(range(32)))


def told(*keys: Ppk, must: bool = False, early: bool = False) -> Features:
    """A side with these keys, which it may insist on, or name before IKE_AUTH."""
    return Features(ppks=keys, ppk_required=must, ppk_early=early)


def early(peer: Tested, *keys: Ppk, must: bool = False) -> Features:
    """Our side with keys that are named before IKE_AUTH, with the numbers that the peer has."""
    return replace(told(*keys, must=must, early=True), ppk_numbers=peer.ppk_numbers)


def same_keys(peer: Tested, sa: Session) -> None:
    """The peer's own word for the child, and for its keys where it tells them."""
    assert sa.violations == []
    agreed(peer, sa)
    if {"keys", "child"} <= peer.capabilities:
        keys = sa.child.keys
        assert keys is not None
        ours = (keys.encr_i, keys.integ_i, keys.encr_r, keys.integ_r)
        said = sa.wait(lambda: ours in peer.driver.child_keys(), PATIENCE)
        assert said, f"the peer derived other keys\n{sa}"


def turned_away(peer: Tested, sa: Session) -> None:
    """No IKE SA comes of it, whichever exchange is refused."""
    if sa.state is State.INIT_DONE:
        refused(peer, sa, sa.auth())
    assert not sa.established, f"the peer lets it in\n{sa}"
