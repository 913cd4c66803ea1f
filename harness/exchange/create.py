"""CREATE_CHILD_SA for children: new ones and rekeys, both roles, and their collisions.

RFC 7296 1.3.1, 1.3.3, 2.8, 2.17, 2.25.1. A request whose proposals are for IKE is `rekey`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.edits import Edit
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.exchange import addke, child_extras, compression, info, rekey
from ikelab.harness.exchange.child import Child, Nonces, fresh_spi, install
from ikelab.harness.exchange.events import Refused
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.modes import answer_mode, ask_mode, mode_of
from ikelab.harness.exchange.negotiate import (
    ADDITIONAL,
    Choice,
    accepted_payload,
    choose,
    match,
    narrow,
    sa_payload,
    ts_payloads,
)
from ikelab.harness.exchange.table import State
from ikelab.harness.exchange.window import Outstanding, Reply
from ikelab.harness.model import TS, Spis, Suite
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload, TransformType
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


@dataclass(slots=True)
class Asked:
    """What our request leaves for its response: SPI, nonce, key pair, what it replaces."""

    kind: str  # "child", "rekey child", "rekey ike"
    spi: bytes
    ni: bytes
    pair: ke.KeyPair | None
    old: Child | None = None
    wanted: dict[str, Any] = field(default_factory=dict)
    retried: bool = False
    chain: addke.Chain | None = None  # what follows its response (RFC 9370)


@dataclass(slots=True)
class Collisions:
    """Rekeys of one child by both sides: by our inbound SPI of the old child (2.8.1).

    `theirs` holds the lowest nonce of the peer's exchange and the child that it made.
    """

    theirs: dict[bytes, tuple[bytes, Child]] = field(default_factory=dict)


def forget(sa: IkeSa, child: Child) -> None:
    """A child is gone: nobody rekeys it any more, but for whoever has asked for it already."""
    if not any(c.old == child for c in asked(sa, "rekey child")):
        sa.collisions.theirs.pop(child.spi_in, None)


def notify(kind: Notify, data: bytes = b"") -> Reply:
    """A response that is one error notify; INVALID_SYNTAX ends the IKE SA with it (2.21.3)."""
    outcome = "refused" if kind is Notify.INVALID_SYNTAX else ""
    return Reply([IKEv2_Notify(type=kind, notify=data)], outcome, kind.name)


def asked(sa: IkeSa, *kinds: str) -> list[Asked]:
    """Our outstanding CREATE_CHILD_SA requests of these kinds."""
    contexts = (w.context for w in sa.window.waiting.values())
    return [c for c in contexts if isinstance(c, Asked) and c.kind in kinds]


# -- our request -----------------------------------------------------------------------------


def start(
    sa: IkeSa,
    now: float,
    edits: Sequence[Edit],
    *,
    old: Child | None = None,
    esp: Sequence[Suite] = (),
    tsi: tuple[TS, ...] = (),
    tsr: tuple[TS, ...] = (),
    group: int | None = None,
    retried: bool = False,
) -> None:
    """Ask for a child, or for one in place of `old`; `group` is that of the KE payload, if any."""
    suites = tuple(esp) or _suites(sa, old)
    # RFC 7296 2.9.2: a rekey asks for the selectors that the child has.
    tsi = tsi or (old.local_ts if old else sa.config.local_ts)
    tsr = tsr or (old.remote_ts if old else sa.config.remote_ts)
    if group is None:
        group = next((s.ke.id for s in suites if s.ke is not None), None)
    pair = ke.generate(group, sa.entropy) if group else None
    kind = "rekey child" if old else "child"
    wanted = {"old": old, "esp": suites, "tsi": tsi, "tsr": tsr}
    context = Asked(kind, fresh_spi(sa), sa.entropy(sa.config.nonce_length), pair, old, wanted)
    context.retried = retried
    payloads: list[Any] = []
    if old is not None:
        # 1.3.3: the SPI is the one that the sender expects in inbound ESP.
        payloads.append(IKEv2_Notify(type=Notify.REKEY_SA, proto=old.protocol, SPI=old.spi_in))
    payloads += ask_mode(sa, old)
    payloads.append(sa_payload(suites, context.spi))
    payloads.append(IKEv2_Nonce(nonce=context.ni))
    if pair is not None:
        payloads.append(IKEv2_KE(group=pair.group, ke=pair.public))
    payloads += child_extras.labelled(sa, ts_payloads(tsi, tsr))
    sa.request(Exchange.CREATE_CHILD_SA, payloads, now, edits, context=context)


def _suites(sa: IkeSa, old: Child | None) -> tuple[Suite, ...]:
    """What is offered: our policy, or the suite of the old child where our policy lacks it.

    RFC 7296 2.8: a rekeyed child should not have other algorithms than the old one.
    """
    policy = sa.config.esp
    if old is None or any(
        match(old.suite, s.without(TransformType.KE, *ADDITIONAL)) for s in policy
    ):
        return policy
    return (old.suite,)


def receive(sa: IkeSa, it: Inbound, seen: Step, waiting: Outstanding, now: float) -> None:
    """The response to a CREATE_CHILD_SA request of ours."""
    context: Asked = waiting.context
    if not it.has(Payload.SA):
        _refused(sa, it, context, now)
    elif context.kind == "rekey ike":
        rekey.receive(sa, it, seen, context, now)
    else:
        _accepted(sa, it, seen, waiting, now)


def followed(sa: IkeSa, it: Inbound, seen: Step, waiting: Outstanding, now: float) -> None:
    """The response to an IKE_FOLLOWUP_KE of ours."""
    reason = addke.receive(sa, it, seen, waiting, now)
    if reason is not None:
        abandon(sa, seen, waiting.context, reason)


def abandon(sa: IkeSa, seen: Step, context: Asked, reason: str) -> None:
    """Nothing comes of a request of ours, which the peer accepted."""
    sa.ignore(seen, reason)
    if context.kind == "rekey ike":
        rekey.inherit(sa)
    elif context.old is not None:
        sa.collisions.theirs.pop(context.old.spi_in, None)


def _refused(sa: IkeSa, it: Inbound, context: Asked, now: float) -> None:
    """Retry with the group asked for, forget what does not exist, report the rest."""
    for error in it.errors():
        sa.note(Refused(it.exchange, it.message_id, error))
    invalid = it.notify(Notify.INVALID_KE_PAYLOAD)
    if invalid is not None and len(invalid.notify) == 2 and not context.retried:
        group = int.from_bytes(bytes(invalid.notify), "big")
        suites = sa.config.ike if context.kind == "rekey ike" else context.wanted["esp"]
        if group in {t.id for s in suites for t in s.of(TransformType.KE)}:
            if context.kind == "rekey ike":
                rekey.start(sa, now, (), group=group, retried=True)
            else:
                start(sa, now, (), group=group, retried=True, **context.wanted)
            return
    if it.notify(Notify.CHILD_SA_NOT_FOUND) is not None and context.old is not None:
        # 2.25: the peer has it no more, so it is deleted without asking.
        sa.drop_child(context.old)
    if context.kind == "rekey ike":
        rekey.inherit(sa)
    elif context.old is not None:
        sa.collisions.theirs.pop(context.old.spi_in, None)
    if context.kind != "child" and not sa.conduct.outlive_refusals:
        sa.close(now)
    elif not sa.conduct.bide_time and not context.retried:
        _at_once(sa, context, now)


def _at_once(sa: IkeSa, context: Asked, now: float) -> None:
    """A fault: ask for the same again, right after it was put off."""
    if context.kind == "rekey ike":
        rekey.start(sa, now, (), retried=True)
    else:
        start(sa, now, (), retried=True, **context.wanted)


def _accepted(sa: IkeSa, it: Inbound, seen: Step, waiting: Outstanding, now: float) -> None:
    context: Asked = waiting.context
    answer, nonce = it.offers(), it.one(Payload.NONCE)
    if not answer or nonce is None:
        sa.ignore(seen, "a CREATE_CHILD_SA response without proposal or nonce")
        return
    choice = Choice(answer[0].number, answer[0].spi, answer[0].suite.keyed())
    shared = _shared(sa, it, seen, context.pair, choice.suite)
    if shared is None:
        return
    nr = bytes(nonce.nonce)
    ends = (it.selectors(Payload.TSI), it.selectors(Payload.TSR))

    def complete(more: bytes, at: float) -> None:
        made = install(
            sa,
            choice,
            Spis(context.spi, choice.spi),
            ends,
            Nonces(context.ni, nr, shared, more),
            made_by_us=True,
            mode=mode_of(it, waiting.request),
            compression=compression.agreed(waiting.request.all(Payload.N), it.all(Payload.N)),
            replaces=context.old.spi_in if context.old else b"",
        )
        if context.old is not None:
            _finish_rekey(sa, context.old, made, min(context.ni, nr), at)

    reason = addke.go_on(sa, it, context, choice.suite, complete, now)
    if reason is not None:
        abandon(sa, seen, context, reason)


def _shared(
    sa: IkeSa, it: Inbound, seen: Step, pair: ke.KeyPair | None, suite: Suite
) -> bytes | None:
    """g^ir of this exchange, empty without KE; None where the peer's value is no good."""
    group, key = suite.ke.id if suite.ke else 0, it.one(Payload.KE)
    if not group:
        return b""
    if pair is None or key is None or {key.group, group} != {pair.group}:
        sa.ignore(seen, f"group {group} was chosen, and there is no KE of it for both sides")
        return None
    try:
        return pair.shared(bytes(key.ke))
    except BadPublicValue as error:
        sa.ignore(seen, f"the public value of KE is invalid: {error}")
        return None


def _finish_rekey(sa: IkeSa, old: Child, made: Child, lowest: bytes, now: float) -> None:
    """Delete what our rekey made superfluous: the old child, or ours where theirs won (2.8.1).

    The child made with the lowest of the four nonces is closed by who created it.
    """
    theirs = sa.collisions.theirs.pop(old.spi_in, None)
    lost = theirs is not None and lowest < theirs[0] and sa.conduct.close_redundant
    redundant = made if lost else old
    if redundant.spi_in in sa.children and sa.conduct.delete_rekeyed:
        sa.delete_child(redundant, now)


# -- the peer's request ----------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer a CREATE_CHILD_SA request."""
    if not sa.conduct.allow_rekeys and (it.notify(Notify.REKEY_SA) or rekey.is_rekey(it)):
        return notify(Notify.NO_ADDITIONAL_SAS)
    if not sa.conduct.rekey_now and (it.notify(Notify.REKEY_SA) or rekey.is_rekey(it)):
        return notify(Notify.TEMPORARY_FAILURE)
    nonce = it.one(Payload.NONCE)
    if nonce is None or not it.has(Payload.SA):
        return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], "refused", "no SA or no nonce")
    if not 16 <= len(nonce.nonce) <= 256:
        reason = f"a nonce of {len(nonce.nonce)} octets"
        return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], "refused", reason)
    if rekey.is_rekey(it):
        return rekey.serve(sa, it, now)
    rekeying = asked(sa, "rekey ike") and sa.conduct.put_off_children
    if sa.state is State.CLOSING or sa.successor is not None or rekeying:
        return notify(Notify.TEMPORARY_FAILURE)
    old: Child | None = None
    rekeyed = it.notify(Notify.REKEY_SA)
    if rekeyed is not None:
        old = info.by_outbound(sa, rekeyed.proto, bytes(rekeyed.SPI))
        if old is None and sa.conduct.know_children:
            data = IKEv2_Notify(
                type=Notify.CHILD_SA_NOT_FOUND, proto=rekeyed.proto, SPI=bytes(rekeyed.SPI)
            )
            return Reply([data])
        if old is not None and old.spi_in in info.closing(sa):
            return notify(Notify.TEMPORARY_FAILURE)
    elif len(sa.children) >= sa.config.most_children:
        return notify(Notify.NO_ADDITIONAL_SAS)
    return _answer(sa, it, old, now)


def _answer(sa: IkeSa, it: Inbound, old: Child | None, now: float) -> Reply:
    choice = choose(it.offers(), sa.config.esp, distinct=sa.conduct.distinct_methods)
    if choice is None:
        return notify(Notify.NO_PROPOSAL_CHOSEN)
    refusal = child_extras.refuses(sa, it) if old is None else None
    if refusal is not None:
        return notify(refusal)
    key, pair, shared = it.one(Payload.KE), None, b""
    group = choice.suite.ke.id if choice.suite.ke else 0
    if group:
        if key is None or key.group != group:
            return notify(Notify.INVALID_KE_PAYLOAD, group.to_bytes(2, "big"))
        try:
            pair = ke.respond(group, sa.entropy, bytes(key.ke))
            shared = pair.shared(bytes(key.ke))
        except BadPublicValue:
            return notify(Notify.INVALID_SYNTAX)
        except UnsupportedAlgorithm:
            return notify(Notify.NO_PROPOSAL_CHOSEN)
    tsi, tsr = it.selectors(Payload.TSI), it.selectors(Payload.TSR)
    if sa.conduct.narrow:
        tsi = narrow(tsi, sa.given or sa.config.remote_ts)
        tsr = narrow(tsr, sa.config.local_ts)
    if not tsi or not tsr:
        return notify(Notify.TS_UNACCEPTABLE)
    return _made(sa, it, choice, (tsi, tsr), pair, shared, old, now)


def _made(
    sa: IkeSa,
    it: Inbound,
    choice: Choice,
    ends: tuple[tuple[TS, ...], tuple[TS, ...]],
    pair: ke.KeyPair | None,
    shared: bytes,
    old: Child | None,
    now: float,
) -> Reply:
    nonce = it.one(Payload.NONCE)
    assert nonce is not None
    ni, nr, spi = bytes(nonce.nonce), sa.entropy(sa.config.nonce_length), fresh_spi(sa)
    extras, mode = answer_mode(sa, it)
    fresh = sa.conduct.fresh_keys

    def complete(more: bytes, at: float) -> None:
        del at
        child = install(
            sa,
            choice,
            Spis(choice.spi, spi),
            ends,
            Nonces(ni, nr, shared, more) if fresh else Nonces(sa.init.ni, sa.init.nr),
            made_by_us=False,
            mode=mode,
            compression=compression.agreed(extras, it.all(Payload.N)),
            replaces=old.spi_in if old else b"",
        )
        if old is not None and not sa.conduct.keep_rekeyed:
            sa.drop_child(old)
        elif old is not None:
            # Our own rekey of it may be under way, or begin before the delete of `old` is here.
            sa.collisions.theirs[old.spi_in] = (min(ni, nr), child)

    follows = addke.expect(sa, choice.suite, complete, now)
    payloads = [*extras, accepted_payload(choice, spi), IKEv2_Nonce(nonce=nr)]
    if pair is not None:
        payloads.append(IKEv2_KE(group=pair.group, ke=pair.public))
    return Reply([*payloads, *child_extras.labelled(sa, ts_payloads(*ends)), *follows])
