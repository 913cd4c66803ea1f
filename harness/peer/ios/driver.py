"""A router as a peer: configured over a session, asked over it, brought back to what it was.

This room joins three: a `Dialect` (what its release's configuration and answers look like), a
`Session` (how it is reached) and, where somebody else runs it, what has to be ended with it. It
never touches what it did not configure: every line is taken back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ikelab.harness.errors import IkelabError, LabError
from ikelab.harness.model import Transform
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.ios import upkeep
from ikelab.harness.peer.ios.entry import RouterEntry
from ikelab.harness.peer.ios.session import Session

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
    def interface(self) -> str:
        """The interface that is meant where the entry names none."""

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
        self._wire = str(entry.lab.get("condition", ""))
        # Who reads a report sees what wire its verdicts were given over.
        self.version = dialect.version + (f" over {self._wire}" if self._wire else "")
        self.lacks = dict(dialect.lacks)
        self.capabilities = CAPABILITIES - set(self.lacks)
        self._entry = entry
        self._session = session
        self._dialect = dialect
        self._interface = entry.interface or dialect.interface
        self._upkeep = upkeep.of(dialect.version)
        self._ended = ended
        self._config: PeerConfig | None = None
        self._script = Script((), ())
        self._logging: tuple[str, ...] | None = None  # what takes our logging back

    def start(self, config: PeerConfig) -> None:
        """Configure the router, with no SA up and an empty log; wait until it shows our lines.

        The same configuration is not given twice.
        """
        rendered = self._dialect.render(config, self._interface)
        script = self._surrounded(rendered, config)
        self._prepare()
        if self._config is None or script != self._script:
            self._unconfigure()
            self._script = script
            self._session.configure(script.apply)
            self._ready(script)
        for command in (*self._dialect.clear, self._upkeep.clear_log, *self._dialect.debug):
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
        inside, outside = upkeep.host(config.local_ts[0]), upkeep.host(config.remote_ts[0])
        # Whether anybody answers it is of no interest.
        said = self._session.show(self._upkeep.trigger.format(inside=inside, outside=outside))
        if "Invalid source" in said:
            raise LabError(f"{self.name} cannot send from {inside}: {' '.join(said.split())}")

    def view(self) -> PeerView:
        """What the router shows of its SAs now."""
        if self._config is None:
            return PeerView()
        answers = {question: self._session.show(question) for question in self._dialect.questions}
        view = self._dialect.view(answers, self._config)
        if unread := _unread(view, answers, self._config.remote_address):
            raise LabError(
                f"{self.name} shows the child {unread} in words that ikelab does not read: "
                "'ikelab lab record' keeps them for a report"
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
        """The lines that were given, without keys; what was made of the wire, as a remark."""
        text = "\n".join(self._script.apply) + "\n" if self._script.apply else ""
        if self._wire:
            text = f"! the wire, by ikelab: {self._wire}\n{text}"
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
        habits = self._upkeep
        before = self._session.show(habits.asked).splitlines()
        found = tuple(line.strip() for line in before if habits.kept.match(line))
        self._session.configure(habits.logging)
        self._logging = (*habits.defaults, *found)

    def _surrounded(self, script: Script, config: PeerConfig) -> Script:
        """The script, with all that a packet needs to want the tunnel."""
        before: tuple[str, ...] = ()
        if self._entry.prefix:  # the interface's own address is for us to give
            word = upkeep.address(f"{config.local_address}/{self._entry.prefix}")
            before = (f"interface {self._interface}", f" {word}", " no shutdown")
        behind = self._upkeep.surroundings and not _tunnel(script)
        lines, undo = upkeep.around(config, behind=behind)
        return Script((*before, *lines, *script.apply), (*script.undo, *undo))

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


def _unread(view: PeerView, answers: Mapping[str, str], ours: str) -> str:
    """The SPI of a child with us that the view does not have whole; "" where all is well.

    A router is never judged by what we cannot read.
    """
    children = [child for sa in view.sas for child in sa.children]
    for child in children:
        if not (child.local_ts and child.remote_ts and child.suite.transforms):
            return child.spi_in.hex()
    for answer in answers.values() if view.sas and not children else ():
        found = re.search(r"\bspi: 0x([0-9A-F]+)", answer, re.I)
        if found and re.search(rf"\bcurrent_peer:? {re.escape(ours)}\b", answer):
            return found.group(1).rjust(8, "0").lower()
    return ""
