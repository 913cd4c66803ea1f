"""What `ikelab inspect` was given: a capture, a folder of a run, or a router's log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.ios.records import looks_like_log
from ikelab.harness.inspect.keys import KeyRing, load
from ikelab.harness.inspect.pcap import Capture

if TYPE_CHECKING:
    from ikelab.harness.inspect.ios.report import LogInspection

HEAD = 1 << 20
"""Octets in which the first record of a log is looked for."""


def opened(path: Path, ring: KeyRing) -> list[Inspection]:
    """What lies there, inspected: one capture or log, or each case of a run."""
    if str(path) == "-":
        return [inspect_capture(Capture(sys.stdin.buffer), ring)]
    if path.is_dir():
        return [_case(folder, ring) for folder in _cases(path)]
    if is_log(path):
        from ikelab.harness.inspect.ios.report import inspect_log

        if not ring.empty:
            raise ConfigError(f"{path} is a router's log: it needs no keys, leave them out")
        return [inspect_log(path)]
    return [inspect_capture(Capture(path), ring)]


def is_log(path: Path) -> bool:
    """Whether a file is text with a record of `debug crypto ikev2` near its beginning."""
    try:
        with path.open("rb") as file:
            return looks_like_log(file.read(HEAD))
    except OSError:
        return False


def log_at(path: Path) -> LogInspection:
    """The log that is to be laid beside a capture; ConfigError where there is none."""
    if not path.is_file():
        raise ConfigError(f"no such log: {path}")
    if not is_log(path):
        raise ConfigError(f"{path} holds no record of 'debug crypto ikev2' (a line with IKEv2:)")
    from ikelab.harness.inspect.ios.report import inspect_log

    return inspect_log(path)


def _cases(folder: Path) -> list[Path]:
    if (folder / "capture.pcapng").is_file():
        return [folder]
    found = sorted(p.parent for p in folder.glob("cases/*/capture.pcapng"))
    if not found:
        raise ConfigError(f"{folder} is neither a run nor a case of one: there is no capture in it")
    return found


def _case(folder: Path, ring: KeyRing) -> Inspection:
    own = load([folder / "keys"] if (folder / "keys").is_dir() else [])
    own.join(ring)
    return inspect_capture(Capture(folder / "capture.pcapng"), own)
