"""The messages of a capture as rows: one JSON object a line, or CSV with a fixed head."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Exchange, Half, Message, Session
from ikelab.harness.notation import exchange_name, notify_name, payload_name
from ikelab.layers.iana import Payload

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

COLUMNS = (
    "frame", "time", "src", "src_port", "dst", "dst_port", "spi_i", "spi_r", "exchange",
    "message_id", "half", "by", "length", "encrypted", "opened", "repeated", "payloads", "inner",
    "notifies", "violations",
)  # fmt: skip
"""The columns of the CSV, and the keys of each JSON line."""


def rows(it: Inspection) -> Iterator[dict[str, Any]]:
    """One row a message, SA by SA; retransmissions and fragments are rows of their own."""
    for session in it.sessions:
        yield from _session(session)
        session.forget()


def _session(session: Session) -> Iterator[dict[str, Any]]:
    from ikelab.harness.inspect import lint

    lint.examine(session)
    for exchange in session.exchanges:
        for half in exchange.halves():
            for message in half.messages:
                yield _row(session, exchange, half, message)


def _row(session: Session, exchange: Exchange, half: Half, message: Message) -> dict[str, Any]:
    inner = half.inner()
    step = message.step
    return {
        "frame": message.frame,
        "time": round(step.now, 6),
        "src": step.src[0],
        "src_port": step.src[1],
        "dst": step.dst[0],
        "dst_port": step.dst[1],
        "spi_i": message.data[:8].hex(),
        "spi_r": message.data[8:16].hex(),
        "exchange": exchange_name(message.exchange),
        "message_id": message.id,
        "half": "response" if half is exchange.response else "request",
        "by": "initiator" if message.initiator else "responder",
        "length": len(message.data),
        "encrypted": message.sealed is not None,
        "opened": message.opened,
        "repeated": message.repeated,
        "payloads": [payload_name(p) for p in half.outer()],
        "inner": None if inner is None else [payload_name(p) for p in inner],
        "notifies": [notify_name(n.type) for n in facts.of_kind(half, Payload.N)],
        "violations": [v.rule for v in step.violations],
    }


def jsonl(it: Inspection) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(row) for row in rows(it))


def as_csv(it: Inspection) -> str:
    """The same as CSV; lists are joined with blanks."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(it):
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return " ".join(map(str, value)) if isinstance(value, list) else value
