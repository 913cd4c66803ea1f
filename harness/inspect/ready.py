"""Words made ready: the JSON text of all chains of one shape, with gaps for what is new each time.

To describe a payload and to turn that into JSON takes twenty microseconds, to fill the gaps of a
text takes one. The text is made of what `described` says of one chain, with a mark where its holes
are shown, and is kept with the shape only if it gives that chain's own words back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from ikelab.harness.inspect import described, octets, shapes
from ikelab.harness.inspect.described import Row
from ikelab.harness.inspect.shapes import Hole, Shape
from ikelab.layers.iana import Payload

_SA, _D = int(Payload.SA), int(Payload.D)
_UNSEEN = frozenset({int(Payload.SK), int(Payload.SKF)})
_MARK = re.compile(r"\\ue000(\d+)\\ue001")  # private characters as JSON has them


class Words(NamedTuple):
    """Text with `%s` for the hex of each of the holes, which are places in the chain's octets."""

    text: str
    holes: tuple[Hole, ...]

    def of(self, data: bytes) -> str:
        """The words of a chain."""
        return self.text % tuple([data[start:end].hex() for start, end in self.holes])


def words(shape: Shape, data: bytes, exchange: int, response: bool) -> Words | None:
    """What holds for all chains of this shape, learned from one; None where that fails."""
    gaps: list[Hole] = []
    plain = [described.one(data, place, exchange, response) for place in shape.places]
    rows = [_marked(row, data, place, gaps) for row, place in zip(plain, shape.places, strict=True)]
    parts = _MARK.split(json.dumps(rows))
    numbers = [int(number) for number in parts[1::2]]
    if any(number >= len(gaps) for number in numbers):
        return None
    text = "%s".join(part.replace("%", "%%") for part in parts[::2])
    found = Words(text, tuple(gaps[number] for number in numbers))
    return found if found.of(data) == json.dumps(plain) else None


def _marked(row: Row, data: bytes, place: octets.Place, gaps: list[Hole]) -> Row:
    """The row of a payload with marks for its holes, which are added to the gaps."""
    kind, at, stop = place
    here = [] if kind in _UNSEEN else shapes.holes(kind, data, at, stop)
    marks = [f"\ue000{len(gaps) + number}\ue001" for number in range(len(here))]
    gaps += here
    if not marks:
        return row
    if kind == _D:
        return {**row, "text": f"D({', '.join([row['protocol'], *marks])})", "spis": marks}
    if kind == _SA and "proposals" in row:
        left = iter(marks)
        return {**row, "proposals": [_with_spi(p, left) for p in row["proposals"]]}
    return {**row, "spi" if row.get("spi") else "data": marks[0]}


def _with_spi(proposal: Row, left: Iterator[str]) -> Row:
    return {**proposal, "spi": next(left, "")} if proposal["spi"] else proposal
