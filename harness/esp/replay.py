"""Sequence numbers: counting our own, and the window over the peer's (RFC 4303 3.4.3, appendix A).

Plain arithmetic; knows neither keys nor packets.
"""

from __future__ import annotations

from dataclasses import dataclass

from ikelab.harness.esp.seal import Kind, Refused

HALF = 1 << 32
LEAST_WINDOW = 32
"""What every implementation has (RFC 4303 3.4.3)."""


@dataclass(slots=True)
class ReplayWindow:
    """Which numbers have come. `size` 0 turns the service off.

    `highest` is the right edge, all of its bits; bit n of `seen` is number `highest` - n.
    """

    size: int = 64
    esn: bool = False
    highest: int = 0
    seen: int = 0

    def locate(self, low: int) -> int:
        """The whole number that the 32 bits of a packet stand for (appendix A2.1).

        Without ESN it is those bits. With it the number nearest to the window is meant.
        """
        if not self.esn:
            return low
        edge, high = self.highest & (HALF - 1), self.highest >> 32
        width = max(self.size, 1)
        if edge >= width - 1:
            # Case A: the window lies within one subspace.
            return (high + (low < edge - width + 1)) * HALF + low
        # Case B: the window spans two of them.
        behind = low >= (edge - width + 1) % HALF
        return (high - behind) * HALF + low

    def check(self, low: int) -> int:
        """The whole number of a packet that may be taken; Refused where it is old or came before.

        To be asked before the ICV is looked at; `accept` follows when the ICV was right.
        """
        number = self.locate(low)
        if not self.size:
            return number
        if number <= 0:
            raise Refused(Kind.REPLAY, f"number {number} is before the first one (RFC 4303 3.3.3)")
        behind = self.highest - number
        if behind >= self.size:
            raise Refused(Kind.REPLAY, f"number {number} is left of the window ({self})")
        if behind >= 0 and self.seen >> behind & 1:
            raise Refused(Kind.REPLAY, f"number {number} came before ({self})")
        return number

    def accept(self, number: int) -> None:
        """Note a number whose packet was authentic; the window moves when it is a new highest."""
        ahead = number - self.highest
        if ahead >= self.size:
            self.highest, self.seen = number, 1
        elif ahead > 0:
            self.highest, self.seen = number, (self.seen << ahead | 1) & ((1 << self.size) - 1)
        elif -ahead < self.size:
            self.seen |= 1 << -ahead

    def __str__(self) -> str:
        return f"{self.highest} and {self.size} back"


@dataclass(slots=True)
class Counter:
    """The numbers that we send: from 1, never 0; refuses to cycle (RFC 4303 3.3.3)."""

    esn: bool = False
    last: int = 0

    def next(self) -> int:
        """The next number, all of its bits; OverflowError where the SA is used up."""
        limit = HALF * HALF if self.esn else HALF
        if self.last + 1 >= limit:
            raise OverflowError("the sequence numbers of this SA are used up; rekey it")
        self.last += 1
        return self.last
