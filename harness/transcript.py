"""What was said on the wire, in order: pure values that print as RFC notation and as JSON.

A Step keeps octets; its description is made when somebody asks, so that a fast run pays nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ikelab.harness.model import Address, Violation
from ikelab.harness.notation import describe, exchange_name, message_text
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2, parse_payloads

SENT, RECEIVED = "-->", "<--"


@dataclass(slots=True)
class Step:
    """One IKE message: when, from where to where, its octets, and its inner chain when opened.

    `direction` is `-->` from our side to the peer, `<--` from it. `data` is the IKE message
    without the non-ESP marker; `plain` the inner payload chain without padding.
    """

    now: float
    direction: str
    src: Address
    dst: Address
    data: bytes
    plain: bytes | None = None
    first_inner: int = 0
    note: str = ""
    violations: list[Violation] = field(default_factory=list)
    _message: IKEv2 | None = field(default=None, repr=False)

    @property
    def message(self) -> IKEv2:
        """The message dissected in clear."""
        if self._message is None:
            self._message = IKEv2(self.data)
        return self._message

    def inner(self) -> list[Any] | None:
        """The payloads inside SK; None where it was not opened."""
        return None if self.plain is None else parse_payloads(self.first_inner, self.plain)

    @property
    def encrypted(self) -> bool:
        """Whether the message has an SK or SKF payload."""
        return any(p.kind in (Payload.SK, Payload.SKF) for p in self.message.payloads)

    def text(self) -> str:
        """The message in RFC notation."""
        return message_text(self.message, self.inner())

    def to_json(self, number: int) -> dict[str, Any]:
        """The step as a line of transcript.jsonl."""
        message, inner = self.message, self.inner()
        response = bool(int(message.flags) & 0x20)
        return {
            "n": number,
            "time": round(self.now, 6),
            "direction": self.direction,
            "src": list(self.src),
            "dst": list(self.dst),
            "exchange": exchange_name(message.exch_type),
            "message_id": message.id,
            "response": response,
            "initiator_flag": bool(int(message.flags) & 0x08),
            "spi_i": bytes(message.init_SPI).hex(),
            "spi_r": bytes(message.resp_SPI).hex(),
            "length": len(self.data),
            "payloads": [describe(p, message.exch_type, response) for p in message.payloads],
            "inner": None
            if inner is None
            else [describe(p, message.exch_type, response) for p in inner],
            "encrypted": self.encrypted,
            "decrypted": inner is not None,
            "text": self.text(),
            "note": self.note,
            "raw": self.data.hex(),
            "plain": None if self.plain is None else self.plain.hex(),
            "violations": [violation_json(v, number) for v in self.violations],
        }


def violation_json(violation: Violation, frame: int | None = None) -> dict[str, Any]:
    """A violation as the JSON contracts have it."""
    row = asdict(violation)
    if row["frame"] is None:
        row["frame"] = frame
    return row


class Transcript:
    """The steps of one conversation, in the order they happened."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.steps: list[Step] = list(steps)

    def append(self, step: Step) -> Step:
        """Add a step and return it, so that what is learnt of it later can be noted."""
        self.steps.append(step)
        return step

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def text(self) -> str:
        """The conversation in RFC notation, one line a message."""
        lines = []
        for step in self.steps:
            lines.append(f"#{step.message.id} {step.direction} {step.text()}")
            if step.note:
                note = step.note if len(step.note) <= 300 else step.note[:300] + " ..."
                lines.append(f"       {note}")
            lines += [f"       ! {v}" for v in step.violations]
        return "\n".join(lines)

    def jsonl(self) -> str:
        """The conversation as transcript.jsonl."""
        return "".join(json.dumps(s.to_json(n)) + "\n" for n, s in enumerate(self.steps))
