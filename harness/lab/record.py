"""What a real router says, kept as fixtures that its owner can give away: no secret is in them.

One folder: `show/` with one file a command, `console.txt`, `wire.pcap`, and `record.json` with what
was asked of which release. Everything goes through `scrub`, and is looked through again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ikelab.harness.errors import ConfigError
from ikelab.harness.lab.scrub import Scrubber
from ikelab.harness.lab.wire import only_ike

COMMANDS = (
    "show version",
    "show running-config | section crypto",
    "show crypto ikev2 sa detailed",
    "show crypto ikev2 session detailed",
    "show crypto ikev2 proposal",
    "show crypto ikev2 policy",
    "show crypto ikev2 profile",
    "show crypto ikev2 stats exchange",
    "show crypto session detail",
    "show crypto ipsec sa",
    "show logging",
)
# What only shows, on IOS, IOS XE and the ASA: `more` reads a file, `dir` lists a folder.
_SHOWING = re.compile(r"(?:sh(?:o|ow)?|more|dir)(?: |$)")
_TO_FILE = re.compile(r"sh\w* tech\S* .*\bfile\b")  # on an ASA
_FILTERS = ("begin", "include", "exclude", "section", "count", "grep")
_WRITING = re.compile(r"(?:r(?:e[a-z]*)?|t(?:ee?)?|a(?:p[a-z]*)?)\s+\S")  # redirect, tee, append
_RELEASE = re.compile(r"^.*\bVersion\b.*$", re.M)


class Talks(Protocol):
    """A session with the router; `harness.peer.ios.session.Session` is one."""

    def show(self, command: str) -> str:
        """The answer to a command."""

    @property
    def seen(self) -> str:
        """All that was said on the line."""


def record(
    session: Talks,
    folder: Path,
    secrets: Iterable[str | bytes],
    *,
    commands: Sequence[str] = COMMANDS,
    capture: Callable[[], bytes] | None = None,
    booted: str = "",
) -> list[str]:
    """Write the fixtures; the commands that the router does not know.

    `booted` is what the console has said before the session. `capture` is asked last, so that it
    may end one that went on all the while. ConfigError where the folder has something in it;
    LabError where a secret would have survived.
    """
    scrubber = check(folder, secrets)
    shown = {command: session.show(command) for command in commands}
    captured = capture() if capture is not None else None
    unknown = [command for command, answer in shown.items() if _refused(answer)]
    (folder / "show").mkdir(parents=True, exist_ok=True)
    for command, answer in shown.items():
        if command not in unknown:
            name = re.sub(r"\W+", "_", command).strip("_")
            _write(folder / "show" / f"{name}.txt", scrubber.text(answer) + "\n")
    _write(folder / "console.txt", scrubber.text(booted + session.seen))
    if captured is not None:
        kept = only_ike(captured)
        suffix = "pcapng" if kept[:4] == captured[:4] == b"\x0a\x0d\x0d\x0a" else "pcap"
        (folder / f"wire.{suffix}").write_bytes(kept)
    release = _RELEASE.search(shown.get("show version", ""))
    about = {
        "schema": 1,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": scrubber.text(release.group().strip()) if release else "unknown",
        "commands": [command for command in commands if command not in unknown],
        "unknown": unknown,
    }
    _write(folder / "record.json", json.dumps(about, indent=1) + "\n")
    scrubber.check(folder)
    return unknown


def check(folder: Path, secrets: Iterable[str | bytes]) -> Scrubber:
    """ConfigError for what would end the record, before a router is booted for it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name a new folder")
    return Scrubber(secrets)


def read_only(commands: Iterable[str]) -> None:
    """ConfigError for a command that may do more than show: a record changes nothing.

    What is shown may be filtered; `| redirect`, `| tee` and `| append` write files.
    """
    for command in commands:
        words = command.strip()
        first, *filters = words.lower().split("|")
        if not words.isprintable() or not words.isascii() or "?" in words:
            raise ConfigError(f"{command!r} is no command of one line")
        if not _SHOWING.match(first) or len(first.split()) < 2 - first.startswith("dir"):
            raise ConfigError(
                f"{words!r} may change the router: a record takes commands that only show "
                "(show ..., more ..., dir)"
            )
        if _TO_FILE.match(first):
            raise ConfigError(f"{words!r} may write a file: leave 'file' out")
        for number, part in enumerate(filters):
            filtered = part.strip().partition(" ")[0]
            known = filtered and any(name.startswith(filtered) for name in _FILTERS)
            # Behind the first one a bar may be a part of what is looked for: include ike|esp.
            if _WRITING.match(part.strip()) or (number == 0 and not known):
                raise ConfigError(
                    f"{words!r} may write a file: of what stands behind | a record takes "
                    f"{', '.join(_FILTERS)}"
                )


def _refused(answer: str) -> bool:
    return answer.lstrip(" ^\n").startswith("% ")


def _write(file: Path, text: str) -> None:
    file.write_text(text.replace("\r\n", "\n").replace("\r", ""), encoding="utf-8")
