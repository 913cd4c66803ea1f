"""Logs that print octets as rows of hexadecimal below the line that they belong to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator


def lines(
    log: str, row: re.Pattern[str], time: re.Pattern[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Each line, and the octets of the rows that follow it.

    `row` matches a whole row and has a group `hex`; `time` is what lines begin with and lose.
    """
    head, data = "", b""
    for raw in log.splitlines():
        line = time.sub("", raw, count=1) if time else raw
        if match := row.match(line):
            data += bytes.fromhex(match["hex"].replace(" ", ""))
            continue
        if head:
            yield head, data
        head, data = line, b""
    if head:
        yield head, data
