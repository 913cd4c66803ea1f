"""A private world: user, mount, network and PID namespaces that end with their maker.

`enter()` moves the calling program into one, `run()` runs one function in one. Two processes stand
around the program: the outer one, which the shell started, waits, passes signals on and ends as the
program ends; the first process of the PID namespace collects orphans. The kernel kills everything
in a PID namespace whose first process ends, and kills that one with the outer process: nothing
survives, SIGKILL included, and there is nothing to clean. Root needs no user namespace; an ordinary
user is mapped to root in one.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import pickle
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from ikelab.harness.errors import LabError
from ikelab.netns import calls, scratch

Result = TypeVar("Result")

_MARK = "IKELAB_WORLD"
_NAMESPACES = calls.CLONE_NEWNS | calls.CLONE_NEWNET | calls.CLONE_NEWPID
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SI_KERNEL = 0x80


def inside() -> bool:
    """Whether this process already lives in a world of ikelab's."""
    return os.environ.get(_MARK) == _identity()


def _identity() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def enter() -> None:
    """Move this program into a private world; call it first thing, before any thread is started.

    Returns in a new process, with the same terminal, descriptors, folder and variables; the calling
    process never returns. Nothing happens inside a world. LabError says what to do where the right
    to make namespaces is missing.
    """
    if inside():
        return
    scratch.sweep()
    _isolate()
    _split()


def available() -> str | None:
    """The reason why no world can be made here, in one line with its remedy; None if one can."""
    if inside():
        return None
    try:
        run(os.getpid)
    except LabError as error:
        return str(error)
    return None


def run(
    target: Callable[..., Result] | Sequence[str], *args: Any, timeout: float | None = None
) -> Result:
    """Call a function in a new private world, in a forked process; return or raise as it does.

    Results and exceptions come back pickled. A command instead of a function gives its
    `CompletedProcess`, with output as text. After `timeout` seconds the world is killed and
    TimeoutError raised; so it is with any other exception here.
    """
    if not callable(target):
        command = cast(Any, _command)
        return cast(Result, run(command, list(target), timeout=timeout))
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(writer, target, args)
    os.close(writer)
    try:
        answer = _read(reader, timeout)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not answer:
        raise LabError("the private world ended before its function did")
    good, value = pickle.loads(answer)
    if good:
        return cast(Result, value)
    raise value


def _command(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _read(reader: int, timeout: float | None) -> bytes:
    """Everything up to the end of the pipe, which is when no process of the world holds it."""
    end = None if timeout is None else time.monotonic() + timeout
    answer = b""
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            raise TimeoutError(f"the private world did not answer within {timeout} s")
        piece = os.read(reader, 1 << 20)
        if not piece:
            return answer
        answer += piece


def _serve(writer: int, target: Callable[..., Any], args: tuple[Any, ...]) -> NoReturn:
    """The forked process: make the world, call, answer. Never returns into the caller's code."""
    try:
        calls.die_with_parent(signal.SIGKILL)
        answer = _attempt(target, args)
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _attempt(target: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    try:
        _isolate()
        _split()
        return pickle.dumps((True, target(*args)))
    except BaseException as error:
        text = traceback.format_exc()
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)
        except Exception:
            answer = pickle.dumps((False, RuntimeError(text)))
        return answer


# Making the namespaces


def _isolate() -> None:
    """Unshare; become root of a user namespace where that is needed; make mounts private."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        _unshare(uid)
        if not _mapped():
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        calls.mount("none", "/", flags=calls.MS_REC | calls.MS_PRIVATE)
        raise_loopback()
    except OSError as error:
        text = f"cannot make a private network world ({error.strerror}): {_remedy(error)}"
        raise LabError(text) from error


def _unshare(uid: int) -> None:
    if uid == 0:
        try:
            calls.unshare(_NAMESPACES)
            return
        except PermissionError:  # root of a container, without CAP_SYS_ADMIN
            pass
    calls.unshare(_NAMESPACES | calls.CLONE_NEWUSER)


def _mapped() -> bool:
    return bool(Path("/proc/self/uid_map").read_text().strip())


def _remedy(error: OSError) -> str:
    """What the user can do about it, from what this machine's switches say."""
    if error.errno == errno.EINVAL and len(list(Path("/proc/self/task").iterdir())) > 1:
        return "threads run already; make the world before starting any"
    switches = (
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    )
    for name, bad, good in switches:
        path = Path("/proc/sys", name)
        with contextlib.suppress(OSError):
            if path.read_text().strip() == bad:
                return f"run `sudo sysctl {name.replace('/', '.')}={good}`, or run as root"
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        return "too many namespaces; raise the limits in /proc/sys/user/max_*_namespaces"
    if error.errno in (errno.EINVAL, errno.ENOSYS):
        return "this kernel lacks namespaces; take one with CONFIG_USER_NS, NET_NS and PID_NS"
    status = Path("/proc/self/status").read_text()
    if "Seccomp:\t2" in status:
        return "a filter forbids it; start the container with `--privileged`"
    return "run as root, or have user namespaces allowed for your user"


def raise_loopback() -> None:
    """Bring up `lo` in this thread's network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = array.array("B", struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(control, 0x8913, request)  # SIOCGIFFLAGS
        flags = struct.unpack_from("16xH", request)[0]
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", flags | 1))  # SIOCSIFFLAGS


# The three processes


def _split() -> None:
    """Fork twice; return in the program's process only, as an ordinary process of the world."""
    sys.stdout.flush()
    sys.stderr.flush()
    outer, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_PASSED_ON, signal.SIGCHLD))
    child_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    first = os.fork()
    if first:
        inner.close()
        _wait_outside(outer, first)
    outer.close()
    calls.die_with_parent(signal.SIGKILL)
    if select.select([inner], [], [], 0)[0]:  # the outer process ended before that took effect
        os._exit(1)
    # Where a container masks parts of /proc the kernel refuses a new one; the old one still works.
    with contextlib.suppress(PermissionError):
        calls.mount("proc", "/proc", "proc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
    program = os.fork()
    if program:
        _wait_first(inner, program)
    os.environ[_MARK] = _identity()
    with _pidfd() as fd:
        socket.send_fds(inner, [b"program"], [fd])
    inner.close()
    signal.signal(signal.SIGCHLD, child_handler or signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _pidfd() -> Iterator[int]:
    fd = os.pidfd_open(os.getpid())
    try:
        yield fd
    finally:
        os.close(fd)


def _wait_first(inner: socket.socket, program: int) -> NoReturn:
    """Process 1: collect orphans until the program ends, tell how, end (and everyone with it)."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            with contextlib.suppress(OSError):
                inner.send(status.to_bytes(4, "little"))
            os._exit(0)


def _wait_outside(outer: socket.socket, first: int) -> NoReturn:
    """The outer process: pass signals on, end as the program ends."""
    _, fds, _, _ = socket.recv_fds(outer, 16, 1)
    while fds:
        received = signal.sigwaitinfo((*_PASSED_ON, signal.SIGCHLD))
        if received.si_signo == signal.SIGCHLD:
            if os.waitpid(first, os.WNOHANG)[0]:
                break
        elif received.si_code != _SI_KERNEL:  # the terminal sends its signals to both by itself
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fds[0], signal.Signals(received.si_signo))
    told = b""
    with contextlib.suppress(OSError):
        told = outer.recv(4)
    _end_as(int.from_bytes(told, "little") if told else signal.SIGKILL.value)


def _end_as(status: int) -> NoReturn:
    """End with the same exit status, or by the same signal, without a second core file."""
    if not os.WIFSIGNALED(status):
        os._exit(os.waitstatus_to_exitcode(status))
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    os.kill(os.getpid(), number)
    os._exit(128 + number)
