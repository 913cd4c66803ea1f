"""Rekeys that the peer under test begins: waited for, and judged when they are through."""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.exchange.inbound import RESPONSE, Inbound
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Payload, TransformType

PATIENCE = 8.0  # seconds; a daemon begins in its own time


def asked(sa: Session) -> list[Inbound]:
    """The requests that came of the peer, repeated ones once."""
    came = [s for s in sa.received() if not int(s.message.flags) & RESPONSE]
    found = {int(s.message.id): Inbound(s.message, s.inner()) for s in came}
    return [found[number] for number in sorted(found)]


def requests(sa: Session) -> int:
    """How many CREATE_CHILD_SA requests came of the peer."""
    return len([it for it in asked(sa) if it.exchange == Exchange.CREATE_CHILD_SA])


def agreed(peer: Tested, sa: Session) -> None:
    """The peer has what we have; a busy one gets its time."""
    for _ in range(2):
        if not (found := peer.disagreements(sa)):
            break
    assert found == []


def led_to(peer: Tested, sa: Session, begin: Callable[[], None]) -> None:
    """Have the peer begin something once it has all that we have, and wait for its request."""
    agreed(peer, sa)
    before = requests(sa)
    begin()
    came = sa.wait(lambda: requests(sa) > before, PATIENCE)
    assert came, f"the peer began no rekey\n{sa}"


def child_rekeyed(peer: Tested, sa: Session) -> None:
    """The peer's rekey of the child comes to its end: another child, and both sides agree."""
    old = sa.child
    led_to(peer, sa, peer.rekey_child)
    sa.wait(lambda: old.spi_in not in sa.sa.children, PATIENCE)

    left = [child for child in sa.children if child.spi_in != old.spi_in]
    assert len(left) == 1, f"no child came of the rekey\n{sa}"
    assert left[0].replaces == old.spi_in, f"it rekeyed something else\n{sa}"
    assert old.spi_in not in sa.sa.children, f"the peer does not delete what it rekeyed\n{sa}"
    assert (left[0].local_ts, left[0].remote_ts) == (old.local_ts, old.remote_ts), f"{sa}"
    assert sa.violations == [], f"{sa.violations[0]}\n{sa}"
    agreed(peer, sa)


def ike_rekeyed(peer: Tested, sa: Session) -> Session:
    """The peer's rekey of the IKE SA comes to its end; the session of the new one."""
    children = set(sa.sa.children)
    known = list(sa.endpoint.sessions)
    led_to(peer, sa, peer.rekey_ike)
    sa.wait(lambda: sa.sa.over, PATIENCE)

    made = [session for session in sa.endpoint.sessions if session not in known]
    assert len(made) == 1, f"no IKE SA came of the rekey\n{sa}"
    assert sa.sa.over, f"the peer does not delete the IKE SA that it rekeyed\n{sa}"
    begun = next(it for it in reversed(asked(sa)) if it.exchange == Exchange.CREATE_CHILD_SA)
    groups = [t.id for offer in begun.offers() for t in offer.suite.of(TransformType.KE)]
    assert all(groups), f"it offers group NONE for an IKE SA\n{sa}"
    assert asked(sa)[-1].has(Payload.D), f"its delete is not the last request\n{sa}"
    following = made[0]
    assert set(following.sa.children) == children, f"the children were not inherited\n{following}"
    assert sa.violations == following.violations == [], f"{sa}\n{following}"
    agreed(peer, following)
    return following
