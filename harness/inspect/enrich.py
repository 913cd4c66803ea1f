"""What the session view adds to the plain facts of an IKE SA, as JSON: the contract grows by it."""

from __future__ import annotations

from typing import Any

from ikelab.harness.inspect import authcheck, course, facts, given, natview, offers, weak
from ikelab.harness.inspect.authcheck import Proof
from ikelab.harness.inspect.facts import Child, Proposal
from ikelab.harness.inspect.session import Session
from ikelab.harness.inspect.why.story import Explanation
from ikelab.harness.model import Suite
from ikelab.layers.iana import Protocol, TransformType, name


def nat(session: Session, hints: list[str], *, thorough: bool = False) -> dict[str, Any]:
    """Who is translated: the booleans of the contract, and what is known of each end.

    A boolean is true where the hash does not fit, unless it is known that it was spoilt on purpose.
    """
    plain = facts.nat(session)
    view = natview.view(session, hints, thorough=thorough)
    moved_ends: dict[str, bool | None] = {}
    ends: dict[str, Any] = {}
    for label, end, moved in (
        ("initiator", view.initiator, plain.initiator),
        ("responder", view.responder, plain.responder),
    ):
        forced = end.where is natview.Where.FORCED
        moved_ends[label] = False if forced else moved
        ends[label] = {
            "verdict": str(end.where),
            "seen": list(end.seen),
            "beyond": list(end.other) if end.other else None,
            "reason": end.reason,
            "frames": list(end.frames),
        }
    return {"nat": moved_ends, "nat_ends": ends}


def rows(offered: tuple[Proposal, ...], chosen: Suite | None, number: int | None) -> list[Any]:
    """For each offered proposal whether it won, or what stood between it and what did."""
    if chosen is None:
        return []
    return [
        {
            "number": row.proposal.number,
            "won": row.won,
            "why": row.why or None,
            "differs_in": [d.label for d in row.differences],
        }
        for row in offers.rows(offered, chosen, number)
    ]


def proofs(session: Session, psks: tuple[bytes, ...]) -> dict[str, Any]:
    """For each end whether its AUTH verifies."""
    found: dict[str, Any] = {}
    for proof in authcheck.proofs(session, psks):
        found["initiator" if proof.by_initiator else "responder"] = _proof(proof)
    return found


def _proof(proof: Proof) -> dict[str, Any]:
    return {"verified": proof.verified, "verified_by": proof.reason, "frame": proof.frame}


def session_json(
    session: Session,
    offered: tuple[Proposal, ...],
    chosen: Suite | None,
    why: Explanation,
) -> dict[str, Any]:
    """The further keys of an IKE SA."""
    ran = course.course(session)
    return {
        "weak": [_weak(w) for w in weak_ones(session, offered, chosen)],
        "configuration": [
            {
                "cfg": a.kind,
                "name": a.name,
                "value": a.value,
                "by": "initiator" if a.by_initiator else "responder",
                "frame": a.frame,
            }
            for a in given.configuration(session)
        ],
        "succession": [
            [{"spi_i": c.spis.i.hex(), "spi_r": c.spis.r.hex(), "frame": c.frame} for c in line]
            for line in given.lines_of_descent(session)
        ],
        "deleted": [
            {"protocol": name(Protocol, protocol), "spi": spi.hex(), "frame": frame}
            for protocol, spi, frame in given.deleted(session)
        ],
        "course": _course(ran),
        "why": {
            "cause": why.cause,
            "works": why.works,
            "certain": why.certain,
            "sentence": why.sentence,
            "paragraph": str(why),
            "frames": list(why.frames),
        },
    }


def weak_ones(
    session: Session, offered: tuple[Proposal, ...], chosen: Suite | None
) -> list[weak.Weak]:
    """The discouraged algorithms of the IKE SA and of its children."""
    found = weak.weak([p.suite for p in offered], chosen)
    # Rekeyed children repeat what the first one said: the very same suites, as `facts` keeps them.
    looked = {_which(child): child for child in facts.children(session)}
    for child in looked.values():
        found += weak.weak([p.suite for p in child.offered], child.chosen)
    return list({str(w): w for w in found}.values())


def _which(child: Child) -> tuple[int, ...]:
    return (*[id(p.suite) for p in child.offered], id(child.chosen))


def _weak(found: weak.Weak) -> dict[str, Any]:
    return {
        "protocol": name(Protocol, found.protocol),
        "type": name(TransformType, found.transform.type),
        "name": found.transform.name,
        "chosen": found.chosen,
        "status": found.status,
        "rfc": found.rfc or None,
    }


def _course(ran: course.Course) -> dict[str, Any]:
    return {
        "start": round(ran.start, 6),
        "end": round(ran.end, 6),
        "handshake": None if ran.handshake is None else round(ran.handshake, 6),
        "trips": [round(t, 6) for t in ran.trips[:1000]],
        "repeated": [
            {
                "type": r.exchange,
                "message_id": r.id,
                "half": r.half,
                "frames": list(r.frames),
                "gaps": [round(g, 6) for g in r.gaps],
                "growth": None if r.growth is None else round(r.growth, 3),
            }
            for r in ran.repeated
        ],
        "fragmented": [
            {
                "type": f.exchange,
                "message_id": f.id,
                "half": f.half,
                "total": f.total,
                "missing": list(f.missing),
                "largest": f.largest,
            }
            for f in ran.fragmented
        ],
        "liveness": {
            "by_initiator": ran.checks[0],
            "by_responder": ran.checks[1],
            "unanswered": ran.unanswered,
        },
        "deleted": ran.ended
        and {
            "by": "initiator" if ran.ended.by_initiator else "responder",
            "frame": ran.ended.frame,
        },
    }
