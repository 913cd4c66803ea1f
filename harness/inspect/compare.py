"""Two captures of what should be the same conversation: what one has and the other has not.

IKE SAs are paired by their order; what differs from run to run anyway (SPIs, nonces, times, the
octets of keys) is not compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.notation import describe, exchange_name
from ikelab.layers.iana import AuthMethod, Payload, name

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences as lines; none where the conversations are alike."""

    lines: tuple[str, ...]

    @property
    def alike(self) -> bool:
        return not self.lines

    def __str__(self) -> str:
        return "\n".join(self.lines) or "the conversations are alike"


def compare(a: Inspection, b: Inspection) -> Comparison:
    """What changed from `a` to `b`."""
    lines: list[str] = []
    if len(a.sessions) != len(b.sessions):
        lines.append(f"{len(a.sessions)} IKE SAs in {a.file}, {len(b.sessions)} in {b.file}")
    for number, (one, other) in enumerate(zip(a.sessions, b.sessions, strict=False), 1):
        found = list(_sessions(one, other))
        if found:
            title = f"IKE SA {number}: {one.spis} and {other.spis}"
            lines += [title, *(f"  {line}" for line in found)]
        one.forget()
        other.forget()
    for left, right in zip(a.explanations, b.explanations, strict=False):
        if left[1].cause != right[1].cause:
            lines.append(f"- {left[1].sentence}")
            lines.append(f"+ {right[1].sentence}")
    return Comparison(tuple(lines))


def _sessions(one: Session, other: Session) -> Iterator[str]:
    before, after = _facts(one), _facts(other)
    for key in before | after:
        if before.get(key) != after.get(key):
            yield f"{key}: {before.get(key, 'nothing')} -> {after.get(key, 'nothing')}"
    yield from _messages(one, other)


def _facts(session: Session) -> dict[str, str]:
    """What was agreed on, in words."""
    found: dict[str, str] = {}
    begun = facts.beginning(session)
    if begun is not None:
        answer = facts.offer(begun.response)
        found["chosen"] = str(answer[0].suite) if answer else "nothing"
    found["NAT"] = str(facts.nat(session))
    for label, end in zip(("initiator", "responder"), facts.ends(session), strict=True):
        if end.id is not None:
            method = "" if end.method is None else f", {name(AuthMethod, end.method)}"
            found[label] = f"{end.id}{method}"
    for number, child in enumerate(facts.children(session), 1):
        sides = (", ".join(map(str, ts)) for ts in (child.tsi, child.tsr))
        mode = "transport" if child.transport else "tunnel"
        found[f"child {number}"] = f"{child.chosen} {mode} {' === '.join(sides)}"
    return found


def _messages(one: Session, other: Session) -> Iterator[str]:
    """The conversation, message by message, as a difference of lines."""
    for line in difflib.unified_diff(_rows(one), _rows(other), lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            yield f"{line[0]} {line[1:]}"


def _rows(session: Session) -> list[str]:
    found = []
    for exchange in session.exchanges:
        for half in exchange.halves():
            arrow = "-->" if half.first.initiator else "<--"
            words = ", ".join(_words(half, exchange.type, half is exchange.response))
            again = f" x{half.retransmissions + 1}" if half.retransmissions else ""
            found.append(f"{arrow} {exchange_name(exchange.type)} #{exchange.id} {words}{again}")
    return found


def _words(half: Half, exchange: int, response: bool) -> Iterator[str]:
    inner = half.inner()
    for payload in half.outer():
        row = describe(payload, exchange, response)
        if payload.kind in (Payload.SK, Payload.SKF) and inner is not None:
            each = (describe(p, exchange, response) for p in inner)
            yield f"{row['name']}{{{', '.join(_plain(r) for r in each)}}}"
        else:
            yield _plain(row)


def _plain(row: dict[str, Any]) -> str:
    """A payload's words without what is new each time."""
    if row["name"] == "D":
        return f"D({row['protocol']})" if "protocol" in row else "D"
    return str(row["text"])
