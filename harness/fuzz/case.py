"""A case: the campaign that says how its message is reached, and the plan that changes it.

Its text is a comment line and the plan's own lines, so that a corpus is a text file, each entry of
it a plan file that `ikelab replay` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, plain

_MARK = re.compile(r"^# campaign ([\w.-]+)$")


@dataclass(frozen=True, slots=True)
class Case:
    """`made_by` are the operators and places that it came from; they are no part of its text."""

    campaign: str
    plan: Plan
    made_by: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"# campaign {self.campaign}\n{self.plan}"


def parse(text: str, fallback: str = "") -> Case:
    """One case; `fallback` is the campaign of a plan that names none."""
    named = [m[1] for line in text.splitlines() if (m := _MARK.match(line.strip()))]
    plan = Plan.parse(text)
    if not plan:
        raise ConfigError("it holds no edit")
    return Case(named[0] if named else fallback, plan)


def read(path: Path) -> list[Case]:
    """A corpus: cases with empty lines between them; ConfigError says which one is wrong."""
    try:
        blocks = path.read_text(encoding="utf-8").split("\n\n")
    except FileNotFoundError:
        raise ConfigError(f"no such corpus: {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} as a corpus: {plain(error)}") from None
    return list(_cases(path, blocks))


def _cases(path: Path, blocks: Iterable[str]) -> Iterator[Case]:
    for number, block in enumerate(blocks, 1):
        if any(line.strip() and not line.startswith("#") for line in block.splitlines()):
            try:
                yield parse(block)
            except ConfigError as error:
                raise ConfigError(f"{path}, entry {number}: {error}") from None


def text(cases: Iterable[Case]) -> str:
    """A corpus as its file holds it."""
    return "".join(f"{case}\n\n" for case in cases)
