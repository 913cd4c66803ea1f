"""Run a command as the user nobody: `python as_nobody.py FOLDER COMMAND...` (as root).

An interpreter below a closed home folder stays reachable: in a mount namespace of its own the
closed folder is hidden by an open one that shows just what the command needs.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ikelab.netns import calls

NOBODY = 65534


def open_up(needed: list[Path]) -> None:
    held = [(path, os.open(path, os.O_PATH)) for path in needed]
    for path, fd in held:
        closed = [p for p in reversed(path.parents) if not p.stat().st_mode & stat.S_IXOTH]
        if closed:
            calls.mount("none", str(closed[0]), "tmpfs", data="mode=755")
        if not path.exists():
            path.mkdir(parents=True)
            source = f"/proc/self/fd/{fd}"
            calls.mount(source, str(path), flags=calls.MS_BIND | calls.MS_REC)


def main() -> None:
    folder, *command = sys.argv[1:]
    repository = Path(__file__).resolve().parents[2]
    calls.unshare(calls.CLONE_NEWNS)
    calls.mount("none", "/", flags=calls.MS_REC | calls.MS_PRIVATE)
    open_up([Path(sys.base_prefix), Path(sys.prefix), repository])
    os.chown(folder, NOBODY, NOBODY)
    os.chdir(repository)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.environ |= {"HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
