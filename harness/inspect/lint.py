"""The engine's rules held against captured messages, with the eyes of a bystander.

What was not opened is judged by its header and outer payloads only: a bystander accuses nobody of
what he cannot see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.inspect import quick
from ikelab.harness.inspect.facts import faults
from ikelab.harness.inspect.session import Half, Message, Session
from ikelab.harness.model import Violation
from ikelab.layers.iana import Exchange as Type

_INIT = int(Type.IKE_SA_INIT)


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
            if not found and quick.passed(half, request, _by_initiator(session, half)):
                continue  # so all of it can be read
            malformed += _malformed(half)
            violations += found
        session.findings = Findings(violations, malformed)
    return session.findings


def _doubtful(session: Session) -> Iterator[tuple[Half | None, Half]]:
    """The request (None for a request itself) and each message that has to be looked at."""
    side, clean = _side(session), quick.clean
    for exchange in session.exchanges:
        asked, answer = exchange.request, exchange.response
        if asked is not None and not clean(asked, None, side(asked.messages[0])):
            yield None, asked
        if answer is not None and not clean(answer, asked, side(answer.messages[0])):
            yield asked, answer


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
    return _side(session)(half.first)


def _side(session: Session) -> Callable[[Message], bool | None]:
    """Tells whether the original initiator sent a message, by address; None where that cannot."""
    initiator, responder = session.initiator[0], session.responder[0]
    sides: dict[str, bool | None] = {responder: False, initiator: True}
    if initiator == responder:
        sides = {}

    def side(message: Message) -> bool | None:
        if message.exchange == _INIT:
            return not message.response
        return sides.get(message.src[0])

    return side
