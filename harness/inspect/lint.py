"""The engine's rules held against captured messages, with the eyes of a bystander.

What was not opened is judged by its header and outer payloads only: a bystander accuses nobody of
what he cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.inspect.facts import faults
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.model import Violation
from ikelab.layers.iana import Exchange as Type


@dataclass(frozen=True, slots=True)
class Findings:
    """Rules broken in an IKE SA, and how many of its messages cannot be read whole."""

    violations: list[Violation]
    malformed: int


def examine(session: Session) -> Findings:
    """Judge an IKE SA; the answer is kept with it."""
    if session.findings is None:
        malformed = sum(_malformed(h) for e in session.exchanges for h in e.halves())
        session.findings = Findings(list(_violations(session)), malformed)
    return session.findings


def _malformed(half: Half) -> int:
    """Messages with faults: retransmissions are the same octets, fragments are not."""
    inside = bool(faults(half.inner() or ()))
    if not half.fragmented:
        return len(half.messages) if inside or faults(half.outer()) else 0
    return inside + sum(bool(faults(m.step.message.payloads)) for m in half.messages)


def _violations(session: Session) -> Iterator[Violation]:
    """Every rule that a message of this IKE SA breaks, with the frame that shows it."""
    for exchange in session.exchanges:
        request: Inbound | None = None
        for half in exchange.halves():
            it = Inbound(half.first.step.message, half.inner())
            seen = Seen(it, request, _by_initiator(session, half))
            request = it if half is exchange.request else None
            blind = half.first.sealed is not None and not half.first.opened
            for found in judge(seen):
                if not blind or "any" in RULES[found.rule].scope:
                    placed = replace(found, frame=half.first.frame)
                    half.first.step.violations.append(placed)
                    yield placed


def _by_initiator(session: Session, half: Half) -> bool | None:
    """Whether the original initiator sent this, told by address; None where that cannot tell."""
    message = half.first
    if message.exchange == Type.IKE_SA_INIT:
        return not message.response
    src, ends = message.step.src[0], (session.initiator[0], session.responder[0])
    return None if ends[0] == ends[1] or src not in ends else src == ends[0]
