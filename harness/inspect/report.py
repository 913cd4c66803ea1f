"""An inspection as the JSON contract has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ikelab.harness.inspect import described, enrich, facts, lint, sessionview
from ikelab.harness.inspect.collector import patient_collector
from ikelab.harness.inspect.facts import Child, End, Proposal
from ikelab.harness.inspect.rowtext import exchange_text
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.inspect.why import explain_one
from ikelab.harness.model import Suite, Transform
from ikelab.harness.notation import exchange_name, transform_json
from ikelab.harness.transcript import violation_json
from ikelab.layers.iana import AuthMethod, IdType, Protocol, TransformType, name

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection


T = TypeVar("T")


@patient_collector()
def to_json(it: Inspection) -> dict[str, Any]:
    """The whole inspection; the shape is a contract (design, section 9)."""
    return {**head_json(it), "ike_sas": list(sessions_json(it))}


def sessions_json(it: Inspection) -> Iterator[dict[str, Any]]:
    """The rows of `ike_sas`, one at a time."""
    for session in it.sessions:
        yield from looked_at(session, _session(session, it))


def json_text(it: Inspection) -> Iterator[str]:
    """The JSON in pieces, an exchange a line: what is big is never in memory as a whole."""
    with patient_collector():
        yield from json_around(it, rows_text(it))


def json_around(it: Inspection, rows: Iterable[str]) -> Iterator[str]:
    """The JSON of an inspection whose rows are text already; counts come behind them."""
    yield f'{{\n"file": {json.dumps(it.file)},\n"ike_sas": ['
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + row
    head = head_json(it)
    rest = (f",\n{json.dumps(k)}: {json.dumps(v)}" for k, v in head.items() if k != "file")
    yield f"\n]{''.join(rest)}\n}}"


def rows_text(it: Inspection) -> Iterator[str]:
    """The rows of `ike_sas` as text, one at a time."""
    for session in it.sessions:
        texts = [exchange_text(exchange) for exchange in session.exchanges]
        yield from looked_at(session, _row_text(_session(session, it, shown=False), texts))


def _row_text(row: dict[str, Any], exchanges: list[str]) -> str:
    """A row of `ike_sas` as JSON, a field a line, and an exchange a line."""
    fields = []
    for name_of, value in row.items():
        text = json.dumps(value)
        if name_of == "exchanges":
            text = "[\n   " + ",\n   ".join(exchanges) + "\n  ]"
        fields.append(f"{json.dumps(name_of)}: {text}")
    return " {" + ",\n  ".join(fields) + "}"


def head_json(it: Inspection) -> dict[str, Any]:
    """All of the JSON but its IKE SAs."""
    totals = it.totals
    return {
        "file": it.file,
        "frames": it.frames,
        "messages": sum(it.kinds.values()) - it.kinds["esp"] - it.kinds["ah"],
        "ike_messages": it.kinds["ike"],
        "ikev1_messages": it.ikev1.messages,
        "keepalives": it.kinds["keepalive"],
        "esp_packets": it.kinds["esp"],
        "ah_packets": it.kinds["ah"],
        "decrypted": totals.decrypted,
        "undecrypted": totals.sealed - totals.decrypted,
        "refusals": dict(totals.refusals),
        "malformed": totals.malformed,
        "lost": it.lost,
        "notes": it.notes,
        "ikev1": {
            "exchanges": dict(it.ikev1.exchanges),
            "cookies": {cookie.hex(): count for cookie, count in it.ikev1.cookies.items()},
        },
        "esp": _esp_json(it) if it.esp else [],
    }


def _esp_json(it: Inspection) -> list[dict[str, Any]]:
    from ikelab.harness.inspect import espview

    return [espview.to_json(view) for view in it.esp_views]


def looked_at(session: Session, shown: T) -> Iterator[T]:
    """What was made of a session; what it took to make it is let go."""
    yield shown
    session.forget()


def _session(session: Session, it: Inspection, *, shown: bool = True) -> dict[str, Any]:
    offered, chosen = negotiated(session, it)
    number, parent = sessionview.number_of(session), it.parent(session)
    initiator, responder = facts.ends(session)
    proofs = enrich.proofs(session, it.psks)
    return {
        "spi_i": session.spis.i.hex(),
        "spi_r": session.spis.r.hex(),
        "initiator": list(session.initiator),
        "responder": list(session.responder),
        "offered": [_proposal(p) for p in offered],
        "chosen": _suite(chosen) if chosen else None,
        "rows": enrich.rows(offered, chosen, number),
        **enrich.nat(session, it.hints, thorough=it.thorough),
        "vendor_ids": [
            {"data": data.hex(), "name": known, "from": "initiator" if side else "responder"}
            for data, known, side in facts.vendors(session)
        ],
        "auth": {
            "initiator": _end(initiator) | proofs.get("initiator", {}),
            "responder": _end(responder) | proofs.get("responder", {}),
        },
        "rekeyed_from": None
        if parent is None
        else {"spi_i": parent[0].spis.i.hex(), "spi_r": parent[0].spis.r.hex()},
        "exchanges": [_exchange(e) for e in session.exchanges] if shown else [],
        "children": [_child(c) for c in facts.children(session)],
        "violations": [violation_json(v) for v in lint.examine(session).violations],
        **enrich.session_json(session, offered, chosen, explain_one(it, session)),
    }


def negotiated(session: Session, it: Inspection) -> tuple[tuple[Proposal, ...], Suite | None]:
    """What was offered and chosen for the IKE SA: in IKE_SA_INIT, or where it was rekeyed."""
    exchange, parent = facts.beginning(session), it.parent(session)
    if exchange is None and parent is not None:
        exchange = parent[1]
    if exchange is None:
        return (), None
    answer = facts.offer(exchange.response)
    offered = facts.offer(exchange.request)
    return offered, answer[0].suite if answer else None


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "number": proposal.number,
        "protocol": name(Protocol, proposal.suite.protocol),
        "spi": proposal.spi.hex(),
        **offered_words(proposal.suite),
    }


@lru_cache(maxsize=4096)
def offered_words(suite: Suite) -> dict[str, Any]:
    """The transforms of an offered proposal; shared, for children are rekeyed with the same."""
    return {"text": str(suite), "transforms": [transform_json(t) for t in suite.transforms]}


@lru_cache(maxsize=4096)
def _suite(suite: Suite) -> dict[str, Any]:
    """The transforms of an accepted proposal by their place in the contract."""
    encr = suite.encr
    row: dict[str, Any] = {"text": str(suite)}
    row["encr"] = encr and {"id": int(encr.id), "name": encr.name, "key_bits": encr.key_bits}
    if suite.protocol == Protocol.IKE:
        row["prf"] = _transform(suite.prf)
    row["integ"] = _transform(suite.integ)
    row["ke"] = _transform(suite.ke)
    extra = [t for t in suite.transforms if TransformType.ADDKE1 <= t.type <= TransformType.ADDKE7]
    row["addke"] = [{"type": name(TransformType, t.type)} | (_transform(t) or {}) for t in extra]
    if suite.protocol != Protocol.IKE:
        row["sn"] = _transform(suite.sn)
    return row


def _transform(transform: Transform | None) -> dict[str, Any] | None:
    return {"id": int(transform.id), "name": transform.name} if transform else None


def _end(end: End) -> dict[str, Any]:
    return {
        "method": None if end.method is None else name(AuthMethod, end.method),
        "id": None if end.id is None else str(end.id),
        "id_type": None if end.id is None else name(IdType, end.id.type),
        "eap": end.eap,
    }


def _child(child: Child) -> dict[str, Any]:
    return {
        "protocol": name(Protocol, child.protocol),
        "spi_i": child.spis.i.hex(),
        "spi_r": child.spis.r.hex(),
        "offered": [_proposal(p) for p in child.offered],
        "chosen": _suite(child.chosen),
        "tsi": [str(ts) for ts in child.tsi],
        "tsr": [str(ts) for ts in child.tsr],
        "mode": "transport" if child.transport else "tunnel",
        "replaces": child.replaces.hex() or None,
        "frame": child.frame,
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "type": exchange_name(exchange.type),
        "message_id": exchange.id,
        "by": "initiator" if exchange.by_initiator else "responder",
        "request": exchange.request and _half(exchange.request, exchange.type, False),
        "response": exchange.response and _half(exchange.response, exchange.type, True),
    }


def _half(half: Half, exchange: int, response: bool) -> dict[str, Any]:
    message = half.first
    return {
        "frame": message.frame,
        "time": round(message.now, 6),
        "src": list(message.src),
        "dst": list(message.dst),
        "length": len(message.data),
        "frames": [m.frame for m in half.messages],
        "retransmissions": half.retransmissions,
        "encrypted": message.sealed is not None,
        "refusal": (message.refusal or None) if message.sealed else None,
        "payloads": described.outer(half, exchange, response),
        "inner": described.inner(half, exchange, response),
    }
