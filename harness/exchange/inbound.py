"""A message as the engine looks at it: its payloads by type, opened or in clear."""

from __future__ import annotations

from typing import Any

from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2

INITIATOR, VERSION, RESPONSE = 0x08, 0x10, 0x20
# What RFC 7296 (and RFC 7383) define: the receiver understands these, critical bit or not.
UNDERSTOOD = frozenset(range(Payload.SA, Payload.EAP + 1)) | {Payload.SKF}


class Inbound:
    """A dissected message; `message` holds an IKEv2_Decrypted where its SK was opened.

    Who opened it elsewhere (fragments, a capture) gives the payloads that were `inner`.
    """

    __slots__ = ("_inner", "message", "outer")

    def __init__(self, message: IKEv2, inner: list[Any] | None = None) -> None:
        self.message = message
        self.outer: list[Any] = message.payloads
        last = self.outer[-1] if self.outer else None
        self._inner: list[Any] | None = last.inner if isinstance(last, IKEv2_Decrypted) else inner

    @property
    def opened(self) -> bool:
        """Whether the content came protected and was opened."""
        return self._inner is not None

    @property
    def payloads(self) -> list[Any]:
        """The payloads that carry meaning: inside SK where it was opened, else in clear."""
        return self.outer if self._inner is None else self._inner

    @property
    def readable(self) -> list[Any]:
        """The payloads less those that could not be read, which have no fields to look at."""
        return [p for p in self.payloads if not isinstance(p, IKEv2_Malformed)]

    @property
    def exchange(self) -> int:
        return int(self.message.exch_type)

    @property
    def message_id(self) -> int:
        return int(self.message.id)

    @property
    def response(self) -> bool:
        return bool(int(self.message.flags) & RESPONSE)

    @property
    def from_initiator(self) -> bool:
        """What the Initiator flag says: whether the sender is the IKE SA's original initiator."""
        return bool(int(self.message.flags) & INITIATOR)

    def one(self, kind: int) -> Any | None:
        """The first readable payload of a type, None where there is none."""
        return next(iter(self.all(kind)), None)

    def all(self, kind: int) -> list[Any]:
        """Every readable payload of a type, in order."""
        return [p for p in self.readable if p.kind == kind]

    def has(self, kind: int) -> bool:
        """Whether there is a payload of that type."""
        return self.one(kind) is not None

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
        for payload in self.readable:
            if payload.kind not in UNDERSTOOD and int(payload.flags) & 0x80:
                return int(payload.kind)
        return None

    def unknown(self) -> list[int]:
        """The payload types that are not understood."""
        return [int(p.kind) for p in self.payloads if p.kind not in UNDERSTOOD]

    def malformed(self) -> str | None:
        """Why the chain does not parse, None where it does."""
        for payload in [*self.outer, *(self._inner or [])]:
            if isinstance(payload, IKEv2_Malformed):
                return str(payload.reason)
            reason = getattr(payload, "malformed", None)
            if reason:
                return str(reason)
        return None


_FIRST_STATUS = min(n for n in Notify if not n.is_error)
