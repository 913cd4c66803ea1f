"""The views of an inspection by the name of their format; each is made when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ikelab.harness.errors import ConfigError

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

FORMATS = (
    "transcript", "summary", "why", "tree", "ladder", "svg", "mermaid", "html",
    "json", "jsonl", "csv", "ios",
)  # fmt: skip
OF_MESSAGES = frozenset({"transcript", "tree", "ladder", "svg", "mermaid", "jsonl", "csv"})
"""The views that list messages, so that a filter chooses among them."""


def text(it: Inspection, form: str, frame: int | None = None) -> str:
    """An inspection in one of the formats; ConfigError for a frame that holds no IKE."""
    it.check(form)
    if form == "tree":
        return _tree(it, frame)
    if form == "summary":  # the usual one needs nothing of the others
        return it.summary().rstrip("\n")
    return _makers()[form](it).rstrip("\n")


def _makers() -> dict[str, Callable[[Inspection], str]]:
    from ikelab.harness.inspect import htmlview, ladder, tables
    from ikelab.harness.inspect.ios import write

    return {
        "transcript": lambda it: it.transcript(),
        "why": lambda it: it.why(),
        "ios": write.text,
        "html": htmlview.page,
        "jsonl": tables.jsonl,
        "csv": tables.as_csv,
        "json": lambda it: json.dumps(it.to_json(), indent=1),
        **ladder.FORMS,
    }


def _tree(it: Inspection, frame: int | None) -> str:
    """One message, or all of them where no frame is named."""
    from ikelab.harness.inspect import tree

    there = tree.frames(it)
    if frame is None:
        return "\n\n".join(tree.tree(it, number) for number in there)
    if frame not in there:
        near = min(there, key=lambda number: abs(number - frame), default=None)
        hint = "no frame does" if near is None else f"the nearest that does is frame {near}"
        raise ConfigError(f"frame {frame} holds no IKEv2 message; {hint}")
    return tree.tree(it, frame)
