"""Why a test failed, in one line for people: what the peer did, not what pytest printed.

`compared` gives pytest the words for a comparison that does not hold; `one_line` picks from an
error's text the line that says most, past the conversation that assertions print.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ikelab.harness.errors import IkelabError
from ikelab.harness.model import Violation

_CONVERSATION = re.compile(r"\s*#\d+ (-->|<--) |\s{7,}\S")
_OBJECT = re.compile(r"<(?:[\w.]+\.)?(\w+)(?: object)? at 0x[0-9a-f]+>")
_WHERE = re.compile(r"\+\s+where (\S+) = (.*)")
# How our own words begin in pytest's text; no Python expression does.
_FOUND, _GOT, _HOLDS_NOT = "found: ", "got ", "does not hold: "
_LONGEST = 300

_WORDS = {
    "is": "expected {right}",
    "==": "expected {right}",
    "!=": "expected anything else",
    "is not": "expected anything else",
    "in": "which is not in {right}",
    "not in": "which must not be in {right}",
}


def one_line(error: BaseException) -> str:
    """What was wrong, for tables."""
    text = str(error).strip()
    if not isinstance(error, IkelabError | AssertionError):
        first = text.splitlines()[0] if text else ""
        return f"{type(error).__name__}: {first}".removesuffix(": ")
    if not isinstance(error, AssertionError):
        return " ".join(text.split()) or type(error).__name__
    lines = [line for line in text.splitlines() if not _CONVERSATION.match(line)]
    if not lines:
        return text.splitlines()[0] if text else "an assertion without a word failed"
    line = _own_words(lines[0].strip(), lines[1:])
    if line.startswith(_GOT) and (source := _source(error)):
        line += f"  [{source}]"
    return _shortened(line)


def bare(reason: str) -> bool:
    """Whether the line only repeats an expression of the test."""
    return reason.startswith(_HOLDS_NOT)


def _own_words(line: str, rest: Iterable[str]) -> str:
    """A line as `compared` or the test wrote it; pytest's own words with what they are about."""
    if not line.startswith("assert "):
        return line
    said = line.removeprefix("assert ")
    if said.startswith((_FOUND, _GOT)):
        return said.removeprefix(_FOUND)
    where = next((m for m in map(_WHERE.search, rest) if m), None)
    if where and said.removeprefix("not ") == where[1]:
        said = ("not " if said.startswith("not ") else "") + where[2]
    return _HOLDS_NOT + _OBJECT.sub(r"\1", said)


def _source(error: BaseException) -> str:
    """The assertion as the test has it, its first line."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return ""
    line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip()
    return line.removeprefix("assert ").partition(', f"')[0] if line[:7] == "assert " else ""


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


# -- comparisons -------------------------------------------------------------------------------


def compared(op: str, left: Any, right: Any) -> list[str] | None:
    """Words for `left op right` that does not hold, for pytest; None where it has better ones."""
    if op == "==" and isinstance(left, list) and right == []:
        return _superfluous(left)
    if op not in _WORDS:
        return None
    if op == "==":
        left, right = _difference(left, right)
    words = _WORDS[op].format(right=_said(right))
    return [f"{_GOT}{_said(left)}, {words}"]


def _superfluous(left: list[Any]) -> list[str] | None:
    """A list that ought to be empty: its first entry is the reason, violations before others."""
    if not left:
        return None
    more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    if isinstance(left[0], Violation | str):
        first, *others = map(str, left)
        return [f"{_FOUND}{first}{more}", *others]
    return [f"{_GOT}{_said(left)}, expected nothing"]


def _difference(left: Any, right: Any) -> tuple[Any, Any]:
    """The first entries that differ, of two sequences of a length; the values themselves else."""
    alike = type(left) is type(right) and isinstance(left, list | tuple)
    if alike and len(left) == len(right) > 0 and not hasattr(left, "_fields"):
        for a, b in zip(left, right, strict=True):
            if a != b:
                return _difference(a, b)
    return left, right


def _said(value: Any) -> str:
    """A value as a person writes it: octets in hex, several with commas, names of our own."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex() or "no octets"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_items(value)) or "nothing"
    if isinstance(value, str):
        return value if value else "''"
    return _OBJECT.sub(r"\1", str(value)).partition("\n")[0]


def _items(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        nested = isinstance(value, list | tuple | set | frozenset)
        yield f"({_said(value)})" if nested else _said(value)
