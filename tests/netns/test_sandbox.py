"""Daemons see their own root and configuration; the tree and the host stay as they were."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ikelab.harness.errors import LabError
from ikelab.netns import calls
from ikelab.netns.lab import Lab
from ikelab.netns.sandbox import Sandbox

USR = ("/usr", "/usr", False)
PATH = {"PATH": "/usr/bin:/usr/sbin"}


def shell(tree, line, *binds):
    """Run one line of shell in a host, with `tree` as root; its output, errors included."""
    with Lab() as lab:
        process = lab.host("responder").popen(
            ["sh", "-c", line],
            root=tree,
            binds=[USR, *binds],
            env=PATH,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process.communicate(timeout=30)[0]


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_program_sees_the_tree_and_its_own_host(in_world, tree):
    seen = in_world(
        shell, tree, "cat /etc/release; cat /proc/net/fib_trie | grep -c 10.0.0.2; ls /"
    )

    words = seen.split()
    assert words[0] == "tree"
    assert int(words[1]) > 0
    assert "work" not in words
    assert ".old" not in words


def test_devices_and_scratch_folders_are_there(in_world, tree):
    line = (
        "echo x >/dev/null && head -c4 /dev/urandom | wc -c;"
        "for d in /run /var/run /tmp /var/log /dev/shm; do touch $d/file && echo $d; done;"
        "ls /run/file"
    )

    assert in_world(shell, tree, line).split() == [
        "4", "/run", "/var/run", "/tmp", "/var/log", "/dev/shm", "/run/file"
    ]  # fmt: skip


def test_the_tree_cannot_be_changed(in_world, tree):
    before = listing(tree)

    seen = in_world(shell, tree, "touch /etc/release; echo x >/etc/release; touch /file; rm /bin")

    assert seen.count("Read-only file system") == 4
    assert listing(tree) == before


def test_private_folders_and_files_go_where_the_tree_has_no_place(in_world, tree, tmp_path):
    before = listing(tree)
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "daemon.conf").write_text("private\n")
    line = (
        "cat /etc/daemon.d/deep/daemon.conf /etc/release /etc/one.conf;"
        "echo out >/var/lib/daemon/out; touch /etc/daemon.d/deep/x; ls /srv/new"
    )
    binds = [
        (conf, "/etc/daemon.d/deep", False),
        (conf / "daemon.conf", "/etc/one.conf", False),
        (conf, "/var/lib/daemon", True),
        (conf, "/srv/new", False),
    ]

    seen = in_world(shell, tree, line, *binds)

    assert seen.splitlines()[:3] == ["private", "tree", "private"]
    assert "Read-only" in seen
    assert (conf / "out").read_text() == "out\n"
    assert listing(tree) == before


def test_a_bind_follows_the_tree_s_own_links(in_world, tree, tmp_path):
    (tmp_path / "mine").write_text("here")

    seen = in_world(shell, tree, "cat /run/x/mine", (tmp_path, "/var/run/x", False))

    assert seen == "here"


def test_programs_of_one_sandbox_share_its_files(in_world, tree):
    def share():
        with Lab() as lab, Sandbox(tree, binds=[USR]) as box:
            a, b = lab.host("initiator"), lab.host("responder")
            a.popen(["touch", "/run/here"], sandbox=box, env=PATH).wait(30)
            status = b.popen(["test", "-e", "/run/here"], sandbox=box, env=PATH).wait(30)
            apart = b.popen(["test", "-e", "/run/here"], root=tree, binds=[USR], env=PATH).wait(30)
            return status, apart, box.call(lambda: Path("/run/here").exists())

    assert in_world(share) == (0, 1, True)
    assert not Path("/run/here").exists()


def test_without_a_tree_binds_cover_the_host_s_files_for_one_program(in_world, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/file").write_text("b")

    def look():
        with Lab() as lab:
            process = lab.host("initiator").popen(
                ["cat", str(tmp_path / "a/file")],
                binds=[(tmp_path / "b", str(tmp_path / "a"), False)],
                stdout=subprocess.PIPE,
            )
            return process.communicate(timeout=30)[0]

    assert in_world(look) == b"b"
    assert not (tmp_path / "a/file").exists()


@pytest.mark.parametrize(
    ("argv", "root", "binds", "words"),
    [
        (["/no/program"], None, [], "cannot start /no/program: No such file"),
        (["true"], "/no/tree", [], "no such root folder"),
        (["true"], None, [("/no/source", "/mnt", False)], "no such file or folder"),
        (["true"], None, [("/etc", "/no/place", False)], "cannot prepare a root folder"),
    ],
)
def test_what_cannot_start_is_one_line(in_world, argv, root, binds, words):
    def start():
        with Lab() as lab:
            lab.host("initiator").popen(argv, root=root and Path(root), binds=binds)

    with pytest.raises(LabError, match=words):
        in_world(start)


def test_a_tree_on_a_mount_with_locked_flags_can_be_used(in_world, tmp_path):
    """An ordinary user may not drop `nosuid` and the like, not even when making it read-only."""

    def locked():
        flags = calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC
        calls.mount("none", str(tmp_path), "tmpfs", flags)
        (tmp_path / "file").touch()
        uid, gid = os.getuid(), os.getgid()
        calls.unshare(calls.CLONE_NEWUSER | calls.CLONE_NEWNS)
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        with Sandbox(tmp_path) as box:
            return box.call(lambda: os.access("/file", os.W_OK))

    assert in_world(locked) is False


def test_starting_in_a_tree_is_quick(in_world, tree):
    """The fastest of several tries; a quiet machine needs 3 ms."""

    def measure():
        laps = []
        with Lab() as lab:
            for _ in range(5):
                start = time.perf_counter()
                process = lab.host("initiator").popen(["true"], root=tree, binds=[USR], env=PATH)
                laps.append(time.perf_counter() - start)
                process.wait(30)
        return min(laps)

    assert in_world(measure) < 0.03


def test_the_hosts_own_root_is_a_tree_like_any_other(in_world, tmp_path):
    """Its programs run; its /run and /tmp are not shown, and nothing of it can be written."""

    def look():
        with Sandbox("/", binds=[(tmp_path, "/etc/ikelab", True)]) as box:
            script = "ls /tmp; touch /etc/ikelab/mine; touch /usr/x 2>/dev/null || echo read-only"
            process = box.popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
            return process.communicate(timeout=10)[0]

    assert in_world(look) == "read-only\n"
    assert (tmp_path / "mine").exists()
