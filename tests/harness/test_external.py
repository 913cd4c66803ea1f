"""A gateway that ikelab does not run: its TOML entry, its rig, what it may be sent."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Datagram, Identity, selectors, suites
from ikelab.harness.outside import OutsideRig
from ikelab.harness.peer import external
from ikelab.harness.peer.reference import Station
from ikelab.harness.peer.serve import UdpStation
from ikelab.layers.iana import Protocol
from tests.harness.command import ikelab

ENTRY = """
[peers.branch]
address = "127.0.0.1"
local_address = "127.0.0.1"
port = {port}
local_port = {ours}
psk = "secret"
id = "gw.example.org"
our_id = "tester.example.org"
ike = ["aes128-sha256-ecp256"]
esp = ["aes128gcm16"]
local_ts = "10.2.0.0/24"
remote_ts = "10.1.0.0/24"
"""


def free_ports() -> tuple[int, int]:
    """Two UDP ports of the loopback that nobody has."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    first, second = (int(probe.getsockname()[1]) for probe in probes)
    for probe in probes:
        probe.close()
    return first, second


def gateway_config(port: int) -> IkeConfig:
    """What a gateway on the loopback has that is as its entry says."""
    return IkeConfig(
        local=("127.0.0.1", port),
        remote=("127.0.0.1", 0),
        local_id=Identity.parse("gw.example.org"),
        remote_id=Identity.parse("tester.example.org"),
        psk=b"secret",
        ike=suites(["aes128-sha256-ecp256"]),
        esp=suites(["aes128gcm16"], Protocol.ESP),
        local_ts=selectors("10.2.0.0/24"),
        remote_ts=selectors("10.1.0.0/24"),
    )


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Path]:
    """A gateway on the loopback, configured as its entry says; the file with the entry."""
    port, ours = free_ports()
    file = tmp_path / "ikelab.toml"
    file.write_text(ENTRY.format(port=port, ours=ours))
    with UdpStation(socket.socket, ports=(port,)) as served:
        served.attach(Station(gateway_config(port), entropy(None)), "127.0.0.1")
        yield file


def test_one_entry_makes_a_gateway_a_peer(gateway: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    done = ikelab("run", "--peer", "branch", "--peers-file", str(gateway), "--out", str(out),
                  "-k", "test_ike_auth or test_deletes or child_sa", cwd=tmp_path)  # fmt: skip

    assert done.status == 0, done.out + done.err
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    verdicts = {row["case"]: row["verdict"] for row in rows}
    assert verdicts["TS-01"] == verdicts["TS-02"] == verdicts["INF-02"] == "PASS"
    assert {row["topology"] for row in rows} == {"external"}
    keyed = [row for row in rows if row["title"] == "brings the sa up with the right key"]
    assert keyed[0]["verdict"] == "UNSUPPORTED" and "another psk" in keyed[0]["reason"]
    assert "secret" not in (out / keyed[0]["folder"] / "peer.conf").read_text()


def test_nothing_is_sent_but_to_the_address_of_the_entry(gateway: Path) -> None:
    rig = OutsideRig(external.read(gateway)["branch"], None)
    rig.begin("", None)
    endpoint = rig.initiator()

    with pytest.raises(LabError, match=r"refused to send to 127\.0\.0\.9"):
        endpoint.transport.send(Datagram(b"x", rig._entry.local, ("127.0.0.9", 500)))
    rig.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[peers]\na = 1\n", "write a = {"),
        ('[peers]\na = { address = "192.0.2.1" }\n', "psk, ike, esp, local_ts, remote_ts missing"),
        ('[peers]\na = { adress = "192.0.2.1" }\n', "unknown key 'adress'; did you mean 'address'"),
        ('[peers]\na = { port = "x" }\n', "port is of the wrong type"),
        ("[peers]\na = { ike = [3] }\n", "ike is a list of texts"),
        ("[peers]\na = { port = 99999 }\n", "port 99999 is no port: 1 to 65535 are"),
        ("[peers]\na = { local_port = -1 }\n", "local_port -1 is no port"),
        ("[peers]\na = { port = true }\n", "port is of the wrong type, not a whole number"),
        ("[peers]\na = { ike = [] }\n", "ike is empty: leave it out"),
        ('[peers]\na = { psk = "" }\n', "psk is empty"),
        ("peers = 3\n", r"write \[peers\]"),
        ("[peers\n", "ikelab.toml: "),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=words):
        external.read(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('local_address = "here"', "peer 'branch': local_address 'here' is no IP address"),
        ('local_address = "::1"', "address and local_address are of two families"),
        ('initiate = "ip netns exec \'gw"', "initiate .* is no command: no closing quotation"),
        ("fragment = 0", "fragment 0 is no size of an IP datagram"),
    ],
)
def test_a_wrong_value_in_a_whole_entry_is_one_line(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "ikelab.toml"
    whole = ENTRY.format(port=500, ours=500)
    if (key := line.split(" = ", maxsplit=1)[0]) in whole:
        whole = "\n".join(row for row in whole.splitlines() if not row.startswith(key))
    file.write_text(f"{whole}\n{line}\n")

    with pytest.raises(ConfigError, match=words):
        external.read(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x89PNG", "it is not text .UTF-8.: octet 0x89 at 0"), (None, "Is a dir")],
)
def test_a_file_that_is_none_is_said_in_words(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "ikelab.toml"
    file.mkdir() if content is None else file.write_bytes(content)

    with pytest.raises(ConfigError, match=f"cannot read .*{words}"):
        external.read(file)


def test_an_unknown_word_in_an_entry_names_the_entry(tmp_path: Path) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text(ENTRY.format(port=500, ours=500).replace("aes128-sha", "aes129-sha"))

    with pytest.raises(ConfigError, match=r"peer 'branch': unknown word 'aes129'.*did you mean"):
        external.read(file)


def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text(ENTRY.format(port=500, ours=500) + 'initiate = "false"\n')
    peer = external.ExternalPeer(external.read(file)["branch"])

    assert "initiator" in peer.capabilities
    with pytest.raises(LabError, match="the command 'false' of branch failed"):
        peer.initiate()
