"""A gateway that ikelab does not run: its TOML entry, its rig, what it may be sent."""

from __future__ import annotations

import json
import re
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
        ('[peer.a]\naddress = "192.0.2.1"\n', r"unknown table \[peer\]: .* \[peers.NAME\]"),
        ('[branch]\naddress = "192.0.2.1"\n', r"unknown table \[branch\]"),
        ("port = 500\n[peers]\n", "unknown table 'port'"),
        ("[peers.reference]\n", "the name of ikelab's own peer"),
        ('[peers."../up"]\n', "a name has letters, digits"),
        ('[peers."strongswan@trixie"]\n', "a name has letters, digits"),
        ('[peers."a b"]\n', "a name has letters, digits"),
        ('[peers.""]\n', "a name has letters, digits"),
        ('[peers]\na = { kind = "asa" }\n', "kind is 'ios'"),
        ("[peers]\na = { kind = 3 }\n", "kind is 'ios'"),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=words):
        external.read(file)


ADDRESSES = {
    '"here"': "is no IP address",
    '"0.0.0.0"': "is the address of no host",
    '"::"': "is the address of no host",
    '"224.0.0.1"': "of many hosts",
    '"ff02::1"': "of many hosts",
    '"255.255.255.255"': "of many hosts",
    '"127.0.0.1/8"': "is no IP address",
    '"127.0.0.1:500"': "is no IP address",
    '" 127.0.0.1"': "is no IP address",
    '"fe80::1%eth0"': "no link-local address with a zone",
    '"gw.example.org"': "is no IP address",
}
IDS = {
    '"keyid:"': "has nothing after 'keyid:'",
    '"keyid:0g"': "not hexadecimal",
    '"keyid:a"': "not hexadecimal",
    '"@gw.example.org"': "a name has no @ before it",
    '"user@"': "write an address",
    '"@"': "a name has no @",
    '"a b"': "write an address",
    '"fqdn:gw.example.org"': "write an address",
    '"C=DE, CN=gw"': "write an address",
    '"10.0.0.300"': "is no IP address",
    '"10.0.0"': "is no IP address",
    '"10.0.0.0/24"': "write an address",
    '"gw..example"': "write an address",
    '"gw\u00e4.example"': "write an address",
    '"::g"': "write an address",
}
BEHIND = {
    '"10.2.0.9-10.2.0.1"': "10.2.0.9-10.2.0.1 ends before it begins",
    '["10.2.0.0/24", "2001:db8::9-2001:db8::1"]': "ends before it begins",
    '"10.2.0.0/24[17/500-400]"': "the ports 500-400 end before they begin",
    '"10.2.0.0/33"': "not a traffic selector",
    '"10.2.0.1-"': "not a traffic selector",
    '"-10.2.0.1"': "not a traffic selector",
    '"10.2.0.0/24["': "not a traffic selector",
    '"10.2.0.0/24[17/"': "not a traffic selector",
    '"10.2.0.0/24[17/500-]"': "not a traffic selector",
    '"10.2.0.0/24[udp]"': "not a traffic selector",
    '"10.2.0.0/24[300]"': "not a traffic selector",
    '"10.2.0.0/24[17/70000]"': "not a traffic selector",
    '"10.2.0.0/24 10.3.0.0/24"': "not a traffic selector",
    '"10.2.0.1-2001:db8::1"': "not a traffic selector",
    '"lan"': "not a traffic selector",
    '"2001:db8::/64"': "local_ts and remote_ts are of two families",
    "3": "is of the wrong type",
    '{ net = "10.2.0.0/24" }': "is of the wrong type",
}
PROPOSALS = {
    '"aes256-sha256-modp2048"': "is of the wrong type, not a list",
    '["aes257-sha256"]': "unknown word 'aes257'",
    '["aes256_sha256"]': "unknown word",
    '["-"]': "unknown word",
    '["aes256 - sha256"]': "unknown word",
    '["sha256-ecp256"]': "has no cipher",
    '["aes256-ecp256"]': "has no integrity",
    '["aes128gcm16-sha256-ecp256"]': "has integrity beside a cipher that needs none",
    "[3]": "list of texts",
    '[["aes256"]]': "list of texts",
}
WRONG = {
    "address": ADDRESSES | {'"::1"': "of two families"},
    "local_address": {k: v for k, v in ADDRESSES.items() if "no host" not in v}
    | {'"::"': "of two families"},
    "port": dict.fromkeys(("0", "65536", "-1"), "is no port") | {"500.0": "a whole number"},
    "local_port": dict.fromkeys(("0", "65536", "-1"), "is no port") | {"500.0": "a whole number"},
    "psk": {'"two\\nlines"': "nobody can type", '"\\u0000"': "nobody can type"},
    "id": IDS,
    "our_id": IDS,
    "ike": PROPOSALS
    | {
        '["aes256-sha256"]': "has no group",
        '["aes128gcm16-ecp256"]': "has no PRF",
        '["aes256-sha256-ecp256-esn"]': "no sequence numbers of ESP",
        '["aes256-sha256-ecp256", "aes256-sha256-ecp256"]': "is there twice",
    },
    "esp": PROPOSALS | {'["aes256-sha256-prfsha256"]': "has no PRF", '["esn"]': "has no cipher"},
    "local_ts": BEHIND,
    "remote_ts": BEHIND,
    "initiate": {
        '"ip netns exec \'gw"': "is no command: no closing quotation",
        '"   "': "is empty",
        '["ip", "netns"]': "a text in quotes",
        '"a\\u0000b"': "nobody can type",
    },
    "version": {"7.2": "a text in quotes", '" "': "is empty"},
    "cookies": {'"true"': "true or false", "1": "true or false"},
    "fragment": dict.fromkeys(("0", "127", "65536", "-1"), "is no size of an IP datagram")
    | {"true": "a whole number", '"576"': "a whole number"},
}
"""Values that no entry can have, key by key, and what is said of them."""
OF_EVERY_KEY = {
    "[]": "is empty|is of the wrong type",
    '""': "is empty|is of the wrong type",
    "1979-05-27": "is of the wrong type",
    "{}": "is of the wrong type",
    "inf": "is of the wrong type",
    '[""]': "is empty|is of the wrong type",
    "[{}]": "is a list of texts|is of the wrong type",
}


def test_every_key_has_values_that_are_wrong() -> None:
    assert WRONG.keys() == external.KEYS.keys()


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_in_a_whole_entry_is_one_line(tmp_path: Path, key: str) -> None:
    file = tmp_path / "ikelab.toml"
    rows = ENTRY.format(port=500, ours=501).splitlines()
    whole = "\n".join(row for row in rows if row.split(" = ")[0] != key)
    for value, words in (WRONG[key] | OF_EVERY_KEY).items():
        file.write_text(f"{whole}\n{key} = {value}\n", encoding="utf-8")

        with pytest.raises(ConfigError) as wrong:
            external.read(file)

        said = str(wrong.value)
        assert re.search(f"peer 'branch': .*({words})", said), f"{key} = {value}: {said}"
        assert "\n" not in said and key in said.partition("branch")[2], said


@pytest.mark.parametrize(
    "line",
    [
        'address = "2001:db8::1"\nlocal_address = "::"',
        'id = "keyid:0a0B"',
        'id = "user@example.org"',
        'our_id = "10.0.0.1"',
        'our_id = "gw"',
        'esp = ["aes128-sha256-modp2048-esn", "null-sha256", "chacha20poly1305"]',
        'ike = ["aes128gcm16-prfsha256-x25519-ke1_mlkem768"]',
        'local_ts = ["10.2.0.1", "2001:db8::/64", "10.2.0.1-10.2.0.9[17/500-500]"]',
        'psk = " \u00e4 "',
        "fragment = 128",
        "initiate = \"ssh gw 'swanctl --initiate --child net'\"",
    ],
)
def test_what_is_right_is_taken(tmp_path: Path, line: str) -> None:
    file = tmp_path / "ikelab.toml"
    keys = [row.split(" = ", maxsplit=1)[0] for row in line.splitlines()]
    rows = ENTRY.format(port=500, ours=501).splitlines()
    kept = [row for row in rows if row.split(" = ", maxsplit=1)[0] not in keys]
    file.write_text("\n".join([*kept, line, ""]), encoding="utf-8")

    assert external.read(file).keys() == {"branch"}


def test_a_wrong_entry_ends_a_run_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text('[peer.branch]\naddress = "192.0.2.1"\n')

    ikelab("run", "--peer", "branch", cwd=tmp_path).refused(2, "[peer]", "[peers.NAME]")


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
    file.write_text(ENTRY.format(port=500, ours=501).replace("aes128-sha", "aes129-sha"))

    with pytest.raises(
        ConfigError, match=r"peer 'branch': ike: unknown word 'aes129'.*did you mean"
    ):
        external.read(file)


def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ikelab.toml"
    file.write_text(ENTRY.format(port=500, ours=501) + 'initiate = "false"\n')
    peer = external.ExternalPeer(external.read(file)["branch"])

    assert "initiator" in peer.capabilities
    with pytest.raises(LabError, match="the command 'false' of branch failed"):
        peer.initiate()
