"""How a conversation ran: times, repetitions and how they grow, fragments, liveness, the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.notation import exchange_name
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload, Protocol


@dataclass(frozen=True, slots=True)
class Repeated:
    """A request or response that was sent more than once; `gaps` are the seconds in between."""

    exchange: str
    id: int
    half: str
    frames: tuple[int, ...]
    gaps: tuple[float, ...]

    @property
    def growth(self) -> float | None:
        """By how much each wait is longer than the one before; None for a single repetition."""
        ratios = [b / a for a, b in pairwise(self.gaps) if a > 0]
        return sum(ratios) / len(ratios) if ratios else None

    def __str__(self) -> str:
        waits = ", ".join(f"{gap:.2g}" for gap in self.gaps[:8])
        curve = f", each wait {self.growth:.1f} times the last" if self.growth else ""
        return (
            f"{self.exchange} #{self.id} {self.half} {len(self.gaps)} times after {waits} s{curve}"
        )


@dataclass(frozen=True, slots=True)
class Fragmented:
    """A message in SKF payloads: how many there are, which never came, the largest one."""

    exchange: str
    id: int
    half: str
    total: int
    missing: tuple[int, ...]
    largest: int

    def __str__(self) -> str:
        gone = f", {', '.join(map(str, self.missing))} missing" if self.missing else ""
        return (
            f"{self.exchange} #{self.id} {self.half} in {self.total} fragments of up to "
            f"{self.largest} octets{gone}"
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """The delete of the IKE SA."""

    by_initiator: bool
    frame: int


@dataclass(frozen=True, slots=True)
class Course:
    """Times in seconds. `handshake` is from the first request to the responder's AUTH.

    `checks` counts empty INFORMATIONAL requests, by the initiator and by the responder, and
    `unanswered` those of them without a response.
    """

    start: float
    end: float
    handshake: float | None
    trips: tuple[float, ...]
    repeated: tuple[Repeated, ...]
    fragmented: tuple[Fragmented, ...]
    checks: tuple[int, int]
    unanswered: int
    ended: Ended | None

    @property
    def duration(self) -> float:
        return self.end - self.start


def course(session: Session) -> Course:
    """How one IKE SA ran."""
    times = [m.now for m in session.messages] or [0.0]
    checks = [e for e in session.of_type(Type.INFORMATIONAL) if _is_check(e)]
    return Course(
        min(times),
        max(times),
        _handshake(session),
        tuple(_trips(session)),
        tuple(_repeated(session)),
        tuple(_fragmented(session)),
        (sum(e.by_initiator for e in checks), sum(not e.by_initiator for e in checks)),
        sum(e.response is None for e in checks),
        _ended(session),
    )


def _handshake(session: Session) -> float | None:
    first = next(iter(session.exchanges), None)
    if first is None or first.type != Type.IKE_SA_INIT or first.request is None:
        return None
    for exchange in session.of_type(Type.IKE_AUTH):
        response = exchange.response
        if response is not None and facts.first(response, Payload.AUTH) is not None:
            return response.messages[-1].now - first.request.first.now
    return None


def _trips(session: Session) -> Iterator[float]:
    """From the latest repetition of a request to its response."""
    for exchange in session.exchanges:
        request, response = exchange.request, exchange.response
        if request is not None and response is not None:
            answered = response.messages[0].now
            if len(request.messages) == 1:
                if (once := request.messages[0].now) <= answered:
                    yield answered - once
                continue
            asked = [m.now for m in request.messages if m.now <= answered]
            if asked:
                yield answered - max(asked)


def _halves(session: Session) -> Iterator[tuple[Exchange, Half, str]]:
    for exchange in session.exchanges:
        for half in exchange.halves():
            yield exchange, half, "request" if half is exchange.request else "response"


def _repeated(session: Session) -> Iterator[Repeated]:
    if True not in [m.repeated for m in session.messages]:
        return
    for exchange, half, label in _halves(session):
        if not half.retransmissions:
            continue
        # Of fragments the first one speaks for all: they leave together.
        same = [m for m in half.messages if m.data == half.first.data]
        if len(same) > 1:
            gaps = tuple(b.now - a.now for a, b in pairwise(same))
            frames = tuple(m.frame for m in same)
            yield Repeated(exchange_name(exchange.type), exchange.id, label, frames, gaps)


def _fragmented(session: Session) -> Iterator[Fragmented]:
    for exchange, half in session.holding(Payload.SKF):
        if not half.fragmented:
            continue
        label = "request" if half is exchange.request else "response"
        seen = {(m.sealed.fragments, m.sealed.fragment) for m in half.messages if m.sealed}
        total = max(t for t, _ in seen)
        missing = tuple(n for n in range(1, total + 1) if (total, n) not in seen)
        largest = max(len(m.data) for m in half.messages)
        yield Fragmented(exchange_name(exchange.type), exchange.id, label, total, missing, largest)


def _is_check(exchange: Exchange) -> bool:
    """An INFORMATIONAL request with nothing in it asks whether the peer lives (1.4, 2.4)."""
    request = exchange.request
    return request is not None and request.plain == b"" and not request.first_inner


def _ended(session: Session) -> Ended | None:
    for exchange, half in reversed(session.holding(Payload.D)):
        if exchange.type != Type.INFORMATIONAL or half is not exchange.request:
            continue
        if Protocol.IKE in facts.deleting(half):
            return Ended(exchange.by_initiator, half.first.frame)
    return None
