"""A message as the engine looks at it: its payloads by type, opened or in clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ikelab.harness.exchange.negotiate import Offered, offers, selectors_of
from ikelab.harness.model import TS
from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2
from ikelab.layers.sa import IKEv2_Proposal

INITIATOR, VERSION, RESPONSE = 0x08, 0x10, 0x20
# What RFC 7296 (and RFC 7383) define: the receiver understands these, critical bit or not.
UNDERSTOOD = frozenset(range(Payload.SA, Payload.EAP + 1)) | {Payload.SKF}


class Inbound:
    """A dissected message; `message` holds an IKEv2_Decrypted where its SK was opened.

    Who opened it elsewhere (fragments, a capture) gives the payloads that were `inner`.
    """

    __slots__ = ("_by_kind", "_fault", "_inner", "_marked", "_offers", "_selectors", "exchange",
                 "flags", "message", "message_id", "outer")  # fmt: skip

    def __init__(self, message: IKEv2, inner: list[Any] | None = None) -> None:
        self.message = message
        self.outer: list[Any] = message.payloads
        last = self.outer[-1] if self.outer else None
        self._inner: list[Any] | None = last.inner if isinstance(last, IKEv2_Decrypted) else inner
        header = message.fields
        self.exchange = int(header.get("exch_type", Exchange.IKE_SA_INIT))
        self.message_id = int(header.get("id", 0))
        self.flags = int(header.get("flags", 0))
        self._by_kind: dict[int, list[Any]] | None = None
        self._fault: tuple[str | None] | None = None
        self._marked: list[Any] | None = None
        self._offers: list[Offered] | None = None
        self._selectors: dict[int, tuple[TS, ...]] = {}

    @property
    def opened(self) -> bool:
        """Whether the content came protected and was opened."""
        return self._inner is not None

    @property
    def payloads(self) -> list[Any]:
        """The payloads that carry meaning: inside SK where it was opened, else in clear."""
        return self.outer if self._inner is None else self._inner

    @property
    def every(self) -> list[Any]:
        """All payloads, those outside SK first."""
        return self.outer if self._inner is None else [*self.outer, *self._inner]

    @property
    def marked(self) -> list[Any]:
        """The payloads with the critical bit or a reserved one, wherever they stand."""
        if self._marked is None:
            self._marked = [payload for payload in self.every if bits_of(payload)]
        return self._marked

    @property
    def readable(self) -> list[Any]:
        """The payloads less those that could not be read, which have no fields to look at."""
        return [p for p in self.payloads if not isinstance(p, IKEv2_Malformed)]

    @property
    def response(self) -> bool:
        return bool(self.flags & RESPONSE)

    @property
    def from_initiator(self) -> bool:
        """What the Initiator flag says: whether the sender is the IKE SA's original initiator."""
        return bool(self.flags & INITIATOR)

    def one(self, kind: int) -> Any | None:
        """The first readable payload of a type, None where there is none."""
        found = self.all(kind)
        return found[0] if found else None

    def all(self, kind: int) -> list[Any]:
        """Every readable payload of a type, in order."""
        if self._by_kind is None:
            self._by_kind = {}
            for payload in self.readable:
                self._by_kind.setdefault(payload.kind, []).append(payload)
        return self._by_kind.get(kind, [])

    def has(self, kind: int) -> bool:
        """Whether there is a payload of that type."""
        return bool(self.all(kind))

    def offers(self) -> list[Offered]:
        """The proposals of the SA payload, read once; none where there is none."""
        if self._offers is None:
            self._offers = offers(self.one(Payload.SA))
        return self._offers

    def selectors(self, kind: int) -> tuple[TS, ...]:
        """The address ranges of TSi or TSr, read once."""
        if kind not in self._selectors:
            self._selectors[kind] = selectors_of(self.one(kind))
        return self._selectors[kind]

    def notify(self, kind: int) -> Any | None:
        """The first notify of a type."""
        return next((n for n in self.all(Payload.N) if n.type == kind), None)

    def notifies(self, kind: int) -> list[Any]:
        """Every notify of a type."""
        return [n for n in self.all(Payload.N) if n.type == kind]

    def errors(self) -> list[int]:
        """The types of the error notifies (below 16384, RFC 7296 3.10.1)."""
        return [int(n.type) for n in self.all(Payload.N) if n.type < _FIRST_STATUS]

    def critical_unknown(self) -> int | None:
        """The first payload type that is not understood and marked critical (2.5)."""
        for payload in self.payloads:
            if payload.kind not in UNDERSTOOD and bits_of(payload) & 0x80:
                return int(payload.kind)
        return None

    def unknown(self) -> list[int]:
        """The payload types that are not understood."""
        return [int(p.kind) for p in self.payloads if p.kind not in UNDERSTOOD]

    def malformed(self) -> str | None:
        """Why the chain does not parse, None where it does; looked for once."""
        if self._fault is None:
            self._fault = (self._malformed(),)
        return self._fault[0]

    def _malformed(self) -> str | None:
        for payload in self.every:
            if isinstance(payload, IKEv2_Malformed):
                return str(payload.reason)
            name = NESTED.get(payload.kind)
            if name is not None:
                for element in _nested(getattr(payload, name, None) or []):
                    if isinstance(element, IKEv2_Malformed):
                        return str(element.reason)
        return None


def bits_of(payload: Any) -> int:
    """The octet with the critical bit and the reserved ones (3.2); 0 of what could not be read."""
    value = payload.fields.get("flags", 0)
    return value if value.__class__ is int else int(value)


# The payloads whose body is a list of structures that may be malformed in turn.
NESTED = {
    Payload.SA: "proposal",
    Payload.TSI: "traffic_selector",
    Payload.TSR: "traffic_selector",
    Payload.CP: "attributes",
}


def _nested(elements: list[Any]) -> Iterator[Any]:
    for element in elements:
        yield element
        if isinstance(element, IKEv2_Proposal):
            yield from element.transform


_FIRST_STATUS = min(n for n in Notify if not n.is_error)
