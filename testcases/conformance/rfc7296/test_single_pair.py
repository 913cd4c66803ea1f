"""Peers that take one pair of addresses for a child, and say so (RFC 7296 2.9)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features
from ikelab.harness.model import TS, selectors
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload


def hosts(ranges: tuple[TS, ...], count: int) -> tuple[TS, ...]:
    """The first hosts behind a side, a selector for each."""
    first = ranges[0].start
    return selectors([str(first + number) for number in range(1, count + 1)])


def single_pair(peer: Tested, sa: Session) -> None:
    """What was refused for its many addresses is granted for a pair of them."""
    ours, theirs = hosts(peer.us.subnet, 1), hosts(peer.them.subnet, 1)

    reply = sa.create_child(tsi=ours, tsr=theirs)

    assert reply.has(Payload.SA), f"a single pair is refused: {reply.outcome}\n{sa}"
    assert (sa.children[-1].local_ts, sa.children[-1].remote_ts) == (ours, theirs), f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-06", "feature")
@rfc(7296, "2.9")
def test_says_what_it_takes_of_several_pairs(peer: Tested, initiator: Initiator) -> None:
    """Hosts on both sides: some are taken, or a single pair is asked for, and taken then."""
    peer.start()
    ours, theirs = hosts(peer.us.subnet, 2), hosts(peer.them.subnet, 2)
    sa = initiator.init(tsi=ours, tsr=theirs)

    reply = sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    if reply.notify(Notify.SINGLE_PAIR_REQUIRED) is not None:
        peer.observe("SINGLE_PAIR_REQUIRED")
        single_pair(peer, sa)
    elif reply.has(Payload.SA):
        child = sa.child
        peer.observe(f"took {len(child.local_ts)} x {len(child.remote_ts)} selectors")
    else:
        peer.observe(f"took none: {reply.outcome}")
    assert sa.violations == []


@case("TS-06", "feature")
@rfc(7296, "2.9")
def test_asks_for_a_single_pair(peer: Tested, initiator: Initiator) -> None:
    """Who takes a single pair only refuses networks with SINGLE_PAIR_REQUIRED, and takes a pair."""
    peer.start(features=Features(single_pair=True))
    sa = initiator.init()

    reply = sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert reply.notify(Notify.SINGLE_PAIR_REQUIRED) is not None, f"it does not ask for it\n{sa}"
    assert not reply.has(Payload.SA), f"it asks for a single pair, and takes networks\n{sa}"
    single_pair(peer, sa)
