"""What `ikelab inspect` was given: a capture, a folder of a run, or a router's log.

A file, a pipe and standard input are one here: each is opened once and read forward.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ikelab.harness.errors import ConfigError, plain
from ikelab.harness.inspect import pcap
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.ios.records import HEAD, decoded, looks_like_log
from ikelab.harness.inspect.keys import KeyRing, load
from ikelab.harness.inspect.pcap import Capture

if TYPE_CHECKING:
    from ikelab.harness.inspect.ios.report import LogInspection

_NO_RECORD = "no line of it is a record of 'debug crypto ikev2' (IKEv2:)"
# What people give by mistake, told by a line of it, and what to do with it.
_OTHERS = {
    r"^IKE SA [0-9a-f]{16}|^.*: \d+ frames?, \d+ IKEv2 message|\"ike_sas\": \[":
        "it is what 'ikelab inspect' printed: give what that was made from",
    r"^[0-9a-fA-F]{16},[0-9a-fA-F]{16},|^\"?IPv[46]\"?,|^\s*proto (?:esp|ah) spi 0x":
        "it is a table of keys: give it with --keys, beside a capture",
    r"^\s*\"schema\": \d|^\{\"topology\": ":
        "it is a file of a run: give the run's folder, or that of one of its cases",
    r"^\s*connections\s*\{|^conn\s+\S|^\s*crypto ikev2 (?:proposal|policy|profile|keyring)":
        "it is a configuration: give it with --config, beside a capture",
    r"^\s*Tunnel-id\s|\bcurrent_peer\b|^\s*IKEv2 SAs:|^interface: \S+\n\s+Crypto map tag":
        "it is what a show command prints; the log of 'debug crypto ikev2' is read",
}  # fmt: skip


def opened(path: Path, ring: KeyRing) -> list[Inspection]:
    """What lies there, inspected: one capture or log, or each case of a run."""
    if path.is_dir():
        return [_case(folder, ring) for folder in _cases(path)]
    source = sys.stdin.buffer if str(path) == "-" else path
    name = pcap.name_of(source)
    stream, magic = pcap.begin(source, name)
    if pcap.is_capture(magic):
        return [inspect_capture(Capture(stream, magic, name), ring)]
    with stream:
        head = _read(stream, magic, name)
        if not looks_like_log(head):
            raise ConfigError(_refusal(name, head))
        if not ring.empty:
            raise ConfigError(f"{name} is a router's log: it needs no keys, leave them out")
        return [_log(stream, head, name)]


def is_capture(path: Path) -> bool:
    """Whether a file begins as a capture. A pipe is none: a look would take what is to be read."""
    if not path.is_file():
        return False
    try:
        stream, magic = pcap.begin(path, str(path))
    except ConfigError:
        return False
    stream.close()
    return pcap.is_capture(magic)


def log_at(path: Path) -> LogInspection:
    """The log that is to be laid beside a capture; ConfigError where there is none."""
    if not path.exists():
        raise ConfigError(f"no such log: {path}")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: give the file of the log")
    stream, magic = pcap.begin(path, str(path))
    with stream:
        head = _read(stream, magic, str(path))
        if pcap.is_capture(magic) or not looks_like_log(head):
            raise ConfigError(
                f"{path} holds no record of 'debug crypto ikev2' (a line with IKEv2:)"
            )
        return _log(stream, head, str(path))


def _read(stream: BinaryIO, begun: bytes, name: str, most: int = HEAD) -> bytes:
    """What a stream holds from its beginning on, `begun` being read; -1 stands for all."""
    try:
        return begun + stream.read(most)
    except pcap.DAMAGE as error:
        raise ConfigError(f"cannot read {name}: {plain(error)}") from None


def _log(stream: BinaryIO, head: bytes, name: str) -> LogInspection:
    from ikelab.harness.inspect.ios.report import of_text

    return of_text(decoded(_read(stream, head, name, -1)), name)


def _refusal(name: str, head: bytes) -> str:
    """Why something is neither a capture nor a log."""
    text = decoded(head)
    if not head or not all(c.isprintable() or c in "\t\r\n\f\x1b\ufeff" for c in text[:1000]):
        return pcap.refusal(name, head[:64])
    found = (words for mark, words in _OTHERS.items() if re.search(mark, text, re.MULTILINE))
    return f"not a pcap or pcapng file: {name} (text; {next(found, _NO_RECORD)})"


def _cases(folder: Path) -> list[Path]:
    if (folder / "capture.pcapng").is_file():
        return [folder]
    found = sorted(p.parent for p in folder.glob("cases/*/capture.pcapng"))
    if (
        not found
        and (cases := folder / "cases").is_dir()
        and not os.access(cases, os.R_OK | os.X_OK)
    ):
        raise ConfigError(f"cannot read {cases}: Permission denied")
    if not found:
        raise ConfigError(f"{folder} is neither a run nor a case of one: there is no capture in it")
    return found


def _case(folder: Path, ring: KeyRing) -> Inspection:
    own = load([folder / "keys"] if (folder / "keys").is_dir() else [])
    own.join(ring)
    return inspect_capture(Capture(folder / "capture.pcapng"), own)
