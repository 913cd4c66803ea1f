"""A private world ends with its program, as its program, and shows nothing to its neighbours."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.harness.errors import LabError
from ikelab.netns import calls, world

ENTER = "import os, signal, sys\nfrom ikelab.netns import world\nworld.enter()\n"


def test_a_function_runs_as_root_of_its_own_namespaces(in_world):
    kinds = ("mnt", "net", "pid")

    def look():
        return os.getuid(), os.getpid(), [link(Path("/proc/self/ns", kind)) for kind in kinds]

    uid, pid, inner = in_world(look)

    assert uid == 0
    assert pid < 10
    assert not set(inner) & {link(Path("/proc/self/ns", kind)) for kind in kinds}
    assert not world.inside()


def test_what_the_function_raises_arrives_here(in_world):
    with pytest.raises(ZeroDivisionError):
        in_world(lambda: 1 // 0)


def test_what_cannot_be_pickled_arrives_as_text(in_world):
    class Local(Exception):
        pass

    def fail():
        raise Local("only known there")

    with pytest.raises(RuntimeError, match="only known there"):
        in_world(fail)


def test_a_function_that_ends_its_process_is_an_error(in_world):
    with pytest.raises(LabError, match="ended before"):
        in_world(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_function_that_hangs_is_killed(in_world):
    with pytest.raises(TimeoutError):
        world.run(signal.pause, timeout=0.1)


def test_a_command_runs_in_a_world_with_a_fresh_proc(in_world):
    done = world.run(["sh", "-c", "echo $$; ls -d /proc/[0-9]*"])

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 8


def test_entering_twice_is_entering_once(in_world):
    def twice():
        before = link(Path("/proc/self/ns/net"))
        world.enter()
        return before == link(Path("/proc/self/ns/net")), world.available()

    assert in_world(twice) == (True, None)


def test_mounts_in_a_world_do_not_reach_the_host(in_world, tmp_path):
    def hide():
        calls.mount("none", str(tmp_path), "tmpfs")
        (tmp_path / "inside").touch()
        return list(tmp_path.iterdir())

    assert in_world(hide)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_outer_process_ends_as_the_program_ends(in_world, ending, status):
    done = subprocess.run(
        [sys.executable, "-c", ENTER + ending], stderr=subprocess.DEVNULL, check=False
    )

    assert done.returncode == status


def test_output_is_written_once(in_world):
    source = "print('before')\n" + ENTER + "print('after')"

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )

    assert done.stdout == "before\nafter\n"


WAITER = (
    ENTER
    + """
def told(number, frame):
    os.write(1, b'told ' + signal.Signals(number).name.encode() + b'\\n')
    sys.exit(5)
signal.signal(signal.SIGTERM, told)
signal.signal(signal.SIGINT, told)
os.write(1, b'ready %d\\n' % os.isatty(0))
while True:
    signal.pause()
"""
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_outer_process_reach_the_program(script, number):
    outer = script(WAITER)
    assert outer.line() == "ready 0"

    outer.process.send_signal(number)

    assert outer.line() == f"told {number.name}"
    assert outer.process.wait() == 5


def test_a_signal_that_nobody_handles_ends_both(script):
    outer = script(ENTER + "print('ready', flush=True)\nsignal.pause()")
    assert outer.line() == "ready"

    outer.process.terminate()

    assert outer.process.wait() == -signal.SIGTERM


COUNTER = (
    ENTER
    + """
count = 0
def told(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, told)
signal.siginterrupt(signal.SIGINT, False)
print('ready', os.isatty(0), flush=True)
input()
print('told', count, flush=True)
"""
)


def test_ctrl_c_at_a_terminal_reaches_the_program_once(in_world):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", COUNTER])
    try:
        assert "ready True" in until(terminal, b"True")
        os.write(terminal, b"\x03")
        os.write(terminal, b"\n")
        assert "told 1" in until(terminal, b"told 1")
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        os.close(terminal)


def until(terminal: int, end: bytes) -> str:
    """What the terminal shows until `end` does."""
    shown = b""
    while end not in shown and select.select([terminal], [], [], 20)[0]:
        shown += os.read(terminal, 4096)
    return shown.decode()


FAMILY = (
    ENTER
    + """
import subprocess
from ikelab.netns.lab import Lab
lab = Lab()
capture = lab.capture(sys.argv[0] + '.pcapng')
lab.host('initiator').popen(['sleep', '600'])
orphan = '(setsid sleep 600 & setsid sleep 600 &)'
lab.host('responder').popen(['sh', '-c', orphan]).wait()
print(world._identity(), flush=True)
signal.pause()
"""
)


@pytest.mark.parametrize("victim", ["outer", "first", "program"])
def test_sigkill_leaves_no_process_and_no_namespace(script, victim):
    mounts = Path("/proc/self/mountinfo").read_text()
    outer = script(FAMILY)
    identity = outer.line()
    family = members(identity)
    assert len(family) >= 5  # first, program and three sleepers
    spaces = {Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in family}
    watched = [os.pidfd_open(pid) for pid in family]

    os.kill({"outer": outer.process.pid, "first": family[0], "program": family[1]}[victim], 9)

    for fd in watched:
        assert select.select([fd], [], [], 20)[0], "a process of the world survived"
        os.close(fd)
    assert outer.process.wait() == -signal.SIGKILL
    assert not members(identity)
    assert not spaces & network_namespaces()
    assert Path("/proc/self/mountinfo").read_text() == mounts


def members(identity: str) -> list[int]:
    """The living processes in a PID namespace, by age; a corpse has no network any more."""
    return sorted(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and link(entry / "ns/pid") == identity and link(entry / "ns/net")
    )


def network_namespaces() -> set[int]:
    """Every network namespace that a process lives in or a descriptor holds, as far as seen."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            links = [link(entry / "ns/net")]
            with contextlib.suppress(OSError):
                links += [link(fd) for fd in (entry / "fd").iterdir()]
            found |= {int(text[5:-1]) for text in links if text.startswith("net:[")}
    return found


def link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_missing_rights_are_one_line_that_says_what_to_do(in_world):
    """In a user namespace whose limits are zero, making a world fails as on a locked machine."""

    def locked():
        calls.unshare(calls.CLONE_NEWUSER)
        for name in ("net", "user"):
            Path(f"/proc/sys/user/max_{name}_namespaces").write_text("0")
        del os.environ["IKELAB_WORLD"]
        return world.available()

    reason = in_world(locked)

    assert reason.startswith("cannot make a private network world (")
    assert "sudo sysctl user.max_user_namespaces=10000" in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "run as root, or "),
        (errno.ENOSPC, "/proc/sys/user"),
        (errno.ENOSYS, "CONFIG_USER_NS"),
    ],
)
def test_each_refusal_has_a_remedy(number, words):
    assert words in world._remedy(OSError(number, os.strerror(number)))


def test_enter_with_threads_running_says_so(in_world):
    source = (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "import os\nos.geteuid = lambda: 1000\n" + ENTER
    )

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )

    assert "threads run already" in done.stderr
