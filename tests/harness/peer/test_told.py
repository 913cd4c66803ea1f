"""What a charon once said of itself is kept beside its tree, and asked again when that changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ikelab.harness.peer import cache
from ikelab.harness.peer.strongswan import told

SAID = told.Told("6.0.1", {"aead": frozenset({"AES_GCM_16"}), "ke": frozenset()})
PACKAGE = cache.Package("libstrongswan", "6.0.1-6", "libstrongswan.deb", "ab" * 32, 1)


@pytest.fixture
def entry(tmp_path: Path) -> cache.Entry:
    manifest = cache.Manifest(
        "strongswan@trixie", "6.0.1", "6.0.1-6", "a mirror", "", 1, (PACKAGE,)
    )
    return cache.Entry(tmp_path, manifest)


@pytest.fixture(autouse=True)
def forgetful() -> None:
    told._in_this_process.cache_clear()


def test_the_next_process_knows(entry):
    assert told.recall(entry, "conf") is None

    told.keep(entry, "conf", SAID)
    told._in_this_process.cache_clear()

    assert told.recall(entry, "conf") == SAID


def test_another_conf_or_another_package_is_another_charon(entry):
    told.keep(entry, "conf", SAID)
    newer = replace(PACKAGE, sha256="cd" * 32)

    assert told.recall(entry, "plugins { }") is None
    assert (
        told.recall(replace(entry, manifest=replace(entry.manifest, packages=(newer,))), "conf")
        is None
    )


def test_what_a_machine_has_installed_is_remembered_by_the_process_alone(entry, tmp_path):
    installed = replace(entry, tree=tmp_path)

    told.keep(installed, "conf", SAID)
    assert told.recall(installed, "conf") == SAID

    told._in_this_process.cache_clear()
    assert told.recall(installed, "conf") is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[]", '{"version": "6"}', '{"algorithms": 3, "version": 1}'])
def test_what_cannot_be_read_is_asked_again(entry, text):
    told.keep(entry, "conf", SAID)
    [place] = entry.folder.glob("told-*.json")
    place.write_text(text)
    told._in_this_process.cache_clear()

    assert told.recall(entry, "conf") is None


def test_a_cache_that_cannot_be_written_is_no_error(entry):
    gone = replace(entry, folder=entry.folder / "gone")

    told.keep(gone, "conf", SAID)

    assert told.recall(gone, "conf") == SAID
