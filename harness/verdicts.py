"""From what happened in a test to a verdict, and from verdicts to an exit status.

Verdicts are never rewritten: a known deviation turns FAIL into XFAIL and PASS into XPASS, with the
entry of `expected/<peer>.toml` that says why, and both names say that there is such an entry.
"""

from __future__ import annotations

import tomllib
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.errors import ConfigError, IkelabError, plain
from ikelab.harness.model import Verdict
from ikelab.harness.peer.base import Unsupported


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


def exit_status(verdicts: Iterable[Verdict], usage: Iterable[bool] = ()) -> int:
    """0 all as expected, 1 something unexpected, 3 where only the lab broke.

    2 where all that was wrong is what the user wrote: `usage` says so of each ERROR verdict.
    """
    seen = set(verdicts)
    if seen & {Verdict.FAIL, Verdict.XPASS}:
        return 1
    if Verdict.ERROR not in seen:
        return 0
    found = list(usage)
    return 2 if found and all(found) else 3


@dataclass(frozen=True, slots=True)
class Deviation:
    """A deviation that is known: a test's id, why it is expected, and where to read of it.

    The end of an id is enough, from a file's name on, and so is a test without its parameters:
    `test_versions.py::test_skips_an_unknown_payload`. `needs` is a capability without which the
    peer does not deviate, such as `kernel-esp`.
    """

    id: str
    reason: str
    link: str = ""
    needs: str = ""

    def names(self, test_id: str) -> bool:
        """Whether this is about that test."""
        ids = (test_id, test_id.partition("[")[0])
        return any(i == self.id or i.endswith("/" + self.id) for i in ids)

    def __str__(self) -> str:
        return f"{self.reason} ({self.link})" if self.link else self.reason


def expected(peer: str, folder: Path) -> tuple[Deviation, ...]:
    """The known deviations of a peer: `strongswan@trixie` has strongswan-trixie.toml.

    What is in every-peer.toml is expected of that one too.
    """
    names = (peer.replace("@", "-"), "every-peer")
    return tuple(row for name in names for row in _read(folder / f"{name}.toml"))


def _read(path: Path) -> tuple[Deviation, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {plain(error)}") from None
    try:
        rows = tomllib.loads(text).get("deviation", [])
        return tuple(
            Deviation(row["id"], row["reason"], row.get("link", ""), row.get("needs", ""))
            for row in rows
        )
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path}: every [[deviation]] needs an id and a reason") from None


def known(
    deviations: Iterable[Deviation], test_id: str, capabilities: Collection[str] = ()
) -> Deviation | None:
    """The deviation that names this test, and holds for a peer with these capabilities."""
    found = (d for d in deviations if d.names(test_id))
    return next((d for d in found if not d.needs or d.needs in capabilities), None)


def with_expectation(verdict: Verdict, deviation: Deviation | None) -> Verdict:
    """FAIL and PASS of a test with a known deviation; strict: a PASS is unexpected."""
    if deviation is None:
        return verdict
    return {Verdict.FAIL: Verdict.XFAIL, Verdict.PASS: Verdict.XPASS}.get(verdict, verdict)


def details(error: BaseException) -> str:
    """The whole text of an error; of one that should not happen, where it happened too."""
    mistaken = isinstance(error, ConfigError) and error.__cause__ is not None
    if isinstance(error, IkelabError | AssertionError) and not mistaken:
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()
