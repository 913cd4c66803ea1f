"""The engine's rules held against captured messages, with the eyes of a bystander.

What was not opened is judged by its header and outer payloads only: a bystander accuses nobody of
what he cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.inspect import quick
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
        doubtful = list(_doubtful(session))
        malformed = sum(_malformed(half) for _, half in doubtful)
        session.findings = Findings(list(_violations(session, doubtful)), malformed)
    return session.findings


def _doubtful(session: Session) -> Iterator[tuple[Half | None, Half]]:
    """The request (None for a request itself) and each message that has to be looked at."""
    for exchange in session.exchanges:
        asked = exchange.request
        for half in exchange.halves():
            request = None if half is asked else asked
            if not quick.clean(half, request, _by_initiator(session, half)):
                yield request, half


def _malformed(half: Half) -> int:
    """Messages with faults: retransmissions are the same octets, fragments are not."""
    inside = bool(faults(half.inner() or ()))
    if not half.fragmented:
        return len(half.messages) if inside or faults(half.outer()) else 0
    return inside + sum(bool(faults(m.step.message.payloads)) for m in half.messages)


def _violations(session: Session, doubtful: list[tuple[Half | None, Half]]) -> Iterator[Violation]:
    """Every rule that a message of this IKE SA breaks, with the frame that shows it."""
    known: tuple[Half | None, Inbound | None] = (None, None)
    for request, half in doubtful:
        asked = known[1] if request is known[0] else request and _inbound(request)
        it = _inbound(half)
        known = half, it
        blind = half.first.sealed is not None and not half.first.opened
        side, before = _by_initiator(session, half), len(half.first.step.violations)
        for found in judge(Seen(it, asked, side)):
            if not blind or "any" in RULES[found.rule].scope:
                placed = replace(found, frame=half.first.frame)
                half.first.step.violations.append(placed)
                yield placed
        if len(half.first.step.violations) == before:
            quick.passed(half, request, side)


def _inbound(half: Half) -> Inbound:
    return Inbound(half.first.step.message, half.inner())


def _by_initiator(session: Session, half: Half) -> bool | None:
    """Whether the original initiator sent this, told by address; None where that cannot tell."""
    message = half.first
    if message.exchange == Type.IKE_SA_INIT:
        return not message.response
    src, ends = message.step.src[0], (session.initiator[0], session.responder[0])
    return None if ends[0] == ends[1] or src not in ends else src == ends[0]
