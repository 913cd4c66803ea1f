"""What an entry of ikelab.toml says of a router, and what it says wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ikelab.harness import routers
from ikelab.harness.commands.peers import peers
from ikelab.harness.errors import ConfigError
from ikelab.harness.lab.base import ConsoleAt
from ikelab.harness.lab.cml import CmlRouter
from ikelab.harness.lab.gns3 import Gns3Router
from ikelab.harness.peer import external
from ikelab.harness.peer.external import Entry
from ikelab.harness.runner import Request

PLAIN = 'kind = "ios"\naddress = "10.0.0.2"\n'


def read(tmp_path: Path, text: str) -> dict[str, Entry]:
    """The entries of a file with this text below [peers.r1]."""
    file = tmp_path / "ikelab.toml"
    file.write_text(f"[peers.r1]\n{PLAIN}{text}\n")
    return external.read(file)


def test_a_router_needs_no_more_than_its_address_and_a_way_in(tmp_path: Path) -> None:
    found = read(tmp_path, 'ssh = "192.0.2.7"')

    assert list(found) == ["r1", "ios:r1"] and found["ios:r1"].name == "ios:r1"
    router = found["r1"].router
    assert router is not None and router.access is not None
    assert (router.access.kind, router.access.host, router.access.port) == ("ssh", "192.0.2.7", 22)
    assert [str(ts.start) for ts in found["r1"].config.local_ts] == ["10.2.0.0"]
    assert found["r1"].config.psk == b"ikelab-shared-key"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ('console = "127.0.0.1:5000"', "127.0.0.1", 5000),
        ('telnet = "router.example"', "router.example", 23),
        ('ssh = "[2001:db8::1]:2222"', "2001:db8::1", 2222),
        ('ssh = "2001:db8::1"', "2001:db8::1", 22),
    ],
)
def test_a_way_in_is_a_host_and_a_port(tmp_path: Path, text: str, host: str, port: int) -> None:
    router = read(tmp_path, text)["r1"].router

    assert router is not None and router.access is not None
    assert (router.access.host, router.access.port) == (host, port)


def test_secrets_come_from_the_environment_and_show_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R1_WORD", "let-me-in")
    entry = read(
        tmp_path, 'ssh = "h"\nusername = "u"\npassword_env = "R1_WORD"\nenable = "up-i-go"'
    )
    router = entry["r1"].router

    assert router is not None and router.login.secrets == ("let-me-in", "up-i-go")
    assert "let-me-in" not in repr(router) and "up-i-go" not in repr(router)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "peer 'r1': give one of ssh, telnet, console, or a table gns3 or cml"),
        ('ssh = "h"\nconsole = "h:1"', "give one of ssh, telnet, console"),
        ('console = "127.0.0.1"', r"console = '127\.0\.0\.1': write HOST:PORT"),
        ('ssh = "h:x"', "ssh = 'h:x': write HOST:PORT"),
        ('ssh = "h:70000"', "write HOST:PORT"),
        ('ssh = 5', "ssh is of the wrong type"),
        ('ssh = "h"\npasword = "x"', "unknown key 'pasword'; did you mean 'password'"),
        ('ssh = "h"\npassword_env = "NO_SUCH"', "password_env names NO_SUCH, and there is no such"),
        ('ssh = "h"\nike = ["aes255"]', "peer 'r1': ike: unknown word 'aes255'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        read(tmp_path, text)
    assert "\n" not in str(told.value)


def test_another_kind_is_told_from_a_router(tmp_path: Path) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text('[peers.r1]\nkind = "junos"\naddress = "10.0.0.2"\n')

    with pytest.raises(ConfigError, match="kind is 'ios', or left out for a configured gateway"):
        external.read(file)


@pytest.mark.parametrize(
    ("table", "made"),
    [
        ('[peers.r1.gns3]\nurl = "http://h:3080"\npassword = "p"\nkind = "iosv"\nimage = "i"',
         Gns3Router),
        ('[peers.r1.cml]\nurl = "https://h"\nuser = "u"\npassword = "p"\ndefinition = "iosv"',
         CmlRouter),
    ],
)  # fmt: skip
def test_a_lab_has_a_table_of_its_own(tmp_path: Path, table: str, made: type) -> None:
    router = read(tmp_path, table)["r1"].router

    assert router is not None and router.access is None
    lab = routers._lab(router)
    assert isinstance(lab, made) and lab.name == "r1"


def test_the_list_of_peers_says_what_was_not_proven() -> None:
    shown = CliRunner().invoke(peers, ["list", "--no-probe"]).output

    assert "ios:NAME" in shown and "not proven on one: docs/cisco.md" in shown


@pytest.mark.parametrize("peer", ["r1", "ios:r1"])
def test_a_router_takes_one_case_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    read(tmp_path, 'ssh = "192.0.2.7"')
    monkeypatch.chdir(tmp_path)

    Request(peers=(peer,)).check()
    with pytest.raises(ConfigError, match=f"there is one {peer}, for one case at a time"):
        Request(peers=(peer,), jobs=2).check()


def test_a_lab_s_router_has_the_time_to_boot_that_the_entry_gives_it(tmp_path: Path) -> None:
    table = '[peers.r1.gns3]\nurl = "http://h"\nkind = "iosv"\nimage = "i"'
    router = read(tmp_path, f"boot_time = 60\n{table}")["r1"].router

    assert router is not None
    assert routers._access(router, ConsoleAt("h", 5000)).boot == 60.0
