"""Sessions against a third party's IOS simulator: configure, read, unconfigure, come what may."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.ios import text
from ikelab.harness.peer.ios.dialogue import Login
from ikelab.harness.peer.ios.session import Access, Session
from tests.harness.ios_router import ENABLE, NAME, PASSWORD, USER, Box, router

LINES = [
    "crypto ikev2 proposal ikelab",
    " encryption aes-cbc-128",
    " integrity sha256",
    " group 14",
    "exit",
]
CONFIG = ["crypto ikev2 proposal ikelab", " encryption aes-cbc-128", " integrity sha256",
          " group 14"]  # fmt: skip
LOGIN = Login(USER, PASSWORD, ENABLE)
TELNET = pytest.param("telnet", marks=pytest.mark.long)  # netmiko takes its time over it


def over(kind: str, port: int, login: Login = LOGIN) -> Session:
    """A session with the simulator."""
    return Session.over(Access("r1", kind, "127.0.0.1", port, login))


def served(kind: str) -> str:
    return "ssh" if kind == "ssh" else "telnet"


# netmiko over SSH and over telnet, and our own console stream.
@pytest.mark.parametrize("kind", ["ssh", "telnet", "console"])
def test_a_router_is_configured_read_and_unconfigured(kind: str) -> None:
    box = Box(answers={"show crypto ikev2 sa detailed": " IPv4 Crypto IKEv2  SA \n\nTunnel-id 1"})
    with router(box, served(kind)) as port:
        session = over(kind, port)
        session.configure(LINES)
        configured, shown = list(box.config), session.show("show running-config")
        answer = session.show("show crypto ikev2 sa detailed")
        session.configure(["no crypto ikev2 proposal ikelab"])
        session.close()

    assert session.name == NAME
    assert configured == CONFIG
    assert shown.splitlines()[2:] == [*CONFIG, "end"]
    assert answer.strip() == "IPv4 Crypto IKEv2  SA \n\nTunnel-id 1"
    assert box.config == [] and box.mode == "#"


@pytest.mark.parametrize("kind", ["ssh", TELNET, "console"])
def test_pages_and_log_lines_stay_out_of_an_answer(kind: str) -> None:
    shown = [f"line {number} of an answer" for number in range(12)]
    box = Box(noise=True, pages=4, answers={"show crypto ipsec sa": "\n".join(shown)})
    with router(box, served(kind)) as port:
        session = over(kind, port)
        session.configure(LINES)
        answers = [session.show("show crypto ipsec sa") for _ in range(3)]
        session.close()

    assert [answer.splitlines() for answer in answers] == [shown] * 3
    assert box.config == CONFIG
    assert len(session.log) > 10 and all("%SYS-5-CONFIG_I" in line for line in session.log)


def test_the_log_itself_keeps_its_lines() -> None:
    log = "*Nov 23 18:00:00.1: IKEv2:(SESSION ID = 1,SA ID = 1):Sending Packet\n*Nov 23 18:00:01: x"
    with router(Box(answers={"show logging": log})) as port:
        session = over("ssh", port)
        found = session.show("show logging")
        session.close()

    assert found == log


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("ssh", " integrity sha256"),
        pytest.param("telnet", " group 14", marks=pytest.mark.long),
        ("console", "show running-config"),
    ],
)
def test_a_connection_that_drops_is_made_again(kind: str, command: str) -> None:
    box = Box(drop_at=[command.strip()])
    with router(box, served(kind)) as port:
        session = over(kind, port)
        session.configure(LINES)
        shown = session.show("show running-config")
        session.close()

    assert session.drops == 1 and box.drop_at == []
    assert box.config == CONFIG and shown.splitlines()[2:-1] == CONFIG


def test_a_terminal_server_leads_to_a_console() -> None:
    box = Box(on={"open /lab/n1/0": lambda: "Connected. Escape character is '^]'."})
    with router(box) as port:
        way = Access("r1", "ssh", "127.0.0.1", port, Login(enable=ENABLE),
                     through="open /lab/n1/0", user=USER, password=PASSWORD)  # fmt: skip
        session = Session.over(way)
        session.configure(LINES)
        session.close()

    assert box.commands[0] == "open /lab/n1/0" and box.config == CONFIG


def test_a_router_that_drops_again_and_again_is_an_error() -> None:
    with router(Box(drop_at=["show clock"] * 2)) as port:
        session = over("ssh", port)
        with pytest.raises(LabError, match="the connection to r1 is gone"):
            session.show("show clock")
        session.close()


# A terminal server's port is a console too, whoever opens it.
@pytest.mark.parametrize("kind", [TELNET, "console"])
def test_a_console_left_in_configuration_mode_is_survived(kind: str) -> None:
    box = Box(mode="(config-sub)#")
    with router(box, "telnet") as port:
        session = over(kind, port)
        shown = session.show("show running-config")
        session.close()

    assert shown.endswith("end") and box.config == []


def test_a_line_that_is_refused_is_named_and_the_mode_is_left() -> None:
    box = Box(refuse="chacha")
    with router(box) as port:
        session = over("ssh", port)
        with pytest.raises(Unsupported, match=r"R1 refuses 'encryption chacha': % Invalid input"):
            session.configure([LINES[0], " encryption chacha"])
        refusals: list[str] = []
        session.configure(["no crypto ikev2 profile none", "no crypto ikev2 proposal ikelab"],
                          refusals=refusals)  # fmt: skip
        session.close()

    assert box.mode == "#" and box.config == []
    assert refusals == ["no crypto ikev2 profile none: % Cannot find crypto ikev2 profile none"]


@pytest.mark.parametrize(
    ("kind", "login", "words"),
    [
        ("ssh", Login(USER, "wrong", ENABLE), "refuses user 'ikelab': check username and pass"),
        ("ssh", Login(USER, PASSWORD, "wrong"), "refuses the user name, password or enable"),
        ("console", Login(USER), "r1 asks for a password"),
    ],
)
def test_a_wrong_or_missing_password_is_one_line(kind: str, login: Login, words: str) -> None:
    with router(Box(), served(kind)) as port, pytest.raises((LabError, ConfigError), match=words):
        over(kind, port, login).open()


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(LabError, match="takes no ssh connection: TCP connection to dev"):
        over("ssh", 1).open()


def test_without_the_extra_a_session_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "netmiko", None)

    with pytest.raises(ConfigError, match=r"r1 over ssh needs netmiko: pip install 'ikelab\[cis"):
        over("ssh", 1).open()


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        ("*Nov 23 18:00:00.123: %SYS-5-CONFIG_I: Configured", True),
        ("000123: Nov 23 2026 18:00:00 UTC: IKEv2:(SESSION ID = 1,SA ID = 1):Next payload", True),
        ("%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0", True),
        ("1d02h: %SYS-5-RESTART: System restarted --", True),
        ("% Invalid input detected at '^' marker.", False),
        ("*18:00:00.123 UTC Mon Nov 23 2026", False),
        ("      local crypto endpt.: 10.0.0.1, remote crypto endpt.: 10.0.0.2", False),
        (
            "Tunnel-id Local                 Remote                fvrf/ivrf            Status",
            False,
        ),
    ],
)
def test_log_lines_are_told_from_answers(line: str, noise: bool) -> None:
    assert text.without_log(f"{line}\n") == (("", [line]) if noise else (f"{line}\n", []))


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("     ^\n% Invalid input detected at '^' marker.", True),
        ("% Incomplete command.", True),
        ("%  Cannot remove as proposal is in use", True),
        ("%Error: group 1 is not supported in compliance mode", True),
        ("ERROR: % Invalid input detected", True),
        ("% Warning: weak transform", False),
        ("%NOTE: crypto map is incomplete", False),
        ("IKEv2 proposal MUST either have a set of an encryption algorithm", False),
    ],
)
def test_refusals_are_told_from_remarks(answer: str, refused: bool) -> None:
    assert bool(text.refusal(answer)) is refused


def test_every_real_output_passes_unchanged(shared: Path) -> None:
    for file in sorted((shared / "cisco/show").glob("*.txt")):
        shown = text.plain(file.read_text())
        assert text.without_log(shown) == (shown, []), file.name
