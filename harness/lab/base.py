"""What a lab back-end does for a router that we do not run ourselves, whoever runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ikelab.harness.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True)
class Impairment:
    """What the wire to the router does to packets; the zeros do nothing.

    The words are those of ikelab's own networks (`netns.topology.Impairment`), the units those of
    the back-ends; not every back-end has every word.
    """

    loss: int = 0  # percent
    delay: int = 0  # ms
    jitter: int = 0  # ms
    duplicate: int = 0  # percent
    reorder: int = 0  # percent
    corrupt: int = 0  # percent
    bandwidth: int = 0  # kbit/s

    def __bool__(self) -> bool:
        return self != Impairment()

    @classmethod
    def parse(cls, text: str) -> Impairment:
        """ "loss=5%, delay=50ms" as a user writes it; ConfigError names the word that is wrong."""
        found: dict[str, int] = {}
        for item in text.split(","):
            name, _, value = (part.strip() for part in item.partition("="))
            units = _UNITS.get(name)
            if units is None:
                raise ConfigError(f"condition {item.strip()!r}: {_HOW}{nearest(name, _UNITS)}")
            number = re.fullmatch(r"(\d{1,8}) ?([a-z%]*)", value)
            if number is None or number[2] not in units:
                raise ConfigError(f"condition {item.strip()!r}: {_HOW}")
            found[name] = int(number[1]) * units[number[2]]
            if "%" in units and found[name] > 100:
                raise ConfigError(f"condition {item.strip()!r}: a share is 100 % at most")
        return cls(**found)


_SHARE, _TIME, _RATE = {"%": 1}, {"ms": 1, "s": 1000}, {"kbit": 1, "mbit": 1000}
_UNITS: dict[str, dict[str, int]] = {
    "loss": _SHARE, "delay": _TIME, "jitter": _TIME, "duplicate": _SHARE, "reorder": _SHARE,
    "corrupt": _SHARE, "bandwidth": _RATE,
}  # fmt: skip
_HOW = 'write "loss=5%, delay=50ms", with any of ' + ", ".join(_UNITS)


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

    def console_log(self) -> str:
        """What its console has said since it booted; "" where the lab keeps none."""

    def impair(self, wanted: Impairment) -> None:
        """Make the wire to it this bad from now on; `delete` makes a wire that was there good."""

    def begin_capture(self) -> None:
        """Capture on the wire to it."""

    def end_capture(self, file: Path) -> None:
        """End the capture and bring it here."""

    def stop(self) -> None:
        """Power it off."""

    def delete(self) -> None:
        """Remove what was made for it. Idempotent."""
