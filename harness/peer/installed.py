"""Daemons that this machine has installed: `NAME@host`, run out of the machine's own root folder.

They are run as any other peer is, in a namespace, with files of their own; their configuration and
what runs of them already stay as they are.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache, debian

RELEASE = "host"
_ROOT = Path("/")


def find(recipe: debian.Recipe, root: Path = _ROOT) -> cache.Entry | None:
    """The daemon of a recipe below `root`; None where it is not installed."""
    program = root / recipe.program[0].lstrip("/")
    if not program.is_file():
        return None
    peer = f"{recipe.name}@{RELEASE}"
    version = _version([str(program), *recipe.program[1:]]) if recipe.program[1:] else ""
    manifest = cache.Manifest(peer, version, "", RELEASE, "", 0, ())
    return cache.Entry(cache.folder() / peer, manifest, tree=root)


def require(recipe: debian.Recipe, root: Path = _ROOT) -> cache.Entry:
    """The same; LabError that says what to do where it is not installed."""
    found = find(recipe, root)
    if found is None:
        releases = ", ".join(f"{recipe.name}@{release}" for release in recipe.releases)
        raise LabError(
            f"{recipe.name}@{RELEASE}: this machine has no {recipe.program[0]}: install its "
            f"package ({recipe.packages[0]} in Debian), or take one of {releases}"
        )
    return found


def _version(argv: list[str]) -> str:
    """The first number with a dot that the program says; empty where it says none."""
    try:
        said = subprocess.run(
            argv, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+\.[\w.]+", said.stdout + said.stderr)
    return match[0] if match else ""
