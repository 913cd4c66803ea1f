"""What the user's own test file gets wrong, in one line: the place, the word, the words there are.

A mistake of his is no trouble of the lab: a name that is no fixture, an option that a side does not
have, an accident in his own lines. It becomes a ConfigError, whose cause is what was raised.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from inspect import unwrap
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError, IkelabError, nearest
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.peer.base import PeerConfig
from ikelab.harness.reason import one_line

FIXTURES = ("certificates", "initiator", "path", "peer", "responder", "strength")
"""What a test may ask for, besides the fixtures of its own file."""
_OPTIONS: dict[str, type[Any]] = {"PeerConfig": PeerConfig, "IkeConfig": IkeConfig}
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def mistake(error: BaseException, file: Path) -> ConfigError | None:
    """What is wrong with this file, where the error shows that it is the file; else None."""
    if isinstance(error, pytest.FixtureLookupError):
        made = _no_fixture(error)
    else:
        line, innermost = _line(error, file)
        if line is None or not isinstance(error, Exception | SystemExit):
            return None
        told = _said(error, innermost=innermost)
        made = None if told is None else ConfigError(f"{file.name}:{line}: {told}")
    if made is not None:
        made.__cause__ = error
    return made


def apart(test: str, error: BaseException) -> str:
    """A test without a peer that failed, in a line: `ikelab run` shows no other word of it."""
    if isinstance(error, ConfigError):
        return str(error)
    return f"{test}, a test without a peer, failed: {one_line(error)}"


def left(error: SystemExit) -> ConfigError:
    """A file that ends the program while it is read: where, by the last line that ran."""
    trace, where = error.__traceback__, "a test file"
    while trace is not None:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return ConfigError(f"{where}: {_said(error, innermost=True)}")


def _said(error: Exception | SystemExit, *, innermost: bool) -> str | None:
    """The mistake in words; None for what broke in ikelab or judges the peer."""
    if isinstance(error, SystemExit):
        code = "" if error.code is None else f" {error.code}"
        return f"SystemExit{code}: a test judges by assert and leaves sys.exit() to ikelab"
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, IkelabError | AssertionError):
        return None
    found = _UNEXPECTED.match(str(error)) if isinstance(error, TypeError) else None
    if found and found[1] in _OPTIONS:
        return f"there is no option {found[2]!r}{_there(found[2], _options(found[1]))}"
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}".removesuffix(": ") if innermost else None


def _options(name: str) -> list[str]:
    words = [field.name for field in fields(_OPTIONS[name])]
    return words if name == "PeerConfig" else [*words, "edits", "tsi", "tsr"]


def _no_fixture(error: pytest.FixtureLookupError) -> ConfigError | None:
    """A name among a function's arguments that is no fixture; the function is known by pytest."""
    if error.argname is None:
        return None
    asker = error.fixturestack[-1].func if error.fixturestack else error.request.function
    code = unwrap(asker).__code__
    where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    return ConfigError(
        f"{where}: there is no fixture {error.argname!r}{_there(error.argname, FIXTURES)}"
    )


def _there(word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    return (f"{near} There" if near else "; there") + f" are {', '.join(sorted(known))}"


def _line(error: BaseException, file: Path) -> tuple[int | None, bool]:
    """The last line of the file that led to the error, and whether it was raised right there."""
    line, innermost, trace = None, False, error.__traceback__
    while trace is not None:
        innermost = Path(trace.tb_frame.f_code.co_filename) == file
        line = trace.tb_lineno if innermost else line
        trace = trace.tb_next
    return line, innermost
