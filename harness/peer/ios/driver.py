"""A router as a peer: configured over a session, asked over it, brought back to what it was.

This room joins three: a `Dialect` (what its release's configuration and answers look like), a
`Session` (how it is reached) and, where somebody else runs it, what has to be ended with it. It
never touches what it did not configure: every line is taken back.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ikelab.harness.errors import IkelabError, LabError
from ikelab.harness.model import TS, Transform
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.ios.entry import RouterEntry
from ikelab.harness.peer.ios.session import Session

# A debug log that is read from the buffer comes whole; a terminal loses lines, and a console
# at 9600 baud stops the router.
_LOGGING = (
    "service timestamps debug datetime msec",
    "logging buffered 4000000 debugging",
    "no logging console",
)
_ASKED = "show running-config | include ^logging (buffered|console)|^service timestamps debug"
_DEFAULTS = (
    "default service timestamps debug", "default logging buffered", "default logging console"
)  # fmt: skip
LOOPBACK = "Loopback900"
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_BLOCK = re.compile(r"crypto ikev2 (?:proposal|policy|keyring|profile) \S+$")
_SECRET_LINE = re.compile(
    r"^(\s*(?:ikev2 (?:local|remote)-authentication )?(?:pre-shared-key(?: local| remote)?"
    r"|ppk manual id \S+ key(?: hex)?) )\S+",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Script:
    """Configuration lines, and the lines that take them back."""

    apply: tuple[str, ...]
    undo: tuple[str, ...]


class Dialect(Protocol):
    """What one release of one family understands and says; pure."""

    @property
    def version(self) -> str:
        """The release, as it is named."""

    @property
    def questions(self) -> tuple[str, ...]:
        """The commands that `view` reads the answers of."""

    @property
    def clear(self) -> tuple[str, ...]:
        """The commands that end every SA."""

    @property
    def debug(self) -> tuple[str, ...]:
        """The commands that log what IKEv2 does."""

    @property
    def lacks(self) -> Mapping[str, str]:
        """Capability -> why this release has it not."""

    def render(self, config: PeerConfig, interface: str) -> Script:
        """The configuration; Unsupported where the release cannot say it."""

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether the release has the algorithm."""

    def view(self, answers: Mapping[str, str], config: PeerConfig) -> PeerView:
        """What the answers to `questions` tell."""


CAPABILITIES = frozenset({"responder", "initiator", "view", "child", "cookies", "nat-d-honest"})


class IosPeer:
    """Implements `Peer` for a router. `ended` is called last, to end the lab that runs it."""

    def __init__(
        self,
        entry: RouterEntry,
        session: Session,
        dialect: Dialect,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = entry.name
        self.version = dialect.version
        self.lacks = dict(dialect.lacks)
        self.capabilities = CAPABILITIES - set(self.lacks)
        self._entry = entry
        self._session = session
        self._dialect = dialect
        self._ended = ended
        self._config: PeerConfig | None = None
        self._script = Script((), ())
        self._logging: tuple[str, ...] | None = None  # what takes our logging back

    def start(self, config: PeerConfig) -> None:
        """Configure the router, with no SA up and an empty log; wait until it shows our lines.

        The same configuration is not given twice.
        """
        rendered = self._dialect.render(config, self._entry.interface)
        script = self._surroundings(rendered, config)
        self._prepare()
        if self._config is None or script != self._script:
            self._unconfigure()
            self._script = script
            self._session.configure(script.apply)
            self._ready(script)
        for command in (*self._dialect.clear, "clear logging", *self._dialect.debug):
            self._session.show(command)
        self._config = config

    def initiate(self) -> None:
        """Send a packet through the tunnel from behind the router: that brings an SA up.

        A tunnel interface brings one up by itself when it comes up.
        """
        config = self._config
        assert config is not None, "initiate before start"
        if tunnel := _tunnel(self._script):
            for word in (" shutdown", " no shutdown"):
                self._session.configure((tunnel, word))
            return
        if not config.local_ts or not config.remote_ts:
            raise Unsupported(f"{self.name} has no addresses behind it to send a packet between")
        inside, outside = _host(config.local_ts[0]), _host(config.remote_ts[0])
        # One second and one packet: its answer is of no interest.
        said = self._session.show(f"ping {outside} source {inside} repeat 1 timeout 1")
        if "Invalid source" in said:
            raise LabError(f"{self.name} cannot send from {inside}: {' '.join(said.split())}")

    def view(self) -> PeerView:
        """What the router shows of its SAs now."""
        if self._config is None:
            return PeerView()
        answers = {question: self._session.show(question) for question in self._dialect.questions}
        view = self._dialect.view(answers, self._config)
        for child in (child for sa in view.sas for child in sa.children):
            if not (child.local_ts and child.remote_ts and child.suite.transforms):
                # Never judge a router by what we cannot read.
                raise LabError(
                    f"{self.name} shows a child {child.spi_in.hex()} in words that ikelab does "
                    "not read: 'ikelab lab record' keeps them for a report"
                )
        return view

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether the release has the algorithm."""
        return self._dialect.knows(transform, protocol)

    def child_keys(self) -> frozenset[Keys]:
        """A router tells none."""
        return frozenset()

    def alive(self) -> bool:
        """Whether it answers at all."""
        try:
            return bool(self._session.show("show clock"))
        except LabError:
            return False

    def log(self) -> str:
        """The router's log buffer since `start`, in its own words."""
        return self._session.show("show logging") + "\n" if self._config else ""

    def config_text(self) -> str:
        """The lines that were given, without keys."""
        text = "\n".join(self._script.apply) + "\n" if self._script.apply else ""
        return _SECRET_LINE.sub(r"\g<1><not shown>", text)

    def stop(self) -> None:
        """Take back every line, end the session and the lab. Idempotent."""
        try:
            with contextlib.suppress(IkelabError):  # whatever else fails, the lab is ended
                if self._script.apply:
                    for command in ("undebug all", *self._dialect.clear):
                        self._session.show(command)
                self._unconfigure()
                if self._logging is not None:
                    self._session.configure(self._logging, refusals=[])
        finally:
            self._logging, self._config = None, None
            self._session.close()
            self._ended()

    def _prepare(self) -> None:
        """Log to the buffer; remember how it was logged before."""
        if self._logging is not None:
            return
        before = self._session.show(_ASKED)
        found = tuple(line.strip() for line in before.splitlines()
                      if line.startswith(("logging ", "no logging ", "service ")))  # fmt: skip
        self._session.configure(_LOGGING)
        self._logging = (*_DEFAULTS, *found)

    def _surroundings(self, script: Script, config: PeerConfig) -> Script:
        """The script, and what has to be there for a packet to want the tunnel.

        The interface's own address where that is for us to give, an address behind the router to
        send from, and a way to what lies behind us.
        """
        entry, before, undo = self._entry, [], []
        if entry.prefix:
            address = f"{config.local_address}/{entry.prefix}"
            before += [f"interface {entry.interface}", f" {_address(address)}", " no shutdown"]
        if config.local_ts and not _tunnel(script):
            inside = _host(config.local_ts[0])
            before += [f"interface {LOOPBACK}", f" {_address(f'{inside}/{inside.max_prefixlen}')}"]
            undo.append(f"no interface {LOOPBACK}")
            for selector in config.remote_ts:
                ways = [f"{_route(net)} {config.remote_address}" for net in _networks(selector)]
                before += ways
                undo += [f"no {way}" for way in ways]
        return Script((*before, *script.apply), (*script.undo, *undo))

    def _unconfigure(self) -> None:
        if self._script.undo:
            refused: list[str] = []
            self._session.configure(self._script.undo, refusals=refused)
        self._script = Script((), ())
        self._config = None

    def _ready(self, script: Script) -> None:
        """LabError where the router does not show what it was told: nothing would be judged."""
        there = {line.strip() for line in self._session.show("show running-config").splitlines()}
        # Lines with a default's value are not shown; blocks are.
        missing = [line for line in script.apply
                   if _BLOCK.match(line) and line.strip() not in there]  # fmt: skip
        if missing:
            raise LabError(f"{self.name} took {missing[0]!r} and does not show it")


def _tunnel(script: Script) -> str:
    """The line that opens the script's tunnel interface, "" where it has none."""
    return next((line for line in script.apply if line.startswith("interface Tunnel")), "")


def _host(selector: TS) -> IPAddress:
    """The first address in a range that a host can have."""
    first = ipaddress.ip_address(str(selector.start))
    return first if str(selector.end) == str(selector.start) else first + 1


def _address(text: str) -> str:
    """The command that gives an interface this address."""
    there = ipaddress.ip_interface(text)
    if there.version == 6:
        return f"ipv6 address {there}"
    return f"ip address {there.ip} {there.netmask}"


def _networks(selector: TS) -> list[IPNetwork]:
    """The networks of a range of addresses."""
    first, last = (ipaddress.ip_address(str(end)) for end in (selector.start, selector.end))
    return list(ipaddress.summarize_address_range(first, last))


def _route(network: IPNetwork) -> str:
    """The start of the command that says where a network lies."""
    if network.version == 6:
        return f"ipv6 route {network}"
    return f"ip route {network.network_address} {network.netmask}"
