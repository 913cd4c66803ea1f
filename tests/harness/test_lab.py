"""`ikelab lab`: networks that stay open, whoever holds them, and that leave nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness.command import SCRIPT, Done, Remains, Terminal, ikelab


@pytest.fixture
def place(namespaces: None, tmp_path: Path) -> Path:
    """A folder for temporary files that nobody else's labs are in."""
    (tmp_path / "tmp").mkdir()
    return tmp_path


def lab(place: Path, *words: object, under: list[str] | None = None) -> Done:
    """A command about labs; what it leaves lies below `place`."""
    env = {"TMPDIR": str(place / "tmp")}
    quiet = {"stdout": -1, "stderr": -1}
    return ikelab("lab", *words, cwd=place, env=env, under=under or [], **quiet)


def left(place: Path) -> list[str]:
    """What lies in the folder for temporary files."""
    return [path.name for path in (place / "tmp").iterdir() if path.name.startswith("ikelab-")]


def holder(place: Path) -> int:
    """The process that holds the only lab, by the lock of its folder."""
    [folder] = [path for path in (place / "tmp").iterdir() if path.name.startswith("ikelab-lab-")]
    inode = (folder / "lock").stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and int(words[5].rpartition(":")[2]) == inode:
            return int(words[4])
    raise AssertionError("nobody has locked the lab's folder")


def test_a_lab_from_up_to_down(place: Path) -> None:
    up = lab(place, "up", "mine", "--topology", "nat-initiator", "--capture", "wires.pcapng")
    assert (up.status, up.err) == (0, ""), up
    assert "192.168.1.2" in up.out
    remains = Remains(holder(place))

    ran = lab(place, "exec", "mine", "initiator", "--", "sh", "-c", "echo $IKELAB_HOST; exit 7")
    assert (ran.status, ran.out) == (7, "initiator\n")
    inside = lab(place, "exec", "mine", "responder", "--", "cat", "/proc/net/fib_trie")
    assert "203.0.113.2" in inside.out
    assert lab(place, "list").out == up.out.rpartition("ikelab lab shell")[0]
    moved = lab(place, "rebind", "mine", "--port", "45000")
    assert moved.out == "port 4500 of the client is 203.0.113.1 port 45000 from now on\n"

    down = lab(place, "down", "mine")
    assert (down.status, down.out) == (0, "mine is down\n")
    assert remains.left() == []
    assert left(place) == []
    assert lab(place, "list").out == "no lab is up\n"
    assert (place / "wires.pcapng").stat().st_size > 0


@pytest.mark.long
def test_a_peer_takes_the_client_at_the_address_that_the_nat_moved_to(
    place: Path, trixie: str
) -> None:
    """A charon refuses whoever comes from another address than its connection names."""
    scan = ("exec", "mine", "initiator", "--", SCRIPT, "scan", "203.0.113.2", "--rate", "1000")
    assert lab(place, "up", "mine", "--topology", "nat-initiator", "--peer", trixie).status == 0
    moved = lab(place, "rebind", "mine", "--address", "203.0.113.9")
    assert moved.out.splitlines()[1:] == [f"{trixie} expects it there; its SAs have stayed"]

    taken = lab(place, *scan)
    again = lab(place, "rebind", "mine", "--port", "45000")

    assert "ENCR    aes" in taken.out, taken
    assert len(again.out.splitlines()) == 1  # nothing that the peer has to know
    assert lab(place, "down", "mine").status == 0


@pytest.mark.long
def test_a_shell_on_a_terminal(place: Path) -> None:
    assert lab(place, "up", "mine").status == 0
    env = {"TMPDIR": str(place / "tmp"), "SHELL": "/bin/sh"}

    terminal = Terminal("lab", "shell", "mine", "responder", cwd=place, env=env)
    terminal.until("mine:responder$ ")
    terminal.type(b"echo $((6 * 7)) ${IKELAB_HOST}; exit 3\n")

    assert terminal.end() == 3
    assert "42 responder" in terminal.text
    assert lab(place, "down", "mine").status == 0


@pytest.mark.long
def test_two_labs_do_not_meet_and_all_go_down(place: Path) -> None:
    for name in ("one", "two"):
        assert lab(place, "up", name).status == 0
    seen = {
        lab(place, "exec", name, "initiator", "--", "readlink", "/proc/self/ns/net").out
        for name in ("one", "two")
    }
    assert len(seen) == 2

    down = lab(place, "down", "--all")

    assert down.out.splitlines()[:2] == ["one is gone", "two is gone"]
    assert left(place) == []


@pytest.mark.long
def test_a_holder_that_is_killed_leaves_what_down_removes(place: Path) -> None:
    assert lab(place, "up", "mine").status == 0
    pid = holder(place)
    remains = Remains(pid)

    os.kill(pid, signal.SIGKILL)

    assert remains.left() == []
    assert len(left(place)) == 1
    assert lab(place, "list").out == "no lab is up\n"
    assert lab(place, "down", "--all").out.startswith("ikelab-lab-")
    assert left(place) == []
    assert lab(place, "up", "mine").status == 0
    assert lab(place, "down", "mine").status == 0


@pytest.mark.long
def test_a_peer_stands_ready_in_a_lab(place: Path, trixie: str) -> None:
    up = lab(place, "up", "mine", "--peer", trixie)
    assert up.status == 0, up.err
    table = lab(place, "exec", "mine", "responder", "--", "cat", "/proc/net/udp").out
    ports = {int(line.split()[1].partition(":")[2], 16) for line in table.splitlines()[1:]}

    assert {500, 4500} <= ports
    assert lab(place, "down", "mine").status == 0
    assert left(place) == []


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="these tests already run as an ordinary user")
def test_an_ordinary_user_has_labs(nobody: tuple[list[str], Path], namespaces: None) -> None:
    become, home = nobody
    os.chmod(home, 0o755)  # noqa: PTH101 - as_nobody makes it nobody's
    (home / "tmp").mkdir()
    os.chown(home / "tmp", 65534, 65534)

    def user(*words: str) -> Done:
        return ikelab("lab", *words, cwd=home, under=become)

    up = user("up", "mine", "--topology", "nat-both")
    assert (up.status, up.err) == (0, ""), up
    there = user("exec", "mine", "router", "--", "cat", "/proc/net/dev")
    assert "eth1:" in there.out, there
    assert user("down", "--all").out == "mine is gone\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["down", "mine"], "no lab 'mine' is up: 'ikelab lab up mine' makes one"),
        (["up", "mine", "--topology", "nat-initiater"], "did you mean 'nat-initiator'"),
        (["up", "a/b"], "is no name for a lab"),
        (["up", "mine", "--peer", "strongswam@trixie"], "strongswan@trixie"),
        (["down"], "Give the name of a lab, or --all"),
    ],
)
def test_what_cannot_be_is_one_line(place: Path, words: list[str], said: str) -> None:
    done = lab(place, *words)

    done.refused(2, said)


@pytest.mark.long
def test_a_lab_that_is_up_is_not_made_twice(place: Path) -> None:
    assert lab(place, "up", "mine").status == 0
    lab(place, "up", "mine").refused(2, "'ikelab lab down mine' ends it")
    lab(place, "exec", "mine", "nobody", "true").refused(2, "there are initiator, responder")
    lab(place, "rebind", "mine").refused(2, "no router that changes anything")
    assert lab(place, "down", "mine").status == 0


def test_every_network_is_listed(tmp_path: Path) -> None:
    from ikelab.netns.topology import TOPOLOGIES

    listed = ikelab("lab", "topologies", cwd=tmp_path).out.splitlines()

    assert [line.split()[0] for line in listed] == list(TOPOLOGIES)
