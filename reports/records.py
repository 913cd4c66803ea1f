"""Tolerant reading of JSON and JSON lines: what can be read is read, what cannot is named.

A run that was killed leaves a half-written last line. Its complete fields are kept, and a sentence
says which line it was. This room knows no field names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Json = dict[str, object]


def _finite(text: str) -> float | None:
    """NaN and the infinities are no JSON, and no browser reads them."""
    value = float(text)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)


def parse(text: str) -> object:
    """JSON as a value; ValueError (or RecursionError) for what is none."""
    return _DECODER.decode(text)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a JSON-lines file; `damage` says what is wrong with it, or is empty."""

    line: int
    fields: Json
    damage: str = ""
    cut: bool = False  # the last line, without its end


def read_lines(path: Path) -> Iterator[Record]:
    """Each line of a file as a Record; OSError when the file cannot be read.

    A line that does not parse still comes out, with those of its fields that were complete.
    """
    content = path.read_text(encoding="utf-8", errors="replace")
    lines = content.split("\n")  # not splitlines(): U+2028 is legal inside a JSON string
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = parse(line)
        except (ValueError, RecursionError):
            cut = number == len(lines)
            damage = "is cut off" if cut else "is not JSON"
            yield Record(number, salvage(line), f"{path.name} line {number} {damage}", cut)
            continue
        if isinstance(fields, dict):
            yield Record(number, fields)
        else:
            yield Record(number, {}, f"{path.name} line {number} is not a JSON object")


def salvage(text: str) -> Json:
    """The leading complete `"key": value` pairs of a JSON object that was cut off."""
    found: Json = {}
    position = _skip(text, text.find("{") + 1)
    try:
        while position > 0:
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, position)
            if not isinstance(key, str) or text[position] != ":":
                break
            value, position = _DECODER.raw_decode(text, _skip(text, position + 1))
            position = _skip(text, position)
            if text[position] not in ",}":  # a number without its end may lack digits
                break
            found[key] = value
            position = _skip(text, position + 1)
    except (ValueError, IndexError, RecursionError):
        pass
    return found


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r":
        position += 1
    return position


def word(fields: Json, key: str, default: str = "") -> str:
    """A field as text that can be written anywhere; `default` where it is missing or null."""
    value = fields.get(key)
    return default if value is None else writable(str(value))


def writable(text: str) -> str:
    """Lone surrogates, legal in JSON and in no encoding, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text for a terminal: what a peer wrote must not move its cursor or change its colours."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def number(fields: Json, key: str, default: float = 0.0) -> float:
    """A field as a number; `default` where it is missing or no number."""
    value = fields.get(key)
    try:
        return float(value) if isinstance(value, int | float) else default
    except OverflowError:
        return default


def integer(value: object) -> int | None:
    """An int, or digits as text; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def objects(fields: Json, key: str) -> list[Json]:
    """A field that is a list of objects; other members are left out."""
    value = fields.get(key)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def words(fields: Json, key: str) -> tuple[str, ...]:
    """A field that is a list of texts (or one text)."""
    value = fields.get(key)
    if isinstance(value, list | tuple):
        return tuple(writable(str(v)) for v in value)
    return () if value is None else (writable(str(value)),)
