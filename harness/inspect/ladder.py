"""A conversation as a ladder: two lifelines and an arrow for each message; text, SVG, Mermaid."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ikelab.harness.inspect import lint
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.model import Address
from ikelab.harness.notation import describe, exchange_name
from ikelab.layers.iana import Payload

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

COLUMNS = 76
"""Characters between the lifelines of the text."""
_LEFT, _RIGHT, _TOP, _STEP, _LINE = 70, 770, 46, 30, 14


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message: seconds since the first one, who sent it, what it says, what is odd about it.

    The time is None where nobody took it.
    """

    frame: int
    time: float | None
    rightwards: bool
    label: str
    payloads: str
    notes: tuple[str, ...]
    violations: tuple[str, ...]


def arrows(session: Session) -> list[Arrow]:
    """The messages of an IKE SA in the order they were captured."""
    lint.examine(session)
    start = next((m.when for m in session.messages if m.when is not None), 0.0)
    found = []
    for exchange in session.exchanges:
        for half in exchange.halves():
            response = half is exchange.response
            kind = "response" if response else "request"
            label = f"{exchange_name(exchange.type)} #{exchange.id} {kind}"
            words = _words(half, exchange.type, response)
            for message in half.messages:
                first = message is half.first
                notes = [] if first else [_again(half, message.data)]
                if message.sealed and not message.opened:
                    notes.append(f"not opened: {message.refusal}")
                found.append(
                    Arrow(
                        message.frame,
                        None if message.when is None else message.when - start,
                        message.initiator,
                        label,
                        words if first else "",
                        tuple(notes),
                        tuple(str(v) for v in message.step.violations),
                    )
                )
    return sorted(found, key=lambda a: a.frame)


def _again(half: Half, data: bytes) -> str:
    earlier = sum(m.data == data for m in half.messages)
    return "sent again" if earlier > 1 else "further fragment"


def _words(half: Half, exchange: int, response: bool) -> str:
    if (told := half.first.words()) is not None:
        return ", ".join(told)
    parts = []
    for payload in half.outer():
        text = str(describe(payload, exchange, response)["text"])
        inner = half.inner()
        if payload.kind in (Payload.SK, Payload.SKF) and inner is not None:
            text += (
                "{" + ", ".join(str(describe(p, exchange, response)["text"]) for p in inner) + "}"
            )
        parts.append(text)
    return ", ".join(parts)


def text(it: Inspection) -> str:
    """Every IKE SA as a ladder of characters."""
    blocks = []
    for session in it.sessions:
        blocks.append("\n".join(_text(session)))
        session.forget()
    return "\n\n\n".join(blocks) or f"{it.file}: there is no IKEv2 in it, or none that fits"


def _text(session: Session) -> Iterator[str]:
    left, right = _at(session.initiator), _at(session.responder)
    yield session.title
    yield f"{left:<{COLUMNS // 2 + 9}}{right:>{COLUMNS // 2 + 3}}"
    blank = f"{'':>8}|{'':{COLUMNS}}|"
    for arrow in arrows(session):
        yield blank
        for row in _rows(arrow):
            yield f"{'':>8}|{' ' + row:<{COLUMNS}}|"
        line = "-" * (COLUMNS - 1)
        shaft = f"{line}>" if arrow.rightwards else f"<{line}"
        yield f"{_clock(arrow):>7} |{shaft}| {arrow.frame}"
        for rule in arrow.violations:
            for row in textwrap.wrap(f"! {rule}", COLUMNS - 2):
                yield f"{'':>8}|{' ' + row:<{COLUMNS}}|"
    yield blank


def _rows(arrow: Arrow) -> list[str]:
    said = ", ".join(arrow.notes)
    head = f"{arrow.label}{f' ({said})' if said else ''}"
    return [head, *textwrap.wrap(arrow.payloads, COLUMNS - 2, break_on_hyphens=False)]


def mermaid(it: Inspection) -> str:
    """Every IKE SA as a Mermaid sequence diagram."""
    blocks = []
    for session in it.sessions:
        blocks.append("\n".join(_mermaid(session)))
        session.forget()
    return "\n\n".join(blocks)


def _mermaid(session: Session) -> Iterator[str]:
    yield "sequenceDiagram"
    yield f"    participant I as {_plain(_at(session.initiator))}"
    yield f"    participant R as {_plain(_at(session.responder))}"
    for arrow in arrows(session):
        ends = ("I", "R") if arrow.rightwards else ("R", "I")
        said = f" ({', '.join(arrow.notes)})" if arrow.notes else ""
        words = f"<br/>{_plain(_shortened(arrow.payloads, 300))}" if arrow.payloads else ""
        yield f"    {ends[0]}->>{ends[1]}: {_plain(arrow.label + said)}{words}"
        for rule in arrow.violations:
            yield f"    Note over I,R: {_plain(_shortened(rule, 200))}"


def _plain(text: str) -> str:
    """Text without what Mermaid reads as its own."""
    table = {"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "{": "(", "}": ")", "\n": " "}
    return "".join(table.get(c, c) for c in text)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 4] + " ..."


def svg(it: Inspection) -> str:
    """Every IKE SA, one below the other, in one picture."""
    return _drawn(it.sessions)


def one(session: Session) -> str:
    """The picture of one IKE SA."""
    return _drawn([session])


def _drawn(sessions: Iterable[Session]) -> str:
    parts: list[str] = []
    top = 0
    for session in sessions:
        picture, height = _picture(session, top)
        parts.append(picture)
        top += height
        session.forget()
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{top + 10}" '
        f'viewBox="0 0 860 {top + 10}" font-family="monospace" font-size="11">\n'
        f"<style>{_STYLE}</style>\n"
        '<rect width="100%" height="100%" class="page"/>\n'
        f"{body}\n</svg>"
    )


_STYLE = (
    "text{fill:#1b1f24}.page{fill:#ffffff}.life{stroke:#d9dde2}.i{stroke:#0b57d0}.r{stroke:#7a3e9d}"
    ".hi{fill:#0b57d0}.hr{fill:#7a3e9d}.quiet{fill:#59616b}.bad{fill:#b3261e}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.page{fill:#15181c}.life{stroke:#353b43}"
    ".i{stroke:#8ab4f8}.r{stroke:#d3a6f0}.hi{fill:#8ab4f8}.hr{fill:#d3a6f0}.quiet{fill:#9aa4b0}}"
)


def _picture(session: Session, top: int) -> tuple[str, int]:
    """One IKE SA from this height on, and how high it is."""
    parts: list[str] = []
    y = top + _TOP
    for arrow in arrows(session):
        rows = [*textwrap.wrap(arrow.payloads, 98)[:4], *arrow.notes]
        rows += [f"! {rule}" for rule in arrow.violations]
        y += _STEP // 2
        parts.append(_svg_text(_LEFT + 10, y, arrow.label))
        for row in rows:
            y += _LINE
            parts.append(_svg_text(_LEFT + 10, y, row, "bad" if row.startswith("! ") else "quiet"))
        y += _STEP // 4
        parts.append(_shaft(arrow, y))
        y += _STEP // 4
    ends = [
        _svg_text(_LEFT - 60, top + 18, f"{_at(session.initiator)}  {session.title}"),
        _svg_text(_RIGHT + 80, top + 34, _at(session.responder), "", "end"),
    ]
    lives = [
        f'<line class="life" x1="{x}" y1="{top + 40}" x2="{x}" y2="{y + 10}"/>'
        for x in (_LEFT, _RIGHT)
    ]
    return "\n".join([*lives, *ends, *parts]), y + 24 - top


def _shaft(arrow: Arrow, y: int) -> str:
    side = "i" if arrow.rightwards else "r"
    tip, back = (_RIGHT, -8) if arrow.rightwards else (_LEFT, 8)
    head = f"{tip},{y} {tip + back},{y - 4} {tip + back},{y + 4}"
    return (
        f'<line class="{side}" x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}"/>'
        f'<polygon class="h{side}" points="{head}"/>'
        + _svg_text(_LEFT - 8, y + 4, _clock(arrow), "quiet", "end")
        + _svg_text(_RIGHT + 8, y + 4, f"{arrow.frame}", "quiet")
    )


def _svg_text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> str:
    styled = f' class="{kind}"' if kind else ""
    clean = "".join(c if c.isprintable() else "?" for c in words)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{styled}>{escape(clean)}</text>'


def _clock(arrow: Arrow) -> str:
    return "" if arrow.time is None else f"{arrow.time:.3f}"


def _at(address: Address) -> str:
    host, port = address
    if not port:  # a router's log may leave it out, and the address too
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


FORMS = {"ladder": text, "svg": svg, "mermaid": mermaid}
"""The formats of `ikelab inspect --format` that are made here."""
