"""The few Linux system calls that Python 3.11 lacks: namespaces, mounts, process control.

Numbers are those of <sched.h>, <sys/mount.h> and <sys/prctl.h>; every failure is an OSError whose
text names the call. `elsewhere` runs a function in a thread that has moved: namespaces, root and
working directory belong to threads, so the caller never leaves its own place.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

CLONE_NEWNS = 0x00020000
CLONE_FS = 0x00000200
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
MS_RELATIME = 0x200000
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

Result = TypeVar("Result")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this thread (for CLONE_NEWPID: its later children) into new namespaces."""
    _check(_libc().unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int = 0) -> None:
    """Move this thread into the namespace that `fd` refers to."""
    _check(_libc().setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    arguments = [os.fsencode(text) or None for text in (source, target, kind)]
    result = _libc().mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data) or None)
    _check(result, f"mount {source or kind} on {target}")


def unmount(target: str) -> None:
    """Detach a mount and all below it, at once, busy or not."""
    _check(_libc().umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root; the former root appears at `old` below it."""
    number = {"x86_64": 155, "riscv64": 41, "aarch64": 41, "ppc64le": 203, "s390x": 217}
    machine = os.uname().machine
    if machine not in number:
        raise OSError(38, f"pivot_root: call number unknown on {machine}")
    call = _libc().syscall(number[machine], os.fsencode(new), os.fsencode(old))
    _check(call, f"pivot_root {new}")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this signal to this process when the thread that forked it ends."""
    _check(_libc().prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def collect_orphans(wanted: bool) -> None:
    """Whether descendants of this process become its children when their parents end."""
    done = _libc().prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    _check(done, "prctl(PR_SET_CHILD_SUBREAPER)")


def elsewhere(function: Callable[[], Result], *, net: int | None = None) -> Result:
    """Run `function` in a short-lived thread, inside the network namespace `net` if given.

    Costs about 0.1 ms. What the thread does to its namespaces ends with it; its sockets stay.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            if net is not None:
                setns(net, CLONE_NEWNET)
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name="elsewhere", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
