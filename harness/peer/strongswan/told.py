"""What a charon said of itself when its tree was first started, kept beside the tree's manifest.

It is a matter of the tree and of strongswan.conf, not of the kernel or of a case: whoever runs the
same charon next need not start it once only to ask. What a machine has installed may change under
the same name and is asked once in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ikelab.harness.peer import cache


@dataclass(frozen=True, slots=True)
class Told:
    """A version, and the names of algorithms by kind as vici has them."""

    version: str
    algorithms: dict[str, frozenset[str]]


def recall(entry: cache.Entry, conf: str) -> Told | None:
    """What the charon of this tree said with this strongswan.conf; None where nobody asked it."""
    known = _in_this_process(_place(entry, conf))
    if known or entry.tree is not None:
        return known[0] if known else None
    try:
        data = json.loads(_place(entry, conf).read_text())
        algorithms = {str(kind): frozenset(names) for kind, names in data["algorithms"].items()}
        return Told(str(data["version"]), algorithms)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(entry: cache.Entry, conf: str, told: Told) -> None:
    """Remember it, and write it down where the cache can be written."""
    _in_this_process(_place(entry, conf))[:] = [told]
    if entry.tree is not None:
        return
    algorithms = {kind: sorted(names) for kind, names in told.algorithms.items()}
    text = json.dumps({"version": told.version, "algorithms": algorithms}, indent=1) + "\n"
    place = _place(entry, conf)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        fresh.write_text(text)
        fresh.replace(place)


@lru_cache(maxsize=8)
def _in_this_process(place: Path) -> list[Told]:
    """What was said since this process began: nothing, or one account."""
    del place
    return []


def _place(entry: cache.Entry, conf: str) -> Path:
    packages = "".join(package.sha256 for package in entry.manifest.packages)
    digest = hashlib.sha256(f"{packages}\n{conf}".encode()).hexdigest()
    return entry.folder / f"told-{digest[:16]}.json"
