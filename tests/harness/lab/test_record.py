"""`ikelab lab record` against the simulator: fixtures that hold no secret."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from ikelab.harness.cli import main
from ikelab.harness.errors import ConfigError
from ikelab.harness.lab.record import read_only, record
from ikelab.harness.lab.recording import Source
from ikelab.harness.lab.wire import only_ike
from ikelab.harness.peer.ios.dialogue import Login
from ikelab.harness.peer.ios.session import Access, Session
from ikelab.netns import world
from tests.conftest import missing
from tests.harness.command import SCRIPT, ikelab
from tests.harness.ios_router import ENABLE, NAME, PASSWORD, USER, Box, router
from tests.harness.lab.cml_server import LAB, LINK, PCAP, Cml, serving
from tests.harness.lab.cml_server import PASSWORD as CML_PASSWORD
from tests.harness.lab.cml_server import USER as CML_USER

PSK = "Tr0ub4dor&3"
CONFIG = [
    "enable secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSSvyQYwucySCt7qFm4v7pqCxkKM",
    "crypto ikev2 keyring KR",
    " peer tester",
    f" pre-shared-key local {PSK}",
    " pre-shared-key remote 6 OgXOLKIaIPcYFWAZ",
]
LOG = f"""\
*Nov 23 18:00:00.1: IKEv2:(SESSION ID = 1,SA ID = 1):Using the pre-shared key {PSK}
*Nov 23 18:00:00.2:  {PSK.encode().hex(" ")}"""
SECRETS = (PSK, PASSWORD, ENABLE, "nhEmQVczB7", "OgXOLKIa", PSK.encode().hex(" "))


def box() -> Box:
    """A router with keys in its configuration and in its log."""
    return Box(
        config=list(CONFIG),
        answers={"show logging": LOG, "show crypto ipsec sa": "interface: Tunnel0",
                 "show running-config | section crypto": "\n".join(CONFIG[1:])},
    )  # fmt: skip


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def pcap(*frames: bytes) -> bytes:
    head = struct.pack("<IHHiIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 0)[:24]
    return head + b"".join(struct.pack("<IIII", 1, 2, len(f), len(f)) + f for f in frames)


@pytest.mark.parametrize("kind", ["ssh", "console"])
def test_a_record_holds_what_was_shown_and_no_secret(kind: str, tmp_path: Path) -> None:
    login = Login(USER, PASSWORD, ENABLE)
    telnet = bytes(12) + b"\x08\x00" + bytes((0x45,)) + bytes(8) + b"\x06" + bytes(10)
    wire = pcap(telnet + b"\x00\x17\x04\x00Password: " + PASSWORD.encode())
    with router(box(), "ssh" if kind == "ssh" else "telnet") as port:
        session = Session.over(Access("r1", kind, "127.0.0.1", port, login))
        unknown = record(session, tmp_path / "r", [*login.secrets, PSK], capture=lambda: wire)
        typed = session.seen
        session.close()

    assert PSK in typed  # there was a secret to take out
    kept = everything(tmp_path / "r")
    assert [word for word in SECRETS if word.encode() in kept] == []
    about = json.loads((tmp_path / "r/record.json").read_text())
    assert "show crypto ikev2 policy" in unknown and about["unknown"] == unknown
    assert "Version" in about["release"]
    shown = (tmp_path / "r/show/show_running_config_section_crypto.txt").read_text()
    assert shown.splitlines()[:2] == CONFIG[1:3]
    assert (tmp_path / "r/show/show_crypto_ipsec_sa.txt").read_text() == "interface: Tunnel0\n"
    assert (tmp_path / "r/wire.pcap").read_bytes() == wire[:24]
    assert f"{NAME}#show logging" in (tmp_path / "r/console.txt").read_text()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    with pytest.raises(ConfigError, match="is not empty: name a new folder"):
        record(Session(lambda: pytest.fail("connected"), Login()), tmp_path, [])


def test_the_command_records_the_router_of_an_entry(tmp_path: Path) -> None:
    with router(box()) as port:
        (tmp_path / "ikelab.toml").write_text(
            f'[peers.r1]\nkind = "ios"\naddress = "127.0.0.1"\nssh = "127.0.0.1:{port}"\n'
            f'username = "{USER}"\npassword = "{PASSWORD}"\nenable_env = "SECRET"\npsk = "{PSK}"\n'
        )
        done = ikelab("lab", "record", "ios:r1", "--out", "given", cwd=tmp_path,
                      env={"SECRET": ENABLE})  # fmt: skip

    assert done.status == 0, done.err
    assert "recorded in given" in done.out and "show crypto ikev2 policy" in done.out
    kept = everything(tmp_path / "given")
    assert len(kept) > 1000 and [word for word in SECRETS if word.encode() in kept] == []


@pytest.mark.parametrize(
    "command",
    [
        "show crypto ikev2 stats",
        "sh run | s crypto",
        "show running-config | include crypto|ikev2",
        "show ip route | inc 10.0.0.0 | count 10",
        "more system:running-config",
        "dir",
        "dir flash:",
        "Show Clock",
    ],
)
def test_what_only_shows_may_be_recorded(command: str) -> None:
    read_only([command])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reload", "'reload' may change the router: a record takes commands that only show"),
        ("configure terminal", "may change the router"),
        ("do show clock", "may change the router"),
        ("clear crypto session", "may change the router"),
        ("copy running-config startup-config", "may change the router"),
        ("showreload", "may change the router"),
        ("show", "may change the router"),
        ("", "may change the router"),
        ("show run | redirect flash:x", "'show run | redirect flash:x' may write a file"),
        ("show run | tee flash:x", "may write a file"),
        ("show run | r flash:x", "may write a file"),
        ("show run | append flash:x", "may write a file"),
        ("show tech-support file disk0:x", "may write a file"),
        ("show run |", "may write a file"),
        ("show run | include crypto | redirect flash:x", "may write a file"),
        ("show run | include crypto|tee flash:x", "may write a file"),
        ("show clock\nreload", "is no command of one line"),
        ("show clock\rreload", "is no command of one line"),
        ("show cry?", "is no command of one line"),
    ],
)
def test_what_does_more_than_show_is_refused(command: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        read_only([command])


def test_a_command_that_changes_the_router_is_not_typed(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text(
        '[peers.r1]\nkind = "ios"\naddress = "127.0.0.1"\nssh = "127.0.0.1:1"\n'
    )

    done = ikelab("lab", "record", "ios:r1", "--out", "given", "--command", "reload", cwd=tmp_path)

    done.refused(2, "'reload' may change the router")
    assert not (tmp_path / "given").exists()


IN_CML = f"""
[peers.r1]
kind = "ios"
address = "127.0.0.1"
ssh = "127.0.0.1:PORT"
username = "{USER}"
password = "{PASSWORD}"
enable = "{ENABLE}"

[peers.r1.cml]
url = "URL"
user = "{CML_USER}"
password = "{CML_PASSWORD}"
definition = "cat8000v"
condition = "loss=5%, delay=50ms"
"""


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_record_has_the_capture_of_the_wire_meanwhile(number: int, tmp_path: Path) -> None:
    """Ctrl-C ends the wait and not the record; SIGTERM ends it, and nothing is left in the lab."""
    cml = Cml(converges_after=1)
    with router(box()) as port, serving(cml) as url:
        entry = IN_CML.replace("PORT", str(port)).replace("URL", url)
        (tmp_path / "ikelab.toml").write_text(entry)
        words = [
            SCRIPT,
            "lab",
            "record",
            "ios:r1",
            "--out",
            "given",
            "--capture-wire",
            "--wait",
            "90",
        ]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(number)
            rest = process.stdout.read()

    assert said == "capturing for 90 s: bring a tunnel up now; Ctrl-C ends the wait\n"
    way = [call.split("/", 2)[2] for call in cml.asked if "/links/" in call]
    assert way == [
        f"links/{LINK}/{what}" for what in ("condition", "capture/start", "capture/stop")
    ]
    condition = json.loads(cml.bodies[f"PATCH labs/{LAB}/links/{LINK}/condition"])
    assert (condition["loss"], condition["latency"]) == (5, 50) and cml.labs == {}
    if number == signal.SIGTERM:
        assert process.returncode == 128 + number and not (tmp_path / "given").exists()
        return
    assert process.returncode == 0 and "recorded in given" in rest
    assert (tmp_path / "given/wire.pcap").read_bytes() == PCAP
    # What CML's console said comes first, and the session behind it.
    assert (tmp_path / "given/console.txt").read_text().startswith("Press RETURN to get started!")


def on_the_loopback(folder: Path) -> list[bytes]:
    """What a record keeps of a capture on our own interface; none is left open by an error."""
    frames = []
    for kept in (True, False):
        source = Source(interface="lo")
        with contextlib.suppress(KeyError), source.captured(None, str, str) as captured:
            assert captured is not None
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"IKE", ("127.0.0.1", 500))
                sender.sendto(PASSWORD.encode(), ("127.0.0.1", 23))
            if not kept:
                raise KeyError
            frames.append(captured())
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
    return frames


def test_a_record_may_capture_on_an_interface_of_ours(tmp_path: Path) -> None:
    if reason := world.available():
        missing(reason)
    [captured] = world.run(on_the_loopback, tmp_path, timeout=60)

    assert PASSWORD.encode() in captured
    kept = only_ike(captured)
    assert b"IKE" in kept and PASSWORD.encode() not in kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--capture-wire"], "--capture-wire is for routers that GNS3 or CML runs"),
        (["--capture-wire", "--capture-interface", "lo"], "a record has one capture"),
        (["--capture-interface", "eth77"], "no interface 'eth77' here: there are lo"),
        (["--capture", "none.pcap"], "no such capture: none.pcap"),
        (["--wait", "5"], "--wait needs --capture-wire or --capture-interface DEVICE"),
        (["--out", "."], ". is not empty: name a new folder"),
        (["--secret", "ab"], "a secret of fewer than 3 characters cannot be taken out"),
    ],
)
def test_a_record_that_cannot_be_is_one_line_before_anybody_is_asked(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text('[peers.r1]\nkind = "ios"\naddress = "127.0.0.1"\nssh = "127.0.0.1"\n')

    assert main(["lab", "record", "ios:r1", "--out", "x", "--peers-file", str(file), *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_command_says_which_routers_there_are(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text(
        '[peers.r1]\nkind = "ios"\naddress = "127.0.0.1"\nssh = "127.0.0.1"\n'
    )

    ikelab("lab", "record", "r2", "--out", "x", cwd=tmp_path).refused(2, "no router 'r2'", "ios:r1")
