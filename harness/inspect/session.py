"""IKE messages sorted into IKE SAs and exchanges, and opened with the keys there are.

A bystander's view: nothing is refused and nothing is answered; what does not fit is kept and shown.
Messages stay octets; who looks at one dissects it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ikelab.harness.inspect import octets, shapes
from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.shapes import Shape
from ikelab.harness.inspect.unseal import Opened, Sealed, locate, open_direction
from ikelab.harness.model import Address, Nat, Spis
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload
from ikelab.layers.message import INITIATOR, RESPONSE, parse_payloads

if TYPE_CHECKING:
    from ikelab.harness.inspect.lint import Findings


@dataclass(slots=True)
class Message:
    """One IKE message as captured. `initiator`: its Initiator flag, so by the original one."""

    frame: int
    now: float
    src: Address
    dst: Address
    data: bytes = field(repr=False)
    exchange: int
    id: int
    initiator: bool
    response: bool
    sealed: Sealed | None
    opened: bool = False
    plain: bytes | None = None  # what SK or one SKF held, without padding
    refusal: str = ""
    repeated: bool = False
    hops: int = 0  # the time to live that was left
    _step: Step | None = field(default=None, repr=False)

    @classmethod
    def of(cls, packet: Packet) -> Message:
        """Read the header (28 octets have to be there)."""
        data = packet.data
        flags = data[19]
        return cls(
            packet.number,
            packet.time,
            packet.src,
            packet.dst,
            data,
            data[18],
            int.from_bytes(data[20:24], "big"),
            flags & INITIATOR != 0,
            flags & RESPONSE != 0,
            _sealed_in(data),
            hops=packet.hops,
        )

    @property
    def step(self) -> Step:
        """The message as a step of a transcript: most messages of a big capture need none."""
        if self._step is None:
            direction = SENT if self.initiator else RECEIVED
            self._step = Step(self.now, direction, self.src, self.dst, self.data)
            self._tell()
        return self._step

    @property
    def when(self) -> float | None:
        """Its time, `now`; None for one that has none."""
        return self.now

    def words(self) -> list[str] | None:
        """Its payloads in words, where somebody wrote them down; None where octets tell."""
        return None

    def take(self, result: Opened) -> None:
        """What came of trying to open it."""
        self.opened, self.refusal = result.chain is not None, result.refusal
        self.plain = result.chain
        if self._step is not None:
            self._tell()

    def _tell(self) -> None:
        """Let the step know what was inside; that of fragments is known when all are there."""
        if self._step is not None and self.sealed is not None and not self.sealed.fragments:
            self._step.plain, self._step.first_inner = self.plain, self.sealed.first


@dataclass(slots=True)
class Half:
    """A request or a response: its messages (fragments, retransmissions), and what was inside."""

    messages: list[Message]
    retransmissions: int = 0
    first_inner: int = 0
    plain: bytes | None = None
    offer: Any = None  # the proposals, once `facts.offer` has read them
    _inner: list[Any] | None = None
    _shapes: tuple[Shape | None, Shape | None] | None = None

    @property
    def first(self) -> Message:
        return self.messages[0]

    @property
    def fragmented(self) -> bool:
        """Whether it came in SKF payloads."""
        return bool(_fragments(self.first))

    def repeat(self, message: Message) -> None:
        """Take in a message that has the octets of one that is here."""
        message.repeated = True
        self.retransmissions += 1
        self.messages.append(message)

    def outer(self) -> list[Any]:
        """The payloads outside SK."""
        return self.first.step.message.payloads

    def inner(self) -> list[Any] | None:
        """The payloads inside SK, fragments put together; None where they were not opened."""
        if self._inner is None and self.plain is not None:
            self._inner = parse_payloads(self.first_inner, self.plain)
        return self._inner

    def payloads(self) -> list[Any]:
        """All payloads that can be read, outer and inner."""
        return [*self.outer(), *(self.inner() or ())]

    def may_hold(self, kind: int) -> bool:
        """False where no payload, outer or inner, is of that type; told without dissecting."""
        outer, inner = self._shapes or self.shapes()
        return outer is None or inner is None or kind in outer.kinds or kind in inner.kinds

    def kinds(self) -> Container[int]:
        """The types of payloads, outer and inner; all where a chain is broken."""
        outer, inner = self._shapes or self.shapes()
        if outer is None or inner is None:
            return _ANY
        return outer.kinds | inner.kinds if inner.kinds else outer.kinds

    def shapes(self) -> tuple[Shape | None, Shape | None]:
        """The shapes of the outer and the inner chain; None for one that is broken."""
        if self._shapes is None:
            text, first = self.plain, self.first_inner
            inner: Shape | None = shapes.CLOSED
            if text is not None:
                inner = shapes.chain(first, text, 0, len(text)) if first or text else shapes.EMPTY
            self._shapes = shapes.outer(self.messages[0].data), inner
        return self._shapes

    def places(self) -> tuple[list[octets.Place] | None, list[octets.Place] | None]:
        """Where the payloads lie, outside and inside SK; None for a chain that is broken."""
        outer, inner = self._shapes or self.shapes()
        return outer.places if outer else None, inner.places if inner else None

    def forget(self) -> None:
        """Let go of what was dissected; it comes back when it is looked at."""
        self._inner = self._shapes = self.offer = None
        for message in self.messages:
            if message._step is not None:
                message._step._message = None

    def assemble(self) -> None:
        """After opening: find the inner chain, of SK or of a whole set of fragments."""
        self._inner = self._shapes = self.offer = None
        only, sealed = self.messages[0].plain, self.messages[0].sealed
        if only is not None and sealed is not None and not sealed.fragments:
            self.first_inner, self.plain = sealed.first, only
            return
        parts: dict[tuple[int, int], Message] = {}
        for message in self.messages:
            sealed = message.sealed
            if message.plain is None or sealed is None:
                continue
            if not sealed.fragments:
                self.first_inner, self.plain = sealed.first, message.plain
                return
            parts.setdefault((sealed.fragments, sealed.fragment), message)
            whole = [m for (total, _), m in sorted(parts.items()) if total == sealed.fragments]
            if len(whole) == sealed.fragments and whole[0].sealed:
                step = message.step
                self.first_inner = step.first_inner = whole[0].sealed.first
                self.plain = step.plain = b"".join(m.plain or b"" for m in whole)
                step.note = f"{len(whole)} fragments put together"
                return


def _sealed_in(data: bytes) -> Sealed | None:
    """Where SK or SKF is; messages in clear are told by their shapes, which are quick to find."""
    if data[16] not in _SEALED:
        shape = shapes.outer(data)
        if shape is not None and _SEALED.isdisjoint(shape.kinds):
            return None
    return locate(data)


_SEALED = frozenset({int(Payload.SK), int(Payload.SKF)})
_ANY = range(256)
_INIT = int(Type.IKE_SA_INIT)


def _fragments(message: Message) -> int:
    return message.sealed.fragments if message.sealed else 0


@dataclass(slots=True)
class Exchange:
    """A request and its response; one of them may not have been captured."""

    type: int
    id: int
    by_initiator: bool
    request: Half | None = None
    response: Half | None = None

    def put(self, half: Half, response: bool) -> Half:
        """Fill the place of the request or of the response."""
        if response:
            self.response = half
        else:
            self.request = half
        return half

    def halves(self) -> Iterator[Half]:
        """Those of the two that were captured."""
        if self.request is not None:
            yield self.request
        if self.response is not None:
            yield self.response


@dataclass(slots=True)
class Session:
    """One IKE SA: its SPIs, its ends as first seen, its messages and exchanges in order."""

    spis: Spis
    initiator: Address
    responder: Address
    messages: list[Message] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    beyond_init: bool = False  # so that the responder's SPI is settled
    findings: Findings | None = None  # what `lint.examine` said
    nat: Nat | None = None  # who is translated, where somebody else found out
    rows: list[IkeRow] = field(default_factory=list)  # the keys that were tried
    _index: dict[tuple[int, int, bool], list[Exchange]] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, repr=False)  # what was found out already
    _seen: dict[bytes, Half] = field(default_factory=dict)
    _waiting: list[Packet] = field(default_factory=list, repr=False)

    @property
    def title(self) -> str:
        """What it is called."""
        return f"IKE SA {self.spis}"

    def wait(self, packet: Packet) -> None:
        """Take a message in, to be read by `settle`."""
        self._waiting.append(packet)

    def settle(self) -> None:
        """Read the messages that wait.

        Gateways talk to hundreds of peers at once. What is made for one IKE SA in a row lies
        together in memory, and all that is done with it later is quicker by a fifth.
        """
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.add(Message.of(packet))

    def add(self, message: Message) -> None:
        """Put a message where it belongs among the exchanges (RFC 7296 2.2)."""
        self.messages.append(message)
        if self.memo:
            self.memo.clear()
        if message.exchange != _INIT:
            self.beyond_init = True
        data = message.data
        # What a router's log tells of has no octets to be known by.
        known = self._seen.get(data) if data else None
        if known is not None:
            known.repeat(message)
            return
        key = (message.exchange, message.id, message.initiator != message.response)
        entries = self._index.get(key)
        if entries is None:
            entries = self._index[key] = []
            self._seen[data] = self._begin(message, entries)
        else:
            self._seen[data] = self._place(message, entries) or self._begin(message, entries)

    def _place(self, message: Message, entries: list[Exchange]) -> Half | None:
        """The request or response that a message belongs to, among the exchanges there are."""
        if _fragments(message):
            for entry in reversed(entries):
                half = entry.response if message.response else entry.request
                if half is not None and half.fragmented:
                    half.messages.append(message)
                    return half
        # COOKIE and INVALID_KE_PAYLOAD repeat message ID 0: the newest open place is the one.
        for entry in reversed(entries):
            if (entry.response if message.response else entry.request) is None:
                return entry.put(Half([message]), message.response)
        return None

    def _begin(self, message: Message, entries: list[Exchange]) -> Half:
        entry = Exchange(message.exchange, message.id, message.initiator != message.response)
        entries.append(entry)
        self.exchanges.append(entry)
        return entry.put(Half([message]), message.response)

    def of_type(self, *types: int) -> list[Exchange]:
        """The exchanges of some types, in order; most of a long conversation are of others."""
        known = self.memo.get("of_type")
        if known is None or known[0] is not self.exchanges:
            rows: dict[int, list[tuple[int, Exchange]]] = {}
            for row in enumerate(self.exchanges):
                rows.setdefault(row[1].type, []).append(row)
            known = self.memo["of_type"] = self.exchanges, rows
        found = [row for kind in types for row in known[1].get(kind, ())]
        if len(types) > 1:
            found.sort(key=itemgetter(0))
        return [exchange for _, exchange in found]

    def holding(self, kind: int) -> list[tuple[Exchange, Half]]:
        """The requests and responses in which a payload of that type may be, in order."""
        known = self.memo.get("holding")
        if known is None or known[0] is not self.exchanges:
            rows = [
                (h.kinds(), e, h)
                for e in self.exchanges
                for h in (e.request, e.response)
                if h is not None
            ]
            known = self.memo["holding"] = self.exchanges, rows
        return [(exchange, half) for kinds, exchange, half in known[1] if kind in kinds]

    def forget(self) -> None:
        """Let go of what was dissected and found: octets are a tenth of it, and big files fit."""
        self.memo.clear()
        for exchange in self.exchanges:
            for half in (exchange.request, exchange.response):
                if half is not None:
                    half.forget()

    def open(self, rows: list[IkeRow]) -> None:
        """Decrypt what the rows can, then put fragments together."""
        self.rows = rows
        self.memo.clear()
        sealed = [m for m in self.messages if m.sealed is not None]
        sides = {flag: [m for m in sealed if m.initiator is flag] for flag in (True, False)}
        for flag, own in sides.items():
            _apply(own, open_direction(_sealed(own), rows, flag))
        for flag in (True, False) if rows else ():
            # An Initiator flag that lies: the ICV tells which side's keys were used.
            strays = [m for m in sides[not flag] if not m.opened]
            own = [m for m in sides[flag] if m.opened]
            if strays:
                tried = open_direction(_sealed([*own, *strays]), rows, flag)[len(own) :]
                hits = [(m, o) for m, o in zip(strays, tried, strict=True) if o.chain is not None]
                _apply([m for m, _ in hits], [o for _, o in hits])
        for exchange in self.exchanges:
            for half in (exchange.request, exchange.response):
                if half is not None and half.messages[0].sealed is not None:
                    half.assemble()


def _sealed(messages: list[Message]) -> list[Sealed]:
    return [m.sealed for m in messages if m.sealed is not None]


def _apply(messages: list[Message], results: list[Opened]) -> None:
    for message, result in zip(messages, results, strict=True):
        message.take(result)
