"""Message IDs: what we asked and wait for, what we answered and may have to answer again.

RFC 7296 2.1 to 2.3. The window is one request in each direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import Datagram


@dataclass(slots=True)
class Outstanding:
    """A request of ours that waits for its response; `wire` is sent again unchanged (2.1)."""

    exchange: int
    message_id: int
    request: Inbound
    wire: list[Datagram]
    due: float
    tries: int = 0


@dataclass(slots=True)
class Answer:
    """A response of ours, kept for as long as its request may come again (2.1)."""

    request: bytes
    wire: list[Datagram]


@dataclass(slots=True)
class Window:
    """Both directions' counters."""

    next_request: int = 0
    expected: int = 0
    outstanding: Outstanding | None = None
    answers: dict[int, Answer] = field(default_factory=dict)

    def keep(self, message_id: int, answer: Answer) -> None:
        """Remember the last response; older ones can no longer be asked for (2.3)."""
        self.answers = {message_id: answer}
        self.expected = message_id + 1


@dataclass(slots=True)
class Reply:
    """What a request is answered with: payloads inside SK, and how the table sees it."""

    payloads: list[Any]
    outcome: str = ""  # "", "refused" (the IKE SA ends), "delete" (the peer ended it)
    reason: str = ""
    clear: bool = False  # a fault: the error leaves unprotected
