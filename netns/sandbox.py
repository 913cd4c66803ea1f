"""A file system for daemons: an unpacked tree as root, private folders over it, the host untouched.

A `Sandbox` is a mount namespace held by a descriptor. Its root is a small tmpfs whose entries are
the tree's own, mounted read-only, with fresh /run, /tmp and so on, a /dev of a few devices and
/proc. Places that the tree lacks are made in memory, never in the tree. Programs are started from
a thread that has moved in, so that nothing of Python runs between fork and exec and a failure
keeps its reason.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from ikelab.harness.errors import LabError
from ikelab.netns import calls

Bind = tuple[Path | str, str, bool]
"""A path on the host (folder or file), where the program sees it, and whether it may write."""

Result = TypeVar("Result")

SCRATCH = ("/run", "/tmp", "/var/tmp", "/var/log")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
_DEV_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
_OLD = "/.old"
_ASIDE = "/tmp"


class Sandbox:
    """A mount namespace that programs can be started in, as often as wanted.

    `root` is an unpacked tree; None keeps the host's own root (binds then need places that exist).
    `scratch` are the folders that are empty and writable, in memory, shared by all programs of this
    sandbox and by nobody else.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        binds: Sequence[Bind] = (),
        scratch: Sequence[str] = SCRATCH,
    ) -> None:
        sources = [(os.path.realpath(host), place, rw) for host, place, rw in binds]
        for source, place, _ in sources:
            if not Path(source).exists():
                raise LabError(f"cannot show {source} at {place}: no such file or folder")
        if root is not None and not Path(root).is_dir():
            raise LabError(f"no such root folder: {root}")

        def build() -> int:
            calls.unshare(calls.CLONE_NEWNS)
            calls.mount("none", "/", flags=calls.MS_REC | calls.MS_PRIVATE)
            if root is not None:
                _move_into(os.path.realpath(root), scratch)
            for source, place, rw in sources:
                if root is not None:
                    source = _OLD + source
                    _ensure(place, folder=Path(source).is_dir())
                _bind(source, place, rw)
            if root is not None:
                calls.unmount(_OLD)
                Path(_OLD).rmdir()
                _read_only("/")
            return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

        try:
            self._fd = calls.elsewhere(build)
        except OSError as error:
            raise LabError(f"cannot prepare a root folder for a daemon: {error}") from error

    def call(self, function: Callable[[], Result], *, net: int | None = None) -> Result:
        """Call a function in a thread that sees this sandbox's files (and network `net`)."""

        def moved() -> Result:
            calls.unshare(calls.CLONE_FS)
            calls.setns(self._fd, calls.CLONE_NEWNS)
            return function()

        return calls.elsewhere(moved, net=net)

    def popen(
        self, argv: Sequence[str], *, net: int | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a program inside; `options` are subprocess.Popen's, paths as seen inside."""
        return self.call(lambda: start(argv, options), net=net)

    def close(self) -> None:
        """Let go; the mounts vanish with the last program inside."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(argv: Sequence[str], options: dict[str, Any]) -> subprocess.Popen[Any]:
    """subprocess.Popen, with its failure as a LabError."""
    try:
        return subprocess.Popen(list(argv), **options)
    except OSError as error:
        raise LabError(f"cannot start {argv[0]}: {error.strerror}") from error


def _move_into(tree: str, scratch: Sequence[str]) -> None:
    """Make `/` a tmpfs with the tree's entries; the host's files stay reachable below /.old.

    Of the host's own root a second mount is made, out of the way of what else lies there.
    """
    own = tree == "/"
    source_of, tree = tree, _ASIDE if own else tree
    calls.mount(source_of, tree, flags=calls.MS_BIND | calls.MS_REC)
    _read_only(tree)
    source = os.open(tree, os.O_PATH | os.O_CLOEXEC)
    try:
        calls.mount("ikelab", tree, "tmpfs", data="mode=755")
        _mirror(f"/proc/self/fd/{source}", tree, skip={"dev", "proc", "sys", "run", "tmp"})
    finally:
        os.close(source)
    old = tree + _OLD
    Path(old).mkdir()
    calls.pivot_root(tree, old)
    os.chdir("/")
    if own:
        calls.unmount(_OLD + _ASIDE)
    Path("/proc").mkdir()
    calls.mount(f"{_OLD}/proc", "/proc", flags=calls.MS_BIND | calls.MS_REC)
    _devices()
    for place in ("/dev/shm", *scratch):
        _ensure(place, folder=True)
        calls.mount("ikelab", place, "tmpfs", calls.MS_NOSUID, "mode=1777")


def _devices() -> None:
    Path("/dev/net").mkdir(parents=True)
    for name, target in _DEV_LINKS.items():
        Path("/dev", name).symlink_to(f"/proc/self/fd{target}")
    for name in _DEVICES:
        if Path(f"{_OLD}/dev/{name}").exists():
            Path("/dev", name).touch()
            calls.mount(f"{_OLD}/dev/{name}", f"/dev/{name}", flags=calls.MS_BIND)


def _mirror(source: str, target: str, skip: set[str] | frozenset[str] = frozenset()) -> None:
    """Show each entry of one folder in another, by bind mounts and copied links."""
    for entry in os.scandir(source):
        if entry.name in skip:
            continue
        place = Path(target, entry.name)
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
            continue
        if entry.is_dir():
            place.mkdir()
        else:
            place.touch()
        calls.mount(entry.path, str(place), flags=calls.MS_BIND | calls.MS_REC)


def _bind(source: str, place: str, rw: bool) -> None:
    calls.mount(source, place, flags=calls.MS_BIND | calls.MS_REC)
    if not rw:
        _read_only(place)


def _ensure(place: str, *, folder: bool) -> None:
    """Make a mount point, in memory: the deepest folder that exists is mirrored on a tmpfs."""
    path = Path(os.path.realpath(place))
    if path.exists():
        return
    above = next(parent for parent in path.parents if parent.is_dir())
    if not os.access(above, os.W_OK):
        source = os.open(above, os.O_PATH | os.O_CLOEXEC)
        try:
            calls.mount("ikelab", str(above), "tmpfs", data="mode=755")
            _mirror(f"/proc/self/fd/{source}", str(above))
        finally:
            os.close(source)
    if folder:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _read_only(place: str) -> None:
    """Remount a bind read-only; flags that the kernel locked for an ordinary user are kept."""
    now = os.statvfs(place).f_flag
    same = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
    flags = now & same  # these have one number in both interfaces
    flags |= calls.MS_RELATIME if now & os.ST_RELATIME else 0
    calls.mount("none", place, flags=calls.MS_REMOUNT | calls.MS_BIND | calls.MS_RDONLY | flags)
