"""How a message of an IKE SA leaves: composed, edited, sealed, queued, and sent again (2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ikelab.harness import apply, sk
from ikelab.harness.edits import Binding, Edit
from ikelab.harness.exchange import info, init, intermediate, outbox
from ikelab.harness.exchange.events import TimedOut
from ikelab.harness.exchange.inbound import INITIATOR, RESPONSE, Inbound
from ikelab.harness.exchange.ports import NON_ESP_MARKER, arrived, departed
from ikelab.harness.exchange.table import IN_CLEAR
from ikelab.harness.exchange.window import Outstanding
from ikelab.harness.model import Datagram, encapsulated
from ikelab.harness.transcript import SENT, Step
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, lookup
from ikelab.layers.message import IKEv2, message, parse_payloads

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


@dataclass(frozen=True, slots=True)
class Letter:
    """One message before it is built; `clear` keeps its payloads out of SK."""

    exchange: int
    message_id: int
    payloads: list[Any]
    response: bool
    edits: Sequence[Edit] = ()
    clear: bool = False
    outcome: str = ""


def send(sa: IkeSa, letter: Letter, now: float) -> tuple[Inbound, list[Datagram]]:
    """Build, edit, seal and queue one message; returns it and its datagrams."""
    exchange, response = letter.exchange, letter.response
    number = sa.counted[exchange, response]
    sa.counted[exchange, response] += 1
    edits = (*sa.config.plan.edits(exchange, response, number), *letter.edits)
    lenient = sa.config.lenient
    tree = _composed(sa, letter)
    if edits:
        known = lookup(Exchange, exchange)
        name = known.name if known else None
        sa.applied += [Binding(name, response, edit) for edit in edits]
        measure = partial(outbox.measured, keys=sa.out_keys)
        tree = apply.on_message(tree, edits, measure, lenient=lenient)
    ivs = sa.entropy if sa.conduct.fresh_iv else bytes
    built = outbox.build(tree, sa.out_keys, ivs, edits, _room(sa), lenient=lenient)
    if exchange in IN_CLEAR:
        init.remember(sa, built.messages[0], response, edited=bool(edits))
    elif exchange == Exchange.IKE_INTERMEDIATE and built.plain is not None:
        intermediate.cover(sa, built.messages[0], built.plain, built.first)
    wire = _queued(sa, built, edits, now)
    return as_left(built, wire) if edits else Inbound(tree), wire


def _composed(sa: IkeSa, letter: Letter) -> IKEv2:
    """The message as a tree, its protected payloads not sealed yet."""
    protected = letter.exchange not in IN_CLEAR and not letter.clear
    refused = letter.exchange in IN_CLEAR and letter.outcome in ("refused", "retry")
    return message(
        [IKEv2_Decrypted(inner=letter.payloads)] if protected else letter.payloads,
        init_SPI=sa.spi_i,
        resp_SPI=bytes(8) if refused and sa.conduct.zero_spi_in_refusals else sa.spi_r,
        exch_type=letter.exchange,
        flags=(INITIATOR if sa.initiator else 0) | (RESPONSE if letter.response else 0),
        id=letter.message_id,
    )


def _queued(sa: IkeSa, built: outbox.Built, edits: Sequence[Edit], now: float) -> list[Datagram]:
    """The datagrams of a message, in the queue and in the transcript."""
    marker = NON_ESP_MARKER if encapsulated(sa.local, sa.remote) else b""
    wire = [Datagram(marker + data, sa.local, sa.remote, now) for data in built.messages]
    if edits:
        wire = apply.on_wire(wire, edits)
    sa.outgoing.extend(wire)
    note = "edits: " + "; ".join(map(str, edits)) if edits else ""
    for data in built.messages:
        sa.transcript.append(
            Step(now, SENT, sa.local, sa.remote, data, built.plain, built.first, note)
        )
    return wire


def as_left(built: outbox.Built, wire: list[Datagram]) -> Inbound:
    """The message as the peer gets it: edits of later stages are not in the tree."""
    data = built.messages[0]
    if len(built.messages) == 1 and wire:
        kind, octets = arrived(wire[0])
        data = octets if kind == "ike" and len(octets) >= sk.HEADER else data
    inner = None if built.plain is None else parse_payloads(built.first, built.plain)
    return Inbound(IKEv2(data), inner)


def _room(sa: IkeSa) -> int | None:
    """Octets that an IKE message may have before it goes in fragments (RFC 7383 2.5.1)."""
    agreed = sa.fragments or not sa.conduct.agree_on_fragments
    if sa.config.fragment is None or not agreed:
        return None
    ip = 40 if ":" in sa.local[0] else 20
    marker = len(NON_ESP_MARKER) if encapsulated(sa.local, sa.remote) else 0
    return sa.config.fragment - ip - 8 - marker


def retransmit(sa: IkeSa, waiting: Outstanding, now: float) -> None:
    """Send a request again that has waited long enough, or give its IKE SA up."""
    liveness = waiting.exchange == Exchange.INFORMATIONAL and not waiting.request.payloads
    hasty = liveness and not sa.conduct.retry_liveness
    if waiting.tries >= len(sa.config.retransmit) or hasty:
        if liveness and not sa.conduct.keep_quiet:
            sa.request(Exchange.INFORMATIONAL, [info.delete_ike()], now)
        sa.window.settle(waiting.message_id)
        sa.note(TimedOut(waiting.exchange, waiting.message_id))
        sa.end("no response")
        return
    if sa.conduct.repeat_requests:
        repeat(sa, waiting.wire, now)
    waiting.tries += 1
    waits = (*sa.config.retransmit, sa.config.give_up)
    waiting.due = now + waits[waiting.tries if sa.conduct.back_off else 0]


def repeat(sa: IkeSa, wire: Iterable[Datagram], now: float) -> None:
    """Queue datagrams that have been sent before, octet for octet (2.1)."""
    for datagram in wire:
        copy = replace(datagram, now=now)
        if not sa.conduct.resend_same:
            copy = replace(copy, data=copy.data[:-1] + bytes([copy.data[-1] ^ 1]))
        sa.outgoing.append(copy)
        _, data = departed(copy)
        earlier = next((s for s in sa.transcript if s.data == data), None)
        plain, first = (earlier.plain, earlier.first_inner) if earlier else (None, 0)
        sa.transcript.append(Step(now, SENT, copy.src, copy.dst, data, plain, first, "sent again"))
