"""A third party's IOS simulator (FakeNOS) on the loopback, and what it lacks of a router.

FakeNOS brings the SSH server, the TCP server, the command shell and its cisco_ios answers. Ours are
configuration mode, and the habits of a real line that sessions have to survive: pages, log lines in
the middle of everything, connections that drop, a mode that somebody left open, a telnet console.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import missing

NAME = "R1"
WAKE = 0.15  # seconds between two looks of the simulator's threads whether they are to end
USER, PASSWORD, ENABLE = "ikelab", "let-me-in", "up-i-go"
# What there is one of, or none.
_SINGLE = re.compile(
    r"^(?:no |default )?(logging buffered|logging console|service timestamps debug)"
)
NOISE = "*Nov 23 18:00:0{n}.123: %SYS-5-CONFIG_I: Configured from console by noise{n}"
_BLOCK = re.compile(
    r"^(?:crypto ikev2 (?:proposal|policy|keyring|profile) \S+$"
    r"|crypto ipsec (?:transform-set|profile) |crypto map \S+ \d+|interface |ip access-list )"
)


@dataclass
class Box:
    """A router: what it is configured with, and how badly it behaves."""

    answers: dict[str, str] = field(default_factory=dict)
    mode: str = ">"  # ">", "#", "(config)#", "(config-sub)#"; a console keeps it
    config: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    refuse: str = r"\A(?!)"  # lines that are invalid
    noise: bool = False
    pages: int = 0  # lines a page, even after `terminal length 0`
    drop_at: list[str] = field(default_factory=list)  # commands that end the connection, once each
    asks_enable: bool = True
    boots: str = ""  # what a console says first
    on: dict[str, Callable[[], str]] = field(default_factory=dict)  # what commands bring about
    broken: list[str] = field(default_factory=list)  # what our own part of it failed with
    _section: str = ""
    _log: int = 0
    _secret: bool = False

    def log(self) -> str:
        """One more log line, if it makes noise."""
        self._log += 1
        return NOISE.format(n=self._log % 10) if self.noise else ""

    @property
    def prompt(self) -> str:
        return "Password: " if self._secret else NAME + self.mode

    def run(self, line: str) -> list[str] | None:
        """The answer to a line; None ends the connection."""
        word = line.strip()
        if self._secret:
            self._secret = False
            self.mode = "#" if word == ENABLE else self.mode
            return [] if word == ENABLE else ["% Access denied"]
        if word:
            self.commands.append(word)
        if word in self.drop_at:
            self.drop_at.remove(word)
            return None
        if word in ("end", "exit"):
            return self._leave(word)
        if self.mode in (">", "#"):
            return self._exec(word)
        return self._configure(line)

    def _leave(self, word: str) -> list[str] | None:
        if self.mode in (">", "#"):
            return None if word == "exit" else []
        self.mode = "(config)#" if word == "exit" and "sub" in self.mode else "#"
        return []

    def _exec(self, word: str) -> list[str]:
        if word == "enable":
            self._secret = self.asks_enable
            self.mode = self.mode if self.asks_enable else "#"
            return []
        if word == "configure terminal" and self.mode == "#":
            self.mode = "(config)#"
            return ["Enter configuration commands, one per line.  End with CNTL/Z."]
        if word.startswith("show running-config | include"):
            wanted = re.compile(word.partition("include ")[2])
            return [line for line in self.config if wanted.search(line)]
        if word == "show running-config":
            return ["Building configuration...", "", *self.config, "end"]
        for start, act in self.on.items():
            if word.startswith(start):
                return act().splitlines()
        if word.startswith(("terminal ", "clear ", "debug ", "undebug ", "no debug ", "ping ")):
            return []
        for command, answer in self.answers.items():
            if word == command:
                return answer.splitlines()
        return ["% Invalid input detected at '^' marker."] if word else []

    def _configure(self, line: str) -> list[str]:
        """One line of configuration; in a block, the same words may be the block's own."""
        word = line.strip()
        if not word or word == "!":
            return []
        if re.search(self.refuse, word):
            return [" " * 20 + "^", "% Invalid input detected at '^' marker."]
        inside = "sub" in self.mode
        if inside and self._section.startswith("interface"):
            block = self._block(self._section)
            if word.startswith("no crypto map"):
                self._drop(block, f" {word.removeprefix('no ')}")
                return []
            if re.fullmatch(r"crypto map \S+", word):
                self.config.insert(block[1], f" {word}")
                return []
        if single := _SINGLE.match(word):
            key = single.group(1)
            self.config = [x for x in self.config if x.removeprefix("no ").find(key) != 0]
            if not word.startswith("default "):
                self.config.insert(0, word)
            return []
        if word.startswith("no ") and not inside:
            return self._remove(word.removeprefix("no "))
        if _BLOCK.match(word):
            self.mode, self._section = "(config-sub)#", word
            if word not in self.config:
                self.config.append(word)
        elif inside:
            start, end = self._block(self._section)
            if f" {word}" not in self.config[start:end]:
                self.config.insert(end, f" {word}")
        elif word not in self.config:
            self.config.append(word)
        return []

    def _block(self, header: str) -> tuple[int, int]:
        start = self.config.index(header) + 1
        end = start
        while end < len(self.config) and self.config[end].startswith(" "):
            end += 1
        return start, end

    def _drop(self, block: tuple[int, int], line: str) -> None:
        self.config[slice(*block)] = [x for x in self.config[slice(*block)] if x != line]

    def _remove(self, word: str) -> list[str]:
        at = [line for line in self.config if f"{line} ".startswith(f"{word} ")]
        if not at:
            return [f"% Cannot find {word}"]
        start, end = self._block(at[0])
        del self.config[start - 1 : end]
        return []


def _shell(box: Box) -> Any:
    from fakenos.plugins.shell.cmd_shell import CMDShell

    class Shell(CMDShell):  # type: ignore[misc]
        """FakeNOS's shell, with our box behind what it does not know itself."""

        prompt = property(lambda self: "\r\n".join([*self.said(), box.prompt]), lambda *_: None)

        def said(self) -> list[str]:
            return ["", box.log(), ""] if box.noise else []

        def emptyline(self) -> None:
            self.default("")

        def onecmd(self, line: str) -> bool:
            return bool(self.default(line))

        def default(self, line: str) -> bool:
            try:
                answer = box.run(line)
            except Exception:
                box.broken.append(traceback.format_exc())
                raise
            if answer is None:
                return True
            known = self.commands.get(line.strip(), {}) if answer[:1] else {}
            if "Invalid" in "".join(answer) and known.get("output"):
                answer = self._theirs(known["output"], line).splitlines()
            for number, text in enumerate(answer):
                if box.pages and number and number % box.pages == 0:
                    self.page()
                if box.noise and number == 1:
                    self.writeline(box.log())
                self.writeline(text) if text else self.stdout.write("\r\n")
            return not self.is_running.is_set()

        def _theirs(self, output: Any, line: str) -> str:
            if callable(output):
                output = output(
                    self.nos.device, base_prompt=NAME, current_prompt=box.prompt, command=line
                )
            return str(output).replace("{base_prompt}", NAME)

        def page(self) -> None:
            key = getattr(self.stdin, "key", None)
            if key is not None:
                self.stdout.write(" --More-- ")
                key()
                self.stdout.write("\b" * 10 + " " * 10 + "\b" * 10)

    return Shell


class _Wire:
    """A telnet connection as the shell's stdin and stdout."""

    def __init__(self, sock: socket.socket, box: Box) -> None:
        self._file = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._box = box

    def key(self) -> bytes:
        octet = self._file.read(1) or b""
        while octet == b"\xff":  # the client's answers to our options
            self._file.read(2)
            octet = self._file.read(1) or b""
        return octet

    def readline(self) -> str:
        line = b""
        while (octet := self.key()) not in (b"\r", b"\n"):
            if not octet:
                return "exit\n"
            if octet == b"\x00":
                continue
            line += octet
            if not self._box._secret:
                self._sock.sendall(octet)
            if self._box.noise and len(line) == 9:  # in the middle of an echo
                self._sock.sendall(f"\r\n{self._box.log()}\r\n".encode())
        self._sock.sendall(b"\r\n")
        return line.decode() + "\n"

    def write(self, text: str) -> None:
        data = text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        half = len(data) // 2
        with contextlib.suppress(OSError):  # an option in the middle of a word
            self._sock.sendall(data[:half] + b"\xff\xfd\x18" + data[half:])

    def flush(self) -> None:
        """Everything is sent at once."""


def _ssh() -> Any:
    from fakenos.plugins.servers.ssh_server_paramiko import ParamikoSshServer

    class Server(ParamikoSshServer):  # type: ignore[misc]
        """FakeNOS's own, which ends sooner when it is told to."""

        def __init__(self, **words: Any) -> None:
            super().__init__(**words)
            self.timeout = self.watchdog_interval = WAKE

        def connection_function(self, client: socket.socket, is_running: Any) -> None:
            try:
                super().connection_function(client, is_running)
            except AttributeError:  # of a channel that was never opened
                if is_running.is_set():
                    raise

        def _close_active_connections(self) -> None:
            """Wake who still waits for the channel of a client that was not let in."""
            waiting = list(self._active_sessions)
            super()._close_active_connections()
            for session in waiting:
                with session.lock:
                    session.server_accept_cv.notify_all()

    return Server


def _telnet(box: Box) -> Any:
    from fakenos.core.servers import TCPServerBase

    class Server(TCPServerBase):  # type: ignore[misc]
        """A console server on FakeNOS's TCP server, with FakeNOS's shell behind it."""

        def __init__(self, shell: Any, nos: Any, shell_configuration: Any, **rest: Any) -> None:
            super().__init__(rest["address"], rest["port"], timeout=WAKE)
            self._made = lambda wire, running: shell(
                stdin=wire, stdout=wire, nos=nos, nos_inventory_config={}, is_running=running,
                **{**shell_configuration, "intro": box.boots},
            )  # fmt: skip
            self._open: list[socket.socket] = []

        def connection_function(self, client: socket.socket, is_running: Any) -> None:
            self._open.append(client)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, contextlib.suppress(OSError):
                client.sendall(b"\xff\xfb\x01\xff\xfb\x03")  # WILL ECHO, WILL SUPPRESS-GO-AHEAD
                self._made(_Wire(client, box), is_running).cmdloop()

        def _close_active_connections(self) -> None:
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    return Server


@contextlib.contextmanager
def router(box: Box, kind: str = "ssh") -> Iterator[int]:
    """The simulator at a port of the loopback, over "ssh" or "telnet"."""
    try:
        from fakenos import FakeNOS
        from fakenos.plugins.servers import ssh_server_paramiko
    except ImportError:
        missing("FakeNOS not found: pip install fakenos")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    inventory = {
        "hosts": {
            NAME: {
                "username": USER, "password": PASSWORD, "port": port, "platform": "cisco_ios",
                "server": {"plugin": "ParamikoSshServer",
                           "configuration": {"address": "127.0.0.1"}},
            }
        }
    }  # fmt: skip
    # It types ten characters a second at most; nobody waits for that.
    quick = SimpleNamespace(
        sleep=lambda seconds: time.sleep(seconds if seconds > 0.1 else 0.0002),
        monotonic=time.monotonic,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssh_server_paramiko, "time", quick)
        net = FakeNOS(inventory=inventory)
        net.shell_plugins["CMDShell"] = _shell(box)
        made = _telnet(box) if kind == "telnet" else _ssh()
        net.servers_plugins["ParamikoSshServer"] = made
        with net:
            net.hosts[NAME].server._socket.listen()  # its own thread may not have got so far
            yield port
