"""Root folders for peers out of Debian's packages, without touching the host and without root.

apt-get works in a private world (own state, cache, sources, keyring): it resolves and downloads
another release's packages and checks Debian's signature; dpkg-deb unpacks them into the cache. No
maintainer script runs and nothing is installed on the host.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)
_USELESS = ("doc", "man", "locale", "lintian", "bug")
Progress = Callable[[str, float], None]
"""Told what is being done and how much of the whole is done (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a peer is made from Debian's packages.

    `present` are packages that others depend on and that a daemon run by chroot does not need
    (init system, account tools): apt-get is told that they are installed already.
    """

    name: str
    releases: tuple[str, ...]
    packages: tuple[str, ...]
    main: str  # the package whose version is the peer's
    present: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # more folders that have to exist in the root
    program: tuple[str, ...] = ()  # the daemon, and words that make it say its version


def quiet(step: str, done: float) -> None:
    """The progress callback that tells nobody."""


def add(
    recipe: Recipe, release: str, *, progress: Progress = quiet, refresh: bool = False
) -> cache.Entry:
    """Provision `recipe.name@release` and return it; what is there already is returned as it is.

    LabError, one line each: no apt-get, no Debian keyring, packages out of reach, a signature or a
    checksum that is wrong, a cache that cannot be written.
    """
    peer = f"{recipe.name}@{release}"
    entry = cache.find(peer)
    if not refresh and (found := whole(recipe, entry)):
        return found
    refresh = entry is not None
    _require("apt-get", "dpkg", "dpkg-deb", "tar")
    with cache.staging() as work:
        apt = _Apt(work / "apt", release, recipe.present)
        packages = _fetch(apt, recipe.packages, progress)
        progress("unpacking", 0.7)
        staged = work / "peer"
        _unpack(apt.archives, packages, staged / "root", recipe.folders)
        progress("writing checksums", 0.9)
        version = next(p.version for p in packages if p.name == recipe.main)
        manifest = cache.Manifest(
            peer=peer,
            version=upstream(version),
            package_version=version,
            source=apt.mirror,
            added=datetime.now(UTC).isoformat(timespec="seconds"),
            size=cache.size_on_disk(staged / "root"),
            packages=tuple(packages),
        )
        if refresh:
            cache.remove(peer)
        entry = cache.commit(staged, manifest)
    progress("done", 1.0)
    return entry


def whole(recipe: Recipe, entry: cache.Entry | None) -> cache.Entry | None:
    """The entry where it has all that the recipe names; an earlier ikelab may have wanted less."""
    if entry is None:
        return None
    there = {package.name for package in entry.manifest.packages}
    return entry if set(recipe.packages) <= there else None


def _fetch(apt: _Apt, names: tuple[str, ...], progress: Progress) -> list[cache.Package]:
    """Everything that `names` need, downloaded and checked."""
    progress("reading Debian's package index", 0.0)
    apt.update()
    progress("choosing packages", 0.25)
    packages = apt.resolve(names)
    step = f"downloading {len(packages)} packages, {sum(p.size for p in packages) / 1e6:.0f} MB"
    apt.download(names, lambda done: progress(step, 0.3 + 0.4 * done))
    apt.check(packages)
    return packages


def upstream(version: str) -> str:
    """The upstream part of a Debian version: `1:6.0.1-6+deb13u7` is 6.0.1."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]


def mirror() -> str:
    """The mirror to use: IKELAB_DEBIAN_MIRROR, or the host's own where it is a Debian.

    LabError on any other host without the variable: which mirror is near is the user's to say.
    """
    found = os.environ.get("IKELAB_DEBIAN_MIRROR") or host_mirror(Path("/etc"))
    if found is None:
        raise LabError(
            "the sources of this host name no mirror of Debian's packages: set "
            "IKELAB_DEBIAN_MIRROR to the address of one, such as http://MIRROR/debian"
        )
    return found


def host_mirror(etc: Path) -> str | None:
    """The URI of the main archive in a Debian host's sources below `etc`, None where none is."""
    release = _os_release(etc / "os-release")
    if release.get("ID") != "debian":
        return None
    codename = release.get("VERSION_CODENAME", "sid")
    suites = {codename, "stable", "testing", "sid", "unstable"}
    for uri, names in _sources(etc / "apt"):
        if suites & set(names) and uri.startswith(("http://", "https://", "file:", "copy:")):
            return uri.rstrip("/")
    return None


def _os_release(path: Path) -> Mapping[str, str]:
    try:
        text = path.read_text()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _sources(apt: Path) -> Iterator[tuple[str, list[str]]]:
    """URI and suites of every enabled binary source, Debian's archive only."""
    parts = apt / "sources.list.d"
    files = [apt / "sources.list"]
    files += sorted([*parts.glob("*.list"), *parts.glob("*.sources")]) if parts.is_dir() else []
    for path in files:
        try:
            text = path.read_text()
        except OSError:
            continue
        found = _deb822(text) if path.suffix == ".sources" else _one_line(text)
        yield from ((uri, names) for uri, names in found if uri.rstrip("/").endswith("debian"))


def _one_line(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        line = re.sub(r"\[[^]]*\]", " ", line.split("#", 1)[0])
        words = line.split()
        if len(words) >= 3 and words[0] == "deb":
            yield words[1], [words[2]]


def _deb822(text: str) -> Iterator[tuple[str, list[str]]]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        joined = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
        pairs = (line.partition(":") for line in joined.splitlines())
        fields = {key.strip().lower(): value.split() for key, _, value in pairs}
        enabled = [word.lower() for word in fields.get("enabled", ["yes"])]
        if "deb" in fields.get("types", []) and enabled != ["no"]:
            for uri in fields.get("uris", []):
                yield uri, fields.get("suites", [])


def keyring() -> Path:
    """Debian's archive keyring, IKELAB_DEBIAN_KEYRING first; LabError where there is none."""
    own = os.environ.get("IKELAB_DEBIAN_KEYRING")
    for path in map(Path, [own] if own else KEYRINGS):
        if path.is_file():
            return path
    raise LabError(
        f"no keyring at {own} (IKELAB_DEBIAN_KEYRING)"
        if own
        else "Debian's archive keyring is not on this machine, so its packages cannot be checked: "
        "install the package debian-archive-keyring, or set IKELAB_DEBIAN_KEYRING"
    )


def _require(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise LabError(
                f"no {tool} on this machine: peers are made from Debian's packages with apt-get, "
                "dpkg-deb and tar (most distributions have packages apt, dpkg and tar)"
            )


class _Apt:
    """apt-get in a world of its own below `place`."""

    def __init__(self, place: Path, release: str, present: tuple[str, ...]) -> None:
        self.mirror = mirror()
        self.archives = place / "archives"
        self._release = release
        for name in ("lists/partial", "archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (place / name).mkdir(parents=True)
        (place / "log").mkdir()
        arch = subprocess.run(
            ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
        ).stdout.strip()
        (place / "status").write_text("".join(_installed(name, arch) for name in present))
        (place / "etc/sources.list").write_text(
            f"deb [signed-by={keyring()}] {self.mirror} {release} main\n"
        )
        self._config = place / "apt.conf"
        self._config.write_text(_apt_config(place))

    def update(self) -> None:
        """Fetch the release's index; LabError when it is out of reach or not signed by Debian."""
        result = self._run("update", "-o", "APT::Update::Error-Mode=any")
        trouble = [
            line
            for line in result.stderr.splitlines()
            if line.startswith("E:") or "Failed to fetch" in line or "GPG error" in line
        ]
        if result.returncode or trouble:
            raise LabError(self._explain("\n".join(trouble) or result.stderr))

    def resolve(self, names: tuple[str, ...]) -> list[cache.Package]:
        """Name, version, file and SHA-256 of everything that `names` need."""
        result = self._run("install", "--print-uris", *names, quiet_level="-qq")
        if result.returncode:
            raise LabError(self._explain(result.stderr))
        rows = [line.split() for line in result.stdout.splitlines() if line.startswith("'")]
        return [_package(file, size, digest) for _, file, size, digest in rows]

    def download(self, names: tuple[str, ...], done: Callable[[float], None]) -> None:
        """Fetch the packages; `done` is told the share so far."""
        done(0.0)
        argv = self._argv("install", "--download-only", "-y", "-o", "APT::Status-Fd=1", *names)
        with subprocess.Popen(
            argv, env=self._env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout and process.stderr
            for line in process.stdout:
                if line.startswith("dlstatus:"):
                    done(min(float(line.split(":")[2]) / 100, 1.0))
            errors = process.stderr.read()
        if process.returncode:
            raise LabError(self._explain(errors))

    def check(self, packages: list[cache.Package]) -> None:
        """Compare each file with the signed index (apt-get has done so too)."""
        for package in packages:
            data = (self.archives / package.file).read_bytes()
            if hashlib.sha256(data).hexdigest() != package.sha256:
                raise LabError(
                    f"{package.file} from {self.mirror} is not what Debian's signed index says; "
                    "try again, or set IKELAB_DEBIAN_MIRROR to another mirror"
                )

    def _argv(self, *words: str, quiet_level: str = "-q") -> list[str]:
        return ["apt-get", quiet_level, "--no-install-recommends", *words]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self._config), "LC_ALL": "C", "LANGUAGE": "C"}

    def _run(self, *words: str, quiet_level: str = "-q") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*words, quiet_level=quiet_level),
            env=self._env(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _explain(self, errors: str) -> str:
        """apt-get's complaints as one line that says what to do."""
        lines = [re.sub(r"^[EW]:\s*", "", line) for line in errors.splitlines() if line.strip()]
        first = re.sub(r"\s+", " ", lines[0]) if lines else "apt-get gave no reason"
        if re.search(
            r"NO_PUBKEY|is not signed|GPG error|not verified|NODATA|Sub-process.*sq", errors
        ):
            return (
                f"{self.mirror} {self._release} is not signed by a key of {keyring()} ({first}): "
                "update the package debian-archive-keyring, or use another mirror"
            )
        if "Unable to locate package" in errors or "does not have a Release file" in errors:
            return f"Debian {self._release} at {self.mirror} lacks what is needed ({first})"
        if "unmet dependencies" in errors or "held broken" in errors:
            detail = next((line.strip() for line in lines if "Depends:" in line), first)
            return f"the packages of Debian {self._release} do not fit together today ({detail})"
        return (
            f"Debian's packages are out of reach at {self.mirror} ({first}): check the network, "
            "or set IKELAB_DEBIAN_MIRROR to a mirror that you can reach"
        )


def _installed(name: str, arch: str) -> str:
    """A dpkg status stanza that makes apt-get take a package as there."""
    return (
        f"Package: {name}\nStatus: install ok installed\nArchitecture: {arch}\n"
        "Multi-Arch: foreign\nVersion: 9999\nMaintainer: ikelab\nDescription: not needed\n\n"
    )


def _apt_config(place: Path) -> str:
    """apt.conf of the private world, with the host's own proxies and date checks carried over."""
    lines = [
        f'Dir "{place}";',
        f'Dir::State "{place}";',
        f'Dir::State::lists "{place}/lists";',
        f'Dir::State::status "{place}/status";',
        f'Dir::Cache "{place}";',
        f'Dir::Cache::archives "{place}/archives";',
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        f'Dir::Etc "{place}/etc";',
        f'Dir::Etc::sourcelist "{place}/etc/sources.list";',
        'Dir::Etc::sourceparts "/dev/null";',
        'Dir::Etc::netrcparts "/dev/null";',
        f'Dir::Log "{place}/log";',
        'APT::Sandbox::User "";',
        'APT::Get::Assume-Yes "true";',
        'APT::Install-Recommends "false";',
        'APT::Default-Release "";',
        'Debug::NoLocking "true";',
        'Acquire::Languages "none";',
        'Acquire::ForceHash "sha256";',
        'Acquire::Retries "1";',
        'Acquire::http::Timeout "20";',
        'Acquire::https::Timeout "20";',
    ]
    result = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False
    )
    wanted = re.compile(r'Acquire::(https?::([^ ]*::)?Proxy|Check-Valid-Until|Check-Date)\S* ".+";')
    lines += [line for line in result.stdout.splitlines() if wanted.fullmatch(line)]
    return "\n".join(lines) + "\n"


def _package(file: str, size: str, digest: str) -> cache.Package:
    """A row of `apt-get --print-uris`: the file is NAME_VERSION_ARCH.deb, a colon in it quoted."""
    name, version, _ = file.rsplit(".", 1)[0].split("_")
    return cache.Package(name, unquote(version), file, digest.removeprefix("SHA256:"), int(size))


def _unpack(
    archives: Path, packages: list[cache.Package], root: Path, folders: tuple[str, ...]
) -> None:
    """Unpack all packages below `root`, in which the usr-merge links are made first."""
    root.mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "sys", "tmp", "run", "etc", "var", *folders):
        (root / name).mkdir(parents=True, exist_ok=True)

    def one(package: cache.Package) -> None:
        # Unlike `dpkg-deb -x`, tar can be told to leave our links where a package has a folder.
        command = ["tar", "-x", "-C", str(root), "--no-same-owner", "--keep-directory-symlink"]
        command += [f"--exclude=./usr/share/{name}" for name in _USELESS]
        reader = ["dpkg-deb", "--fsys-tarfile", str(archives / package.file)]
        with subprocess.Popen(reader, stdout=subprocess.PIPE) as tarfile:
            result = subprocess.run(
                command, stdin=tarfile.stdout, capture_output=True, text=True, check=False
            )
        if result.returncode or tarfile.returncode:
            raise LabError(f"cannot unpack {package.file}: {result.stderr.strip()}")

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(one, packages))
