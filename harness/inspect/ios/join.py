"""A capture and a router's log of the same conversations, laid beside each other.

Joined by SPI pair, exchange, message ID and direction. What both tell and tell differently is a
difference; what only one of them has is listed. The times tell the distance of the two clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.ios import rebuild, words
from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.ios.report import LogInspection, states
from ikelab.harness.inspect.ios.told import Sighting
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.model import TS
from ikelab.harness.notation import exchange_name, selector_of, wire_length
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2_Malformed

LATE = 1.0
"""Seconds off the usual distance of the two clocks that are worth telling."""

Key = tuple[int, int, bool, bool]


@dataclass
class Pair:
    """One message in the capture, in the log, or in both; `differences` in sentences."""

    key: Key
    half: Half | None = None
    told: Half | None = None
    delay: float | None = None  # the router's time less the capture's, clocks set equal
    differences: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        exchange, number, _, response = self.key
        return f"#{number} {'<--' if response else '-->'} {exchange_name(exchange)}"


@dataclass
class JoinedSa:
    """One IKE SA in both."""

    captured: Session
    told: rebuild.ToldSession
    pairs: list[Pair]
    offset: float | None = None
    differences: list[str] = field(default_factory=list)


@dataclass
class Joined:
    """A capture and a log."""

    capture: Inspection
    log: LogInspection
    sas: list[JoinedSa] = field(default_factory=list)
    only_captured: list[Session] = field(default_factory=list)
    only_told: list[Session] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many sentences there are about what differs."""
        return sum(
            len(sa.differences) + sum(len(p.differences) for p in sa.pairs) for sa in self.sas
        )


def join(capture: Inspection, log: LogInspection) -> Joined:
    """Put what belongs together side by side."""
    result = Joined(capture, log)
    told = {s.spis: s for s in log.sessions if isinstance(s, rebuild.ToldSession)}
    for session in capture.sessions:
        other = told.pop(session.spis, None)
        if other is None:
            result.only_captured.append(session)
        else:
            result.sas.append(_sa(session, other))
    result.only_told = list(told.values())
    return result


def _sa(session: Session, told: rebuild.ToldSession) -> JoinedSa:
    captured = list(_halves(session))
    known = list(_halves(told))
    pairs = []
    for key, half in captured:
        place = next((i for i, (k, _) in enumerate(known) if k == key), None)
        pairs.append(Pair(key, half, known.pop(place)[1] if place is not None else None))
    pairs += [Pair(key, None, half) for key, half in known]
    found = JoinedSa(session, told, pairs)
    for pair in pairs:
        if pair.half is not None and pair.told is not None:
            _compare(pair)
    _clocks(found)
    found.differences += _verdicts(session, told)
    return found


def _halves(session: Session) -> Iterator[tuple[Key, Half]]:
    for exchange in session.exchanges:
        for half in exchange.halves():
            first = half.first
            yield (exchange.type, exchange.id, first.initiator, first.response), half


def _compare(pair: Pair) -> None:
    assert pair.half is not None and pair.told is not None
    message = rebuild.told_of(pair.told)
    assert message is not None
    for sighting in message.seen:
        who = f"the {sighting.box}'s log"
        pair.differences += [f"{who}: {text}" for text in _against(pair.half, sighting)]


def _against(half: Half, told: Sighting) -> Iterator[str]:
    """Where one router's account of a message differs from its octets."""
    if not half.fragmented and told.length is not None and told.length != len(half.first.data):
        yield f"length {told.length}, the capture has {len(half.first.data)} octets"
    for where, rows, payloads in (
        ("", told.outer, half.outer()), (" inside SK", told.inner, half.inner()),
    ):  # fmt: skip
        if rows is None or payloads is None or (half.fragmented and not where):
            continue
        yield from _chains(where, rows, payloads)


def _chains(where: str, rows: list[PayloadLine], payloads: list[Any]) -> Iterator[str]:
    ours = [words.payload_name(p.kind, _notify(p)) for p in payloads]
    theirs = [row.label for row in rows]
    if ours[: len(theirs)] != theirs:
        yield f"payloads{where} {_listed(theirs)}, the capture has {_listed(ours)}"
        return
    if len(theirs) < len(ours):
        yield f"payloads{where} end before {' '.join(ours[len(theirs) :])}"
    for row, payload in zip(rows, payloads, strict=False):
        if isinstance(payload, IKEv2_Malformed):
            continue
        if row.length is not None and row.length != wire_length(payload):
            yield f"{row.label} has length {row.length}, the capture has {wire_length(payload)}"
        yield from _contents(row, payload)


def _listed(names: list[str]) -> str:
    return " ".join(names) or "none"


def _notify(payload: Any) -> int | None:
    readable = payload.kind == Payload.N and not isinstance(payload, IKEv2_Malformed)
    return int(payload.type) if readable else None


def _contents(row: PayloadLine, payload: Any) -> Iterator[str]:
    for name, told, seen in (
        ("group", row.group, getattr(payload, "group", None)),
        ("type of identity", row.id_type, getattr(payload, "IDtype", None)),
        ("method", row.method, getattr(payload, "auth_type", None)),
    ):
        if told and seen is not None and int(told) != int(seen):
            yield f"{row.label} has {name} {int(told)}, the capture has {int(seen)}"
    if row.selectors:
        seen_ts = [s for s in map(selector_of, payload.traffic_selector) if s is not None]
        if seen_ts != row.selectors:
            yield f"{row.label} has {_text(row.selectors)}, the capture has {_text(seen_ts)}"
    if row.proposals:
        theirs = [[(t.type, t.id) for t in p.transforms] for p in row.proposals]
        seen_sa = [
            [(t.transform_type, t.transform_id) for t in p.transform] for p in payload.proposal
        ]
        if theirs != seen_sa:
            yield f"{row.label} has proposals {_suites(theirs)}, the capture has {_suites(seen_sa)}"


def _text(selectors: list[TS]) -> str:
    return ", ".join(map(str, selectors))


def _suites(proposals: list[list[tuple[int, Any]]]) -> str:
    return " | ".join(
        " ".join(
            words.transform_name(kind, number) if number is not None else "?" for kind, number in p
        )
        for p in proposals
    )


def _clocks(found: JoinedSa) -> None:
    """The usual distance of the clocks, and the messages that are off it."""
    distances: list[tuple[Pair, float]] = []
    for pair in found.pairs:
        message = rebuild.told_of(pair.told) if pair.told is not None else None
        if (
            pair.half is None
            or message is None
            or message.told is None
            or message.told.time is None
        ):
            continue
        distances.append((pair, message.told.time - _of_year(pair.half.first.now)))
    if not distances:
        return
    found.offset = median(d for _, d in distances)
    for pair, distance in distances:
        pair.delay = distance - found.offset
        if abs(pair.delay) > LATE:
            pair.differences.append(
                f"the router's time is {pair.delay:+.3f} s off the other messages' distance"
            )


def _of_year(seconds: float) -> float:
    """Seconds since the year began, as a timestamp without a year gives them."""
    when = datetime.fromtimestamp(seconds, UTC)
    return (when.timetuple().tm_yday - 1) * 86400 + seconds % 86400


def _verdicts(session: Session, told: rebuild.ToldSession) -> Iterator[str]:
    """What both conclude from the messages."""
    ours, theirs = facts.nat(session), facts.nat(told)
    for end in ("initiator", "responder"):
        a, b = getattr(ours, end), getattr(theirs, end)
        if a is not None and b is not None and a != b:
            words_ = {True: "translated", False: "direct"}
            yield f"the {end} is {words_[b]} for the routers, {words_[a]} in the capture"
    known = {spi for c in facts.children(session) for spi in (c.spis.i, c.spis.r)}
    for spi in told.sa.child_spis if told.sa and known else ():
        if spi not in known:
            yield f"the router has a child with SPI {spi.hex()}, the capture has none"


# -- shown ---------------------------------------------------------------------------------


def to_json(it: Joined) -> dict[str, Any]:
    """The capture's own contract with `log` and `joined` besides."""
    log = it.log.to_json()
    return it.capture.to_json() | {
        "log": log["log"] | {"file": it.log.file, "ike_sas": log["ike_sas"]},
        "joined": {
            "differences": it.differences,
            "ike_sas": [_sa_json(sa) for sa in it.sas],
            "only_captured": [str(s.spis) for s in it.only_captured],
            "only_in_log": [str(s.spis) for s in it.only_told],
        },
    }


def _sa_json(sa: JoinedSa) -> dict[str, Any]:
    return {
        "spi_i": sa.captured.spis.i.hex(),
        "spi_r": sa.captured.spis.r.hex(),
        "clock_offset": sa.offset,
        "state": states(sa.told),
        "differences": sa.differences,
        "messages": [
            {
                "exchange": exchange_name(p.key[0]), "message_id": p.key[1], "response": p.key[3],
                "frame": p.half.first.frame if p.half else None,
                "line": p.told.first.frame if p.told else None,
                "delay": p.delay, "differences": p.differences,
            }
            for p in sa.pairs
        ],
    }  # fmt: skip


def text(it: Joined) -> str:
    """The same for people."""
    counts = f"{len(it.sas)} IKE SAs in both, {it.differences} differences"
    head = f"{it.capture.file} and {it.log.file}: {counts}"
    blocks = [head, *("\n".join(_sa_lines(sa)) for sa in it.sas)]
    for label, sessions in (("capture", it.only_captured), ("log", it.only_told)):
        if sessions:
            blocks.append("\n".join(f"only in the {label}: IKE SA {s.spis}" for s in sessions))
    return "\n\n".join(blocks)


def _sa_lines(sa: JoinedSa) -> Iterator[str]:
    yield f"IKE SA {sa.captured.spis}"
    if sa.offset is not None:
        yield f"  the router's clock less the capture's: {sa.offset:+.3f} s"
    for role, state in states(sa.told).items():
        if state:
            yield f"  {role}: {state}"
    yield from (f"  DIFFERENT: {text}" for text in sa.differences)
    for pair in sa.pairs:
        where = [f"frame {pair.half.first.frame}" if pair.half else "not captured",
                 f"line {pair.told.first.frame}" if pair.told else "not in the log"]  # fmt: skip
        delay = "" if pair.delay is None else f", {pair.delay * 1000:+.0f} ms"
        yield f"  {pair.title}: {', '.join(where)}{delay}"
        yield from (f"      DIFFERENT: {text}" for text in pair.differences)
