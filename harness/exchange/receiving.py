"""What an IKE SA makes of a message with its SPIs: opened, judged, answered or dropped.

RFC 7296 2.1 to 2.5: the window and the state decide what is carried out; the exchange files do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness import sk
from ikelab.harness.exchange import (
    addke,
    auth,
    create,
    extensions,
    frag,
    info,
    intermediate,
    misread,
    mobike,
    small,
)
from ikelab.harness.exchange.events import Answered, Requested
from ikelab.harness.exchange.inbound import INITIATOR, RESPONSE, Inbound
from ikelab.harness.exchange.rounds import MORE
from ikelab.harness.exchange.table import IN_CLEAR, Happening, State, known, step
from ikelab.harness.exchange.window import Answer, Outstanding, Reply
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def unacceptable(sa: IkeSa, packet: IKEv2, data: bytes) -> str | None:
    """Why a message is dropped by its header alone; None where it is not."""
    header = packet.fields  # all there: whoever called has counted the octets
    if header["version"] >> 4 != 2:
        return f"major version {header['version'] >> 4}"
    if sa.conduct.check_length and header["length"] != len(data):
        return f"the header says {header['length']} octets, {len(data)} came"
    if header["init_SPI"] != sa.spi_i:
        return "SPIi is not ours"
    named = any(sa.spi_r) and sa.state is not State.INIT_SENT
    if named and header["exch_type"] not in IN_CLEAR and header["resp_SPI"] != sa.spi_r:
        return "SPIr is not ours"
    if bool(header["flags"] & INITIATOR) == sa.initiator:
        return "the Initiator flag says that we sent it"
    return None


def protected(sa: IkeSa, packet: IKEv2, seen: Step, datagram: Datagram, now: float) -> None:
    """Open a message of this IKE SA; what does not verify is dropped (2.21.3)."""
    if sa.in_keys is None:
        sa.ignore(seen, "no keys yet")
        return
    response = bool(packet.fields["flags"] & RESPONSE)
    if frag.is_fragment(packet):
        _fragment(sa, packet, seen, datagram, now)
        return
    try:
        if refuted := _heeds_the_unprotected(sa, packet):
            sa.end(refuted)
            return
        verify = sa.conduct.check_icv
        keys = intermediate.opening(sa, packet, sa.in_keys)
        clear, seen.plain = sk.unseal(packet, keys, seen.data, verify=verify)
    except sk.Refusal as refusal:
        if response and refusal.kind == "absent" and _answers_auth(sa, packet):
            sa.judged(Inbound(packet), seen, sa.window.waiting.get(packet.id))
        sa.stuck = refusal.kind == "padding" and not sa.conduct.survive_oddities
        sa.stuck |= sa.state is State.INIT_DONE and not sa.conduct.survive_strangers
        sa.ignore(seen, f"SK refused: {refusal}")
        if not (response or sa.conduct.drop_in_silence):
            word = [IKEv2_Notify(type=Notify.INVALID_SYNTAX)]
            sa.send(packet.exch_type, packet.id, word, now, response=True, clear=True)
        return
    seen.first_inner = clear.payloads[-1].next_payload
    sa.opened(Inbound(clear), seen, datagram, now)


def _fragment(sa: IkeSa, packet: IKEv2, seen: Step, datagram: Datagram, now: float) -> None:
    """Keep a fragment; with the last missing one the message is there (RFC 7383 2.6)."""
    assert sa.in_keys is not None
    keys = intermediate.opening(sa, packet, sa.in_keys)
    whole = frag.take(sa, packet, seen, keys, datagram, now)
    if whole is not None:
        seen.plain, seen.first_inner = whole.plain, whole.first
        sa.opened(Inbound(whole.message), seen, datagram, now)


def opened(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    """Take a message that was opened: a response to ours, or a request."""
    if not sa.conduct.survive_oddities and misread.odd(it):
        sa.stuck = True
        return
    if not sa.conduct.survive_short_eap and misread.short_eap(it):
        sa.stuck = sa.dead = True
        return
    if sa.doubtful:
        reason = it.malformed()
        if reason:
            # In CBC the ICV says nothing of SK_e: this may be our own wrong key.
            sa.ignore(seen, f"{reason}; after our edits the peer may have other keys")
            return
        sa.doubtful = False
    if not sa.conduct.take_any_iv and _repeats_an_iv(sa, it):
        sa.ignore(seen, "an IV that came before")
        return
    if it.response:
        _response(sa, it, seen, now)
    else:
        _request(sa, it, seen, datagram, now)


def _repeats_an_iv(sa: IkeSa, it: Inbound) -> bool:
    """A fault: whether the IV is one that came before."""
    iv, known = bytes(getattr(it.outer[-1], "iv", b"")), sa.ivs
    sa.ivs = known | {iv}
    return iv in known


def _heeds_the_unprotected(sa: IkeSa, packet: IKEv2) -> str | None:
    """A fault: what came without protection ends the IKE SA."""
    clear = Inbound(packet)
    if sa.state is State.ESTABLISHED and small.crashed(sa, clear):
        return "the peer has lost the IKE SA"
    if sa.conduct.require_protection:
        return None
    found = clear.errors() or clear.all(Payload.D) or clear.malformed()
    return "an unprotected message said so" if found else None


def _answers_auth(sa: IkeSa, packet: IKEv2) -> bool:
    """Whether this is (however unprotected) what came for our IKE_AUTH."""
    waiting = sa.window.waiting.get(packet.id)
    return bool(waiting and waiting.exchange == packet.exch_type == Exchange.IKE_AUTH)


def _response(sa: IkeSa, it: Inbound, seen: Step, now: float) -> None:
    waiting = sa.window.waiting.get(it.message_id)
    if not sa.conduct.match_ids:
        waiting = waiting or sa.window.outstanding
    if waiting is None:
        sa.ignore(seen, "answers nothing that is outstanding")
        return
    sa.heard = now  # RFC 7296 2.4: by a fresh message; a repeated one may be a replay
    sa.judged(it, seen, waiting)
    if waiting.exchange != it.exchange:
        sa.ignore(seen, "answers with another exchange type")
        return
    sa.window.settle(waiting.message_id)
    sa.last_response = it
    _take_window(sa, it)
    if it.exchange == Exchange.IKE_AUTH:
        auth.receive(sa, it, seen, waiting.request, now)
    elif it.exchange == Exchange.IKE_INTERMEDIATE:
        intermediate.receive(sa, it, seen, now)
    else:
        _take_answer(sa, it, seen, waiting, now)
    sa.note(Answered(it.exchange, it.message_id))


def _take_answer(sa: IkeSa, it: Inbound, seen: Step, waiting: Outstanding, now: float) -> None:
    """A response to what was asked after authentication."""
    fatal = it.notify(Notify.INVALID_SYNTAX) is not None
    outcome = "refused" if fatal else "delete" if waiting.closes else ""
    sa.move("recv", it.exchange, "response", outcome)
    if it.exchange == Exchange.CREATE_CHILD_SA and waiting.context is not None:
        create.receive(sa, it, seen, waiting, now)
    elif it.exchange == Exchange.IKE_FOLLOWUP_KE and waiting.context is not None:
        create.followed(sa, it, seen, waiting, now)
    else:
        info.receive(sa, waiting)
    if not sa.over:
        extensions.answered(sa, it, waiting, now)
    if fatal:
        # RFC 7296 2.21.3: in both peers, and without a Delete.
        sa.end("the peer answered INVALID_SYNTAX")


def _request(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    kept = sa.window.answers.get(it.message_id)
    if kept and sa.conduct.keep_responses:
        # RFC 7296 2.1: same message ID, same response, and nothing is carried out again.
        if kept.request == seen.data:
            seen.note = "came again"
            sa.answer_again(kept, datagram, now)
        else:
            sa.ignore(seen, "a new message under an answered message ID")
        return
    outside = not sa.window.takes(it.message_id) and sa.conduct.keep_window
    outside = outside and not small.is_sync(sa, it)
    if outside and not kept:
        sa.ignore(seen, f"message ID {it.message_id}, expected {sa.window.expected}")
        return
    happening = Happening("recv", known(it.exchange), "request")
    early = step(sa.state, happening) is None and sa.conduct.check_exchange
    if early and sa.conduct.authenticate_first:
        sa.stuck |= not sa.conduct.survive_strangers
        sa.ignore(seen, f"{seen.text().split()[0]} in state {sa.state}")
        return
    sa.heard = now
    usual, was_up = (sa.local, sa.remote), sa.state is State.ESTABLISHED
    if sa.conduct.float_ports:
        # RFC 7296 2.11: responses go to where the request came from, with ports swapped.
        sa.local, sa.remote = datagram.dst, datagram.src
    sa.judged(it, seen, None)
    reply = _serve(sa, it, now)
    if reply is not None:
        _answer(sa, it, seen, reply, now)
    extensions.served(sa, now)
    if was_up and not _follows(sa):
        sa.local, sa.remote = usual


def _follows(sa: IkeSa) -> bool:
    """Whether all that we send goes to where a fresh message came from (RFC 7296 2.23)."""
    if sa.mobility.agreed and sa.conduct.await_updates:
        return mobike.adopts(sa)  # RFC 4555 3.5: nothing else moves such an IKE SA
    if sa.behind_nat:
        return not sa.conduct.stay_behind_nat
    return sa.conduct.follow_mapping


def _serve(sa: IkeSa, it: Inbound, now: float) -> Reply | None:
    reason = it.malformed() if sa.conduct.check_chain else None
    if sa.config.lenient:
        reason = reason or misread.refuses(sa.conduct, it)
    if reason:
        # RFC 7296 2.21.2, 2.21.3: fatal, the IKE SA goes on both sides.
        outcome = "refused" if sa.conduct.end_on_syntax_error else ""
        return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], outcome, reason)
    critical = it.critical_unknown()
    if critical is not None and sa.conduct.refuse_critical:
        # RFC 7296 2.21.2: in IKE_AUTH it means that there will be no IKE SA.
        outcome = "refused" if it.exchange == Exchange.IKE_AUTH else ""
        notify = IKEv2_Notify(type=Notify.UNSUPPORTED_CRITICAL_PAYLOAD, notify=bytes([critical]))
        return Reply([notify], outcome, f"an unknown critical payload {critical}")
    if not sa.conduct.skip_unknown and it.unknown():
        return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], "refused", "unknown payload")
    _take_window(sa, it)
    if not sa.conduct.check_exchange and it.has(Payload.AUTH):
        sa.state = State.ESTABLISHED
        return auth.serve(sa, it, now)
    if it.exchange == Exchange.IKE_AUTH:
        return auth.serve(sa, it, now)
    if it.exchange == Exchange.IKE_INTERMEDIATE:
        return intermediate.serve(sa, it)
    if it.exchange == Exchange.CREATE_CHILD_SA:
        return create.serve(sa, it, now)
    if it.exchange == Exchange.IKE_FOLLOWUP_KE:
        return addke.serve(sa, it, now)
    if small.is_sync(sa, it):
        return Reply(small.serve_sync(sa, it))
    return info.serve(sa, it, extensions.serve_informational(sa, it, now))


def _take_window(sa: IkeSa, it: Inbound) -> None:
    """RFC 7296 2.3: how many requests the peer takes at once; never less than before."""
    notify = it.notify(Notify.SET_WINDOW_SIZE)
    if notify is not None and len(notify.notify) == 4:
        said = int.from_bytes(bytes(notify.notify), "big")
        sa.window.peer_size = max(sa.window.peer_size, said)


def _answer(sa: IkeSa, it: Inbound, seen: Step, reply: Reply, now: float) -> None:
    _, wire = sa.send(
        it.exchange,
        it.message_id,
        reply.payloads,
        now,
        response=True,
        clear=reply.clear,
        outcome=reply.outcome,
    )
    sa.window.keep(it.message_id, Answer(seen.data, wire))
    intermediate.answered(sa, it.message_id, sa.in_keys)
    if not sa.conduct.survive_refusals and any(is_error(p) for p in reply.payloads):
        sa.stuck = True
    sa.move("send", it.exchange, "response", reply.outcome)
    if reply.outcome and reply.outcome != MORE:
        sa.end("deleted by the peer" if reply.outcome == "delete" else reply.reason)
    sa.note(Requested(it.exchange, it.message_id))


def is_error(payload: Any) -> bool:
    """Whether a payload is an error notify (RFC 7296 3.10.1)."""
    return bool(payload.kind == Payload.N and payload.type < 16384)
