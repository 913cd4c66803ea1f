"""The router's style of a capture reads back as it; a log beside one tells what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.cli import main
from ikelab.harness.inspect.inspection import Inspection, inspect_file
from ikelab.harness.inspect.ios import write
from ikelab.harness.inspect.ios.report import of_text

CAPTURES = {
    "captures/wireshark/ikev2-decrypt-3des-sha1_160.pcap": True,
    "captures/wireshark/ikev2-decrypt-aes128ccm12.pcap": True,
    "captures/wireshark/ikev2-decrypt-aes256cbc.pcapng": True,
    "captures/wireshark/ikev2-decrypt-aes256gcm16.pcap": True,
    "captures/suricata/detect-bypass-udp.pcap": False,
    "cisco/wire-cisco-ikev2-pycrate.pcap": False,
}
FIELDS = ("name", "length", "notify", "group", "id_type", "method", "selectors", "encoding", "cfg")


def outline(it: Inspection) -> list[Any]:
    """What the router's style can carry of an inspection."""
    rows = []
    for sa in it.to_json()["ike_sas"]:
        ends = {role: (a["id"], a["method"]) for role, a in sa["auth"].items()}
        children = [
            (c["protocol"], c["chosen"]["text"], c["tsi"], c["tsr"]) for c in sa["children"]
        ]
        offered = [[(t["id"], t["key_bits"]) for t in p["transforms"]] for p in sa["offered"]]
        told = [sa["spi_i"], sa["spi_r"], sa["chosen"] and sa["chosen"]["text"], offered, sa["nat"]]
        halves = [
            (e["type"], e["message_id"], side, half(e[side]))
            for e in sa["exchanges"]
            for side in ("request", "response")
            if e[side]
        ]
        rows.append([*told, ends, children, halves])
    return rows


def half(row: dict[str, Any]) -> list[Any]:
    chains = [
        None if chain is None else [[p.get(f) for f in FIELDS] for p in chain]
        for chain in (row["payloads"], row["inner"])
    ]
    return [row["length"], *chains]


def captured(shared: Path, name: str) -> Inspection:
    path = shared / name
    keys = [path.parent / "ikev2_decryption_table"] if CAPTURES[name] else []
    return inspect_file(path, keys)


@pytest.mark.parametrize("name", CAPTURES)
def test_round_trip(shared: Path, name: str) -> None:
    it = captured(shared, name)
    back = of_text(write.text(it))
    assert back.log.unknown == []
    assert outline(back) == outline(captured(shared, name))


def test_round_trip_of_a_run(replay: Path) -> None:
    it = inspect_file(replay / "capture.pcapng", [replay / "keys"])
    assert outline(of_text(write.text(it))) == outline(it)


@pytest.fixture
def log(replay: Path, tmp_path: Path) -> Path:
    """The log that a router would have written beside our capture."""
    it = inspect_file(replay / "capture.pcapng", [replay / "keys"])
    path = tmp_path / "router.log"
    path.write_text(write.text(it))
    return path


def joined(replay: Path, log: Path, capsys) -> dict[str, Any]:
    keys = str(replay / "keys")
    capture = str(replay / "capture.pcapng")
    assert main(["inspect", capture, "--keys", keys, "--log", str(log), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["joined"]


def test_a_log_that_agrees(replay: Path, log: Path, capsys) -> None:
    found = joined(replay, log, capsys)
    [sa] = found["ike_sas"]
    assert found["differences"] == 0 and (found["only_captured"], found["only_in_log"]) == ([], [])
    assert [m["frame"] for m in sa["messages"]] == [1, 2, 3, 4]
    assert all(m["line"] and abs(m["delay"]) < 0.01 for m in sa["messages"])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("length: 449", "length: 450", "length 450, the capture has 449 octets"),
        ("IDi  Next payload: AUTH, reserved: 0x0, length: 12",
         "IDi  Next payload: AUTH, reserved: 0x0, length: 13", "IDi has length 13"),
        (" CERTREQ  Next payload: NOTIFY, reserved: 0x0, length: 105\n", "",
         "payloads SA KE N VID VID"),
        ("id: 3DES\n    last transform: 0x3, reserved: 0x0: length: 12", "id: DES\n    last "
         "transform: 0x3, reserved: 0x0: length: 12", "SA has proposals DES"),
        ("end addr: 255.255.255.255", "end addr: 255.255.255.254",
         "TSi has 0.0.0.0-255.255.255.254"),
        ("Local address matched", "Local address not matched",
         "the initiator is translated for the routers, direct in the capture"),
        ("DH group: 2,", "DH group: 5,", "KE has group 5, the capture has 2"),
    ],
)  # fmt: skip
def test_a_log_that_differs(
    replay: Path, log: Path, capsys, before: str, after: str, told: str
) -> None:
    text = log.read_text()
    assert before in text
    log.write_text(text.replace(before, after, 1).replace("NAT not found", "") if "Local" in before
                   else text.replace(before, after, 1))  # fmt: skip
    [sa] = joined(replay, log, capsys)["ike_sas"]
    said = [*sa["differences"], *(d for m in sa["messages"] for d in m["differences"])]
    assert len([d for d in said if told in d]) == 1, said


def test_a_message_that_only_one_of_them_has(replay: Path, log: Path, capsys) -> None:
    text = log.read_text()
    cut = text[: text.index("Received Packet", text.index("IKE_AUTH"))].rsplit("\n", 1)[0]
    log.write_text(cut)
    [sa] = joined(replay, log, capsys)["ike_sas"]
    assert [m["line"] is None for m in sa["messages"]] == [False, False, False, True]


def test_a_clock_that_is_off_is_told_and_not_held_against_it(
    replay: Path, log: Path, capsys
) -> None:
    import re

    text = re.sub(r"\*\w+ +\d+ \d\d:", "*Mar  1 00:", log.read_text())
    log.write_text(text)
    found = joined(replay, log, capsys)
    assert found["differences"] == 0 and abs(found["ike_sas"][0]["clock_offset"]) > 3600


def test_what_cannot_be_joined_is_said_in_a_line(replay: Path, log: Path, capsys) -> None:
    capture = str(replay / "capture.pcapng")
    for arguments, told in (
        ([capture, "--log", capture], "holds no record of 'debug crypto ikev2'"),
        ([capture, "--log", str(log) + ".gone"], "no such log"),
        ([str(log), "--log", str(log)], "is a log itself"),
        ([str(log), "--keys", str(replay / "keys")], "needs no keys"),
        ([str(log), "--format", "tree"], "has no octets"),
        ([str(replay.parent.parent), "--log", str(log)], "has 2 cases"),
        ([str(log.parent)], "there is no capture in it"),
    ):
        assert main(["inspect", *arguments]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
