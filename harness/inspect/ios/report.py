"""A log as `ikelab inspect` shows it: the JSON contract of captures, a summary, a transcript.

What a router does not print is null here: addresses, key lengths, identities, octets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect import facts, report
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.ios import log, rebuild, saying
from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.ios.rebuild import ToldMessage, ToldSession
from ikelab.harness.inspect.ios.records import decoded
from ikelab.harness.inspect.ios.saying import plain
from ikelab.harness.inspect.ios.told import INITIATOR, NO_SPI, RESPONDER, Log, Said, Trace
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.inspect.summary import conversation
from ikelab.harness.model import Address
from ikelab.harness.notation import exchange_name
from ikelab.layers.iana import AuthMethod, Payload, Protocol, name

SHOWN = 20
OF_OCTETS = frozenset({"tree", "jsonl", "csv", "html"})
"""Formats of captures that show octets or count them."""
_OCTETS = ("data", "spi", "spis", "pad_length", "octets")
"""Fields of a payload that hold octets, which a router does not print."""


@dataclass
class LogInspection(Inspection):
    """A log inspected: what an inspection of a capture has, and the records behind it."""

    log: Log = field(default_factory=lambda: Log(""))

    def to_json(self) -> dict[str, Any]:
        return to_json(self)

    def check(self, form: str) -> None:
        """A log has no octets, and in its short style no lengths."""
        if form in OF_OCTETS:
            raise ConfigError(
                f"{self.file} is a router's log and has no octets: {form} takes a capture; "
                "there are summary, transcript, why, json, ios, ladder, mermaid and svg"
            )

    def json_text(self) -> Iterator[str]:
        yield json.dumps(self.to_json(), indent=1)

    def summary(self) -> str:
        return summary(self)

    def why(self) -> str:
        """What the routers themselves call a failure; there are no octets to verify."""
        return why(self)

    def transcript(self) -> str:
        blocks = []
        for session in self.sessions:
            blocks.append(f"{_title(session)}\n{conversation(session).text()}")
        return "\n\n".join([*blocks, *_rest(self)])


def inspect_log(path: Path) -> LogInspection:
    """Read a text of `debug crypto ikev2`; what is not understood is counted."""
    return of_text(decoded(path.read_bytes()), str(path))


def of_text(text: str, file: str = "") -> LogInspection:
    """The same for a text at hand."""
    read = log.read(text, file)
    found = LogInspection(file, log=read, notes=list(read.notes))
    found.sessions = list(rebuild.sessions(read))
    found.kinds["ike"] = sum(len(s.messages) for s in found.sessions)
    return found


def to_json(it: LogInspection) -> dict[str, Any]:
    """The contract of `inspect --json`, with `log` and each IKE SA's `state_trace` besides."""
    row = deepcopy(report.to_json(it))  # equal payloads may share what describes them
    row["ike_sas"] = [
        _session(s, shown) for s, shown in zip(it.sessions, row["ike_sas"], strict=True)
    ]
    row["log"] = {
        "records": it.log.records,
        "state_records": it.log.state_records,
        "unknown_records": len(it.log.unknown),
        "other_records": it.log.foreign,
        "unknown": [
            {"line": r.line, "tag": r.tag, "text": r.body[:200]} for r in it.log.unknown[:SHOWN]
        ],
        "errors": [_error(None, said) for said in it.log.failures],
    }
    return row


def _session(session: Session, row: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(session, ToldSession) and session.sa is not None
    sa = session.sa
    if session.spis.i == NO_SPI:
        row["spi_i"] = row["spi_r"] = None
    for role, end in ((INITIATOR, session.initiator), (RESPONDER, session.responder)):
        row[role] = None if end[0] == "?" else [end[0], end[1] or None]
        kind = Payload.IDI if role == INITIATOR else Payload.IDR
        if rebuild.identity(sa, kind.notation) is None:
            row["auth"][role]["id"] = None
            if not any(line.id_type for line in _lines(session, kind)):
                row["auth"][role]["id_type"] = None
        if row["auth"][role]["method"] == "0":
            row["auth"][role]["method"] = None
    for proposal in row["offered"]:
        _unsized(proposal)
    for place in (row["chosen"], *(c["chosen"] for c in row["children"])):
        if place:
            place["text"] = plain(place["text"])
        if place and place["encr"] and place["encr"]["key_bits"] == rebuild.SIZE_UNKNOWN:
            place["encr"]["key_bits"] = None
    row["vendor_ids"] = list(_vendors(session))
    for exchange, shown in zip(session.exchanges, row["exchanges"], strict=True):
        for half, label in ((exchange.request, "request"), (exchange.response, "response")):
            if half is not None:
                _half(half, shown[label])
    for child in row["children"]:
        child["spi_i"] = child["spi_r"] = None
        child["spis"] = [spi.hex() for spi in sa.child_spis]
        for proposal in child["offered"]:
            proposal["spi"] = None
            _unsized(proposal)
    row["state_trace"] = {role: [_trace(t) for t in sa.traces if t.role == role]
                          for role in (INITIATOR, RESPONDER)}  # fmt: skip
    row["state"] = states(session)
    row["errors"] = [_error(role, said) for role, said in sa.said if said.kind == "failure"]
    return row


def _unsized(proposal: dict[str, Any]) -> None:
    """Nothing in the place of key lengths that are not printed."""
    proposal["text"] = plain(proposal["text"])
    for transform in proposal["transforms"]:
        if transform["key_bits"] == rebuild.SIZE_UNKNOWN:
            transform["key_bits"] = None


def _half(half: Half, row: dict[str, Any]) -> None:
    """Lengths as the router printed them, and none of the octets that it did not print."""
    message = rebuild.told_of(half)
    assert message is not None and message.told is not None
    row["length"], row["frame"], row["frames"] = message.told.length, message.frame, []
    row["time"] = message.told.time
    row["src"] = row["dst"] = None
    row["retransmissions"] = max(0, max(_times_seen(message)) - 1)
    row["seen"] = [
        {"by": s.box, "line": s.line, "sent": s.sent, "time": s.time} for s in message.seen
    ]
    outer, inner = rebuild.rows_of(half)
    for rows, shown in ((outer, row["payloads"]), (inner or [], row["inner"] or [])):
        for line, payload in zip(rows, shown, strict=True):
            _payload(line, payload)


def _times_seen(message: ToldMessage) -> list[int]:
    boxes = [s.box for s in message.seen if not any(r.kind == Payload.SKF for r in s.outer)]
    return [boxes.count(box) for box in set(boxes)] or [1]


def _payload(line: PayloadLine, row: dict[str, Any]) -> None:
    row["length"], row["text"] = line.length, saying.payload(line, row["text"])
    for name_ in (*_OCTETS, *_unknown(line)):
        row.pop(name_, None)
    for name_ in _unknown(line):
        row[name_] = None
    if line.kind == Payload.V:
        row["vendor"] = vendor(line)
    if line.kind in (Payload.IDI, Payload.IDR) and str(row.get("id")).endswith(":"):
        row["id"] = None
        row["id_type"] = line.id_type
    for proposal in row.get("proposals", ()):
        proposal.pop("spi", None)
        _unsized(proposal)
    if line.kind == Payload.CP:
        row["attributes"] = [
            {"type": kind or None, "name": a["name"] if kind else None, "length": size}
            for (kind, size), a in zip(line.attributes, row["attributes"], strict=True)
        ]


def _unknown(line: PayloadLine) -> Iterator[str]:
    """The fields of a payload that this router did not print."""
    fields: dict[int, tuple[object, tuple[str, ...]]] = {
        Payload.KE: (line.group, ("group", "group_name")),
        Payload.AUTH: (line.method, ("method", "method_name")),
        Payload.N: (line.notify, ("notify", "notify_name")),
        Payload.D: (line.protocol or None, ("protocol",)),
        Payload.CP: (line.cfg, ("cfg",)),
        Payload.CERT: (line.encoding, ("encoding",)),
        Payload.CERTREQ: (line.encoding, ("encoding",)),
        Payload.EAP: (None, ("code", "identifier")),
        Payload.SKF: (None, ("fragment", "total")),
    }
    value, names = fields.get(line.kind, (0, ()))
    if value is None:
        yield from names
    if line.kind == Payload.N and line.length is None:
        yield "protocol"  # the short style has names only


def vendor(line: PayloadLine) -> str | None:
    """The name of a vendor ID, in its long form; `(CUSTOM)` says that the router has no name."""
    known = rebuild.VENDORS.get(line.vendor or "")
    return known.decode() if known else line.vendor


def _lines(session: ToldSession, kind: int) -> Iterator[PayloadLine]:
    """All payloads of a kind, as they were printed."""
    for half in rebuild.halves(session.exchanges):
        outer, inner = rebuild.rows_of(half)
        yield from (r for r in (*outer, *(inner or ())) if r.kind == kind)


def _vendors(session: ToldSession) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str | None, int | None, bool]] = set()
    for half in rebuild.halves(session.exchanges):
        outer, inner = rebuild.rows_of(half)
        for line in (r for r in (*outer, *(inner or ())) if r.kind == Payload.V):
            side = half.first.initiator
            key = (vendor(line), line.length, side)
            if key not in seen:
                seen.add(key)
                length = None if line.length is None else line.length - 4
                yield {"data": None, "name": key[0], "length": length,
                       "from": "initiator" if side else "responder"}  # fmt: skip


def _trace(trace: Trace) -> dict[str, Any]:
    return {"state": trace.state, "event": trace.event, "message_id": trace.message_id,
            "time": trace.time, "line": trace.line}  # fmt: skip


def _error(role: str | None, said: Said) -> dict[str, Any]:
    return {"line": said.line, "by": role, "text": str(said.value)}


def states(session: ToldSession) -> dict[str, str | None]:
    """The state in which each router was seen last."""
    assert session.sa is not None
    found: dict[str, str | None] = {INITIATOR: None, RESPONDER: None}
    for trace in session.sa.traces:
        found[trace.role] = trace.state
    return found


# -- for people ----------------------------------------------------------------------------


def summary(it: LogInspection) -> str:
    """What the routers said: a block for each IKE SA, then what was not understood."""
    read = it.log
    counts = [f"{read.records} records", f"{read.state_records} of the state machine",
              f"{len(read.unknown)} unknown"]  # fmt: skip
    if read.foreign:
        counts.append(f"{read.foreign} of other facilities")
    blocks = ["\n".join(_block(s)) for s in it.sessions if isinstance(s, ToldSession)]
    return "\n\n".join([f"{it.file}: {', '.join(counts)}", *blocks, *_rest(it)])


def why(it: LogInspection) -> str:
    """The failures of each IKE SA in the routers' words, and the error notifies in its messages."""
    blocks = []
    for session in it.sessions:
        assert isinstance(session, ToldSession) and session.sa is not None
        told = [f"  line {s.line}, {role}: {s.value}" for role, s in session.sa.said
                if s.kind == "failure"]  # fmt: skip
        for exchange in session.exchanges:
            for half in exchange.halves():
                named = f"{exchange_name(exchange.type)} #{exchange.id}"
                told += [f"  {named} brought {error}" for error in facts.errors(half)]
        blocks.append("\n".join([_title(session), *(told or ["  the log tells of no failure"])]))
    return "\n\n".join(blocks)


def _title(session: Session) -> str:
    if session.spis.i == NO_SPI:
        return "IKE SA whose SPIs are not printed"
    return f"IKE SA {session.spis}  {_at(session.initiator)} --> {_at(session.responder)}"


def _at(address: Address) -> str:
    host, port = address
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _line(label: str, text: str) -> str:
    return f"  {label:<13}{text}"


def _block(session: ToldSession) -> Iterator[str]:
    assert session.sa is not None
    sa = session.sa
    yield _title(session)
    exchange = facts.beginning(session)
    offered = facts.proposals(facts.first(exchange.request, Payload.SA)) if exchange else ()
    answer = facts.proposals(facts.first(exchange.response, Payload.SA)) if exchange else ()
    if offered:
        yield _line("offered", " | ".join(plain(p.suite) for p in offered))
    if answer:
        yield _line("chosen", plain(answer[0].suite))
    if session.nat is not None:
        yield _line("NAT", str(session.nat))
    for role, end in zip((INITIATOR, RESPONDER), facts.ends(session), strict=True):
        known = rebuild.identity(sa, "IDi" if role == INITIATOR else "IDr")
        if end.method or known:
            who = known[0] if known else "?"
            method = f", {name(AuthMethod, end.method)}" if end.method else ""
            yield _line(role, f"{who}{method}")
    for child in facts.children(session):
        spis = ", ".join(spi.hex() for spi in sa.child_spis) or "?"
        yield _line("child", f"{name(Protocol, child.protocol)} {spis}  {plain(child.chosen)}")
        yield _line(
            "", " === ".join(", ".join(map(str, ts)) or "?" for ts in (child.tsi, child.tsr))
        )
    for message in session.messages:
        if isinstance(message, ToldMessage) and message.told is not None:
            yield _line(f"#{message.id} {'-->' if message.initiator else '<--'}", _chain(message))
    for role, state in states(session).items():
        walked = [t for t in sa.traces if t.role == role]
        if walked:
            route = list(dict.fromkeys(t.state for t in walked))
            yield _line(
                "states", f"{role}: {len(walked)} records, {', '.join(route)}; last {state}"
            )
    for role, said in sa.said:
        if said.kind == "failure":
            yield _line("error", f"line {said.line}, {role}: {said.value}")


def _chain(message: ToldMessage) -> str:
    assert message.told is not None
    outer = " ".join(_item(row) for row in message.told.outer)
    inner = message.told.inner
    inside = "" if inner is None else " {" + " ".join(_item(row) for row in inner) + "}"
    length = "" if message.told.length is None else f"{message.told.length} octets: "
    return f"{exchange_name(message.exchange)}  {length}{outer}{inside}"


def _item(row: PayloadLine) -> str:
    named = (
        f"({vendor(row)})" if row.kind == Payload.V and row.vendor not in (None, "(CUSTOM)") else ""
    )
    return f"{row.label}{named}" + ("" if row.length is None else f":{row.length}")


def _rest(it: LogInspection) -> Iterator[str]:
    if it.log.failures:
        yield "\n".join(f"error: line {s.line}: {s.value}" for s in it.log.failures)
    if unknown := it.log.unknown:
        lines = [f"not understood: line {r.line}: {r.tag}: {r.body[:120]}" for r in unknown[:SHOWN]]
        more = len(unknown) - SHOWN
        yield "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
    if it.notes:
        yield "\n".join(f"note: {note}" for note in it.notes)
