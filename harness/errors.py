"""The errors that leave ikelab, and the exit status each one means. Standard library only.

A peer's fault is never an error here: it is a `Violation` value (see `model`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class IkelabError(Exception):
    """Base of every error that reaches the user as one line on stderr."""

    exit_status = 2


class ConfigError(IkelabError):
    """The user's command, test or file is wrong. The text says what to do about it."""

    exit_status = 2


class LabError(IkelabError):
    """The lab broke: no namespace, a daemon that died, a console that was lost."""

    exit_status = 3


class Stopped(IkelabError):
    """The user or the system stopped the program; the exit status tells by which signal."""

    def __init__(self, text: str, signal: int) -> None:
        super().__init__(text)
        self.exit_status = 128 + signal


class Terminated(KeyboardInterrupt):
    """SIGTERM, on its way out like Ctrl-C: what is going on gets the chance to clean up."""


class UnsupportedAlgorithm(IkelabError):
    """A known code point that ikelab itself cannot compute; the text gives the reason."""

    exit_status = 2


def plain(error: Exception) -> str:
    """What is wrong with a file or a connection, without numbers of errors and names of codecs."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text (UTF-8): octet {error.object[error.start]:#04x} at {error.start}"
    return _NUMBERS.sub("", str(error))


_NUMBERS = re.compile(r"\[(?:Errno -?\d+|SSL(?:: \w+)?)\] | \(_ssl\.c:\d+\)")


def nearest(word: str, words: Iterable[str], count: int = 3) -> str:
    """Return `; did you mean 'a', 'b'?` for the known words closest to `word`, or nothing.

    Upper and lower case are one for the search; the words come back as they are written.
    """
    written = {w.lower(): w for w in sorted(set(words))}
    close = difflib.get_close_matches(word.lower(), list(written), n=count, cutoff=0.5)
    return "; did you mean " + ", ".join(repr(written[w]) for w in close) + "?" if close else ""
