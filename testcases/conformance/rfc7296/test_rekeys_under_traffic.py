"""Packets while a child is rekeyed: old and new one carry them until the old is deleted (2.8)."""

from __future__ import annotations

from functools import partial

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.packet import Echo, echo
from ikelab.harness.esp.ping import SIZE, ping, request
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.model import HONEST
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload
from ikelab.testcases.rekeys import child_rekeyed
from ikelab.testcases.tunnels import observable

AGAIN = 3  # how often an echo is sent: a daemon tells of a child before its kernel knows it


def answered(sa: Session, through: Child, *others: Child) -> Child | None:
    """The child through which an echo comes back that goes out through one; None for silence."""
    children = (through, *others)
    for _ in range(AGAIN):
        size = SIZE + sum(sa.tunnel(child).echoes for child in children)  # like no other echo
        asked = request(sa.tunnel(through), size=size)
        sa.emit(sa.tunnel(through).send(bytes(asked)))
        back = partial(carrier, sa, asked.answer(), children)
        sa.wait(lambda back=back: back() is not None, HONEST / AGAIN)
        if (found := back()) is not None:
            return found
    return None


def carrier(sa: Session, wanted: Echo, children: tuple[Child, ...]) -> Child | None:
    """The child through which this echo came."""
    for child in children:
        if any(echo(opened.inner) == wanted for opened, _ in sa.tunnel(child).opened):
            return child
    return None


@case("CHD-19", "feature")
@rfc(7296, "1.4.1", "2.8")
def test_loses_nothing_of_a_child_that_is_rekeyed(peer: Tested, initiator: Initiator) -> None:
    """Between the rekey and the delete both children carry packets, and after it the new one."""
    peer.start()
    sa = initiator.establish(conduct=Conduct(delete_rekeyed=False))
    observable(sa)
    old = sa.child
    reply = sa.rekey_child()
    assert reply.has(Payload.SA), f"the child is not rekeyed: {reply.outcome}\n{sa}"
    [new] = [child for child in sa.children if child.spi_in != old.spi_in]

    first = answered(sa, old, new)
    second = answered(sa, new, old)

    assert first, f"what goes through the old child is lost before its delete\n{sa}"
    assert second, f"what goes through the new child is lost before the old one's delete\n{sa}"
    for what, by in (("old", first), ("new", second)):
        way = "new" if by is new else "old"
        peer.observe(f"what came through the {what} child was answered through the {way} one")
    assert not sa.delete_child(old).silent, f"the delete is not answered\n{sa}"
    assert answered(sa, new), f"what goes through the new child is lost after the delete\n{sa}"
    assert peer.disagreements(sa) == []


@case("CHD-19", "feature")
@rfc(7296, "2.8")
def test_carries_packets_through_the_child_that_it_made(peer: Tested, responder: Responder) -> None:
    """After a rekey of its own, too, echoes are answered, and through the new child."""
    peer.start()
    responder.listen()
    peer.initiate()
    sa = responder.accept()
    observable(sa)

    child_rekeyed(peer, sa)

    assert ping(sa, attempts=AGAIN), f"what goes through the new child is lost\n{sa}"
