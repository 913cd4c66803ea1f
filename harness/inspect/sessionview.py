"""The lines that the summary has for one IKE SA beside the plain facts: what to look at twice."""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.inspect import authcheck, course, facts, given, natview, offers
from ikelab.harness.inspect.enrich import weak_ones
from ikelab.harness.inspect.facts import Child, Proposal
from ikelab.harness.inspect.natview import NatView, Where
from ikelab.harness.inspect.session import Session
from ikelab.harness.model import Suite

Line = tuple[str, str]
MOST = 4
"""Of things that come in numbers, so many have a line of their own."""


def offer_lines(
    offered: tuple[Proposal, ...], chosen: Suite | None, number: int | None
) -> Iterator[Line]:
    """Why each row that did not win could not, where more than one was offered."""
    if chosen is None or len(offered) < 2:
        return
    rows = offers.rows(offered, chosen, number)
    for row in rows[:MOST]:
        state = "won" if row.won else row.why
        yield "", f"row {row.proposal.number}: {state}"
    if len(rows) > MOST:
        yield "", f"and {len(rows) - MOST} more rows (--json)"


def number_of(session: Session) -> int | None:
    """The number of the IKE proposal that was accepted."""
    begun = facts.beginning(session)
    answer = facts.offer(begun.response) if begun else ()
    return answer[0].number if answer else None


def nat_line(session: Session, hints: list[str], *, thorough: bool) -> str:
    """`initiator translated (203.0.113.7:40000 here, 10.0.0.1:500 beyond), responder direct`."""
    view: NatView = natview.view(session, hints, thorough=thorough)
    return ", ".join(
        f"{label} {end if end.where not in _PLAIN else end.where}"
        for label, end in (("initiator", view.initiator), ("responder", view.responder))
    )


_PLAIN = (Where.DIRECT, Where.UNKNOWN)


def lines(
    session: Session, offered: tuple[Proposal, ...], chosen: Suite | None, psks: tuple[bytes, ...]
) -> Iterator[Line]:
    """AUTH, configuration, succession, times, fragments, liveness, the end, weak algorithms."""
    yield from _auth(session, psks)
    yield from _configuration(session)
    for line in given.lines_of_descent(session):
        if len(line) > 1:
            yield "succession", " -> ".join(_spi(child) for child in line[:8])
    ran = course.course(session)
    yield from _course(ran)
    found = weak_ones(session, offered, chosen)
    for one in found[:MOST]:
        yield "weak", str(one)
    if len(found) > MOST:
        yield "weak", f"and {len(found) - MOST} more (--json)"


def _spi(child: Child) -> str:
    return f"{child.spis.i.hex()}:{child.spis.r.hex()} (frame {child.frame})"


def _auth(session: Session, psks: tuple[bytes, ...]) -> Iterator[Line]:
    for proof in authcheck.proofs(session, psks):
        if proof.verified is None:
            continue
        who = "initiator" if proof.by_initiator else "responder"
        verdict = "verifies" if proof.verified else "DOES NOT VERIFY"
        yield "AUTH", f"of the {who} {verdict}: {proof.reason} (frame {proof.frame})"


def _configuration(session: Session) -> Iterator[Line]:
    said: dict[str, list[str]] = {}
    for attribute in given.configuration(session):
        said.setdefault(attribute.kind, []).append(str(attribute))
    for kind, values in said.items():
        yield "configuration", f"{kind}: {', '.join(values[:12])}"


def _course(ran: course.Course) -> Iterator[Line]:
    if ran.handshake is not None:
        trips = sorted(ran.trips)
        middle = f", round trip {trips[len(trips) // 2] * 1000:.1f} ms" if trips else ""
        yield (
            "time",
            f"up after {ran.handshake * 1000:.1f} ms{middle}, seen for {ran.duration:.1f} s",
        )
    if ran.repeated:
        number = sum(len(r.gaps) for r in ran.repeated)
        yield "repeated", f"{number} message{'' if number == 1 else 's'}"
    for repeated in ran.repeated[:MOST]:
        yield "", str(repeated)
    for fragmented in ran.fragmented[:MOST]:
        yield "fragments", str(fragmented)
    if sum(ran.checks):
        lost = f", {ran.unanswered} without an answer" if ran.unanswered else ""
        by = f"{ran.checks[0]} by the initiator, {ran.checks[1]} by the responder{lost}"
        yield "liveness", by
    if ran.ended is not None:
        who = "initiator" if ran.ended.by_initiator else "responder"
        yield "deleted", f"by the {who} in frame {ran.ended.frame}"
