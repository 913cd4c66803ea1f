"""What a test reads of an answer: its payloads by type, its notifies, or that there was none.

Assertions that fail print the conversation in RFC notation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.notation import describe, notify_name, payload_name
from ikelab.harness.transcript import Transcript
from ikelab.layers.iana import Notify, Payload


@dataclass(frozen=True, slots=True)
class Notified:
    """A notify of the reply: its type, data, protocol and SPI."""

    type: int
    data: bytes
    protocol: int
    spi: bytes


class Reply:
    """The response to one request; `silent` where none came within the wait."""

    def __init__(self, it: Inbound | None, transcript: Transcript) -> None:
        self._it = it
        self._transcript = transcript

    @property
    def silent(self) -> bool:
        """Whether nothing came."""
        return self._it is None

    @property
    def message(self) -> Inbound:
        """The message itself; AssertionError where there is none."""
        if self._it is None:
            raise AssertionError(f"the peer did not answer\n{self._transcript.text()}")
        return self._it

    @property
    def payloads(self) -> list[Any]:
        """The payloads, those inside SK where it was protected; empty for silence."""
        return [] if self._it is None else self._it.payloads

    @property
    def names(self) -> list[str]:
        """The payloads' notations, in order."""
        return [payload_name(p) for p in self.payloads]

    @property
    def protected(self) -> bool:
        """Whether it came inside SK."""
        return self._it is not None and self._it.opened

    def has(self, kind: int) -> bool:
        """Whether a payload of that type is there."""
        return any(p.kind == kind for p in self.payloads)

    def one(self, kind: int) -> Any:
        """The payload of that type; AssertionError where there is not exactly one."""
        found = [p for p in self.payloads if p.kind == kind]
        name = Payload(kind).notation
        assert len(found) == 1, f"{len(found)} payloads {name}, expected one\n{self}"
        return found[0]

    @property
    def notifies(self) -> list[Notified]:
        """Every notify, in order."""
        return [
            Notified(int(n.type), bytes(n.notify), int(n.proto), bytes(n.SPI))
            for n in self.payloads
            if n.kind == Payload.N
        ]

    @property
    def errors(self) -> list[str]:
        """The names of the error notifies."""
        return [notify_name(n.type) for n in self.notifies if n.type < 16384]

    def notify(self, kind: int) -> Notified | None:
        """The first notify of that type."""
        return next((n for n in self.notifies if n.type == kind), None)

    @property
    def postponed(self) -> bool:
        """Whether a child is refused for the time being, by TEMPORARY_FAILURE."""
        return self.notify(Notify.TEMPORARY_FAILURE) is not None and not self.has(Payload.SA)

    def only(self, kind: Notify) -> Notified:
        """The one error notify of the reply, which must be of this type."""
        self.message  # noqa: B018 - silence fails here, with the conversation
        errors = [n for n in self.notifies if n.type < 16384]
        assert len(errors) == 1 and errors[0].type == kind, (
            f"expected {kind.name} alone, the reply has {self.errors or self.names or 'nothing'}"
            f"\n{self}"
        )
        return errors[0]

    @property
    def outcome(self) -> str:
        """What became of the request, in a few words, for the record."""
        if self.silent:
            return "silence"
        refused = ", ".join(self.errors) or self._cookie()
        done = "accepted" if self.has(Payload.SA) else ", ".join(self.names) or "empty response"
        return refused or done

    def _cookie(self) -> str:
        return "COOKIE" if self.notify(Notify.COOKIE) is not None else ""

    def describe(self) -> list[dict[str, Any]]:
        """The payloads as the JSON contract has them."""
        it = self.message
        return [describe(p, it.exchange, it.response) for p in it.payloads]

    def __str__(self) -> str:
        return self._transcript.text()
