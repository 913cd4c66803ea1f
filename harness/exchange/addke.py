"""Additional key exchanges (RFC 9370): which were chosen, and IKE_FOLLOWUP_KE of both roles.

Those of a first IKE SA go in IKE_INTERMEDIATE, see `intermediate`. After CREATE_CHILD_SA nothing is
made before the last IKE_FOLLOWUP_KE: what makes it waits in a `Chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.exchange.events import Refused
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import ADDITIONAL, Offered
from ikelab.harness.exchange.window import Outstanding, Reply
from ikelab.harness.model import Suite
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

LINK = 8  # octets of our link to a chain
MOST_CHAINS = 16  # that wait for their next exchange in one IKE SA


def methods(suite: Suite) -> tuple[int, ...]:
    """The additional key exchanges of a chosen suite, in order; NONE slots are skipped."""
    chosen = (suite.one(kind) for kind in ADDITIONAL)
    return tuple(int(t.id) for t in chosen if t is not None and t.id)


def wanted(suites: tuple[Suite, ...]) -> bool:
    """Whether a policy names an additional key exchange at all."""
    return any(t.id for s in suites for kind in ADDITIONAL for t in s.of(kind))


def without(offered: list[Offered]) -> list[Offered]:
    """What is left of an offer for who cannot do additional exchanges: NONE, or no such type."""
    kept = []
    for one in offered:
        fine = tuple(t for t in one.suite.transforms if t.type not in ADDITIONAL or not t.id)
        kinds = {t.type for t in one.suite.transforms}
        if kinds == {t.type for t in fine}:
            kept.append(replace(one, suite=replace(one.suite, transforms=fine)))
    return kept


@dataclass(slots=True)
class Chain:
    """Exchanges that follow a CREATE_CHILD_SA; `complete` takes SK(1) | SK(2) | ... at the end."""

    left: tuple[int, ...]
    complete: Callable[[bytes, float], None]
    secrets: bytes = b""
    pair: ke.KeyPair | None = None


@dataclass(slots=True)
class Chains:
    """Those that the peer goes on with, by the link that we gave it last."""

    waiting: dict[bytes, Chain] = field(default_factory=dict)


# -- initiator -------------------------------------------------------------------------------


def go_on(
    sa: IkeSa,
    it: Inbound,
    context: Any,
    suite: Suite,
    complete: Callable[[bytes, float], None],
    now: float,
) -> str | None:
    """Complete what a CREATE_CHILD_SA response begins, after what follows; why it cannot be."""
    left = methods(suite)
    if not left:
        complete(b"", now)
        return None
    context.chain = Chain(left, complete)
    return _ask(sa, it, context, now)


def _ask(sa: IkeSa, it: Inbound, context: Any, now: float) -> str | None:
    link = it.notify(Notify.ADDITIONAL_KEY_EXCHANGE)
    if link is None:
        return "no ADDITIONAL_KEY_EXCHANGE, and the key exchange goes on"
    chain: Chain = context.chain
    try:
        chain.pair = ke.generate(chain.left[0], sa.entropy)
    except UnsupportedAlgorithm as error:
        return str(error)
    data = bytes(link.notify)
    if not sa.conduct.return_link:
        data = bytes([data[0] ^ 1]) + data[1:]
    payloads = [
        IKEv2_KE(group=chain.left[0], ke=chain.pair.public),
        IKEv2_Notify(type=Notify.ADDITIONAL_KEY_EXCHANGE, notify=data),
    ]
    sa.request(Exchange.IKE_FOLLOWUP_KE, payloads, now, context=context)
    return None


def receive(sa: IkeSa, it: Inbound, seen: Step, waiting: Outstanding, now: float) -> str | None:
    """The response to an IKE_FOLLOWUP_KE of ours; why nothing comes of it."""
    chain: Chain = waiting.context.chain
    for error in it.errors():
        sa.note(Refused(it.exchange, it.message_id, error))
    key = it.one(Payload.KE)
    if it.errors() or key is None or key.group != chain.left[0] or chain.pair is None:
        return "no KE of the method that was asked for"
    try:
        chain.secrets += chain.pair.shared(bytes(key.ke))
    except BadPublicValue as error:
        return f"the value of KE is invalid: {error}"
    chain.left = chain.left[1:]
    if chain.left:
        return _ask(sa, it, waiting.context, now)
    if it.notify(Notify.ADDITIONAL_KEY_EXCHANGE) is not None:
        seen.note = "a link to nothing"
    chain.complete(chain.secrets, now)
    return None


# -- responder -------------------------------------------------------------------------------


def expect(
    sa: IkeSa, suite: Suite, complete: Callable[[bytes, float], None], now: float
) -> list[Any]:
    """Complete a request now, or give the link under which the peer goes on with it."""
    left = methods(suite)
    if not left:
        complete(b"", now)
        return []
    return [_link(sa, Chain(left, complete))]


def _link(sa: IkeSa, chain: Chain) -> IKEv2_Notify:
    link = sa.entropy(LINK)
    waiting = sa.chains.waiting
    while len(waiting) >= MOST_CHAINS:
        del waiting[next(iter(waiting))]
    waiting[link] = chain
    return IKEv2_Notify(type=Notify.ADDITIONAL_KEY_EXCHANGE, notify=link)


def serve(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer IKE_FOLLOWUP_KE."""
    link, waiting = it.notify(Notify.ADDITIONAL_KEY_EXCHANGE), sa.chains.waiting
    known = bytes(link.notify) if link is not None else b""
    if known not in waiting and waiting and not sa.conduct.know_links:
        known = next(reversed(waiting))
    chain = waiting.pop(known, None)
    if chain is None:
        kind = Notify.STATE_NOT_FOUND if sa.conduct.know_links else Notify.TEMPORARY_FAILURE
        return Reply([IKEv2_Notify(type=kind)])
    key = it.one(Payload.KE)
    if key is None or key.group != chain.left[0]:
        return _refused("no KE of the method whose turn it is")
    try:
        pair = ke.respond(chain.left[0], sa.entropy, bytes(key.ke))
        chain.secrets += pair.shared(bytes(key.ke))
    except (BadPublicValue, UnsupportedAlgorithm) as error:
        return _refused(str(error))
    payloads: list[Any] = [IKEv2_KE(group=chain.left[0], ke=pair.public)]
    chain.left = chain.left[1:]
    if chain.left:
        return Reply([*payloads, _link(sa, chain)])
    chain.complete(chain.secrets, now)
    if not sa.conduct.end_links:
        payloads.append(IKEv2_Notify(type=Notify.ADDITIONAL_KEY_EXCHANGE, notify=sa.entropy(LINK)))
    return Reply(payloads)


def _refused(reason: str) -> Reply:
    return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], "refused", reason)
