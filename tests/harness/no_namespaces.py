"""Run a command without the right to make namespaces: `python no_namespaces.py COMMAND...`.

In a user namespace of its own the limit of further ones is set to zero; there the command runs as
an ordinary user. Neither needs root.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ikelab.netns import calls

ORDINARY = 1000


def main() -> None:
    uid, gid = os.geteuid(), os.getegid()
    calls.unshare(calls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{ORDINARY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{ORDINARY} {gid} 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execv(sys.argv[1], sys.argv[1:])  # which takes the capabilities away


if __name__ == "__main__":
    main()
