"""What a peer's answer is, read by a few octets: a fast run dissects only what is looked at.

An answer's class is what scheduling and buckets go by: the payloads in their order, notifies by
name, the size and the time in rough steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ikelab.harness import sk
from ikelab.harness.fuzz.case import Case
from ikelab.layers.eap import EapCode
from ikelab.layers.iana import Exchange, Notify, Payload, lookup

SILENCE = "silence"
IMPOSSIBLE = "impossible"
NOT_REACHED = "not reached"
TAKES, COOKIE, CLOSED = "takes it", "asks for a cookie", "answers what we cannot open"
HEADER = 28
_ERRORS = frozenset(f"N({row.name})" for row in Notify if row.is_error)
_SK, _SKF, _N, _EAP = (int(p) for p in (Payload.SK, Payload.SKF, Payload.N, Payload.EAP))


@dataclass(slots=True)
class Outcome:
    """What one case led to. `kind` is the answer in words, `state` what became of the IKE SA."""

    case: Case
    kind: str = SILENCE
    length: int = 0
    seconds: float = 0.0
    state: str = ""
    sent: int = 0  # octets that left for this case
    received: int = 0  # octets that came
    seen: list[str] = field(default_factory=list)  # what an oracle says of it
    sa: Any = None  # the engine's IKE SA, where it held the conversation

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """The class of the answer."""
        steps = self.length.bit_length()
        slow = "slow" if self.seconds > SLOW and self.kind != SILENCE else ""
        return self.case.campaign, self.kind, self.state, steps, slow


SLOW = 0.2
"""Seconds after which an answer is of the slow kind."""


@lru_cache(maxsize=4096)
def _word(kind: int, notify: int) -> str:
    if kind == _N:
        row = lookup(Notify, notify)
        return f"N({row.name if row is not None else notify})"
    if kind == _EAP and notify:
        code, method = EapCode._value2member_map_.get(notify >> 8), notify & 0xFF
        return f"EAP({code.name if code else notify >> 8}{f' {method}' if method else ''})"
    payload = lookup(Payload, kind)
    return payload.notation if payload is not None else f"P{kind}"


def words(kind: int, data: bytes) -> list[str]:
    """The payloads of a chain in RFC 7296's notation, notifies by name; what is damaged ends it."""
    found: list[str] = []
    here, end = 0, len(data)
    while kind:
        if end - here < 4:
            return [*found, "cut"]
        size = data[here + 2] << 8 | data[here + 3]
        notify = 0
        if kind == _N and end - here >= 8:
            notify = data[here + 6] << 8 | data[here + 7]
        elif kind == _EAP and end - here >= 8:  # its code, and the method where it has one
            notify = data[here + 4] << 8 | (data[here + 8] if 8 < size <= end - here else 0)
        found.append(_word(kind, notify))
        if kind in (_SK, _SKF):
            return found
        if size < 4 or here + size > end:
            return [*found, "cut"]
        kind = data[here]
        here += size
    return found


def kind_of(data: bytes, opened: tuple[int, bytes] | None = None, *, readable: bool = False) -> str:
    """An IKE message in words; `opened` is what it holds under SK where that is `readable`."""
    if len(data) < HEADER:
        return "short"
    found = words(data[16], data[HEADER:])
    if readable and found and found[-1] == "SK":
        found = [*found[:-1], *words(*opened)] if opened is not None else [*found, "unreadable"]
    exchange = lookup(Exchange, data[18])
    text = ", ".join(found) or "empty"
    if not data[19] & 0x20:
        text = f"request {exchange.name if exchange else data[18]}: {text}"
    return text


@lru_cache(maxsize=4096)
def manner(kind: str) -> str:
    """How a peer met a case: taken, refused and with what, passed over. `kind` is its answer."""
    if kind in (SILENCE, IMPOSSIBLE, NOT_REACHED):
        return kind
    if kind.startswith("request "):  # it began the conversation, and goes on or complains
        exchange, _, rest = kind.partition("; ")[0].removeprefix("request ").partition(": ")
        refusals = _refusals(rest.split(", "))
        return f"complains with {refusals}" if refusals else f"goes on with {exchange}"
    words = kind.partition("; ")[0].split(", ")
    if "unreadable" in words or words == ["SK"]:
        return CLOSED
    refusals = _refusals(words)
    beside = [word for word in words if not word.startswith("N(")]
    if refusals:
        return f"{TAKES}, but for {refusals}" if beside else f"refuses it with {refusals}"
    return COOKIE if "N(COOKIE)" in words and not beside else TAKES


def _refusals(words: list[str]) -> str:
    numbered = (w for w in words if w.startswith("N(") and w[2:-1].isdigit())
    unknown = {word for word in numbered if int(word[2:-1]) < 16384}  # RFC 7296 3.10.1: errors
    return ", ".join(sorted({word for word in words if word in _ERRORS} | unknown))


def bodies_of(chain: bytes) -> list[bytes] | None:
    """What the payloads of a chain hold, whatever they are called; None where lengths lie.

    A peer may pass over a payload of a type that it does not know, or that is out of place, where
    another reader sees an end (RFC 7296 2.5, 3.14).
    """
    found, here = [], 0
    while here < len(chain):
        size = int.from_bytes(chain[here + 2 : here + 4], "big")
        if size < 4 or here + size > len(chain):
            return None
        found.append(chain[here + 4 : here + size])
        here += size
    return found


def covered(bodies: Iterable[bytes]) -> set[bytes]:
    """What AUTH may cover where one of these is an ID payload: as it is, or its RESERVED as zero.

    RFC 7296 2.15 covers those octets as they were sent; whoever ignores them (3.5) knows no better.
    """
    long = [body for body in bodies if len(body) >= 4]
    return {one for body in long for one in (body, body[:1] + bytes(3) + body[4:])}


def plain(data: bytes, keys: sk.SkKeys) -> tuple[int, bytes] | None:
    """The first inner type and the chain inside SK; None where it does not open."""
    start = sk_at(data)
    if start is None:
        return None
    try:
        return data[start], sk.open_chain(data, start + 4, keys)
    except sk.Refusal:
        return None


def sk_at(data: bytes) -> int | None:
    """Where the SK payload of a message begins; None where it has none."""
    kind, here = data[16], HEADER
    while kind != _SK:
        if kind == 0 or len(data) - here < 4:
            return None
        size = data[here + 2] << 8 | data[here + 3]
        if size < 4:
            return None
        kind = data[here]
        here += size
    return here if len(data) - here >= 4 else None


def authentic(data: bytes, keys: sk.SkKeys) -> bool:
    """Whether a message verifies under these keys, read in any way that a receiver may read it.

    Its end is where the datagram ends, or where the header or the SK payload says.
    """
    start = sk_at(data)
    if start is None:
        return False
    stated = int.from_bytes(data[24:28], "big")
    own = start + int.from_bytes(data[start + 2 : start + 4], "big")
    for end in {len(data), stated, own}:
        if start + 4 < end <= len(data):
            try:
                sk.open_chain(data[:end], start + 4, keys)
                return True
            except sk.Refusal as refusal:
                if refusal.kind != "integrity":
                    return True
    return False
