"""What a lab back-end does for a router that we do not run ourselves, whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Impairment:
    """What the wire to the router does to packets; the zeros do nothing."""

    latency: int = 0  # ms
    jitter: int = 0  # ms
    loss: int = 0  # percent
    bandwidth: int = 0  # kbit/s; GNS3's filters have none

    def __bool__(self) -> bool:
        return self != Impairment()


@dataclass(frozen=True, slots=True)
class ConsoleAt:
    """Where a console is: a raw or telnet port, or a terminal server that SSH leads to.

    A terminal server knows us as `user` and takes `words` to connect us to the router.
    """

    host: str
    port: int
    words: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


class Router(Protocol):
    """One router in a lab, on one wire to us."""

    name: str

    def start(self) -> None:
        """Power it on and return when its console takes connections; it boots by itself."""

    def console(self) -> ConsoleAt:
        """Where its console is."""

    def impair(self, wanted: Impairment) -> None:
        """Make the wire to it this bad from now on."""

    def begin_capture(self) -> None:
        """Capture on the wire to it."""

    def end_capture(self, file: Path) -> None:
        """End the capture and bring it here."""

    def stop(self) -> None:
        """Power it off."""

    def delete(self) -> None:
        """Remove what was made for it. Idempotent."""
