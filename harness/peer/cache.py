"""Where provisioned peers lie on disk: one folder each, a manifest, a list of checksums.

This room knows folders and JSON. It does not know where packages come from (see `debian`) nor how
a daemon is run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ikelab.harness.errors import LabError

SCHEMA = 1
_MANIFEST = "manifest.json"
_SUMS = "SHA256SUMS"
_STAGING = ".new-"


@dataclass(frozen=True, slots=True)
class Package:
    """One downloaded package: its file name, version, SHA-256 in hex and size in octets."""

    name: str
    version: str
    file: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in a peer's folder and where it came from."""

    peer: str  # "strongswan@trixie"
    version: str  # the daemon's version, "6.0.1"
    package_version: str  # the same with the distribution's revision, "6.0.1-6+deb13u7"
    source: str  # the mirror
    added: str  # UTC, ISO 8601
    size: int  # octets on disk
    packages: tuple[Package, ...]
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Entry:
    """A provisioned peer: `root` is its root folder, `tree` where that lies elsewhere."""

    folder: Path
    manifest: Manifest
    tree: Path | None = None

    @property
    def root(self) -> Path:
        return self.tree or self.folder / "root"


def folder() -> Path:
    """The folder of all provisioned peers: IKELAB_CACHE, or ikelab/ in the user's cache."""
    if own := os.environ.get("IKELAB_CACHE"):
        return Path(own).absolute() / "peers"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "ikelab" / "peers"


def find(peer: str) -> Entry | None:
    """The provisioned peer of this name, None where it has not been added."""
    place = folder() / peer
    try:
        data = json.loads((place / _MANIFEST).read_text())
        if data.get("schema") != SCHEMA:
            return None
        packages = tuple(Package(**p) for p in data.pop("packages"))
        return Entry(place, Manifest(packages=packages, **data))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(
            f"the manifest of {peer} in {place} cannot be read ({error}); "
            f"run 'ikelab peers remove {peer}' and add it again"
        ) from None


def entries() -> list[Entry]:
    """Every provisioned peer, by name."""
    try:
        names = sorted(p.name for p in folder().iterdir() if "@" in p.name and p.is_dir())
    except FileNotFoundError:
        return []
    return [entry for name in names if (entry := find(name))]


def remove(peer: str) -> bool:
    """Delete a provisioned peer; False where there was none."""
    place = folder() / peer
    if not place.exists():
        return False
    with staging() as aside, contextlib.suppress(FileNotFoundError):  # another one was quicker
        place.rename(aside / "old")
    return True


@contextlib.contextmanager
def staging() -> Iterator[Path]:
    """A private folder beside the peers, gone afterwards: what is renamed out of it stays.

    Folders that killed programs left behind are deleted too: nobody holds their lock any more.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        for old in folder().glob(_STAGING + "*"):
            with contextlib.suppress(OSError), _locked(old):
                _delete(old)
        with contextlib.ExitStack() as stack:
            place = _fresh(stack)
            stack.callback(_delete, place)
            yield place
    except OSError as error:
        raise LabError(
            f"cannot write to the cache {folder()} ({error.strerror}); "
            "set IKELAB_CACHE to a folder of yours"
        ) from None


def _fresh(stack: contextlib.ExitStack) -> Path:
    """A new folder that is locked until the stack unwinds."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder()))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # taken for a leftover
            stack.enter_context(_locked(place))
            if place.exists():
                return place


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold a folder's lock; BlockingIOError where another process does."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _delete(place: Path) -> None:
    """Delete a tree, read-only folders of packages included."""
    for base, folders, _ in os.walk(place):
        for name in folders:
            path = Path(base) / name
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(place, ignore_errors=True)


def commit(staged: Path, manifest: Manifest) -> Entry:
    """Write manifest and checksums into `staged` (which holds `root/`) and put it in its place.

    One rename: whoever looks sees the whole peer or none. Where a parallel `add` was quicker, its
    peer stays and ours is dropped.
    """
    sums = checksums(staged / "root")
    (staged / _SUMS).write_text("".join(f"{digest}  {path}\n" for path, digest in sums.items()))
    (staged / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")
    place = folder() / manifest.peer
    try:
        staged.rename(place)
    except OSError:
        other = find(manifest.peer)
        if other is None:
            raise LabError(
                f"cannot put {manifest.peer} into {place}: something else is there; remove it"
            ) from None
        return other
    return Entry(place, manifest)


def checksums(root: Path) -> dict[str, str]:
    """SHA-256 of every file below `root` (of the target's text for a symbolic link), by path."""
    found: dict[str, str] = {}
    for base, folders, files in os.walk(root):
        folders.sort()
        for name in [*files, *(f for f in folders if (Path(base) / f).is_symlink())]:
            path = Path(base) / name
            if path.is_symlink():
                digest = hashlib.sha256(b"-> " + bytes(path.readlink()))
            elif path.is_file():
                digest = hashlib.sha256(path.read_bytes())
            else:
                continue
            found[str(path.relative_to(root))] = digest.hexdigest()
    return dict(sorted(found.items()))


def verify(entry: Entry) -> list[str]:
    """What differs from the day it was unpacked, a sentence each; empty when nothing does."""
    try:
        lines = (entry.folder / _SUMS).read_text().splitlines()
    except OSError:
        return [f"{_SUMS} is missing"]
    wanted = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    present = checksums(entry.root)
    problems = [f"{path} is missing" for path in wanted if path not in present]
    problems += [
        f"{path} was changed" for path in wanted if present.get(path, wanted[path]) != wanted[path]
    ]
    problems += [f"{path} was added" for path in present if path not in wanted]
    return problems


def size_on_disk(root: Path) -> int:
    """Octets that the files below `root` take."""
    return sum(
        (Path(base) / name).lstat().st_size for base, _, files in os.walk(root) for name in files
    )
