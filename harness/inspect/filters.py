"""Which IKE SAs and which messages to show: by SPI, peer, exchange, and a small language.

`notify == NO_PROPOSAL_CHOSEN and length > 200`: a field, a comparison, a word, a number or a quoted
text; `and`, `or`, `not` and parentheses. Of a field with several values one has to fit, with `!=`
none.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.inspect import facts, lint
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.model import Identity
from ikelab.harness.notation import exchange_name, notify_name, payload_name
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload
from ikelab.layers.vendor import vendor_name

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<op>==|!=|<=|>=|~|<|>|\(|\)|=)|(?P<word>[^\s()=!<>~"']+))"""
)
_COMPARISONS = ("==", "=", "!=", "<", "<=", ">", ">=", "~")


@dataclass(frozen=True, slots=True)
class Seen:
    """A request or a response under a filter."""

    session: Session
    exchange: Exchange
    half: Half


Test = Callable[[Seen], bool]


def _suites(seen: Seen) -> Iterator[str]:
    for proposal in facts.offer(seen.half):
        yield str(proposal.suite)
        yield from (t.word for t in proposal.suite.transforms)
        yield from (t.name for t in proposal.suite.transforms)


def _identities(seen: Seen) -> Iterator[str]:
    for kind in (Payload.IDI, Payload.IDR):
        for payload in facts.of_kind(seen.half, kind):
            yield str(Identity(payload.IDtype, bytes(payload.ID)))


def _vendors(seen: Seen) -> Iterator[str]:
    for payload in facts.of_kind(seen.half, Payload.V):
        data = bytes(payload.vendorID)
        yield from (n for n in (vendor_name(data), data.hex()) if n)


FIELDS: dict[str, Callable[[Seen], Iterator[Any] | Sequence[Any]]] = {
    "frame": lambda s: [m.frame for m in s.half.messages],
    "time": lambda s: [m.now for m in s.half.messages],
    "length": lambda s: [len(m.data) for m in s.half.messages],
    "src": lambda s: [s.half.first.src[0]],
    "dst": lambda s: [s.half.first.dst[0]],
    "port": lambda s: [s.half.first.src[1], s.half.first.dst[1]],
    "spi_i": lambda s: [s.half.first.data[:8].hex()],
    "spi_r": lambda s: [s.half.first.data[8:16].hex()],
    "exchange": lambda s: [exchange_name(s.exchange.type), s.exchange.type],
    "id": lambda s: [s.exchange.id],
    "half": lambda s: ["response" if s.half is s.exchange.response else "request"],
    "by": lambda s: ["initiator" if s.half.first.initiator else "responder"],
    "payload": lambda s: [n for p in s.half.payloads() for n in (payload_name(p), p.kind)],
    "notify": lambda s: [
        n for p in facts.of_kind(s.half, Payload.N) for n in (notify_name(p.type), p.type)
    ],
    "transform": lambda s: list(_suites(s)),
    "identity": lambda s: list(_identities(s)),
    "vendor": lambda s: list(_vendors(s)),
    "retransmissions": lambda s: [s.half.retransmissions],
    "encrypted": lambda s: [s.half.first.sealed is not None],
    "opened": lambda s: [s.half.first.opened],
    "rule": lambda s: [v.rule for m in s.half.messages for v in m.step.violations],
}
"""What an expression can ask of a message."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is to be shown; everything where nothing is set."""

    spi: str = ""
    peer: str = ""
    exchange: str = ""
    where: Test | None = None

    @classmethod
    def of(cls, spi: str = "", peer: str = "", exchange: str = "", where: str = "") -> Filter:
        """From the command line; ConfigError for what cannot be meant."""
        digits = spi.lower().removeprefix("0x").replace(":", "")
        if digits.strip("0123456789abcdef"):
            raise ConfigError(f"--spi {spi}: an SPI, or its beginning, in hexadecimal")
        if peer:
            _network(peer)
        known = [row.name for row in Type]
        name = exchange.upper()
        if exchange and name not in known and not exchange.isdecimal():
            raise ConfigError(f"--exchange {exchange}: no such exchange{nearest(name, known)}")
        return cls(digits, peer, name, parse(where) if where else None)

    @property
    def messages(self) -> bool:
        """Whether it chooses among the messages of an IKE SA."""
        return bool(self.exchange or self.where)

    def takes(self, session: Session) -> bool:
        """Whether an IKE SA is shown: by its own SPIs or those of its children, by its ends."""
        if self.spi and not any(s.startswith(self.spi) for s in _spis(session)):
            return False
        return not self.peer or any(_fits(self.peer, e) for e in _ends(session))

    def fits(self, seen: Seen) -> bool:
        """Whether a message is shown."""
        number = str(int(seen.exchange.type))
        if self.exchange and self.exchange not in (exchange_name(seen.exchange.type), number):
            return False
        return self.where is None or self.where(seen)


def _spis(session: Session) -> Iterator[str]:
    yield session.spis.i.hex()
    yield session.spis.r.hex()
    for child in facts.children(session):
        yield child.spis.i.hex()
        yield child.spis.r.hex()


def _ends(session: Session) -> set[tuple[str, int]]:
    return {end for m in session.messages for end in (m.src, m.dst)}


def _network(peer: str) -> tuple[Any, int | None]:
    """`10.0.0.1`, `10.0.0.0/24`, `10.0.0.1:4500`, `[2001:db8::1]:500`."""
    host, port = peer, ""
    if peer.startswith("["):
        host, _, port = peer[1:].partition("]")
        port = port.removeprefix(":")
    elif peer.count(":") == 1:
        host, _, port = peer.partition(":")
    try:
        number = int(port) if port else None
        if number is not None and not 0 < number < 1 << 16:
            raise ValueError(port)
        return ipaddress.ip_network(host, strict=False), number
    except ValueError:
        raise ConfigError(
            f"--peer {peer}: an address or a network, with :port where that is wanted"
        ) from None


def _fits(peer: str, end: tuple[str, int]) -> bool:
    network, port = _network(peer)
    with contextlib.suppress(ValueError):  # a router's log may not tell the address
        return ipaddress.ip_address(end[0]) in network and port in (None, end[1])
    return False


def apply(it: Inspection, wanted: Filter, *, messages: bool) -> None:
    """Leave in an inspection what is wanted; `messages`: also within the IKE SAs that stay.

    Without `messages` an IKE SA stays whole when one of its messages fits.
    """
    kept = []
    for session in it.sessions:
        if not wanted.takes(session):
            continue
        lint.examine(session)
        if wanted.messages:
            found = [s for s in _all(session) if wanted.fits(s)]
            if not found:
                continue
            if messages:
                _reduce(session, {id(s.half) for s in found})
        kept.append(session)
    it.sessions = kept
    if wanted.spi or wanted.peer:
        spis = {s for session in kept for s in _spis(session)}
        for flow in list(it.esp):
            named = wanted.spi and flow.spi.hex().startswith(wanted.spi)
            near = wanted.peer and any(_fits(wanted.peer, (a, 0)) for a in (flow.src, flow.dst))
            if not (named or near or flow.spi.hex() in spis):
                del it.esp[flow]


def _all(session: Session) -> Iterator[Seen]:
    for exchange in session.exchanges:
        for half in exchange.halves():
            yield Seen(session, exchange, half)


def _reduce(session: Session, wanted: set[int]) -> None:
    """Take the other messages out of an IKE SA, for views that list messages."""
    kept = []
    for exchange in session.exchanges:
        request, response = (
            h if h is not None and id(h) in wanted else None
            for h in (exchange.request, exchange.response)
        )
        if request is not None or response is not None:
            kept.append(replace(exchange, request=request, response=response))
    shown = {id(m) for e in kept for h in e.halves() for m in h.messages}
    session.exchanges = kept
    session.messages = [m for m in session.messages if id(m) in shown]


# -- the language --------------------------------------------------------------------------------


def parse(text: str) -> Test:
    """An expression as a test; ConfigError that says where it stops making sense."""
    parser = _Parser(text)
    made = parser.either()
    if parser.rest:
        raise ConfigError(f"--where: {parser.rest[0]!r} is not expected in {text!r}")
    return made


class _Parser:
    """Recursive descent over the tokens that are left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest: list[str] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise ConfigError(f"--where: cannot read {text[at:].strip()[:20]!r}")
            self.rest.append(match["text"] or match["op"] or match["word"])
            at = match.end()

    def _next(self) -> str:
        if not self.rest:
            raise ConfigError(f"--where: {self.text!r} stops too early; write FIELD == VALUE")
        return self.rest.pop(0)

    def _word(self, word: str) -> bool:
        if self.rest and self.rest[0].lower() == word:
            self.rest.pop(0)
            return True
        return False

    def either(self) -> Test:
        tests = [self.both()]
        while self._word("or"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda s: any(t(s) for t in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self._word("and"):
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda s: all(t(s) for t in tests)

    def one(self) -> Test:
        if self._word("not"):
            test = self.one()
            return lambda s: not test(s)
        if self._word("("):
            test = self.either()
            if not self._word(")"):
                raise ConfigError(f"--where: a parenthesis is not closed in {self.text!r}")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        field = self._next()
        if field not in FIELDS:
            hint = nearest(field, FIELDS) or f"; there are {', '.join(FIELDS)}"
            raise ConfigError(f"--where: no field {field!r}{hint}")
        read = FIELDS[field]
        if not self.rest or self.rest[0] not in _COMPARISONS:
            return lambda s: any(read(s))
        op, value = self._next(), self._next()
        return _compare(read, op, value[1:-1] if value[0] in "\"'" else value)


def _compare(read: Callable[[Seen], Any], op: str, value: str) -> Test:
    if op == "~":
        try:
            pattern = re.compile(value, re.IGNORECASE)
        except re.error as error:
            raise ConfigError(f"--where: {value!r} is no regular expression: {error}") from None
        return lambda s: any(pattern.search(str(v)) for v in read(s))
    if op in ("==", "="):
        return lambda s: any(_same(v, value) for v in read(s))
    if op == "!=":
        return lambda s: not any(_same(v, value) for v in read(s))
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"--where: {op} wants a number, not {value!r}") from None
    order: dict[str, Callable[[float], bool]] = {
        "<": lambda v: v < number,
        "<=": lambda v: v <= number,
        ">": lambda v: v > number,
        ">=": lambda v: v >= number,
    }
    return lambda s: any(order[op](v) for v in read(s) if isinstance(v, int | float))


def _same(found: Any, value: str) -> bool:
    if isinstance(found, bool):
        return found == (value.lower() in ("1", "yes", "true"))
    if isinstance(found, int | float):
        try:
            return found == float(int(value, 0) if value[:2].lower() == "0x" else float(value))
        except ValueError:
            return False
    return str(found).lower() == value.lower()
