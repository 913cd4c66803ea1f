"""Each key of a router's entry with wrong values: found when the file is read, in one line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from ikelab.harness import routers
from ikelab.harness.errors import ConfigError
from ikelab.harness.lab import cml, gns3, tables
from ikelab.harness.peer.external import KEYS as GATEWAY
from ikelab.harness.peer.ios.entry import KEYS
from tests.harness.command import ikelab

ENTRY = {"kind": '"ios"', "address": '"10.0.0.2"', "local_address": '"10.0.0.1"', "prefix": "24"}
SSH = {"ssh": '"192.0.2.7"', "username": '"u"'}
IN_GNS3 = {"url": '"http://h:3080"', "kind": '"iosv"', "image": '"i"', "interface": '"ikelab1"'}
IN_CML = {"url": '"https://h"', "user": '"u"', "password": '"p"', "definition": '"iosv"'}
TEXT, NUMBER = ("3", '""', '" "', r'"a\nb"'), ("true", '"3"', "-1", "1.5")
# Of each key what is wrong with any text or number, and what only that key has wrong.
WRONG_ROUTER: dict[str, tuple[str, ...]] = {
    "kind": (*TEXT, '"asa"', '"junos"'),
    "ssh": (*TEXT, '"h:x"', '"h:0"', '"h:70000"', '"a b"', '"h:²"', '"http://h"'),
    "telnet": (*TEXT, '"h:70000"'),
    "console": (*TEXT, '"127.0.0.1"', '":5000"'),
    "username": TEXT,
    "password": TEXT,
    "password_env": (*TEXT, '"NO_SUCH_VARIABLE"'),
    "enable": TEXT,
    "enable_env": (*TEXT, '"NO_SUCH_VARIABLE"'),
    "interface": (*TEXT, '"1/0"', '"Gi0 no shutdown"', '"Gi0?"'),
    "prefix": (*NUMBER, "33"),
    "release": (*TEXT, '"banana"', '"14"', '"asa 99"', '"17.12 shield=of"', '"17 9"'),
    "boot_time": (*NUMBER, "0", "86401"),
    "gns3": ("3", '"http://h"'),
    "cml": ("3", '"http://h"'),
}
WRONG_GATEWAY: dict[str, tuple[str, ...]] = {
    "address": ("3", '""', '"router"'),
    "local_address": ("3", '""', '"here"', '"::1"'),
    "port": (*NUMBER, "0", "501"),
    "local_port": (*NUMBER, "0"),
    "psk": ("3", '""', '"two words"', '"what?"'),
    "id": ("3", '""', '"two words"'),
    "our_id": ("3", '""', '"two words"'),
    "ike": ('"aes256"', "[]", '["aes255"]', '["chacha20poly1305-prfsha256-x25519"]'),
    "esp": ("3", "[]", '["aes255"]', '["chacha20poly1305"]'),
    "local_ts": ("3", '""', '"10.0.0.0/33"'),
    "remote_ts": ("3", '""', '"net"'),
    "initiate": ("3", '"ping h"'),
    "version": ("3", '"17"'),
    "cookies": ("3", '"yes"'),
    "fragment": (*NUMBER, "0"),
}
WRONG_GNS3: dict[str, tuple[str, ...]] = {
    "url": (*TEXT, '"h:3080"', '"ftp://h"', '"http://"', '"http://h:x"', '"http://h:70000"',
            '"http://u:p@h"', '"http://[::1"', '"http://a b"'),
    "user": TEXT,
    "password": TEXT,
    "token": TEXT,
    "node": TEXT,
    "project": TEXT,
    "template": (*TEXT, '"IOSv"'),  # beside a kind
    "kind": (*TEXT, '"iosvv"'),
    "image": TEXT,
    "properties": ("3", '"ram=1"'),
    "interface": (*TEXT, '"ikelab0"'),  # our own end
    "wire": (*TEXT, '"serial"'),
    "make": (*TEXT, '"hots"'),
    "device": (*TEXT, '"a-name-of-seventeen"', '"a/b"'),
    "adapter": (*NUMBER, "256"),
    "port": (*NUMBER, "256"),
    "compute": TEXT,
    "condition": (*TEXT, '"los=5%"', '"loss=200%"', '"loss"', '"duplicate=5%"'),
}  # fmt: skip
WRONG_CML: dict[str, tuple[str, ...]] = {
    "url": (*TEXT, '"h"', '"ssh://h"'),
    "user": TEXT,
    "password": TEXT,
    "token": TEXT,
    "node": TEXT,
    "lab": TEXT,
    "definition": TEXT,
    "image": TEXT,
    "configuration": ("3", '""'),
    "connector": TEXT,
    "interface": (*NUMBER, "256"),
    "topology": (*TEXT, '"no-such-file.yaml"', '"."'),
    "verify": ("3", '"no"', '"text"'),
    "boot_time": (*NUMBER, "0"),
    "condition": (*TEXT, '"delay=5"', '"loss=5"'),
}


def rows(wrong: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(key, value) for key, values in wrong.items() for value in values]


def written(entry: dict[str, str], lab: dict[str, str] | None = None, kind: str = "") -> str:
    lines = ["[peers.r1]", *(f"{key} = {value}" for key, value in entry.items())]
    if lab is not None:
        lines += [f"[peers.r1.{kind}]", *(f"{key} = {value}" for key, value in lab.items())]
    return "\n".join(lines) + "\n"


def refused(tmp_path: Path, text: str, key: str) -> None:
    """One line that names the file, the router and the key."""
    file = tmp_path / "ikelab.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as told:
        routers.find(str(file))
    said = str(told.value)
    assert "\n" not in said and said.startswith(f"{file}: peer 'r1': ")
    assert key in said.removeprefix(str(file)), said


def test_every_key_stands_here() -> None:
    """Of the entry, of its tables, and of what the labs are built from."""
    assert set(WRONG_ROUTER) == set(KEYS)
    assert set(WRONG_GATEWAY) == set(GATEWAY)
    assert set(WRONG_GNS3) == set(tables.GNS3)
    assert set(WRONG_CML) == set(tables.CML)
    server = {"url", "user", "password", "token"}
    assert set(tables.GNS3) == {f.name for f in fields(gns3.Spec)} | server | {"condition"}
    assert set(tables.CML) == {f.name for f in fields(cml.Spec)} | {"condition"}


@pytest.mark.parametrize(
    "text",
    [
        written(ENTRY | SSH),
        written(ENTRY | SSH | {"release": '"ios xe 17.9.4a"', "interface": '"Ethernet 0/1.5"'}),
        written(ENTRY | SSH | {"release": '"asa"', "enable": '"x"', "password": '"y"'}),
        written(ENTRY, IN_GNS3 | {"make": '"host"', "condition": '"loss=5%"'}, "gns3"),
        written(ENTRY, {"url": '"https://h/gns3"', "template": '"IOSv"'}, "gns3"),
        written(ENTRY, {"url": '"http://[::1]:3080"', "node": '"R1"', "adapter": "0"}, "gns3"),
        written(ENTRY, IN_CML | {"configuration": '"hostname a\\nend"', "verify": "false"}, "cml"),
        written(ENTRY | SSH, {"url": '"https://h"', "token": '"t"', "lab": '"mine"'}, "cml"),
    ],
)
def test_what_is_right_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "ikelab.toml").write_text(text)

    assert set(routers.find(str(tmp_path / "ikelab.toml"))) == {"r1", "ios:r1"}


@pytest.mark.parametrize(("key", "value"), rows(WRONG_ROUTER))
def test_a_wrong_value_of_the_router(tmp_path: Path, key: str, value: str) -> None:
    way = SSH if key not in ("telnet", "console") else {}
    lab = IN_CML if key == "gns3" else None  # two labs at once, where the type is right
    refused(tmp_path, written(ENTRY | way | {key: value}, lab, "cml"), key)


@pytest.mark.parametrize(("key", "value"), rows(WRONG_GATEWAY))
def test_a_wrong_value_of_the_configuration(tmp_path: Path, key: str, value: str) -> None:
    entry = ENTRY | SSH | {"release": '"17.12"', key: value}
    said = {"ike": "ChaCha", "esp": "ChaCha", "our_id": "identity", "id": "identity", "psk": "key"}
    hint = "" if key in said or key in ("local_ts", "remote_ts", "cookies") else key
    refused(tmp_path, written(entry), hint)


@pytest.mark.parametrize(("key", "value"), rows(WRONG_GNS3))
def test_a_wrong_value_of_gns3(tmp_path: Path, key: str, value: str) -> None:
    lab = IN_GNS3 | {"make": '"host"', key: value}
    refused(tmp_path, written(ENTRY, lab, "gns3"), key)


@pytest.mark.parametrize(("key", "value"), rows(WRONG_CML))
def test_a_wrong_value_of_cml(tmp_path: Path, key: str, value: str) -> None:
    refused(tmp_path, written(ENTRY, IN_CML | {key: value}, "cml"), key)


@pytest.mark.parametrize(
    ("entry", "lab", "kind", "words"),
    [
        (ENTRY | SSH | {"password": '"p"', "password_env": '"HOME"'}, None, "", "not both"),
        (ENTRY, {**IN_GNS3, "typo": "1"}, "gns3", "unknown key 'typo' in table gns3"),
        (ENTRY, {**IN_GNS3, "kind": '"vpcs"', "image": '"i"', "make": '"host"',
                 "device": '"ikelab1"'}, "gns3", "device and interface are both"),
        (ENTRY, {"url": '"http://h"', "image": '"i"'}, "gns3", "image in table gns3 goes with"),
        (ENTRY, {"url": '"http://h"', "kind": '"iosv"'}, "gns3", "needs 'image'"),
        (ENTRY, {"url": '"http://h"', "condition": '"loss=1%"'}, "gns3", "needs a wire"),
        ({k: v for k, v in ENTRY.items() if k != "prefix"}, {**IN_GNS3, "make": '"host"'}, "gns3",
         "'make' needs local_address and prefix"),
        (ENTRY, {"url": '"https://h"', "user": '"u"'}, "cml", "needs user and password, or a"),
        (ENTRY, {"url": '"https://h"', "token": '"t"'}, "cml", "takes no token"),
        (ENTRY | SSH | {"release": '"15"', "address": '"2001:db8::2"',
                        "local_address": '"2001:db8::1"'}, None, "", "no case could be configured"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(
    tmp_path: Path, entry: dict[str, str], lab: dict[str, str] | None, kind: str, words: str
) -> None:
    refused(tmp_path, written(entry, lab, kind), words)


def test_a_run_ends_before_its_first_case(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text(written(ENTRY, IN_GNS3 | {"make": '"hots"'}, "gns3"))

    done = ikelab("run", "--peer", "ios:r1", "--out", "run", cwd=tmp_path)

    done.refused(2, 'peer \'r1\': make = "hots": write "namespace" or "host"; did you mean')
    assert not (tmp_path / "run").exists()
