"""Logs that print octets as rows of hexadecimal below the line that they belong to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator


def lines(
    log: str,
    row: re.Pattern[str],
    time: re.Pattern[str] | None = None,
    aside: re.Pattern[str] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Each line, and the octets of the rows that follow it.

    `row` matches a whole row and has a group `hex`; `time` is what lines begin with and lose. A
    line that begins as `aside` says is another thread's: it has no rows and ends no other line's.
    """
    head, data = "", b""
    for raw in log.splitlines():
        line = time.sub("", raw, count=1) if time else raw
        if match := row.match(line):
            data += bytes.fromhex(match["hex"].replace(" ", ""))
            continue
        if aside and aside.match(line):
            yield line, b""
            continue
        if head:
            yield head, data
        head, data = line, b""
    if head:
        yield head, data
