"""Provisioned peers appear whole or not at all, and what changed in one is found."""

from __future__ import annotations

import fcntl
import os

import pytest

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache

PACKAGE = cache.Package("libx", "1.0-1", "libx_1.0-1_amd64.deb", "ab" * 32, 3)


def put(name="strongswan@trixie", content="hello"):
    """Provision a small tree under a name."""
    with cache.staging() as work:
        root = work / "peer/root"
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/daemon").write_text(content)
        (root / "bin").symlink_to("usr/bin")
        manifest = cache.Manifest(
            name, "6.0.1", "6.0.1-6", "http://mirror", "2026-01-01", 5, (PACKAGE,)
        )
        return cache.commit(work / "peer", manifest)


def test_what_was_put_is_found_and_listed(empty_cache):
    entry = put()

    assert cache.find("strongswan@trixie") == entry
    assert cache.entries() == [entry]
    assert entry.manifest.packages == (PACKAGE,)
    assert (entry.root / "bin/daemon").read_text() == "hello"
    assert cache.find("strongswan@bookworm") is None


def test_an_empty_cache_lists_nothing(empty_cache):
    assert cache.entries() == []
    assert not empty_cache.exists()


def test_staging_leaves_nothing_behind_when_it_fails(empty_cache):
    with pytest.raises(ZeroDivisionError), cache.staging() as work:
        (work / "file").write_text("x")
        raise ZeroDivisionError

    assert list(cache.folder().iterdir()) == []


def test_the_slower_of_two_parallel_adds_takes_the_others_peer(empty_cache):
    first = put(content="first")
    second = put(content="second")

    assert second.manifest == first.manifest
    assert (second.root / "usr/bin/daemon").read_text() == "first"
    assert [p.name for p in cache.folder().iterdir()] == ["strongswan@trixie"]


def test_leftovers_of_killed_programs_go_and_those_in_use_stay(empty_cache):
    cache.folder().mkdir(parents=True)
    left, used = cache.folder() / ".new-left", cache.folder() / ".new-used"
    left.mkdir()
    used.mkdir()
    (left / "big").write_text("x")
    holder = os.open(used, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)

    with cache.staging():
        pass

    assert not left.exists()
    assert used.exists()
    os.close(holder)


def test_verify_names_what_is_missing_changed_or_added(empty_cache):
    entry = put()
    assert cache.verify(entry) == []

    (entry.root / "usr/bin/daemon").write_text("tampered")
    (entry.root / "bin").unlink()
    (entry.root / "extra").write_text("x")

    assert cache.verify(entry) == [
        "bin is missing",
        "usr/bin/daemon was changed",
        "extra was added",
    ]


def test_remove_deletes_read_only_folders_too(empty_cache):
    entry = put()
    (entry.root / "usr/bin").chmod(0o500)

    assert cache.remove("strongswan@trixie")
    assert not cache.remove("strongswan@trixie")
    assert list(cache.folder().iterdir()) == []


def test_a_broken_manifest_says_what_to_do(empty_cache):
    entry = put()
    (entry.folder / "manifest.json").write_text("{")

    with pytest.raises(LabError, match="'ikelab peers remove strongswan@trixie'"):
        cache.find("strongswan@trixie")


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IKELAB_CACHE", str(tmp_path / "file"))

    with pytest.raises(LabError, match="set IKELAB_CACHE"), cache.staging():
        pass


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"IKELAB_CACHE": "/c"}, "/c/peers"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/ikelab/peers"),
        ({"HOME": "/h"}, "/h/.cache/ikelab/peers"),
    ],
)
def test_where_the_cache_is(variables, place, monkeypatch):
    for name in ("IKELAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert str(cache.folder()) == place
