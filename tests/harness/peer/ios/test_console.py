"""The console stream: telnet taken out, words waited for, a boot talked through."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer.ios.console import Console, SocketLine, Telnet
from ikelab.harness.peer.ios.dialogue import Login, privileged

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
OFFER = bytes((IAC, WILL, 1, IAC, WILL, 3, IAC, DO, 24, IAC, SB, 24, 1, IAC, SE))
LOGIN = Login("ikelab", "let-me-in", "up-i-go")


@given(st.lists(st.integers(1, 40), max_size=8))
def test_telnet_is_taken_out_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    stream = OFFER + b"R1\r\x00\n" + bytes((IAC, IAC)) + OFFER + b"#"
    telnet, text, answer, at = Telnet(), b"", b"", 0
    for cut in [*cuts, len(stream)]:
        said, due = telnet.feed(stream[at : at + cut])
        text, answer, at = text + said, answer + due, at + cut

    assert text == b"R1\r\n\xff#"
    # Each option is answered once: ECHO and SUPPRESS-GO-AHEAD taken, TERMINAL-TYPE refused.
    assert answer == bytes((IAC, DO, 1, IAC, DO, 3, IAC, WONT, 24, IAC, WONT, 24))


def test_telnet_answers_each_change_once() -> None:
    telnet = Telnet()

    assert telnet.feed(bytes((IAC, WILL, 1))) == (b"", bytes((IAC, DO, 1)))
    assert telnet.feed(bytes((IAC, WILL, 1))) == (b"", b"")
    assert telnet.feed(bytes((IAC, WONT, 1))) == (b"", bytes((IAC, DONT, 1)))
    assert telnet.feed(bytes((IAC, WONT, 1, IAC, DONT, 31))) == (b"", b"")


class Box:
    """The far side of a console: says what it is told to, in answer to what is typed."""

    def __init__(self, far: socket.socket) -> None:
        self.typed: list[str] = []
        self._far = far

    def talk(self, turns: list[tuple[str, bytes]]) -> None:
        """For each line that comes, check it and say the answer."""
        with self._far.makefile("rb", buffering=0) as words:
            for wanted, answer in turns:
                line = b""
                if not wanted:
                    self._far.sendall(answer)
                    continue
                while not line.endswith((b"\r", b"\x03", b"q")):
                    octet = words.read(1)
                    if not octet:
                        return
                    line += octet
                self.typed.append(line.decode())
                if line.decode() != wanted:
                    self._far.sendall(b"unexpected " + line)
                    return
                self._far.sendall(answer)

    def start(self, turns: list[tuple[str, bytes]]) -> None:
        threading.Thread(target=self.talk, args=(turns,), daemon=True).start()


@pytest.fixture
def pair() -> Iterator[tuple[Console, Box]]:
    """A console and who speaks at its other end."""
    near, far = socket.socketpair()
    with near, far:
        yield Console(SocketLine(near), "r1"), Box(far)


def test_options_alone_or_half_a_character_are_no_silence() -> None:
    near, far = socket.socketpair()
    with near, far:
        console = Console(SocketLine(near), "r1")

        # The far side goes on only when it is answered, so that each piece comes by itself.
        def talk() -> None:
            far.sendall(bytes((IAC, WILL, 3)))
            far.recv(100)
            far.sendall(bytes((IAC, WILL, 1)) + "é".encode()[:1])
            far.recv(100)
            far.sendall("é".encode()[1:] + b" r1#")

        threading.Thread(target=talk, daemon=True).start()
        found = console.wait([re.compile("r1#")], 20)

    assert found is not None and found.said == "é r1#"


def test_a_first_boot_is_talked_through_to_a_privileged_prompt(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start(
        [
            ("", b"\r\nGRUB loading\r\n%IOSXEBOOT-4-BOOT_SRC: (rp/0): Bootdisk\r\n"
                   b"Would you like to enter the initial configuration dialog? [yes/no]: "),
            ("no\r", b"no\r\n\r\nEnter enable secret: "),
            ("\x03", b"\r\nWould you like to terminate autoinstall? [yes]: "),
            ("yes\r", b"yes\r\n\r\nPress RETURN to get started!\r\n"),
            ("\r", b"\r\n\x1b[0m*Nov 23 18:00:00.1: %LINK-3-UPDOWN: Interface up\r\nRouter>"),
            ("enable\r", b"enable\r\nRouter#"),
        ]
    )  # fmt: skip

    assert privileged(console, Login(), timeout=5) == "Router"
    assert box.typed[-1] == "enable\r"
    assert "\x1b" not in console.seen and "%LINK-3-UPDOWN" in console.seen


def test_a_login_gives_each_password_where_it_belongs(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start(
        [
            ("", b"\r\nUser Access Verification\r\n\r\nUsername: "),
            ("ikelab\r", b"ikelab\r\nPassword: "),
            ("let-me-in\r", b"\r\nR1>"),
            ("enable\r", b"enable\r\nPassword: "),
            ("up-i-go\r", b"\r\nR1#"),
        ]
    )

    assert privileged(console, LOGIN, timeout=5) == "R1"


@pytest.mark.parametrize("left", [b"R1(config-ikev2-profile)#", b"R1(config)#"])
def test_a_console_left_in_configuration_mode_is_brought_back(
    pair: tuple[Console, Box], left: bytes
) -> None:
    console, box = pair
    box.start([("\r", b"\r\n" + left), ("end\r", b"end\r\nR1#")])

    assert privileged(console, LOGIN, timeout=5) == "R1"


def test_a_page_and_a_question_that_somebody_left_are_left(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start(
        [
            ("", b" --More-- "),
            ("q", b"\b\b\b\r\nProceed with reload? [confirm]"),
            ("\x03", b"\r\nR1#"),
        ]
    )

    assert privileged(console, LOGIN, timeout=5) == "R1"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\r\nrommon 1 > ", "r1: it stands in ROM monitor: no bootable image was found"),
        (b"\r\nNo bootable device.\r\n", "its disk does not boot"),
        (b"\r\n% Login invalid\r\n\r\nUsername: ", "refuses the user name, password or enable"),
    ],
)
def test_a_router_that_gets_no_further_is_an_error_at_once(
    pair: tuple[Console, Box], said: bytes, words: str
) -> None:
    console, box = pair
    box.start([("", said)])

    with pytest.raises(LabError, match=words):
        privileged(console, LOGIN, timeout=5)


def test_what_the_entry_lacks_is_named(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start([("", b"\r\nUsername: ")])

    with pytest.raises(ConfigError, match="r1 asks for a username: write it into its entry"):
        privileged(console, Login(), timeout=5)


def test_a_password_that_is_asked_for_again_and_again_ends(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start([("", b"\r\nR1>"), *[("enable\r", b"enable\r\nR1>")] * 10])

    with pytest.raises(LabError, match="asks 'R1>' again and again"):
        privileged(console, Login(), timeout=5)


def test_a_silent_router_is_an_error_with_its_last_words(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box.start([("", b"\r\nBooting image c8000v.bin ...")])

    with pytest.raises(LabError, match=r"no prompt within 0 s; it last said: Booting image c8000v"):
        console.wait([re.compile("Booting")], 5)
        privileged(console, LOGIN, timeout=0.2)


def test_a_connection_that_ends_says_so(pair: tuple[Console, Box]) -> None:
    console, box = pair
    box._far.close()

    with pytest.raises(LabError, match=r"the connection to r1 is gone \(it was closed"):
        console.wait([re.compile("x")], 5)


def test_a_port_that_nobody_listens_on_says_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with pytest.raises(LabError, match=rf"the console of r1 at 127.0.0.1:{port} .*is the node"):
        Console.open("127.0.0.1", port, name="r1")


class Pieces:
    """A line that says what it is given, a piece at a time."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces

    def read(self, seconds: float) -> str:
        return self.pieces.pop(0) if self.pieces else ""

    def write(self, text: str) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing is open."""


@given(st.lists(st.integers(1, 9), max_size=30))
def test_a_prompt_is_found_wherever_its_colours_are_cut(cuts: list[int]) -> None:
    text, pieces = "boot\x1b[1;32m\r\nR1\x1b[0m#\x1b[K", []
    for cut in [*cuts, len(text)]:
        pieces.append(text[:cut])
        text = text[cut:]
    console = Console(Pieces([piece for piece in pieces if piece]), "r1")

    found = console.wait([re.compile(r"[\r\n]R1#")], 1)
    console.drain()

    assert found is not None and console.seen == "boot\r\nR1#"


def test_a_log_of_megabytes_costs_what_it_is_long() -> None:
    line = "*Nov 23 18:00:00.123: IKEv2:(SESSION ID = 1,SA ID = 1):Next payload: SA\r\n"
    console = Console(Pieces([line] * 40_000 + ["R1#"]), "r1")
    began = time.process_time()

    found = console.wait([re.compile(r"(?:^|[\r\n])R1#")], 60)

    assert found is not None and len(found.said) == 40_000 * len(line) + 3
    assert time.process_time() - began < 10  # by the square it would be minutes
