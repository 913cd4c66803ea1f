"""Provisioning: which mirror, what is said when something lacks, and a real unpacked release."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache, debian, registry

RECIPE = registry.DRIVERS["strongswan"].recipe
DEBIAN = 'ID=debian\nVERSION_CODENAME="bookworm"\n'
OUT_OF_REACH = "http://127.0.0.1:9/debian"
needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt-get on this machine")


@pytest.fixture
def etc(tmp_path):
    """A Debian host's /etc without apt sources."""
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text(DEBIAN)
    return tmp_path


def test_the_hosts_mirror_is_read_from_deb822_sources(etc):
    parts = etc / "apt/sources.list.d"
    (parts / "a.sources").write_text("Types: deb\nURIs: https://o.example/debian\nSuites: x\n")
    (parts / "debian.sources").write_text(
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\n\n"
        "Types: deb deb-src\n# a remark\nURIs: http://near.example/debian/\n"
        "Suites: bookworm\n bookworm-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://near.example/debian-security\nSuites: bookworm-security\n"
    )

    assert debian.host_mirror(etc) == "http://near.example/debian"


def test_the_hosts_mirror_is_read_from_one_line_sources(etc):
    (etc / "apt/sources.list").write_text(
        "# deb http://gone.example/debian bookworm main\n"
        "deb-src http://src.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://near.example/debian stable main # ours\n"
    )

    assert debian.host_mirror(etc) == "https://near.example/debian"


def test_a_host_without_a_mirror_is_told_to_name_one(monkeypatch):
    monkeypatch.delenv("IKELAB_DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(debian, "host_mirror", lambda etc: None)
    with pytest.raises(LabError, match="set IKELAB_DEBIAN_MIRROR"):
        debian.mirror()


@pytest.mark.parametrize("release", ["ID=ubuntu\nVERSION_CODENAME=noble\n", "", None])
def test_a_host_that_is_no_debian_has_no_mirror_of_its_own(etc, release):
    (etc / "apt/sources.list").write_text("deb http://archive.example/debian noble main\n")
    if release is None:
        (etc / "os-release").unlink()
    else:
        (etc / "os-release").write_text(release)

    assert debian.host_mirror(etc) is None


def test_the_mirror_of_the_environment_comes_first(monkeypatch):
    monkeypatch.setenv("IKELAB_DEBIAN_MIRROR", "http://mine.example/debian")

    assert debian.mirror() == "http://mine.example/debian"


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("6.0.1-6+deb13u7", "6.0.1"), ("1:7.4-2", "7.4"), ("5.2", "5.2"), ("1.2-rc1-3", "1.2-rc1")],
)
def test_the_upstream_version_of_a_package(version, upstream):
    assert debian.upstream(version) == upstream


def test_a_row_of_apt_get_becomes_a_package():
    row = debian._package("libcap2_1%3a2.75-10+b3_amd64.deb", "28988", "SHA256:" + "ab" * 32)

    assert (row.name, row.version, row.size) == ("libcap2", "1:2.75-10+b3", 28988)
    assert row.sha256 == "ab" * 32


def test_without_apt_get_one_line_says_so(empty_cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(LabError, match="no apt-get on this machine"):
        debian.add(RECIPE, "trixie")


@needs_apt
def test_without_debians_keyring_one_line_says_what_to_install(empty_cache, monkeypatch):
    monkeypatch.setattr(debian, "KEYRINGS", ("/nonexistent.gpg",))

    with pytest.raises(LabError, match="install the package debian-archive-keyring"):
        debian.add(RECIPE, "trixie")


@needs_apt
def test_a_mirror_out_of_reach_is_one_line_and_leaves_nothing(empty_cache, keyring, monkeypatch):
    monkeypatch.setenv("IKELAB_DEBIAN_MIRROR", OUT_OF_REACH)

    with pytest.raises(LabError, match=f"out of reach at {OUT_OF_REACH}") as caught:
        debian.add(RECIPE, "trixie")

    assert "\n" not in str(caught.value)
    assert list(cache.folder().iterdir()) == []


@needs_apt
def test_a_mirror_that_debian_did_not_sign_is_refused(empty_cache, keyring, tmp_path, monkeypatch):
    release = tmp_path / "debian/dists/trixie"
    packages = release / "main" / f"binary-{architecture()}"
    packages.mkdir(parents=True)
    (packages / "Packages").write_text("")
    (release / "Release").write_text("Suite: trixie\nCodename: trixie\nComponents: main\n")
    monkeypatch.setenv("IKELAB_DEBIAN_MIRROR", f"file:{tmp_path}/debian")

    with pytest.raises(LabError, match="is not signed by a key of"):
        debian.add(RECIPE, "trixie")


def architecture():
    return subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()


@pytest.fixture
def keyring(tmp_path, monkeypatch):
    """Some keyring: these tests end before or because nothing is signed by it."""
    path = tmp_path / "keyring.gpg"
    path.write_bytes(b"")
    monkeypatch.setenv("IKELAB_DEBIAN_KEYRING", str(path))


def test_a_provisioned_release_is_whole(strongswan):
    manifest = strongswan.manifest

    assert (strongswan.root / "usr/sbin/charon-systemd").is_file()
    for name in ("bin", "sbin", "lib", "lib64"):
        assert str((strongswan.root / name).readlink()) == f"usr/{name}"
    assert manifest.size < 100e6
    assert manifest.version == next(
        debian.upstream(p.version) for p in manifest.packages if p.name == "libstrongswan"
    )
    assert not {"systemd", "udev", "debconf"} & {p.name for p in manifest.packages}
    assert cache.verify(strongswan) == []


@pytest.mark.long
@pytest.mark.parametrize("strongswan", ["trixie"], indirect=True)
def test_two_parallel_adds_do_not_clash(strongswan, empty_cache):
    """Real downloads into a cache of their own; the fixture shows that they are in reach."""
    name = strongswan.manifest.peer
    steps = []

    with ThreadPoolExecutor(2) as pool:
        adds = [
            pool.submit(registry.add, name, progress=lambda step, done: steps.append(done))
            for _ in range(2)
        ]
        first, second = (a.result() for a in adds)

    assert first.folder == second.folder == empty_cache / "peers" / name
    assert [p.name for p in cache.folder().iterdir()] == [name]
    assert cache.verify(first) == []
    assert {0.0, 1.0} <= set(steps)
