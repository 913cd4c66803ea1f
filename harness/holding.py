"""Labs that stay open: a process holds one, a socket in its scratch folder leads into it.

`up` starts the holder and returns when everything in it is ready. The holder lives in a private
world, which ends with it; `enter` moves the caller into one host of a lab, which the holder hands
over as descriptors of its namespaces.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import pickle
import re
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ikelab.harness.errors import ConfigError, IkelabError, LabError, nearest
from ikelab.netns import calls, scratch, world

if TYPE_CHECKING:
    from ikelab.harness.tested import Tested
    from ikelab.netns.lab import Lab

KIND = "lab-"
_SOCKET = "control"
_PATIENCE = 10.0
_MESSAGE = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
_KINDS = {"user": calls.CLONE_NEWUSER, "mnt": calls.CLONE_NEWNS, "pid": calls.CLONE_NEWPID}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lab is to be; `peer` stands at the responder's node, with its defaults."""

    name: str
    topology: str = "direct"
    peer: str = ""
    capture: str = ""

    def check(self) -> None:
        """ConfigError for what cannot be, before anything is made."""
        from ikelab.netns.topology import topology

        topology(self.topology)
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"{self.name!r} is no name for a lab: letters, digits, . _ - only")
        if self.capture and Path(self.capture).is_dir():
            raise ConfigError(f"--capture: {self.capture} is a folder: give a file")
        if self.name in {lab.name for lab in labs()}:
            raise ConfigError(f"lab {self.name} is up: 'ikelab lab down {self.name}' ends it")


@dataclass(frozen=True, slots=True)
class Held:
    """A lab that is up, as its holder tells of it: hosts with their addresses, and the rest."""

    name: str
    topology: str
    peer: str
    hosts: dict[str, list[str]]
    routers: dict[str, str]
    place: Path


# The user's side


def up(wanted: Wanted) -> Held:
    """Start a holder and wait until the lab is ready. LabError or ConfigError as it failed."""
    wanted.check()
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _detached(writer, wanted)
    os.close(writer)
    said = os.read(reader, _MESSAGE)  # what stands around the holder keeps the pipe open
    os.close(reader)
    if not said:
        raise LabError(f"lab {wanted.name} ended before it was ready")
    problem = pickle.loads(said)
    if problem is not None:
        raise problem
    return find(wanted.name)


def labs() -> list[Held]:
    """Every lab of this user that is up, by name."""
    found = []
    for path in scratch.folders(KIND):
        with contextlib.suppress(OSError, ValueError, LabError):
            answer, _ = _ask(path, {"do": "tell"})
            found.append(Held(**answer, place=path))
    return sorted(found, key=lambda lab: lab.name)


def find(name: str) -> Held:
    """The lab of this name; ConfigError where there is none."""
    there = {lab.name: lab for lab in labs()}
    if name not in there:
        known = nearest(name, there) or (f"; there are {', '.join(there)}" if there else "")
        raise ConfigError(f"no lab {name!r} is up{known}: 'ikelab lab up {name}' makes one")
    return there[name]


def down(name: str) -> None:
    """End a lab and wait until nothing of it is left; LabError where that does not happen."""
    _end(find(name).place, name)


def down_all() -> list[str]:
    """End every lab of this user and remove what killed runs left; what was removed."""
    ended = [lab.name for lab in labs()]
    for path in scratch.folders(KIND):
        if not scratch.abandoned(path):
            _end(path, path.name)
    return ended + [path.name for path in scratch.sweep()]


@dataclass(frozen=True, slots=True)
class Moved:
    """What stands for the client's port 4500 now, and the peer where it was told of it."""

    address: str
    port: int
    told: str = ""
    anew: bool = False  # it had to be started anew for that


def change(name: str, port: int | None, address: str | None) -> Moved:
    """Rebind the NAT of a lab; the lab's peer expects the client at another address then."""
    lab = find(name)
    answer, _ = _ask(lab.place, {"do": "rebind", "port": port, "address": address})
    return Moved(**answer)


def enter(name: str, host: str) -> None:
    """Move this process into a host of a lab; a child it forks is in the lab's PID namespace too.

    Call it with no thread running.
    """
    lab = find(name)
    if host not in lab.hosts:
        known = nearest(host, lab.hosts) or f"; there are {', '.join(lab.hosts)}"
        raise ConfigError(f"lab {name} has no host {host!r}{known}")
    _, fds = _ask(lab.place, {"do": "enter", "host": host})
    try:
        ours = Path("/proc/self/ns/user").stat()
        for kind, fd in zip((*_KINDS, "net"), fds, strict=True):
            # Who is root has no user namespace of its own, and the kernel refuses one's own.
            if kind != "user" or not os.path.samestat(ours, os.fstat(fd)):
                calls.setns(fd, _KINDS.get(kind, calls.CLONE_NEWNET))
    except OSError as error:
        raise LabError(f"cannot enter host {host} of lab {name}: {error.strerror}") from error
    finally:
        for fd in fds:
            os.close(fd)


def run(name: str, host: str, argv: Sequence[str]) -> int:
    """Run a program in a host of a lab, with this terminal; its exit status."""
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
    enter(name, host)
    os.environ |= {"IKELAB_LAB": name, "IKELAB_HOST": host, "PS1": f"{name}:{host}$ "}
    child = os.fork()
    if child == 0:
        _become(argv, folder)
    os.close(folder)
    quiet = (signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU)
    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in quiet}
    try:
        _, status = os.waitpid(child, 0)
        _to_front()
    finally:
        for number, handler in ignored.items():
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: Sequence[str], folder: int) -> NoReturn:
    """The program itself, in the folder where the user stood."""
    try:
        # A shell looks for its process group, and ours is none that the lab's PID namespace has.
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        _to_front()
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        with contextlib.suppress(OSError):
            os.fchdir(folder)
        os.execvp(argv[0], list(argv))
    except OSError as error:
        print(f"ikelab: cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
    os._exit(127)


def _to_front() -> None:
    """Make this process group the one that the terminal's keys go to, if there is a terminal."""
    with contextlib.suppress(OSError):
        if os.isatty(0):
            os.tcsetpgrp(0, os.getpgrp())


def _ask(place: Path, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """A holder's answer and the descriptors that came with it; what it refused is raised."""
    with _connected(place) as channel:
        channel.send(json.dumps(request).encode())
        data, fds, _, _ = socket.recv_fds(channel, _MESSAGE, len(_KINDS) + 1)
    answer = json.loads(data)
    if "refused" in answer:
        raise (ConfigError if answer["usage"] else LabError)(answer["refused"])
    return answer, list(fds)


@contextlib.contextmanager
def _connected(place: Path) -> Iterator[socket.socket]:
    """The control socket; by descriptor, because a socket's name is at most 108 octets long."""
    folder = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(_PATIENCE)
            channel.connect(f"/proc/self/fd/{folder}/{_SOCKET}")
            yield channel
    finally:
        os.close(folder)


def _end(place: Path, name: str) -> None:
    """Ask the holder to end, make it end where it does not, and wait for it."""
    watched = -1
    try:
        with _connected(place) as channel:
            peer = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid, _, _ = struct.unpack("iII", peer)
            watched = os.pidfd_open(pid)
            channel.send(json.dumps({"do": "end"}).encode())
            if not _gone(watched):
                signal.pidfd_send_signal(watched, signal.SIGKILL)
            if not _gone(watched):
                raise LabError(f"lab {name} does not end (process {pid})")
    except (OSError, ValueError):
        if not scratch.abandoned(place):
            raise LabError(f"lab {name} does not answer; kill whoever holds {place}") from None
    finally:
        if watched >= 0:
            os.close(watched)


def _gone(watched: int) -> bool:
    import select

    return bool(select.select([watched], [], [], _PATIENCE)[0])


# The holder's side


def _detached(writer: int, wanted: Wanted) -> NoReturn:
    """The holder: no terminal, a world of its own; tells how it went through the pipe."""
    told = False

    def tell(problem: Exception | None) -> None:
        nonlocal told
        if not told:
            told = True
            os.write(writer, pickle.dumps(problem))
            os.close(writer)

    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        world.enter()
        _hold(wanted, lambda: tell(None))
    except IkelabError as error:
        tell(error)
    except BaseException:
        tell(LabError(f"lab {wanted.name} failed: {traceback.format_exc(limit=-1)}"))
    os._exit(0)


def _hold(wanted: Wanted, ready: Callable[[], None]) -> None:
    """Build, say that it is ready, serve until the end."""
    from ikelab.netns.lab import Lab

    peer: Tested | None = None
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(scratch.Scratch(KIND)).path
        if wanted.peer:
            from ikelab.harness.rig import NamespaceRig, Settings, open_rig

            rig = open_rig(wanted.peer, Settings(topology=wanted.topology), wanted.topology)
            stack.callback(rig.close)
            assert isinstance(rig, NamespaceRig)  # there is no lab in memory
            peer, lab = rig.peer, rig.lab
            peer.start()
        else:
            lab = stack.enter_context(Lab(wanted.topology))
        if wanted.capture:
            stack.callback(lab.capture(wanted.capture).stop)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            folder = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            control.bind(f"/proc/self/fd/{folder}/{_SOCKET}")
            control.listen()
            ready()
            _serve(control, wanted, lab, peer)


def _serve(control: socket.socket, wanted: Wanted, lab: Lab, peer: Tested | None) -> None:
    while True:
        channel, _ = control.accept()
        with channel, contextlib.suppress(OSError, ValueError):
            channel.settimeout(_PATIENCE)
            request = json.loads(channel.recv(_MESSAGE))
            if request["do"] == "end":
                return
            try:
                answer, fds = _answer(request, wanted, lab, peer)
            except IkelabError as error:
                answer, fds = {"refused": str(error), "usage": isinstance(error, ConfigError)}, []
            try:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                channel.sendmsg([json.dumps(answer).encode()], rights if fds else [])
            finally:
                for fd in fds:
                    os.close(fd)


def _answer(
    request: dict[str, Any], wanted: Wanted, lab: Lab, peer: Tested | None
) -> tuple[dict[str, Any], list[int]]:
    match request["do"]:
        case "enter":
            kinds = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in _KINDS]
            return {}, [*kinds, os.dup(lab.host(request["host"]).fd)]
        case "rebind":
            return _rebound(lab, peer, request["port"], request["address"]), []
        case _:
            hosts = {
                name: [str(address) for address in (*host.addresses, *host.inner)]
                for name, host in lab.hosts.items()
            }
            routers = {name: router.engine for name, router in lab.routers.items()}
            told = {"name": wanted.name, "topology": wanted.topology, "peer": wanted.peer}
            return {**told, "hosts": hosts, "routers": routers}, []


def _rebound(
    lab: Lab, peer: Tested | None, port: int | None, address: str | None
) -> dict[str, Any]:
    """Rebind; a peer that knows the client by its old address would refuse its next IKE SA."""
    before, _ = lab.router.outside()
    lab.router.rebind(port, address)
    outside, number = lab.router.outside()
    moved = {"address": outside, "port": number}
    if peer is None or outside == before:
        return moved
    return {**moved, "told": peer.name, "anew": not peer.expect(outside)}
