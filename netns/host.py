"""A host: one anonymous network namespace, its addresses, sockets and programs.

The namespace has no name and no file: a descriptor holds it, and it is gone when this process and
the programs in it are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM
from socket import socket as Socket
from typing import Any, TypeVar

from ikelab.harness.errors import LabError
from ikelab.harness.model import IPAddress
from ikelab.netns import calls, world
from ikelab.netns.sandbox import Bind, Sandbox, start
from ikelab.netns.topology import Interface

Result = TypeVar("Result")


class Host:
    """A network namespace held by a descriptor (`fd`)."""

    def __init__(
        self, name: str, interfaces: Sequence[Interface] = (), inner: Sequence[Interface] = ()
    ) -> None:
        self.name = name
        self.interfaces = tuple(interfaces)
        self.inner_interfaces = tuple(inner)
        try:
            self.fd = calls.elsewhere(_new_namespace)
        except OSError as error:
            text = f"cannot make host {name}: {error.strerror}; enter a world first"
            raise LabError(text) from error
        self._inode = os.fstat(self.fd).st_ino

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """The addresses on the host's links, in the topology's order (IPv4 first)."""
        return tuple(interface.ip for interface in self.interfaces)

    @property
    def inner(self) -> tuple[IPAddress, ...]:
        """The host's addresses in the subnets behind it."""
        return tuple(interface.ip for interface in self.inner_interfaces)

    def address(self, version: int = 4) -> IPAddress:
        """The first address of IP version 4 or 6."""
        found = [address for address in self.addresses if address.version == version]
        if not found:
            raise LabError(f"host {self.name} has no IPv{version} address")
        return found[0]

    def call(self, function: Callable[[], Result]) -> Result:
        """Call a function in a thread of this process that lives in this host's network."""
        return calls.elsewhere(function, net=self.fd)

    def socket(self, family: int = AF_INET, kind: int = SOCK_DGRAM, proto: int = 0) -> Socket:
        """A socket that was made in this host and may be used from anywhere."""
        return self.call(lambda: Socket(family, kind, proto))

    def sandbox(self, root: Path | None = None, binds: Sequence[Bind] = ()) -> Sandbox:
        """A file system for several programs of one daemon (see `Sandbox`); close it at the end."""
        return Sandbox(root, binds=binds)

    def popen(
        self,
        argv: Sequence[str],
        *,
        root: Path | None = None,
        binds: Sequence[Bind] = (),
        sandbox: Sandbox | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        start_new_session: bool = True,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a program in this host; in `sandbox`, or in one made from `root` and `binds`.

        The terminal's signals do not reach it unless `start_new_session` is False. Other options
        are subprocess.Popen's (stdin, stdout, stderr, text ...). Ends with the world at the latest.
        """
        options |= {"env": env, "cwd": cwd, "start_new_session": start_new_session}
        if sandbox is None and root is None and not binds:
            return self.call(lambda: start(argv, options))
        if sandbox is not None:
            return sandbox.popen(argv, net=self.fd, **options)
        with Sandbox(root, binds=binds) as own:
            return own.popen(argv, net=self.fd, **options)

    def processes(self) -> list[int]:
        """The processes that live in this host now (none where /proc is not the world's own)."""
        if not world.inside() or str(Path("/proc/self").readlink()) != str(os.getpid()):
            return []
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "ns/net").stat().st_ino == self._inode:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """Kill what still runs in the host and let go of the namespace."""
        if self.fd < 0:
            return
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self.fd)
        self.fd = -1


def _new_namespace() -> int:
    calls.unshare(calls.CLONE_NEWNET)
    world.raise_loopback()
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
