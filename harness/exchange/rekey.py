"""CREATE_CHILD_SA for the IKE SA itself: a successor that inherits the children, both roles.

RFC 7296 1.3.2, 2.8.2, 2.18, 2.25.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.keys import IkeKeys, rekey_ike
from ikelab.harness.edits import Edit
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.exchange import addke, create, info
from ikelab.harness.exchange.events import Rekeyed
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import (
    accepted_payload,
    choose,
    match,
    sa_payload,
)
from ikelab.harness.exchange.table import State
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Spis, Suite
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def start(
    sa: IkeSa,
    now: float,
    edits: Sequence[Edit],
    *,
    group: int | None = None,
    retried: bool = False,
) -> None:
    """Ask for a new IKE SA in place of this one; the group in use by default."""
    if group is None:
        assert sa.chosen is not None and sa.chosen.ke is not None
        group = sa.chosen.ke.id
    pair = ke.generate(group, sa.entropy)
    ni = sa.entropy(sa.config.nonce_length)
    context = create.Asked("rekey ike", sa.entropy(8), ni, pair, retried=retried)
    payloads: list[Any] = [
        sa_payload(sa.config.ike, context.spi),
        IKEv2_Nonce(nonce=ni),
        IKEv2_KE(group=group, ke=pair.public),
    ]
    sa.request(Exchange.CREATE_CHILD_SA, payloads, now, edits, context=context)


def receive(sa: IkeSa, it: Inbound, seen: Step, context: create.Asked, now: float) -> None:
    """Make the successor, once every key exchange is done (RFC 9370)."""
    answer = it.offers()
    suite = answer[0].suite.keyed() if answer else Suite(())

    def complete(more: bytes, at: float) -> None:
        _complete(sa, it, seen, context, more, at)

    reason = addke.go_on(sa, it, context, suite, complete, now)
    if reason is not None:
        create.abandon(sa, seen, context, reason)


def _complete(
    sa: IkeSa, it: Inbound, seen: Step, context: create.Asked, more: bytes, now: float
) -> None:
    """Settle with a successor that the peer made at the same time (2.8.2)."""
    try:
        made, lowest = _made(sa, it, context, more)
    except (BadPublicValue, ConfigError, UnsupportedAlgorithm) as error:
        sa.ignore(seen, f"an IKE rekey response that makes no IKE SA: {error}")
        inherit(sa)
        return
    theirs = sa.rekeyed_by_peer
    if theirs is not None and lowest < theirs[0] and sa.conduct.close_redundant:
        # Ours was made with the lowest nonce: we close it, and theirs has the children.
        move_children(sa, theirs[1])
        made.close(now)
        return
    move_children(sa, made)
    if sa.conduct.delete_rekeyed and sa.state is State.ESTABLISHED:
        sa.close(now)


def _made(sa: IkeSa, it: Inbound, context: create.Asked, more: bytes) -> tuple[IkeSa, bytes]:
    """The successor that a response completes, and the lower nonce of its exchange."""
    answer, nonce, key = it.offers(), it.one(Payload.NONCE), it.one(Payload.KE)
    if not answer or nonce is None or key is None or len(answer[0].spi) != 8:
        raise ConfigError("no proposal, no SPI of 8 octets, no nonce or no KE")
    assert context.pair is not None and sa.keys is not None
    suite = answer[0].suite.keyed()
    if match(suite, suite) is None:
        raise ConfigError(f"{suite} is no IKE suite")
    if {suite.ke.id if suite.ke else 0, key.group} != {context.pair.group}:
        raise ConfigError(f"it is not of group {context.pair.group} throughout")
    nr, spi_r = bytes(nonce.nonce), answer[0].spi
    shared = context.pair.shared(bytes(key.ke))
    keys = rekey_ike(suite, sa.keys, shared, context.ni, nr, context.spi, spi_r, more)
    made = succeed(sa, Spis(context.spi, spi_r), keys, initiator=True)
    return made, min(context.ni, nr)


def is_rekey(it: Inbound) -> bool:
    """Whether a CREATE_CHILD_SA request is for the IKE SA itself: its proposals say so."""
    offered = it.offers()
    return bool(offered) and offered[0].suite.protocol == Protocol.IKE


def serve(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer the peer's rekey of the IKE SA."""
    busy = create.asked(sa, "child", "rekey child") or info.closing(sa)
    if busy or sa.state is State.CLOSING or sa.successor is not None:
        return create.notify(Notify.TEMPORARY_FAILURE)
    choice = choose(it.offers(), sa.config.ike, distinct=sa.conduct.distinct_methods)
    if choice is None or choice.suite.ke is None:
        return create.notify(Notify.NO_PROPOSAL_CHOSEN)
    key, nonce = it.one(Payload.KE), it.one(Payload.NONCE)
    if key is None or key.group != choice.suite.ke.id:
        wanted = choice.suite.ke.id.to_bytes(2, "big")
        return create.notify(Notify.INVALID_KE_PAYLOAD, wanted)
    if len(choice.spi) != 8 or not any(choice.spi):
        return create.notify(Notify.INVALID_SYNTAX)
    try:
        pair = ke.respond(key.group, sa.entropy, bytes(key.ke))
        shared = pair.shared(bytes(key.ke))
    except BadPublicValue:
        return create.notify(Notify.INVALID_SYNTAX)
    except UnsupportedAlgorithm:
        return create.notify(Notify.NO_PROPOSAL_CHOSEN)
    assert nonce is not None and sa.keys is not None
    old = sa.keys
    ni, nr, spi_r = bytes(nonce.nonce), sa.entropy(sa.config.nonce_length), sa.entropy(8)
    suite: Suite = choice.suite.keyed()

    def complete(more: bytes, at: float) -> None:
        del at
        keys = rekey_ike(suite, old, shared, ni, nr, choice.spi, spi_r, more)
        made = succeed(sa, Spis(choice.spi, spi_r), keys, initiator=False)
        sa.rekeyed_by_peer = (min(ni, nr), made)
        if not create.asked(sa, "rekey ike"):
            inherit(sa)

    follows = addke.expect(sa, suite, complete, now)
    return Reply(
        [
            accepted_payload(choice, spi_r),
            IKEv2_Nonce(nonce=nr),
            IKEv2_KE(group=key.group, ke=pair.public),
            *follows,
        ]
    )


def succeed(sa: IkeSa, spis: Spis, keys: IkeKeys, *, initiator: bool) -> IkeSa:
    """A new IKE SA between the same two, established, message IDs from 0 (2.18)."""
    made = type(sa)(sa.config, initiator=initiator, entropy=sa.entropy, spi_i=spis.i)
    made.spi_r = spis.r
    made.local, made.remote, made.nat = sa.local, sa.remote, sa.nat
    made.peer_id, made.heard, made.given = sa.peer_id, sa.heard, sa.given
    if not sa.conduct.restart_ids:
        made.window.expected = sa.window.expected + 1
    made.fragments = sa.fragments
    made.state = State.ESTABLISHED
    made.keepalive_due = sa.keepalive_due
    made.on_successor = sa.on_successor
    made.take_keys(keys)
    sa.note(Rekeyed(spis.i, spis.r))
    if sa.on_successor is not None:
        sa.on_successor(made)
    return made


def inherit(sa: IkeSa) -> None:
    """Where the peer made a successor and ours will not be: its has the children."""
    if sa.rekeyed_by_peer is not None and sa.successor is None:
        move_children(sa, sa.rekeyed_by_peer[1])


def move_children(sa: IkeSa, successor: IkeSa) -> None:
    """RFC 7296 2.8: the new IKE SA inherits all CHILD_SAs."""
    successor.children.update(sa.children)
    sa.children.clear()
    sa.successor = successor
    sa.keepalive_due = None
