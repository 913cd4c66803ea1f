"""A terminal session with a router: commands in, answers out, whatever else the line does.

Pages are turned, log lines are taken out, a configuration mode that somebody left open is left, and
a connection that drops is made again. The words travel by netmiko (SSH, telnet) or by our own
console stream; both are a `console.Line`.
"""

from __future__ import annotations

import contextlib
import re
import select
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ikelab.harness.errors import ConfigError, LabError, plain
from ikelab.harness.extras import load
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.ios import text
from ikelab.harness.peer.ios.console import Console, Dropped
from ikelab.harness.peer.ios.dialogue import ECHO_TIME, Login, privileged

LOGIN_TIME = 60.0
ANSWER_TIME = 60.0
DEEPEST = 4  # configuration modes one inside the other
_KINDS = {"ssh": "cisco_ios", "telnet": "cisco_ios_telnet"}


@dataclass(frozen=True, slots=True)
class Access:
    """How a router is reached: `ssh`, `telnet`, or `console` (a terminal server's port)."""

    name: str
    kind: str
    host: str
    port: int
    login: Login = field(default_factory=Login)
    boot: float = 0.0  # seconds that it may take to boot first
    through: str = ""  # what a terminal server on the way is told, to lead us to the console
    user: str = ""  # who we are on that terminal server
    password: str = field(default="", repr=False)

    def connect(self) -> Console:
        """A fresh connection, at whatever the router says first."""
        if self.kind == "console":
            return Console.open(self.host, self.port, name=self.name)
        console = Console(NetmikoLine(self), self.name)
        if self.through:
            # Its own prompt would be taken for the router's: what stands before the echo is gone.
            console.send(self.through + "\r")
            console.wait((re.compile(re.escape(self.through)),), ECHO_TIME)
        return console


class NetmikoLine:
    """netmiko's channel as a `Line`: its connection and login, our waiting."""

    def __init__(self, access: Access) -> None:
        netmiko = load("netmiko", "cisco", f"a session with {access.name} over {access.kind}")
        where = f"{access.name} at {access.host}:{access.port}"
        try:
            self._link: Any = netmiko.ConnectHandler(
                device_type="terminal_server" if access.through else _KINDS[access.kind],
                host=access.host,
                port=access.port,
                username=access.user or access.login.username,
                password=access.password or access.login.password,
                secret=access.login.enable,
                auto_connect=False,
                keepalive=30,
            )
            self._link.establish_connection()
        except netmiko.exceptions.NetmikoAuthenticationException:
            who = access.user or access.login.username
            raise ConfigError(
                f"{where} refuses user {who!r}: check username and password"
            ) from None
        except (netmiko.exceptions.NetmikoTimeoutException, OSError, EOFError) as error:
            raise LabError(f"{where} takes no {access.kind} connection: {_why(error)}") from None
        self._ended: tuple[type[Exception], ...] = (
            OSError,
            EOFError,
            netmiko.exceptions.NetmikoBaseException,
        )

    def read(self, seconds: float) -> str:
        channel = self._link.remote_conn
        try:
            said = str(self._link.read_channel())
            if said or not select.select([channel], [], [], seconds)[0]:
                return said
            said = str(self._link.read_channel())
        except self._ended as error:
            raise LabError(_why(error)) from None
        if not said and getattr(channel, "closed", False):
            raise LabError("it was closed from the other end")
        return said

    def write(self, words: str) -> None:
        try:
            self._link.write_channel(words)
        except self._ended as error:
            raise LabError(_why(error)) from None

    def close(self) -> None:
        with contextlib.suppress(*self._ended):
            self._link.disconnect()


class Session:
    """Commands to one router. Connects at the first one; `log` has what came unasked."""

    def __init__(self, connect: Callable[[], Console], login: Login, *, boot: float = 0.0) -> None:
        self.log: list[str] = []
        self.name = ""  # the router's own, from its prompt
        self.drops = 0  # how often a connection had to be made again
        self._connect = connect
        self._login = login
        self._boot = boot
        self._console: Console | None = None
        self._prompt = text.prompt("")
        self._mode = ""  # "config", "config-if", ...: where the last prompt says that we are
        self._said: list[str] = []  # by connections that have ended

    @classmethod
    def over(cls, access: Access) -> Session:
        """The session that an entry describes."""
        return cls(access.connect, access.login, boot=access.boot)

    def open(self) -> None:
        """Connect, log in, turn paging off. Idempotent; LabError says what the router said."""
        if self._console is not None:
            return
        console = self._connect()
        try:
            self.name = privileged(console, self._login, self._boot or LOGIN_TIME)
            self._prompt = text.prompt(self.name)
            self._console = console
            if text.refusal(self._ask("terminal length 0", ANSWER_TIME)):
                self._ask("terminal pager 0", ANSWER_TIME)  # an ASA
            self._ask("terminal width 0", ANSWER_TIME)
        except BaseException:
            self._console = None
            self._said.append(console.seen)
            console.close()
            raise
        self._boot = 0.0  # it is up: the next time it has a minute

    def show(self, command: str, timeout: float = ANSWER_TIME) -> str:
        """The router's answer to a command that changes nothing, log lines taken out."""
        return str(self._again(lambda: self._ask(command, timeout)))

    def configure(self, lines: Iterable[str], *, refusals: list[str] | None = None) -> None:
        """Give configuration lines, from `configure terminal` to `end`.

        Unsupported names the line that the router refuses and its words; with `refusals` those are
        collected there, for lines that take back what may not be there. Where the connection
        drops, all lines are given again: IOS takes a line twice as once.
        """
        wanted = list(lines)
        self._again(lambda: self._configure(wanted, refusals))

    def close(self) -> None:
        """End the connection. Idempotent."""
        if self._console is not None:
            self._said.append(self._console.seen)
            self._console.close()
            self._console = None

    @property
    def seen(self) -> str:
        """All that was said on every connection; it has secrets in it."""
        return "".join(self._said) + (self._console.seen if self._console else "")

    def _again(self, work: Callable[[], Any]) -> Any:
        try:
            self.open()
            return work()
        except Dropped:
            self.close()
            self.drops += 1
        self.open()
        return work()

    def _configure(self, lines: list[str], refusals: list[str] | None) -> None:
        self._ask("configure terminal", ANSWER_TIME)
        try:
            for line in lines:
                if not line.startswith(" "):
                    self._leave_block()
                refused = text.refusal(self._ask(line, ANSWER_TIME))
                if refused and refusals is None:
                    raise Unsupported(f"{self.name} refuses {line.strip()!r}: {refused}")
                if refused and refusals is not None:
                    refusals.append(f"{line.strip()}: {refused}")
        finally:
            if self._console is not None:
                self._ask("end", ANSWER_TIME)

    def _leave_block(self) -> None:
        """To the top of the configuration: inside a block the same words may mean its own."""
        for _ in range(DEEPEST):
            if self._mode == "config":
                return
            self._ask("exit", ANSWER_TIME)

    def _ask(self, command: str, timeout: float) -> str:
        """One command and its answer; LabError where none comes."""
        console = self._console
        assert console is not None
        self._unasked(console.drain())
        console.send(command + "\r")
        spared = bool(text.SPARED.search(command))
        deadline = console.clock() + timeout
        said = ""
        while (left := deadline - console.clock()) > 0:
            found = console.wait((self._prompt, text.MORE, text.question()), min(left, timeout))
            if found is None:
                break
            said += found.said
            if found.pattern is text.MORE:
                console.send(" ")
                continue
            if found.pattern is not self._prompt:
                console.send("yes\r" if "yes" in found.text.lower() else "\r")
                continue
            answer = self._answer(said, command, spared)
            if answer is not None:
                self._mode = found.match.group(1) or ""
                return answer
        raise LabError(
            f"{console.name} has not answered {command!r} within {timeout:.0f} s; "
            f"it last said: {console.last_words()}"
        )

    def _answer(self, said: str, command: str, spared: bool) -> str | None:
        lines = text.plain(said)
        cleaned, log = text.without_log(lines)
        answer = text.after_echo(lines if spared else cleaned, command.strip())
        if answer is None:
            return None
        if not spared:
            self.log += log
        end = list(self._prompt.finditer(answer))
        return (answer[: end[-1].start()] if end else answer).strip("\n")

    def _unasked(self, said: str) -> None:
        self.log += text.without_log(text.plain(said))[1]


def _why(error: Exception) -> str:
    """One line of what netmiko says in many."""
    lines = [line.strip() for line in plain(error).splitlines() if line.strip()]
    return re.sub(r"\.$", "", lines[0]) if lines else type(error).__name__
