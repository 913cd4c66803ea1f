"""Exchanges that cross: the peer's request is on its way when ours leaves (RFC 7296 2.8, 2.25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload
from ikelab.testcases.each_once import each_once
from ikelab.testcases.on_path import OnPath, meddle
from ikelab.testcases.rekeys import PATIENCE, agreed

AGAIN = 4  # how often: whose nonce is the lowest is a matter of chance


def cross(
    peer: Tested,
    sa: Session,
    on_path: OnPath,
    theirs: Callable[[], None],
    ours: Callable[[], None],
    *,
    first: bool = False,
) -> None:
    """Both begin: the peer's request waits on the path until ours has left.

    With `first` it waits until the peer has answered ours: it is at work on its own as it does so.
    """
    agreed(peer, sa)
    on_path.keep(requests_only=first)
    theirs()
    assert sa.wait(lambda: bool(on_path.kept), PATIENCE), f"the peer began nothing\n{sa}"
    ours()
    sa.wait(lambda: not first or answered(sa), PATIENCE)
    on_path.let_go()
    sa.wait(lambda: not on_path.late)


def answered(sa: Session) -> bool:
    """Whether nothing of ours is outstanding."""
    return not any(s.sa.window.waiting for s in sa.endpoint.sessions)


@case("CHD-13", "SHOULD")
@rfc(7296, "2.8.1")
def test_undoes_one_of_two_rekeys_of_a_child(peer: Tested, initiator: Initiator) -> None:
    """Both sides rekey a child at once: one child is left, and both have the same one."""
    peer.start()
    sa = initiator.establish()
    on_path = meddle(initiator)
    for _ in range(AGAIN):
        old = sa.child
        cross(peer, sa, on_path, peer.rekey_child, lambda: sa.sa.rekey_child(sa.child, now(sa)))
        sa.wait(lambda: answered(sa) and len(sa.children) == 1, PATIENCE)

        assert len(sa.children) == 1, f"{len(sa.children)} children are left\n{sa}"
        assert sa.child.spi_in != old.spi_in, f"the old child is left\n{sa}"
        agreed(peer, sa)
    assert sa.violations == []


@case("CHD-15", "SHOULD")
@rfc(7296, "2.8.2")
def test_undoes_one_of_two_rekeys_of_the_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """Both sides rekey the IKE SA at once: one new IKE SA is left, and it has the child."""
    peer.start()
    sa = initiator.establish()
    on_path = meddle(initiator)
    for _ in range(AGAIN):
        sa = one_left(peer, sa, on_path)


def one_left(peer: Tested, old: Session, on_path: OnPath) -> Session:
    """The session of the IKE SA that two rekeys at once leave behind."""
    end, children = old.endpoint, set(old.sa.children)
    known = list(end.sessions)

    def left() -> list[Session]:
        return [s for s in end.sessions if s not in known and s.established]

    cross(peer, old, on_path, peer.rekey_ike, lambda: old.sa.rekey(now(old)))
    old.wait(lambda: answered(old) and old.sa.over and len(left()) == 1, PATIENCE)

    assert len(left()) == 1 and old.sa.over, f"{len(left())} new IKE SAs are left\n{old}"
    [sa] = left()
    assert set(sa.sa.children) == children, f"the child is lost\n{old}\n{sa}"
    agreed(peer, sa)
    assert not sa.inform().silent, f"the new IKE SA does not work\n{sa}"
    return sa


@case("CHD-16", "SHOULD")
@rfc(7296, "2.25.1")
def test_answers_a_delete_of_what_it_rekeys(peer: Tested, initiator: Initiator) -> None:
    """The delete of a child that it is about to rekey is answered as any other."""
    peer.start()
    sa = initiator.establish()
    on_path = meddle(initiator)
    old = sa.child
    cross(peer, sa, on_path, peer.rekey_child, lambda: sa.sa.delete_child(old, now(sa)), first=True)

    deleted = [bytes(spi) for p in answers(sa, Payload.D) for spi in p.SPI]
    assert deleted == [old.spi_out], f"the delete is not answered with its pair\n{sa}"
    assert not sa.inform().silent, f"the IKE SA is gone\n{sa}"
    agreed(peer, sa)


@case("CHD-17", "SHOULD")
@rfc(7296, "2.25.2")
@pytest.mark.parametrize("what", ["rekey", "new child"])
def test_puts_a_child_off_while_it_rekeys(peer: Tested, initiator: Initiator, what: str) -> None:
    """A child that is asked for during its rekey of the IKE SA gets TEMPORARY_FAILURE."""
    peer.start()
    peer.needs("child")
    sa = initiator.establish()
    on_path = meddle(initiator)
    start = {
        "rekey": lambda: sa.sa.rekey_child(sa.child, now(sa)),
        "new child": lambda: sa.sa.create_child(now(sa)),
    }[what]
    cross(peer, sa, on_path, peer.rekey_ike, start, first=True)

    told = {int(p.type) for p in answers(sa, Payload.N)}
    assert Notify.TEMPORARY_FAILURE in told, f"it is not put off\n{sa}"


def now(sa: Session) -> float:
    """The time as our end has it."""
    return sa.endpoint.transport.clock()


def answers(sa: Session, kind: int) -> list[Any]:
    """The payloads of a type in the peer's responses."""
    replies = each_once(s for s in sa.received() if int(s.message.flags) & RESPONSE)
    return [p for s in replies for p in s.inner() or [] if p.kind == kind]
