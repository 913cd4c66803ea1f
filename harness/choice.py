"""Which cases a run takes: by catalogue id, by RFC and section, by level.

Several words of one kind mean any of them, several kinds all of them. Knows pytest's items only by
their markers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ikelab.harness.errors import ConfigError, nearest

LEVELS = ("MUST", "SHOULD", "MAY", "policy", "feature")
_RFC = re.compile(r"(?:RFC ?)?(\d+)(?:[: ](\d+(?:\.\d+)*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; nothing of a kind means all of it."""

    cases: tuple[str, ...] = ()  # ids, `*` and `?` as in file names
    rfcs: tuple[tuple[int, str], ...] = ()  # a number and a section, "" for the whole RFC
    levels: tuple[str, ...] = ()

    @classmethod
    def parse(cls, cases: list[str], rfcs: list[str], levels: list[str]) -> Choice:
        """From the words of a command line; ConfigError names the one that is wrong."""
        return cls(
            tuple(c.upper() for c in cases), tuple(map(_rfc, rfcs)), tuple(map(_level, levels))
        )

    def takes(self, item: Any) -> bool:
        """Whether a test is among them."""
        marker = item.get_closest_marker("case")
        name, level = (marker.args[0], marker.args[1]) if marker else ("", "feature")
        return (
            (not self.cases or any(fnmatchcase(name, pattern) for pattern in self.cases))
            and (not self.levels or level in self.levels)
            and (not self.rfcs or any(_is_about(item, rfc, section) for rfc, section in self.rfcs))
        )

    def __str__(self) -> str:
        words = [*self.cases, *(f"RFC {n} {s}".strip() for n, s in self.rfcs), *self.levels]
        return ", ".join(words)


def _is_about(item: Any, rfc: int, section: str) -> bool:
    """A section stands for those below it, too."""
    for marker in item.iter_markers("rfc"):
        number, *sections = marker.args
        if number == rfc and (
            not section or any(f"{s}.".startswith(f"{section}.") for s in sections)
        ):
            return True
    return False


def _rfc(word: str) -> tuple[int, str]:
    found = _RFC.fullmatch(word.strip())
    if found is None:
        raise ConfigError(f"no RFC and section: {word!r}; write 7296 or 7296:2.9")
    return int(found[1]), found[2] or ""


def _level(word: str) -> str:
    for level in LEVELS:
        if word.lower() == level.lower():
            return level
    raise ConfigError(
        f"unknown level {word!r}{nearest(word, LEVELS)}; there are {', '.join(LEVELS)}"
    )
