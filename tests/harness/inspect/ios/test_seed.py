"""The seed's log: every row of its table out of the reader, the same lines out of the writer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.cli import main
from ikelab.harness.inspect.ios import write
from ikelab.harness.inspect.ios.report import LogInspection, of_text

INITIATOR = ["IDLE", "I_BLD_INIT", "I_WAIT_INIT", "I_PROC_INIT", "INIT_DONE", "I_BLD_AUTH",
             "I_WAIT_AUTH", "I_PROC_AUTH", "AUTH_DONE", "READY"]  # fmt: skip
RESPONDER = ["IDLE", "R_INIT", "R_BLD_INIT", "INIT_DONE", "R_WAIT_AUTH", "R_VERIFY_AUTH",
             "R_BLD_AUTH", "AUTH_DONE", "READY"]  # fmt: skip
ALL = "0.0.0.0-255.255.255.255[0/0-65535]"


@pytest.fixture(scope="module")
def row(seed: LogInspection) -> dict[str, Any]:
    [found] = seed.to_json()["ike_sas"]
    return found


def states(row: dict[str, Any], role: str) -> list[str]:
    return [t["state"] for t in row["state_trace"][role]]


def test_116_state_records_lead_both_routers_to_ready(
    seed: LogInspection, row: dict[str, Any]
) -> None:
    assert seed.log.state_records == 116
    assert len(states(row, "initiator")) == 56 and len(states(row, "responder")) == 60
    assert list(dict.fromkeys(states(row, "initiator"))) == INITIATOR
    assert list(dict.fromkeys(states(row, "responder"))) == RESPONDER
    assert row["state"] == {"initiator": "READY", "responder": "READY"}
    first = {role: row["state_trace"][role][0]["event"] for role in row["state_trace"]}
    last = {role: row["state_trace"][role][-1]["event"] for role in row["state_trace"]}
    assert first == {"initiator": "EV_INIT_SA", "responder": "EV_RECV_INIT"}
    assert last == {"initiator": "EV_I_OK", "responder": "EV_NO_EVENT"}


def test_the_responder_is_ready_first(row: dict[str, Any]) -> None:
    ready = {
        role: min(t["time"] for t in row["state_trace"][role] if t["state"] == "READY")
        for role in row["state_trace"]
    }
    assert ready["responder"] < ready["initiator"]


def test_no_record_is_unknown(seed: LogInspection) -> None:
    assert seed.log.unknown == []


def test_what_was_offered_and_chosen(row: dict[str, Any]) -> None:
    [offer] = row["offered"]
    offered = [(t["name"], t["key_bits"]) for t in offer["transforms"]]
    assert offered == [("ENCR_3DES", None), ("ENCR_AES_CBC", 128), ("PRF_HMAC_SHA1", None),
                       ("AUTH_HMAC_SHA1_96", None), ("1024-bit MODP Group", None)]  # fmt: skip
    assert row["chosen"]["encr"] == {"id": 12, "name": "ENCR_AES_CBC", "key_bits": 128}
    assert row["chosen"]["ke"]["id"] == 2


def test_a_key_length_is_not_guessed_where_the_configuration_is_missing(seed_path: Path) -> None:
    text = seed_path.read_text().replace("3des aes-cbc-128", "(cut)")
    [row] = of_text(text).to_json()["ike_sas"]
    assert row["chosen"]["encr"]["key_bits"] is None
    assert row["chosen"]["text"] == "aes?-sha1-modp1024"


def test_the_child(row: dict[str, Any]) -> None:
    [child] = row["children"]
    assert child["protocol"] == "ESP"
    assert child["chosen"]["encr"]["name"] == "ENCR_3DES"
    assert child["chosen"]["integ"]["name"] == "AUTH_HMAC_SHA1_96"
    assert child["chosen"]["sn"]["id"] == 0
    assert (child["tsi"], child["tsr"]) == ([ALL], [ALL])
    assert child["spis"] == ["9506d414"]


def test_no_nat_and_the_addresses_of_the_keyrings(row: dict[str, Any]) -> None:
    assert row["nat"] == {"initiator": False, "responder": False}
    assert (row["initiator"], row["responder"]) == (["10.0.0.1", None], ["10.0.0.2", None])


LENGTHS = {
    (34, False): (344, [("SA", 56), ("KE", 136), ("Nonce", 24), ("V", 23), ("V", 21),
                        ("N", 28), ("N", 28)], None),
    (34, True): (449, [("SA", 48), ("KE", 136), ("Nonce", 24), ("V", 23), ("V", 21), ("N", 28),
                       ("N", 28), ("CERTREQ", 105), ("N", 8)], None),
    (35, False): (556, [("SK", 528)], [("V", 20), ("IDi", 12), ("AUTH", 28), ("CP", 309),
                                       ("SA", 40), ("TSi", 24), ("TSr", 24), ("N", 8), ("N", 12),
                                       ("N", 8), ("N", 8)]),
    (35, True): (252, [("SK", 224)], [("V", 20), ("IDr", 12), ("AUTH", 28), ("SA", 40),
                                      ("TSi", 24), ("TSr", 24), ("N", 12), ("N", 8), ("N", 8)]),
}  # fmt: skip


def test_lengths_and_payloads_of_the_four_messages(row: dict[str, Any]) -> None:
    found = {}
    for number, exchange in zip((34, 35), row["exchanges"], strict=True):
        for response, half in ((False, exchange["request"]), (True, exchange["response"])):
            rows = [
                None if payloads is None else [(p["name"], p["length"]) for p in payloads]
                for payloads in (half["payloads"], half["inner"])
            ]
            found[number, response] = (half["length"], *rows)
            assert [s["by"] for s in half["seen"]] == (
                ["responder", "initiator"] if response else ["initiator", "responder"]
            )
    assert found == LENGTHS


def test_vendor_ids_notifies_and_configuration(row: dict[str, Any]) -> None:
    vendors = {(v["name"], v["length"]) for v in row["vendor_ids"]}
    assert vendors == {("CISCO-DELETE-REASON", 19), ("(CUSTOM)", 17), ("CISCO-GRANITE", 16)}
    request = row["exchanges"][1]["request"]["inner"]
    assert [p["notify_name"] for p in request if p["name"] == "N"] == [
        "INITIAL_CONTACT", "SET_WINDOW_SIZE", "ESP_TFC_PADDING_NOT_SUPPORTED",
        "NON_FIRST_FRAGMENTS_ALSO",
    ]  # fmt: skip
    [cfg] = [p for p in request if p["name"] == "CP"]
    assert [(a["type"], a["length"]) for a in cfg["attributes"]] == [
        (3, 0), (3, 0), (4, 0), (4, 0), (13, 0), (7, 257), (28675, 0), (28672, 0), (28692, 0),
        (28681, 0), (28674, 0),
    ]  # fmt: skip
    assert row["auth"]["initiator"]["method"] == "Shared Key Message Integrity Code"
    assert row["auth"]["initiator"]["id"] is None, "the dump prints the type of an identity only"


def test_nothing_is_accused(row: dict[str, Any], seed: LogInspection) -> None:
    assert row["violations"] == [] and seed.violations == []


def test_the_command_shows_a_log_for_what_it_is(seed_path: Path, capsys) -> None:
    assert main(["inspect", str(seed_path)]) == 0
    shown = capsys.readouterr().out
    assert "116 of the state machine, 0 unknown" in shown
    assert "chosen       aes128-sha1-modp1024" in shown
    assert main(["inspect", str(seed_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["log"]["unknown_records"] == 0
    assert main(["inspect", str(seed_path), "--format", "transcript"]) == 0
    assert "SAi1(3des-aes128-sha1-modp1024)" in capsys.readouterr().out
    assert main(["inspect", str(seed_path), "--format", "ladder"]) == 0
    assert "| IKE_AUTH #1 response" in capsys.readouterr().out


# -- the replay and the log side by side ------------------------------------------------------

# Without our reader: payload lines and what stands below them, names of labels left out.
_NAMES = "NOTIFY|SA|KE|N|VID|IDi|IDr|AUTH|CFG|TSi|TSr|ENCR|CERTREQ|인증"
_LINE = re.compile(
    rf"(?<![\w(\-])({_NAMES})(?:\((\w+)\))?\.?\s+[^:,()\d]+:\s*[^:,]+,\s*[^:,]+:\s*0x0,"
    r"\s*[^:,]+:\s*(\d+)\b"
)
_TRANSFORM = re.compile(
    r"0x[03],\s*[^:,]+:\s*0x0:\s*[^:,]+:\s*(\d+)\s+[^:,]+:\s*(\d),\s*[^:,]+:\s*0x0,\s*[^:,]+:\s*"
    r"(DH_GROUP_\w+/Group \d+|Don't use ESN|ESN 사용 안 함|[\w\-]+)"
)
_NOTIFIED = re.compile(r":\s*(IKE|Unknown - 0),\s*spi[^:,]+:\s*(\d),\s*[^:,]+:\s*([A-Z_]+)")
_RANGE = re.compile(r"TS_IPV4_ADDR_RANGE,\s*[^:]+:\s*(\d+),\s*[^:]+:\s*(\d+)\s[^:]+:\s*(\d+),"
                    r"\s*[^:]+:\s*(\d+)\s[^:]+:\s*([\d.]+),\s*[^:]+:\s*([\d.]+)")  # fmt: skip
_HEAD = re.compile(
    r"Exchange type: (\w+), flags:\s*([A-Z\- ]+?)\s*Message id: (\d+), length: (\d+)"
)
_SAME = {"ESN 사용 안 함": "Don't use ESN", "인증": "AUTH"}


def lines_of(text: str) -> list[tuple[str, ...]]:
    """Every payload line, transform, notify and selector, and every header, in order."""
    found = []
    for pattern in (_LINE, _TRANSFORM, _NOTIFIED, _RANGE, _HEAD):
        for match in pattern.finditer(text):
            values = tuple(_SAME.get(v, v) for v in match.groups() if v)
            found.append((match.start(), values))
    return [values for _, values in sorted(found)]


def test_the_replay_in_ios_style_has_the_log_s_lines(
    seed_path: Path, seed: LogInspection, replay: Path, capsys
) -> None:
    """The four messages: the same payload lines, lengths, transforms and order as in the text."""
    assert main(["inspect", str(replay), "--format", "ios"]) == 0
    ours = capsys.readouterr().out
    dumps = first_router_dumps(seed_path.read_text())
    assert len(dumps) == 4
    theirs = [line for dump in dumps for line in lines_of(dump)]
    found = lines_of(ours)
    assert found == theirs
    assert len(theirs) == 72 and [line[-1] for line in theirs if line[0].startswith("IKE_")] == [
        "344",
        "449",
        "556",
        "252",
    ]
    assert write.text(seed).count("Next payload: ENCR, version") == 2


def first_router_dumps(text: str) -> list[str]:
    """What the first router printed of its four messages, cut out by its own timestamps."""
    sent_init = between(text, "(SA ID = 1):Next payload: SA", "--Initiator", "34.811")
    got_init = between(text, "Next payload: SA", "SM Trace", "34.823")
    sent_auth = between(
        text, "Construct Notify Payload: NON_FIRST_FRAGS 페이로드 내용", "SM Trace", "34.831"
    )
    got_auth = between(text, "Next payload: ENCR", "SM Trace", "34.834")
    return [sent_init, got_init, sent_auth, got_auth]


def between(text: str, start: str, end: str, stamp: str) -> str:
    """From the record with this stamp that begins so, to the next `end`."""
    match = re.search(rf"{re.escape(stamp)}: IKEv2:[^*]*?{re.escape(start)}", text)
    assert match, (start, stamp)
    stop = text.index(end, match.end())
    return text[match.start() : stop]
