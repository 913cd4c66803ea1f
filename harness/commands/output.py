"""What every command says in the same way."""

from __future__ import annotations

import contextlib
import sys


def fail(line: str, status: int) -> int:
    """One line on stderr, whatever the text holds."""
    with contextlib.suppress(BrokenPipeError):
        print("ikelab: " + " ".join(line.split()), file=sys.stderr)
    return status
