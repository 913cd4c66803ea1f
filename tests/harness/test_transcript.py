"""The conversation as text and as transcript.jsonl, for any octets and for whole lives."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ikelab.harness.edits import at, insert, plain, unknown
from ikelab.harness.model import Level, Violation
from ikelab.harness.transcript import RECEIVED, SENT, Step, Transcript, violation_json
from ikelab.layers.message import IKEv2
from tests.harness.talk import LEFT, RIGHT, Talk, plan

KEYS = {
    "n", "time", "direction", "src", "dst", "exchange", "message_id", "response",
    "initiator_flag", "spi_i", "spi_r", "length", "payloads", "inner", "encrypted", "decrypted",
    "text", "note", "raw", "plain", "violations",
}  # fmt: skip


def step(data: bytes, **fields: object) -> Step:
    return Step(1.25, RECEIVED, (RIGHT, 500), (LEFT, 500), data, **fields)  # type: ignore[arg-type]


def rows(transcript: Transcript) -> list[dict[str, object]]:
    return [json.loads(line) for line in transcript.jsonl().splitlines()]


def test_a_line_holds_everything_of_its_step() -> None:
    talk = Talk().up()
    first, answer, auth, _ = rows(talk.i.transcript)

    assert set(first) == KEYS
    assert (first["n"], first["direction"], first["exchange"]) == (0, SENT, "IKE_SA_INIT")
    assert (first["src"], first["dst"]) == ([LEFT, 500], [RIGHT, 500])
    assert first["spi_r"] == "0" * 16 and answer["spi_r"] == talk.i.spi_r.hex()
    assert (answer["response"], answer["initiator_flag"]) == (True, False)
    assert first["inner"] is None and not first["encrypted"] and not first["decrypted"]
    assert auth["encrypted"] and auth["decrypted"] and auth["message_id"] == 1
    assert bytes.fromhex(str(auth["raw"])) == talk.i.transcript.steps[2].data
    assert bytes.fromhex(str(auth["plain"])) == talk.i.transcript.steps[2].plain
    inner = auth["inner"]
    assert isinstance(inner, list)
    assert [p["name"] for p in inner] == ["IDi", "IDr", "AUTH", "SA", "TSi", "TSr"]
    assert sum(p["length"] for p in inner) == len(talk.i.transcript.steps[2].plain or b"")


def test_lengths_add_up_to_the_message() -> None:
    talk = Talk(fragment=1280).up()
    for row in rows(talk.i.transcript):
        payloads = row["payloads"]
        assert isinstance(payloads, list)
        assert 28 + sum(p["length"] for p in payloads) == row["length"]


def test_text_is_rfc_notation_with_notes_and_violations() -> None:
    talk = Talk(r={"plan": plan("IKE_SA_INIT/response: header.flags |= 1")})
    talk.init(at("header.version").set(0x21)).auth()
    lines = talk.i.transcript.text().splitlines()

    assert lines[0].startswith(
        "#0 --> IKE_SA_INIT  HDR(SPIi=7f.., 0), SAi1(aes128-sha256-x25519), "
    )
    assert lines[1] == "       edits: header.version = 33"
    assert lines[2].startswith("#0 <-- IKE_SA_INIT  HDR(SPIi=7f.., SPIr=")
    assert lines[3] == "       ! unused-flags-are-cleared (RFC 7296 3.1, MUST): flags are 0x21"
    assert "SK{IDi(left@example.org), " in lines[4]


def test_critical_and_unknown_and_unreadable_payloads_are_shown() -> None:
    talk = Talk().init()
    talk.auth(insert("SK", payload=unknown(200, b"abc", critical=True)), plain.append(b"xyz"))
    shown = rows(talk.i.transcript)[2]
    inner = shown["inner"]
    assert isinstance(inner, list)

    assert inner[-2]["text"] == "!P200(3 octets)" and inner[-2]["critical"] is True
    assert inner[-1]["malformed"] and inner[-1]["data"] == b"xyz".hex()
    assert "malformed" in str(shown["text"])


@settings(max_examples=200)
@given(st.binary(max_size=400), st.one_of(st.none(), st.binary(max_size=200)), st.integers(0, 255))
def test_any_octets_can_be_written_down(data: bytes, inner: bytes | None, first: int) -> None:
    transcript = Transcript([step(data, plain=inner, first_inner=first)])
    [row] = rows(transcript)

    assert row["raw"] == data.hex() and row["length"] == len(data)
    assert (row["plain"] is None) is (inner is None)
    assert transcript.text().startswith("#")


@settings(max_examples=200)
@given(st.integers(33, 54), st.binary(max_size=60), st.integers(34, 250))
def test_any_body_of_any_payload_can_be_written_down(kind: int, body: bytes, exchange: int) -> None:
    payload = b"\0\0" + (4 + len(body)).to_bytes(2, "big") + body
    data = bytes(16) + bytes([kind, 0x20, exchange, 0x20]) + bytes(4)
    data += (28 + len(payload)).to_bytes(4, "big") + payload
    [row] = rows(Transcript([step(data)]))
    payloads = row["payloads"]

    assert isinstance(payloads, list)
    assert sum(p["length"] for p in payloads) == len(payload)
    assert IKEv2(data).payloads and isinstance(row["text"], str)


def test_a_violation_as_the_contract_has_it() -> None:
    broken = Violation("a-rule", 7296, "2.1", Level.MUST, "evidence")

    assert violation_json(broken, 7) == {
        "rule": "a-rule", "rfc": 7296, "section": "2.1", "level": "MUST", "message": "evidence",
        "frame": 7,
    }  # fmt: skip


def test_a_transcript_is_its_steps_in_order() -> None:
    steps = [step(bytes([n]) * 30) for n in range(3)]
    transcript = Transcript(steps[:2])

    assert transcript.append(steps[2]) is steps[2]
    assert list(transcript) == steps and len(transcript) == 3
