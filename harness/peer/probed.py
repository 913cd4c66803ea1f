"""What probing found that a peer can do, kept beside its manifest: one file for each kernel."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ikelab.harness.peer import cache
from ikelab.harness.peer.base import Peer


@dataclass(frozen=True, slots=True)
class Probed:
    """A peer on one kernel: its version, what it can do, and why it cannot do the rest."""

    version: str
    capabilities: tuple[str, ...]
    lacks: dict[str, str] = field(default_factory=dict)


def of(peer: Peer) -> Probed:
    """What an opened peer says of itself."""
    lacks: dict[str, str] = dict(getattr(peer, "lacks", {}))
    return Probed(peer.version, tuple(sorted(peer.capabilities)), lacks)


def remember(entry: cache.Entry, peer: Peer) -> None:
    """Keep it, where the cache can be written."""
    found, place = of(peer), _place(entry)
    if recall(entry) == found:
        return
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(asdict(found), indent=1) + "\n")
        fresh.replace(place)


def recall(entry: cache.Entry) -> Probed | None:
    """What was found on this kernel; None where nobody has probed."""
    try:
        data = json.loads(_place(entry).read_text())
        return Probed(data["version"], tuple(data["capabilities"]), dict(data["lacks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _place(entry: cache.Entry) -> Path:
    return entry.folder / f"probed-{platform.release()}.json"
