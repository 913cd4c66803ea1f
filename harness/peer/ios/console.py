"""A router's console as a stream of text: what is said is waited for, and nothing ever sleeps.

This room knows sockets, telnet's own octets and how to wait for words. It knows no IOS: what a
booting router asks and what it is answered is a table in `dialogue`.
"""

from __future__ import annotations

import codecs
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from ikelab.harness.errors import LabError

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SUPPRESS_GO_AHEAD = 1, 3
_TAKEN = frozenset({ECHO, SUPPRESS_GO_AHEAD})  # what a terminal server may do; we refuse the rest
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>78]|\x07|\x00")
_CUT = re.compile(r"\x1b(?:\[[0-9;?]*)?\Z")  # the start of a colour whose end is still to come
TAIL = 300  # characters of a console that an error quotes
OVERLAP = 1000  # a match is shorter: a log of megabytes is not looked through for each piece


class Telnet:
    """Takes telnet's options (RFC 854, RFC 855) out of a stream, wherever it is cut.

    Each option is answered once for each change that the far side makes, so that no two ends
    answer one another for ever (RFC 854's rule).
    """

    def __init__(self) -> None:
        self._state = "text"
        self._verb = 0
        self._return = False  # the last octet was CR: a NUL after it is padding
        self._theirs: set[int] = set()
        self._ours: set[int] = set()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The text in `data`, and the octets to answer with."""
        text, answer = bytearray(), bytearray()
        for octet in data:
            match self._state:
                case "text" if octet == IAC:
                    self._state = "command"
                case "text":
                    if not (self._return and octet == 0):
                        text.append(octet)
                    self._return = octet == 0x0D
                case "command" if octet == IAC:
                    text.append(IAC)  # an escaped octet of text
                    self._state = "text"
                case "command" if octet in (DO, DONT, WILL, WONT):
                    self._verb, self._state = octet, "option"
                case "command":
                    self._state = "negotiation" if octet == SB else "text"
                case "option":
                    answer += self._answer(self._verb, octet)
                    self._state = "text"
                case "negotiation" if octet == IAC:
                    self._state = "negotiation-command"
                case "negotiation-command":
                    self._state = "text" if octet == SE else "negotiation"
        return bytes(text), bytes(answer)

    def _answer(self, verb: int, option: int) -> bytes:
        theirs = verb in (WILL, WONT)
        agreed = self._theirs if theirs else self._ours
        yes, no = (DO, DONT) if theirs else (WILL, WONT)
        if verb in (WONT, DONT):
            if option not in agreed:
                return b""
            agreed.remove(option)
            return bytes((IAC, no, option))
        if option not in _TAKEN or (not theirs and option == ECHO):
            return bytes((IAC, no, option))
        if option in agreed:
            return b""
        agreed.add(option)
        return bytes((IAC, yes, option))


class Line(Protocol):
    """What carries the words of a console: a socket here, netmiko's channel in `session`."""

    def read(self, seconds: float) -> str:
        """What comes within `seconds`, as soon as something does; "" is nothing.

        LabError where the connection has ended.
        """

    def write(self, text: str) -> None:
        """Type; LabError where the connection has ended."""

    def close(self) -> None:
        """End the connection. Idempotent."""


class SocketLine:
    """A console server's TCP port: raw, or telnet, which is noticed by its own octets."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._telnet = Telnet()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        # A segment of options alone, or of half a character, is no silence: go on waiting.
        while select.select([self._sock], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            if text := self._said():
                return text
        return ""

    def _said(self) -> str:
        """The text of what has come; "" where it was telnet's own octets only."""
        try:
            data = self._sock.recv(65536)
            if not data:
                raise LabError("it was closed from the other end")
            text, answer = self._telnet.feed(data)
            if answer:
                self._sock.sendall(answer)
        except OSError as error:
            raise LabError(error.strerror or str(error)) from None
        return self._decoder.decode(text)

    def write(self, text: str) -> None:
        try:
            self._sock.sendall(text.encode())
        except OSError as error:
            raise LabError(error.strerror or str(error)) from None

    def close(self) -> None:
        self._sock.close()


@dataclass(frozen=True, slots=True)
class Found:
    """What was waited for, and all that was said up to its end."""

    match: re.Match[str]
    said: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Which of the patterns it was."""
        return self.match.re

    @property
    def text(self) -> str:
        """The words that matched."""
        return self.match.group()


class Console:
    """The words of one connection."""

    def __init__(self, line: Line, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.clock = clock
        self._seen: list[str] = []
        self._cut = ""
        self._line = line
        self._pending: list[str] = []  # what was said and nobody has waited for yet

    @classmethod
    def open(cls, host: str, port: int, *, name: str, timeout: float = 10.0) -> Self:
        """Connect to a console server; LabError says what stands in the way."""
        try:
            sock = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise LabError(
                f"the console of {name} at {host}:{port} takes no connection "
                f"({error.strerror or error}): is the node started, is there a firewall between?"
            ) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(SocketLine(sock), name)

    def send(self, text: str) -> None:
        """Type `text` as it stands; LabError where the connection is gone."""
        try:
            self._line.write(text)
        except LabError as error:
            raise self._gone(error) from None

    def wait(self, patterns: Sequence[re.Pattern[str]], timeout: float) -> Found | None:
        """The first match (in the stream's order) of any pattern in what is said from here on.

        What stands before the match, and the match itself, is taken from the stream: `said`.
        None after `timeout` seconds; LabError where the connection ends.
        """
        deadline = self.clock() + timeout
        before: list[str] = []
        window = self._take()
        try:
            while True:
                found = [match for pattern in patterns if (match := pattern.search(window))]
                if found:
                    first = min(found, key=lambda match: match.start())
                    said = "".join([*before, window[: first.end()]])
                    before, window = [], window[first.end() :]
                    return Found(first, said)
                # From a line's start on, so that a pattern's own start means what it says.
                cut = window.rfind("\n", 0, max(len(window) - OVERLAP, 0)) + 1
                before.append(window[:cut])
                window = window[cut:]
                if not self._more(deadline):
                    return None
                window += self._take()
        finally:
            self._pending = ["".join(before) + window, *self._pending]

    @property
    def seen(self) -> str:
        """All that was said, colours taken out."""
        return "".join(self._seen)

    def drain(self, gap: float = 0.0) -> str:
        """What has been said and was not waited for, until nothing comes for `gap` seconds."""
        while self._more(self.clock() + gap):
            continue
        return self._take()

    def last_words(self) -> str:
        """The end of what was said, on one line, for an error."""
        return " ".join("".join(self._seen[-TAIL:])[-TAIL:].split()) or "nothing"

    def close(self) -> None:
        """End the connection."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self, deadline: float) -> bool:
        """Take what comes next; False where nothing comes by `deadline`."""
        try:
            text = self._line.read(max(deadline - self.clock(), 0.0))
        except LabError as error:
            raise self._gone(error) from None
        if not text:
            return False
        text = self._cut + text
        cut = _CUT.search(text)
        self._cut = cut.group() if cut else ""
        said = _ANSI.sub("", text.removesuffix(self._cut))
        self._pending.append(said)
        self._seen.append(said)
        return True

    def _take(self) -> str:
        """What was said and nobody has waited for; it is waited for now."""
        said, self._pending = "".join(self._pending), []
        return said

    def _gone(self, error: LabError) -> LabError:
        return Dropped(
            f"the connection to {self.name} is gone ({error}); it last said: {self.last_words()}"
        )


class Dropped(LabError):
    """A connection that ended by itself: who can begin again does."""
