"""From what happened in a test to a verdict, and from verdicts to an exit status.

Verdicts are never rewritten: a known deviation turns FAIL into XFAIL and PASS into XPASS, with the
entry of `expected/<peer>.toml` that says why, and both names say that there is such an entry.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.errors import ConfigError, IkelabError
from ikelab.harness.model import Verdict
from ikelab.harness.peer.base import Unsupported

GOOD = {Verdict.PASS, Verdict.UNSUPPORTED, Verdict.XFAIL}


def verdict_of(error: BaseException | None, during: str) -> Verdict:
    """The verdict of one phase (`setup`, `call`, `teardown`) that ended with this error.

    Only an assertion in the test itself accuses the peer; everything else is our own trouble.
    """
    if error is None:
        return Verdict.PASS
    if isinstance(error, Unsupported):
        return Verdict.UNSUPPORTED
    if isinstance(error, AssertionError) and during == "call":
        return Verdict.FAIL
    return Verdict.ERROR


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """0 all as expected, 1 something unexpected, 3 where only the lab or a test broke."""
    seen = set(verdicts)
    if seen & {Verdict.FAIL, Verdict.XPASS}:
        return 1
    return 3 if Verdict.ERROR in seen else 0


@dataclass(frozen=True, slots=True)
class Deviation:
    """A deviation that is known: a test's id (its end is enough), why, and where to read it."""

    id: str
    reason: str
    link: str = ""


def expected(peer: str, folder: Path) -> tuple[Deviation, ...]:
    """The known deviations of a peer: `strongswan@trixie` has strongswan-trixie.toml."""
    path = folder / f"{peer.replace('@', '-')}.toml"
    if not path.exists():
        return ()
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("deviation", [])
        return tuple(Deviation(row["id"], row["reason"], row.get("link", "")) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path.name}: {error}; write [[deviation]] with id and reason") from None


def known(deviations: Iterable[Deviation], test_id: str) -> Deviation | None:
    """The deviation that names this test."""
    return next((d for d in deviations if test_id == d.id or test_id.endswith("/" + d.id)), None)


def with_expectation(verdict: Verdict, deviation: Deviation | None) -> Verdict:
    """FAIL and PASS of a test with a known deviation; strict: a PASS is unexpected."""
    if deviation is None:
        return verdict
    return {Verdict.FAIL: Verdict.XFAIL, Verdict.PASS: Verdict.XPASS}.get(verdict, verdict)


def one_line(error: BaseException) -> str:
    """The first line of an error, for tables."""
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0]
    known_error = isinstance(error, IkelabError | AssertionError)
    return line if known_error else f"{type(error).__name__}: {line}"
