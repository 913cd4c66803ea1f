"""`NAME@host`: a daemon of this machine, with a folder for its root; and what probing found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ikelab.harness.cli import cli
from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer import cache, installed, probed, registry

PLUTO = registry.DRIVERS["libreswan"].recipe


class Peer:
    """What an opened driver tells."""

    version = "5.2"
    capabilities = frozenset({"view", "responder"})
    lacks = {"child": "the kernel has no ESP"}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root folder of a machine that has a pluto."""
    program = tmp_path / "usr/libexec/ipsec/pluto"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho Libreswan 5.2 IKEv2\n")
    program.chmod(0o755)
    return tmp_path


def test_a_daemon_of_the_machine_runs_out_of_its_root(machine, empty_cache):
    entry = installed.find(PLUTO, machine)

    assert entry is not None and entry.root == machine
    assert (entry.manifest.peer, entry.manifest.version) == ("libreswan@host", "5.2")


def test_where_there_is_none_it_says_what_to_do(tmp_path):
    assert installed.find(PLUTO, tmp_path) is None
    with pytest.raises(LabError) as caught:
        installed.require(PLUTO, tmp_path)

    said = str(caught.value)
    assert "this machine has no /usr/libexec/ipsec/pluto" in said and "\n" not in said
    assert "libreswan@trixie" in said


def test_a_program_that_tells_no_version_has_none(machine, empty_cache):
    (machine / "usr/libexec/ipsec/pluto").write_text("#!/bin/sh\necho hello\n")

    found = installed.find(PLUTO, machine)
    assert found is not None and found.manifest.version == ""


def test_what_is_installed_cannot_be_removed():
    with pytest.raises(ConfigError, match="nothing to remove"):
        registry.remove("strongswan@host")


def test_what_probing_found_is_kept_for_this_kernel(machine, empty_cache):
    entry = installed.find(PLUTO, machine)
    assert entry is not None and probed.recall(entry) is None

    probed.remember(entry, Peer())

    assert probed.recall(entry) == probed.Probed("5.2", ("responder", "view"), Peer.lacks)
    [kept] = entry.folder.glob("probed-*.json")
    assert json.loads(kept.read_text())["version"] == "5.2"
    kept.write_text("{")
    assert probed.recall(entry) is None


def test_the_list_says_what_is_there_and_what_is_not(empty_cache):
    cache.folder().mkdir(parents=True)
    lines = CliRunner().invoke(cli, ["peers", "list", "--no-probe"]).output.splitlines()

    assert "reference                built in" in lines
    assert "openiked@trixie          not added: ikelab peers add openiked@trixie" in lines
    if installed.find(registry.DRIVERS["openiked"].recipe) is None:
        assert "openiked@host            not installed on this machine" in lines


def test_the_list_starts_a_daemon_that_nobody_has_probed(needed, in_world, tmp_path, monkeypatch):
    entry = needed("libreswan@trixie")
    monkeypatch.setenv("IKELAB_CACHE", str(tmp_path))
    cache.folder().mkdir(parents=True)
    copy = cache.folder() / "libreswan@trixie"
    copy.mkdir()
    (copy / "root").symlink_to(entry.root)
    (copy / "manifest.json").write_text((entry.folder / "manifest.json").read_text())

    text = CliRunner().invoke(cli, ["peers"]).output

    line = next(line for line in text.split("libreswan@trixie")[1].splitlines() if "can:" in line)
    assert "responder" in line and "view" in line
    assert list(copy.glob("probed-*.json"))
