"""What the command line says when the lab breaks: one line that says what to do, exit status 3."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ikelab.harness.peer import cache, registry
from ikelab.netns import calls, world
from tests.conftest import missing
from tests.harness.command import LONG, Done, Terminal, ikelab

NO_NAMESPACES = [sys.executable, str(Path(__file__).with_name("no_namespaces.py"))]
OUT_OF_REACH = {"IKELAB_DEBIAN_MIRROR": "http://127.0.0.1:9/debian"}
needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt-get on this machine")

TAKEN = """
import socket


def test_x(peer, initiator, _ikelab_test):
    other = _ikelab_test.lab.host("responder").socket()
    other.bind((peer.them.address, 500))
    peer.start()
"""


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").open()]


def test_without_the_right_to_make_namespaces(namespaces: None, tmp_path: Path) -> None:
    done = ikelab("run", "--topology", "direct", cwd=tmp_path, under=NO_NAMESPACES)

    done.refused(3, "cannot make a private network world", "sysctl user.max_user_namespaces=")
    assert list(tmp_path.iterdir()) == []


def test_without_that_right_the_built_in_peer_works_in_memory(
    namespaces: None, tmp_path: Path
) -> None:
    done = ikelab("run", "-k", "liveness", cwd=tmp_path, under=NO_NAMESPACES)

    assert done.status == 0, done.err


def test_a_port_that_is_in_use(namespaces: None, tmp_path: Path) -> None:
    (tmp_path / "test_taken.py").write_text(TAKEN)

    done = ikelab("run", "test_taken.py", "--topology", "direct", cwd=tmp_path)

    done.refused(2, "UDP port 500 of 10.0.0.2 is in use")
    assert done.out.startswith("ERROR ")


@needs_apt
@pytest.mark.parametrize(
    "words", [["run", "--peer", "strongswan@trixie"], ["peers", "add", "strongswan@trixie"]]
)
def test_debians_packages_out_of_reach(words: list[str], tmp_path: Path) -> None:
    env = {"IKELAB_CACHE": str(tmp_path / "cache"), **OUT_OF_REACH}

    done = ikelab(*words, cwd=tmp_path, env=env)

    progress, error = done.err.splitlines()
    assert progress == "strongswan@trixie: reading Debian's package index"
    Done(done.status, done.out, error).refused(
        3, "out of reach at http://127.0.0.1:9/debian", "set IKELAB_DEBIAN_MIRROR"
    )
    assert list((tmp_path / "cache/peers").iterdir()) == []
    assert not (tmp_path / "runs").exists()


@needs_apt
def test_a_terminal_sees_what_is_being_fetched(tmp_path: Path) -> None:
    env = {"IKELAB_CACHE": str(tmp_path / "cache"), **OUT_OF_REACH}
    terminal = Terminal("peers", "add", "strongswan@trixie", cwd=tmp_path, env=env)

    assert terminal.end() == 3
    assert "reading Debian's package index" in terminal.text
    assert "ikelab: Debian's packages are out of reach" in terminal.text.splitlines()[-1]


# -- a daemon that dies at start -----------------------------------------------------------------


@pytest.fixture
def broken(trixie: str, tmp_path: Path) -> Path:
    """The root folder of a strongSwan that can be broken: a copy whose files are links.

    To change a file, delete it first (`exchange`): its other name is the real cache's.
    """
    entry = cache.find(trixie)
    assert entry is not None
    place = tmp_path / "cache/peers" / trixie
    shutil.copytree(entry.root, place / "root", symlinks=True, copy_function=link_or_copy)
    shutil.copy2(entry.folder / "manifest.json", place)
    return place / "root"


def link_or_copy(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def exchange(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)
    path.chmod(0o755)


def run_broken(tmp_path: Path) -> Done:
    words = ["run", "--peer", "strongswan@trixie", "-k", "liveness", "--out", "made"]
    return ikelab(*words, cwd=tmp_path, env={"IKELAB_CACHE": str(tmp_path / "cache")})


def test_a_daemon_that_dies_at_start_has_the_last_word(broken: Path, tmp_path: Path) -> None:
    for name in ("nonce", "random"):
        (broken / f"usr/lib/ipsec/plugins/libstrongswan-{name}.so").unlink()

    done = run_broken(tmp_path)

    done.refused(3, "charon died at start", "its last words: ", "unmet dependency")
    assert rows(tmp_path / "made"), "nothing was recorded"
    for row in rows(tmp_path / "made"):
        assert row["verdict"] == "ERROR"
        assert "charon died at start" in row["reason"] and "\n" not in row["reason"]
        assert (row["peer"], row["topology"]) == ("strongswan@trixie", "direct")
    ids = [row["id"] for row in rows(tmp_path / "made")]
    assert len(ids) == len(set(ids)), "a test was recorded twice"


@pytest.mark.long
def test_a_daemon_that_is_no_program(broken: Path, tmp_path: Path) -> None:
    exchange(broken / "usr/sbin/charon-systemd", "not a program\n")

    run_broken(tmp_path).refused(3, "charon")


def test_a_peer_that_is_not_all_there(broken: Path, tmp_path: Path) -> None:
    exchange(broken.parent / "manifest.json", '{"schema": 1, "peer"')

    run_broken(tmp_path).refused(3, "manifest", "ikelab peers remove strongswan@trixie")


# -- a full disk ---------------------------------------------------------------------------------


def on_a_small_disk(folder: str, size: str, *words: str) -> Done:
    calls.mount("none", folder, "tmpfs", data=f"size={size}")
    return ikelab(*words, "--out", f"{folder}/run", cwd=Path(folder))


@pytest.mark.parametrize("size", ["64k", "400k"])
def test_a_full_disk_ends_the_run(size: str, tmp_path: Path) -> None:
    if reason := world.available():
        missing(reason)
    done = world.run(on_a_small_disk, str(tmp_path), size, "run", timeout=90)

    done.refused(3, "No space left on device", "cannot write to")
    assert len(done.out.splitlines()) < 40, "the run went on"


def test_a_failed_rig_does_not_hide_the_verdicts_of_another_peer(
    namespaces: None, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(LONG)
    words = ["run", "--peer", "reference", "--peer", "strongswan@trixie", "-k", "first"]
    place = tmp_path / "cache/peers/strongswan@trixie"
    (place / "root").mkdir(parents=True)
    manifest = {"peer": "strongswan@trixie", "version": "0", "package_version": "0", "schema": 1}
    recipe = registry.driver("strongswan@trixie")[0].recipe
    facts = {"version": "0", "file": "", "sha256": "", "size": 0}
    packages = [{"name": name, **facts} for name in recipe.packages]
    manifest |= {"source": "", "added": "", "size": 0, "packages": packages}
    (place / "manifest.json").write_text(json.dumps(manifest))

    env = {"IKELAB_CACHE": str(tmp_path / "cache")}
    done = ikelab(*words, "--out", "made", "test_mine.py", cwd=tmp_path, env=env)

    assert done.status == 3, done.out
    verdicts = {row["peer"]: row["verdict"] for row in rows(tmp_path / "made")}
    assert verdicts == {"reference": "PASS", "strongswan@trixie": "ERROR"}
