"""The guest kernel as something to provision: Debian's user-mode Linux, unpacked like a peer."""

from __future__ import annotations

from ikelab.harness.peer import cache, debian

RELEASE = "bookworm"
RECIPE = debian.Recipe(
    name="kernel",
    releases=(RELEASE,),
    packages=("user-mode-linux",),
    main="user-mode-linux",
)
NAME = f"{RECIPE.name}@{RELEASE}"


def add(*, progress: debian.Progress = debian.quiet) -> cache.Entry:
    """Provision the kernel; returns at once where it is there already."""
    return debian.add(RECIPE, RELEASE, progress=progress)
