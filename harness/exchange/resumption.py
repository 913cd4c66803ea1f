"""IKE SAs that are resumed with a ticket (RFC 5723): asked for, given, redeemed, both roles.

Our tickets are references: what they stand for stays with the responder, in a `TicketBox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.keys import expand_ike
from ikelab.harness.crypto.prf import prf
from ikelab.harness.edits import Edit
from ikelab.harness.exchange.events import Answered, Requested, TicketRefused
from ikelab.harness.exchange.features import Session
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.window import Answer
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import Step
from ikelab.layers import typed
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Nonce

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

RESUME = Exchange.IKE_SESSION_RESUME


@dataclass(slots=True)
class Resumption:
    """What an IKE SA has to do with tickets: one it was given, or the one it came from."""

    session: Session | None = None  # what we may resume later
    source: Session | None = None  # what this IKE SA resumes
    asked: bool = False  # as responder: whether a ticket was asked for


def mac(sa: IkeSa, octets: bytes, sk_p: bytes, *, ours: bool) -> bytes:
    """AUTH data in a resumed IKE SA: prf(SK_px, octets), without another key (5.1).

    Libreswan 5.2 has the first message alone for octets, which `resume_bare` does too.
    """
    assert sa.keys is not None and sa.keys.suite.prf is not None
    if sa.config.features.resume_bare:
        octets = sa.init.request if sa.initiator == ours else sa.init.response
    return prf(int(sa.keys.suite.prf.id), sk_p, octets)


def _keys(sa: IkeSa, session: Session) -> None:
    """SKEYSEED = prf(SK_d of old, "Resumption" | Ni | Nr) (5.1)."""
    state, suite = sa.init, session.suite
    assert suite.prf is not None
    seed = prf(int(suite.prf.id), session.sk_d, b"Resumption", state.ni, state.nr)
    sa.resumption.source = session
    sa.take_keys(expand_ike(suite, seed, state.ni, state.nr, sa.spi_i, sa.spi_r))


# -- tickets ---------------------------------------------------------------------------------


def ask(sa: IkeSa) -> list[Any]:
    """TICKET_REQUEST in IKE_AUTH (4.1)."""
    wanted = sa.config.features.ask_ticket
    return [IKEv2_Notify(type=Notify.TICKET_REQUEST)] if wanted else []


def give(sa: IkeSa, now: float) -> list[Any]:
    """A ticket to who asked for one (4.1); the session's SK_d is that of this IKE SA."""
    box = sa.config.features.tickets
    if not sa.resumption.asked:
        return []
    if box is None:
        return [IKEv2_Notify(type=Notify.TICKET_NACK)] if sa.conduct.refuse_tickets else []
    ticket = sa.entropy(32)
    assert sa.keys is not None and sa.peer_id is not None
    box.kept[ticket] = Session(
        ticket, sa.keys.suite, sa.keys.sk_d, sa.config.local_id, sa.peer_id, now + box.lifetime
    )
    value = typed.Ticket(box.lifetime, ticket)
    data = typed.write(typed.NOTIFY, Notify.TICKET_LT_OPAQUE, value)
    return [IKEv2_Notify(type=Notify.TICKET_LT_OPAQUE, notify=data)]


def take(sa: IkeSa, it: Inbound, now: float) -> None:
    """Keep the ticket that we were given, or that one is wanted of us."""
    if not sa.initiator:
        sa.resumption.asked = it.notify(Notify.TICKET_REQUEST) is not None
        return
    notify = it.notify(Notify.TICKET_LT_OPAQUE)
    if notify is None:
        return
    value = typed.read(typed.NOTIFY, Notify.TICKET_LT_OPAQUE, bytes(notify.notify))
    if isinstance(value, typed.Ticket) and sa.keys is not None and sa.peer_id is not None:
        sa.resumption.session = Session(
            value.ticket,
            sa.keys.suite,
            sa.keys.sk_d,
            sa.config.local_id,
            sa.peer_id,
            now + value.lifetime,
        )


# -- initiator -------------------------------------------------------------------------------


def start(sa: IkeSa, now: float, edits: Sequence[Edit] = ()) -> None:
    """Send the ticket in place of IKE_SA_INIT (4.2)."""
    session = sa.config.features.resume
    assert session is not None, "there is no session to resume"
    sa.init.ni = sa.init.ni or sa.entropy(sa.config.nonce_length)
    ticket = IKEv2_Notify(type=Notify.TICKET_OPAQUE, notify=session.ticket)
    sa.window.next_request = 0
    sa.request(RESUME, [IKEv2_Nonce(nonce=sa.init.ni), ticket], now, edits)


def receive(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    """The answer to a ticket: a nonce, or that it is worth nothing."""
    if not it.response:
        kept = sa.window.answers.get(0)
        if kept is not None and kept.request == seen.data:
            sa.answer_again(kept, datagram, now)
        else:
            sa.ignore(seen, "a ticket under the SPI of an SA that is past it")
        return
    waiting, session = sa.window.outstanding, sa.config.features.resume
    if waiting is None or waiting.exchange != RESUME or session is None:
        sa.ignore(seen, "an IKE_SESSION_RESUME response that nothing waits for")
        return
    sa.judged(it, seen, waiting)
    sa.last_response = it
    sa.note(Answered(it.exchange, 0))
    sa.window.settle(0)
    nonce = it.one(Payload.NONCE)
    if it.notify(Notify.TICKET_NACK) is not None:
        # 4.3.2: with a full exchange it may still come to an IKE SA.
        sa.note(TicketRefused())
        sa.move("recv", it.exchange, "response", "retry")
        sa.config = replace(sa.config, features=replace(sa.config.features, resume=None))
        sa.spi_i = sa.entropy(8)
        sa.restart_init(now)
        return
    if nonce is None or not any(it.message.resp_SPI):
        sa.move("recv", it.exchange, "response", "refused")
        sa.end("IKE_SESSION_RESUME without nonce or SPIr")
        return
    sa.spi_r = bytes(it.message.resp_SPI)
    sa.init.nr, sa.init.response = bytes(nonce.nonce), seen.data
    _keys(sa, session)
    sa.move("recv", it.exchange, "response")


# -- responder -------------------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    """Redeem a ticket, once; TICKET_NACK for what is unknown, spent or too old (4.3.2)."""
    sa.local, sa.remote = datagram.dst, datagram.src
    sa.init.request = seen.data
    sa.judged(it, seen, None)
    session, nonce = _redeemed(sa, it, now), it.one(Payload.NONCE)
    if session is None or nonce is None:
        refusal = IKEv2_Notify(type=Notify.TICKET_NACK)
        sa.send(RESUME, 0, [refusal], now, response=True, outcome="refused")
        sa.move("send", RESUME, "response", "refused")
        sa.end("the ticket is worth nothing")
        return
    sa.move("recv", RESUME, "request")
    sa.init.ni, sa.init.nr = bytes(nonce.nonce), sa.entropy(sa.config.nonce_length)
    _keys(sa, session)
    _, wire = sa.send(RESUME, 0, [IKEv2_Nonce(nonce=sa.init.nr)], now, response=True)
    sa.window.keep(0, Answer(seen.data, wire))
    sa.move("send", RESUME, "response")
    sa.note(Requested(RESUME, 0))


def _redeemed(sa: IkeSa, it: Inbound, now: float) -> Session | None:
    box, said = sa.config.features.tickets, it.notify(Notify.TICKET_OPAQUE)
    if box is None or said is None:
        return None
    ticket = bytes(said.notify)
    session = box.kept.get(ticket)
    late = session is not None and now > session.expires and sa.conduct.heed_expiry
    spent = ticket in box.spent
    if session is None or late or spent:
        return None
    box.spent.add(ticket)
    return session
