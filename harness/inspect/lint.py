"""The engine's rules held against captured messages, with the eyes of a bystander.

What was not opened is judged by its header and outer payloads only: a bystander accuses nobody of
what he cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.model import Violation
from ikelab.harness.sk import rebuild
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2


def violations(session: Session) -> Iterator[Violation]:
    """Every rule that a message of this IKE SA breaks, with the frame that shows it."""
    for exchange in session.exchanges:
        request = _inbound(exchange.request) if exchange.request else None
        for half in exchange.halves():
            it = request if half is exchange.request else _inbound(half)
            answered = request if half is exchange.response else None
            if it is None:
                continue
            seen = Seen(it, answered, _by_initiator(session, half))
            blind = half.first.sealed is not None and not half.first.opened
            for found in judge(seen):
                if not blind or RULES[found.rule].scope == "any":
                    yield replace(found, frame=half.first.frame)


def _inbound(half: Half) -> Inbound:
    """A message as the rules look at it, with SK open where it was opened."""
    message = half.first.step.message
    inner = half.inner()
    if inner is None:
        return Inbound(message)
    # Linking moves packets: those of a fresh dissection, so that the step's own stay in place.
    fresh = IKEv2(half.first.data).payloads
    before = [p for p in fresh if p.kind not in (Payload.SK, Payload.SKF)]
    return Inbound(rebuild(message, [*before, IKEv2_Decrypted(inner=inner)]))


def _by_initiator(session: Session, half: Half) -> bool | None:
    """Whether the original initiator sent this, told by address; None where that cannot tell."""
    message = half.first
    if message.exchange == Type.IKE_SA_INIT:
        return not message.response
    src, ends = message.step.src[0], (session.initiator[0], session.responder[0])
    return None if ends[0] == ends[1] or src not in ends else src == ends[0]
