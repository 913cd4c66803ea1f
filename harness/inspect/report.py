"""An inspection as the JSON contract has it, as a summary, and as a transcript."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ikelab.harness.inspect import described, enrich, facts, lint, sessionview
from ikelab.harness.inspect.collector import patient_collector
from ikelab.harness.inspect.facts import Child, End, Proposal
from ikelab.harness.inspect.rowtext import exchange_text
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.inspect.why import explain_one
from ikelab.harness.model import TS, Address, Suite, Transform
from ikelab.harness.notation import exchange_name, transform_json
from ikelab.harness.transcript import Transcript, violation_json
from ikelab.layers.iana import AuthMethod, IdType, Protocol, TransformType, name

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection
    from ikelab.harness.inspect.why.story import Explanation


T = TypeVar("T")


@patient_collector()
def to_json(it: Inspection) -> dict[str, Any]:
    """The whole inspection; the shape is a contract (design, section 9)."""
    return {**head_json(it), "ike_sas": list(sessions_json(it))}


def sessions_json(it: Inspection) -> Iterator[dict[str, Any]]:
    """The rows of `ike_sas`, one at a time."""
    for session in it.sessions:
        yield from _looked_at(session, _session(session, it))


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
        yield from _looked_at(session, _row_text(_session(session, it, shown=False), texts))


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


def _looked_at(session: Session, shown: T) -> Iterator[T]:
    """What was made of a session; what it took to make it is let go."""
    yield shown
    session.forget()


def _session(session: Session, it: Inspection, *, shown: bool = True) -> dict[str, Any]:
    offered, chosen = _negotiated(session, it)
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


def _negotiated(session: Session, it: Inspection) -> tuple[tuple[Proposal, ...], Suite | None]:
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
        **_offered(proposal.suite),
    }


@lru_cache(maxsize=4096)
def _offered(suite: Suite) -> dict[str, Any]:
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


def conversation(session: Session) -> Transcript:
    """The messages of one IKE SA as steps, each with a note where there is something to say."""
    lint.examine(session)  # leaves its violations with the steps
    for message in session.messages:
        step = message.step
        if message.repeated:
            step.note = "retransmission"
        elif message.sealed and not message.opened:
            step.note = f"not decrypted: {message.refusal}"
    return Transcript(message.step for message in session.messages)


@patient_collector()
def transcript(it: Inspection) -> str:
    """Every IKE SA's messages in RFC notation, `-->` from its original initiator."""
    blocks: list[str] = []
    for session in it.sessions:
        text = conversation(session).text()
        blocks += _looked_at(session, f"{_title(session)}\n{text}")
    blocks += [f"frame {p.number}: {len(p.data)} octets, an IKE header has 28" for p in it.stubs]
    return "\n\n".join([*blocks, *below(it)])


@patient_collector()
def summary(it: Inspection) -> str:
    """What was there, what was negotiated, what is missing and why."""
    found = list(blocks(it))  # first: it lets each IKE SA go, and the head has only to count
    return "\n\n".join([head(it), *found, *below(it)])


def summary_around(it: Inspection, found: Iterable[str]) -> Iterator[str]:
    """The same in pieces, of blocks that are text already."""
    yield head(it)
    for text in (*found, *below(it)):
        yield f"\n\n{text}"


def blocks(it: Inspection) -> Iterator[str]:
    """The part of the summary that each IKE SA has, one at a time."""
    for session in it.sessions:
        yield from _looked_at(session, "\n".join(lines(session, it)))


def head(it: Inspection) -> str:
    """The first line of the summary."""
    totals = it.totals
    counts = [_count(it.frames, "frame"), _count(it.kinds["ike"], "IKEv2 message")]
    if totals.sealed:
        counts.append(f"{totals.decrypted} of {totals.sealed} encrypted ones opened")
    for kind, label in _OTHER_KINDS:
        if it.kinds[kind]:
            counts.append(_count(it.kinds[kind], label))
    if totals.malformed:
        counts.append(f"{totals.malformed} malformed")
    return f"{it.file}: {', '.join(counts)}"


_OTHER_KINDS = (
    ("esp", "ESP packet"),
    ("ah", "AH packet"),
    ("keepalive", "keepalive"),
    ("unknown", "other datagram"),
)


def below(it: Inspection) -> Iterator[str]:
    """What stands below the IKE SAs."""
    if it.ikev1.messages:
        kinds = ", ".join(f"{n} {kind}" for kind, n in it.ikev1.exchanges.items())
        yield f"IKEv1: {_count(it.ikev1.messages, 'message')}, not decoded ({kinds})"
    if it.esp:
        from ikelab.harness.inspect import espview

        yield "\n".join(line for view in it.esp_views for line in espview.lines(view))
    if it.notes:
        yield "\n".join(f"note: {note}" for note in it.notes)
    if it.lost:
        yield f"LOST: {it.lost}"


def _count(number: int, label: str) -> str:
    return f"{number} {label}" + ("" if number == 1 else "s")


def _title(session: Session) -> str:
    first, second = _at(session.initiator), _at(session.responder)
    return f"IKE SA {session.spis}  {first} --> {second}"


def _at(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def lines(session: Session, it: Inspection) -> Iterator[str]:
    """The summary of one IKE SA, a line for each thing that is known or missing."""
    offered, chosen = _negotiated(session, it)
    yield _title(session)
    if parent := it.parent(session):
        yield _line("rekeyed from", str(parent[0].spis))
    if chosen:
        of = f"   (of {_count(len(offered), 'proposal')})" if offered else ""
        yield _line("chosen", f"{chosen}{of}")
        for label, text in sessionview.offer_lines(offered, chosen, sessionview.number_of(session)):
            yield _line(label, text)
    elif offered:
        yield _line("offered", " | ".join(str(p.suite) for p in offered))
        yield _line("chosen", f"nothing: {_why(session.exchanges)}")
    yield _line("NAT", sessionview.nat_line(session, it.hints, thorough=it.thorough))
    for label, end in zip(("initiator", "responder"), facts.ends(session), strict=True):
        if end.id or end.method is not None:
            method = "" if end.method is None else f", {name(AuthMethod, end.method)}"
            yield _line(label, f"{end.id or '?'}{method}{', EAP' if end.eap else ''}")
    for child in facts.children(session):
        yield from _child_lines(child)
    vendors = {known or data.hex() for data, known, _ in facts.vendors(session)}
    if vendors:
        yield _line("vendor ids", ", ".join(sorted(vendors)))
    for label, text in sessionview.lines(session, offered, chosen, it.psks):
        yield _line(label, text)
    yield _line("exchanges", _exchanges(session.exchanges))
    for label, text in _missing(session):
        yield _line(label, text)
    if (reason := _reason(session, it)) is not None:
        yield _line("why", reason.sentence)
    broken = list(lint.examine(session).violations)
    for found in broken[:10]:
        yield _line("violation", f"frame {found.frame}: {found}")
    if len(broken) > 10:
        yield _line("violation", f"and {len(broken) - 10} more (--format transcript, --json)")


def _reason(session: Session, it: Inspection) -> Explanation | None:
    """Why it failed; None where it did not."""
    found = explain_one(it, session)
    return None if found.works else found


def _line(label: str, text: str) -> str:
    return f"  {label:<13}{text}"


def _child_lines(child: Child) -> Iterator[str]:
    protocol = name(Protocol, child.protocol)
    mode = "transport" if child.transport else "tunnel"
    replaces = f", replaces {child.replaces.hex()}" if child.replaces else ""
    yield _line(
        "child", f"{protocol} {child.spis}  {_offered(child.chosen)['text']}  {mode}{replaces}"
    )
    yield _line("", f"{_selectors(child.tsi)} === {_selectors(child.tsr)}")


@lru_cache(maxsize=4096)
def _selectors(side: tuple[TS | str, ...]) -> str:
    return ", ".join(map(str, side)) or "?"


def _exchanges(exchanges: Iterable[Exchange]) -> str:
    """`IKE_SA_INIT, IKE_AUTH, 12 INFORMATIONAL`."""
    counts = {exchange_name(kind): n for kind, n in Counter([e.type for e in exchanges]).items()}
    return ", ".join(kind if n == 1 else f"{n} {kind}" for kind, n in counts.items())


def _why(exchanges: Iterable[Exchange]) -> str:
    """The error notifies in clear, as the reason why nothing came of it."""
    found = [e for x in exchanges for e in facts.errors(x.response)]
    if found:
        return ", ".join(dict.fromkeys(found))
    answered = any(x.response for x in exchanges)
    return "no response holds a readable SA" if answered else "no response"


def _missing(session: Session) -> Iterator[tuple[str, str]]:
    """What a reader would look for and not find, and why."""
    refused = Counter(m.refusal for m in session.messages if m.sealed and not m.opened)
    for reason, count in refused.items():
        yield "not opened", f"{_count(count, 'message')}: {reason}"
    for half, label in ((True, "request"), (False, "response")):
        lone = [e for e in session.exchanges if (e.response if half else e.request) is None]
        if len(lone) > 5:
            yield "not captured", f"{len(lone)} {'responses' if half else 'requests'}"
            continue
        for exchange in lone:
            where = f"{exchange_name(exchange.type)} #{exchange.id}"
            what = "no response" if half else "no request"
            yield (
                "not captured",
                f"{what} to the {label} {where}" if half else f"{what} for {where}",
            )
