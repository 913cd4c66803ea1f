"""Message IDs: what we asked and wait for, what we answered and may have to answer again.

RFC 7296 2.1 to 2.3. Both windows hold one request until SET_WINDOW_SIZE says more; we send beyond
the peer's window when a test case wants to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import Datagram


@dataclass(slots=True)
class Outstanding:
    """A request of ours that waits for its response; `wire` is sent again unchanged (2.1).

    `context` is what its exchange needs to make sense of the response.
    """

    exchange: int
    message_id: int
    request: Inbound
    wire: list[Datagram]
    due: float
    context: Any = None
    closes: bool = False  # whether it deletes the IKE SA
    tries: int = 0


@dataclass(slots=True)
class Answer:
    """A response of ours, kept for as long as its request may come again (2.1)."""

    request: bytes
    wire: list[Datagram]


@dataclass(slots=True)
class Reply:
    """What a request is answered with: payloads inside SK, and how the table sees it."""

    payloads: list[Any]
    outcome: str = ""  # "", "more" (of IKE_AUTH), "refused" (the end), "delete" (by the peer)
    reason: str = ""
    clear: bool = False  # a fault: the error leaves unprotected


@dataclass(slots=True)
class Window:
    """Both directions' counters. `size` is how many requests of the peer we take at once."""

    next_request: int = 0
    expected: int = 0
    size: int = 1
    peer_size: int = 1
    waiting: dict[int, Outstanding] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def outstanding(self) -> Outstanding | None:
        """The oldest request that waits for its response."""
        return next(iter(self.waiting.values()), None)

    @property
    def full(self) -> bool:
        """Whether the next request has to wait: all up to N before it must be answered (2.3)."""
        return self.next_request - min(self.waiting, default=self.next_request) >= self.peer_size

    def settle(self, message_id: int) -> None:
        """The request has its response, or needs none any more."""
        self.waiting.pop(message_id, None)

    def takes(self, message_id: int) -> bool:
        """Whether a request of the peer with this ID is new and inside our window (2.3)."""
        inside = self.expected <= message_id < self.expected + self.size
        return inside and message_id not in self.answers

    def keep(self, message_id: int, answer: Answer) -> None:
        """Remember a response; those that can no longer be asked for are forgotten (2.3)."""
        self.answers[message_id] = answer
        while self.expected in self.answers:
            self.expected += 1
        for old in [m for m in self.answers if m < self.expected - self.size]:
            del self.answers[old]
