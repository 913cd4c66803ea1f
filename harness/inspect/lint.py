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
        malformed, violations = 0, []
        # One at a time: what is found in order lets others of its shape pass.
        for request, half in _doubtful(session):
            found = _violations(session, request, half)
            faulty = _malformed(half)
            if not found and not faulty:
                quick.passed(half, request, _by_initiator(session, half))
            malformed += faulty
            violations += found
        session.findings = Findings(violations, malformed)
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


def _violations(session: Session, request: Half | None, half: Half) -> list[Violation]:
    """Every rule that a message of this IKE SA breaks, with the frame that shows it."""
    asked = None if request is None else _inbound(request)
    first = half.first
    blind = first.sealed is not None and not first.opened
    found = [
        replace(violation, frame=first.frame)
        for violation in judge(Seen(_inbound(half), asked, _by_initiator(session, half)))
        if not blind or "any" in RULES[violation.rule].scope
    ]
    first.step.violations += found
    return found


def _inbound(half: Half) -> Inbound:
    return Inbound(half.first.step.message, half.inner())


def _by_initiator(session: Session, half: Half) -> bool | None:
    """Whether the original initiator sent this, told by address; None where that cannot tell."""
    message = half.first
    if message.exchange == Type.IKE_SA_INIT:
        return not message.response
    src, ends = message.src[0], (session.initiator[0], session.responder[0])
    return None if ends[0] == ends[1] or src not in ends else src == ends[0]
