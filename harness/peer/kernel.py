"""The guest kernel as something to provision: Debian's user-mode Linux, unpacked like a peer."""

from __future__ import annotations

import os
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.peer import cache, debian

RELEASE = "bookworm"
RECIPE = debian.Recipe(
    name="kernel",
    releases=(RELEASE,),
    packages=("user-mode-linux",),
    main="user-mode-linux",
)
NAME = f"{RECIPE.name}@{RELEASE}"
OWN = "IKELAB_GUEST_KERNEL"
"""Names the folder of another kernel, laid out as in Debian's package."""
PROGRAM = "usr/bin/linux.uml"


def add(*, progress: debian.Progress = debian.quiet) -> cache.Entry:
    """Provision the kernel; returns at once where it is there already."""
    return debian.add(RECIPE, RELEASE, progress=progress)


def root(*, progress: debian.Progress = debian.quiet) -> Path:
    """The folder of the kernel to boot: the user's own, or the provisioned one."""
    own = os.environ.get(OWN)
    if not own:
        return add(progress=progress).root
    if not Path(own, PROGRAM).is_file():
        raise ConfigError(f"{OWN}={own}: there is no {PROGRAM} in that folder")
    return Path(own)
