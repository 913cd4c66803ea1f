"""IKE SAs that are resumed with a ticket (RFC 5723)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features, TicketBox
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload

ASKS = Features(ask_ticket=True)


def granted(initiator: Initiator) -> Session:
    """An IKE SA whose responder gave us a ticket; Unsupported where it gives none."""
    sa = initiator.establish(features=ASKS)
    if sa.sa.resumption.session is None:
        raise Unsupported("it gives no ticket")
    return sa


def again(
    initiator: Initiator, old: Session, ticket: bytes = b"", *, bare: bool = False
) -> Session:
    """Another IKE SA that begins with that ticket; `ticket` stands in its place."""
    session = old.sa.resumption.session
    assert session is not None
    if ticket:
        session = type(session)(ticket, session.suite, session.sk_d, session.ours, session.theirs)
    sa = initiator.session(features=Features(resume=session, ask_ticket=True, resume_bare=bare))
    sa.init()
    return sa


def refusals(sa: Session) -> bool:
    """Whether a TICKET_NACK answered the ticket."""
    return any(
        p.kind == Payload.N and p.type == Notify.TICKET_NACK
        for step in sa.received()
        if step.message.exch_type == Exchange.IKE_SESSION_RESUME
        for p in step.message.payloads
    )


@case("RES-01", "feature")
@rfc(5723, "4.1", "4.3", "5.1")
def test_takes_its_ticket_for_a_key_exchange(peer: Tested, initiator: Initiator) -> None:
    """The ticket brings both sides to the same keys, and a child comes with IKE_AUTH.

    Of AUTH there are two readings: it covers what RFC 7296 2.15 says, or the first message alone.
    """
    peer.start(features=Features(tickets=TicketBox()))
    for bare in (False, True):
        old = granted(initiator)
        old.close()
        sa = again(initiator, old, bare=bare)
        assert sa.state is State.INIT_DONE, f"the ticket was not taken\n{sa}"
        sa.auth()
        if sa.established:
            peer.observe("AUTH covers the first message alone" if bare else "AUTH as in 2.15")
            break

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert [s.message.exch_type for s in sa.transcript][:2] == [Exchange.IKE_SESSION_RESUME] * 2
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("RES-01", "policy")
@rfc(5723, "4.3.2")
def test_survives_a_ticket_that_comes_twice(peer: Tested, initiator: Initiator) -> None:
    """The same ticket again: whether it is taken is told, and a full exchange is served."""
    peer.start(features=Features(tickets=TicketBox()))
    old = granted(initiator)
    again(initiator, old).auth()

    sa = again(initiator, old)

    peer.observe("TICKET_NACK" if refusals(sa) else "it is taken again")
    assert initiator.probe(), f"no honest IKE SA afterwards\n{sa}"


@case("RES-01")
@rfc(5723, "4.3.2")
def test_refuses_a_ticket_that_is_none(peer: Tested, initiator: Initiator) -> None:
    """Octets that it never gave away get TICKET_NACK, in clear and without an SPI of its own."""
    peer.start(features=Features(tickets=TicketBox()))
    old = granted(initiator)

    sa = again(initiator, old, ticket=bytes(range(64)))

    assert refusals(sa), f"no TICKET_NACK\n{sa}"
    sa.auth()
    assert sa.established, f"no IKE SA after TICKET_NACK\n{sa}"
