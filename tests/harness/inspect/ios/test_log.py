"""Debug text of other releases, and as people paste it: wrapped, cut, without times; an ASA's."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from ikelab.harness.inspect import views
from ikelab.harness.inspect.ios import write
from ikelab.harness.inspect.ios.records import clean, looks_like_log, records
from ikelab.harness.inspect.ios.report import LogInspection, inspect_log, of_text

ASA = """\
IKEv2-PROTO-5: (5): SM Trace-> SA: I_SPI=DFA3B583A4369958 R_SPI=0000000000000000 (I) \
MsgID = 00000000 CurState: IDLE Event: EV_INIT_SA
IKEv2-PROTO-3: (5): Getting configured policies
IKEv2-PLAT-3: attempting to find tunnel group for IP: 10.0.0.2
(5): IKEv2 IKE_SA_INIT Exchange REQUEST
IKEv2-PROTO-3: (5): Next payload: SA, version: 2.0 (5): Exchange type: IKE_SA_INIT, \
flags: INITIATOR (5): Message id: 0, length: 192(5):
Payload contents:
(5):  SA(5):   Next payload: KE, reserved: 0x0, length: 48
(5):   last proposal: 0x0, reserved: 0x0, length: 44
  Proposal: 1, Protocol id: IKE, SPI size: 0, #trans: 4(5):     last transform: 0x3, \
reserved: 0x0: length: 12
    type: 1, reserved: 0x0, id: AES-CBC
(5):     last transform: 0x3, reserved: 0x0: length: 8
    type: 2, reserved: 0x0, id: SHA1
(5):     last transform: 0x3, reserved: 0x0: length: 8
    type: 3, reserved: 0x0, id: SHA96
(5):     last transform: 0x0, reserved: 0x0: length: 8
    type: 4, reserved: 0x0, id: DH_GROUP_1024_MODP/Group 2
(5):  KE(5):   Next payload: NONE, reserved: 0x0, length: 136
(5):     DH group: 2, Reserved: 0x0
IKEv2-PROTO-5: (5): SM Trace-> SA: I_SPI=DFA3B583A4369958 R_SPI=27C943C13FD94665 (I) \
MsgID = 00000000 CurState: I_PROC_INIT Event: EV_DETECT_NAT
IKEv2-PROTO-3: (5): Process NAT discovery notify
IKEv2-PROTO-5: (5): Remote address matched
IKEv2-PROTO-5: (5): Local address not matched
IKEv2-PROTO-1: (5): Received Policies:
Proposal 1: AES-CBC-256 SHA1 SHA96 DH_GROUP_1024_MODP/Group 2
IKEv2-PROTO-1: (5): Failed to find a matching policy
"""


@pytest.fixture(scope="module")
def flexvpn(shared: Path) -> LogInspection:
    """A terminal's log of IOS XE 16.7."""
    return inspect_log(shared / "cisco" / "debug" / "iosxe-16.7-debug-crypto-ikev2-flexvpn-v6.txt")


def test_ios_xe_16_without_timestamps(flexvpn: LogInspection) -> None:
    assert flexvpn.log.unknown == []
    first, second = flexvpn.to_json()["ike_sas"]
    assert first["initiator"] == ["FC00:123:123:123::2", 500]
    assert [(e["type"], e["message_id"]) for e in first["exchanges"]] == [
        ("IKE_SA_INIT", 0), ("IKE_AUTH", 1), ("INFORMATIONAL", 2),
    ]  # fmt: skip
    refused = first["exchanges"][1]["response"]
    assert [p.get("notify_name", p["name"]) for p in refused["inner"]] == [
        "V", "IDr", "AUTH", "NO_PROPOSAL_CHOSEN",
    ]  # fmt: skip
    assert {p["length"] for p in refused["inner"]} == {None}, "the short style prints no lengths"
    assert first["auth"]["responder"]["id"] == "fc00:123:123:123::1"
    assert first["nat"] == {"initiator": False, "responder": False}
    assert [e["line"] for e in first["errors"]] == [82]
    assert second["spi_r"] == "0" * 16 and second["exchanges"][0]["response"] is None


def test_why_is_told_in_the_router_s_own_words(flexvpn: LogInspection) -> None:
    told = flexvpn.why()
    assert "IKE_AUTH #1 brought NO_PROPOSAL_CHOSEN" in told
    assert "line 152, initiator: Initial exchange failed" in told


def test_its_offer_has_no_key_lengths(flexvpn: LogInspection) -> None:
    first, _ = flexvpn.to_json()["ike_sas"]
    transforms = first["offered"][0]["transforms"]
    assert [t["key_bits"] for t in transforms if t["name"] == "ENCR_AES_CBC"] == [None] * 3
    assert len(transforms) == 15
    groups = [t["id"] for t in transforms if t["type"].startswith("Key Exchange")]
    assert groups == [5, 2]


def test_ios_15_with_a_dump_that_was_cut(shared: Path) -> None:
    found = inspect_log(shared / "cisco" / "debug" / "ios-15-packet-dump-fragmentation.txt")
    assert found.log.unknown == []
    [row] = found.to_json()["ike_sas"]
    request = row["exchanges"][0]["request"]
    assert (row["spi_i"], request["length"]) == (None, 524)
    assert [(p["name"], p["length"]) for p in request["payloads"]] == [
        ("SA", 144), ("N", 8), ("V", 20),
    ]  # fmt: skip


def test_an_asa() -> None:
    found = of_text(ASA)
    assert found.log.unknown == []
    [row] = found.to_json()["ike_sas"]
    assert (row["spi_i"], row["spi_r"]) == ("dfa3b583a4369958", "27c943c13fd94665")
    request = row["exchanges"][0]["request"]
    assert [(p["name"], p["length"]) for p in request["payloads"]] == [("SA", 48), ("KE", 136)]
    assert row["offered"][0]["transforms"][0]["key_bits"] == 256, "from the line of policies"
    assert row["nat"] == {"initiator": True, "responder": False}
    assert [e["text"] for e in row["errors"] if "matching" in e["text"]]


@pytest.mark.parametrize("width", [80, 100])
def test_lines_that_a_terminal_broke(seed: LogInspection, width: int) -> None:
    """Cut at the last column in the middle of words, as a console log has them."""
    text = write.text(seed)
    broken = "\n".join(
        line[i : i + width]
        for line in text.splitlines()
        for i in range(0, max(len(line), 1), width)
    )
    assert broken != text
    assert told(of_text(broken)) == told(of_text(text))


def test_lines_that_are_alike_by_chance_are_not_put_together() -> None:
    trace = (
        "*Nov 11 19:30:34.811: IKEv2:(SA ID = 1):SM Trace-> SA: I_SPI=F074D8BBD5A59F0B "
        "R_SPI=F94020DD8CB4B9C4 (R) MsgID = 00000001 CurState: READY Event: EV_R_OK"
    )
    found = of_text("\n".join([trace] * 4 + ["IKEv2:Insert SA"]))
    assert (found.log.state_records, found.log.records) == (4, 5)


def test_non_breaking_spaces_carriage_returns_and_byte_order_marks(seed: LogInspection) -> None:
    text = write.text(seed)
    pasted = "\ufeff" + text.replace("  ", "\u00a0\u00a0").replace("\n", "\r\n")
    assert told(of_text(pasted)) == told(of_text(text))


SPANISH = {
    "Next payload": "Carga siguiente", "reserved": "reservado", "Reserved": "Reservado",
    "length": "longitud", "Exchange type": "Tipo de intercambio", "version": "versión",
    "flags": "indicadores", "Message id": "Identificador", "last proposal": "última propuesta",
    "Protocol id": "Id de protocolo", "SPI size": "tamaño de SPI", "spi size": "tamaño de spi",
    "last transform": "última transformación", "DH group": "Grupo DH", "proto id": "protocolo",
    "Id type": "Tipo de ID", "IPv4 address": "dirección IPv4", "Auth method": "Método de prueba",
    "TS type": "tipo de TS", "start port": "puerto inicial", "end port": "puerto final",
    "start addr": "dirección inicial", "end addr": "dirección final", "cfg type": "tipo de cfg",
    "Construct Vendor Specific Payload": "Construir carga de proveedor",
    "Parse Notify Payload": "Analizar carga de notificación",
}  # fmt: skip


def test_labels_in_a_language_that_nobody_taught_us(seed: LogInspection) -> None:
    """Values are read and labels skipped, so a translation of the dumps reads as the original."""
    text = write.text(seed)
    heads, dumps = text.split("Sending Packet", 1)
    translated = dumps
    for word, other in SPANISH.items():
        # What announces a packet carries no dump; a translation of it is not known.
        pattern = rf"(?m)^((?!Initiator SPI).*)\b{re.escape(word)}\b"
        while re.search(pattern, translated):
            translated = re.sub(pattern, lambda m, o=other: m[1] + o, translated)
    assert "Carga siguiente" in translated and "Next payload" not in translated
    found = of_text(f"{heads}Sending Packet{translated}")
    assert found.log.unknown == []
    assert told(found) == told(of_text(text))


def told(it: LogInspection) -> object:
    """All that was read but places in the text."""
    row = it.to_json()
    places = r"'(line|frame|file|records)': [^,}]*|'frames': \[[^\]]*\]|frames? \d[\d, .and]*"
    text = re.sub(places, "", str(row["ike_sas"]))
    return text, row["log"]["unknown_records"]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("*Nov 11 19:30:34.811: ", 27199834.811),
        ("000123: *Nov 11 2014 19:30:34.811 UTC: ", 27199834.811),
        (".Nov 11 19:30:34.811 CET: ", 27199834.811),
        ("11월 11일 19:30:34.811: ", 27199834.811),
        ("00:02:11: ", 131.0),
        ("1d02h: ", 93600.0),
        ("", None),
    ],
)
def test_timestamps(stamp: str, time: float | None) -> None:
    [record] = records(clean(f"{stamp}IKEv2:(SESSION ID = 31,SA ID = 2):Insert SA\n"))
    assert (record.tag, record.session, record.sa, record.body) == ("IKEv2", 31, 2, "Insert SA")
    assert record.time == pytest.approx(time)


def test_commands_in_between_are_no_part_of_a_record() -> None:
    text = "IKEv2:Insert SA\nR1#\nR1(config)#exit\nsomething else\nIKEv2:Deleting SA\n"
    assert [r.body for r in records(clean(text))] == ["Insert SA", "Deleting SA"]


def test_what_is_not_understood_is_counted_and_shown() -> None:
    found = of_text("IKEv2:(SA ID = 1):Flux capacitor charged\nIKEv2:Insert SA\n")
    assert [(r.line, r.body) for r in found.log.unknown] == [(1, "Flux capacitor charged")]
    assert "not understood: line 1" in found.summary()


def test_other_facilities_are_not_ours() -> None:
    found = of_text(
        "*Nov 11 19:30:34.811: %CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is ON\n"
        "*Nov 11 19:30:34.811: IPSEC(sa_request): ,\n*Nov 11 19:30:34.812: IKEv2:Insert SA\n"
    )
    assert (found.log.foreign, found.log.unknown) == (2, [])


def test_two_interleaved_sas_of_one_router() -> None:
    lines = []
    for number, spi in ((1, "A" * 16), (2, "B" * 16)):
        lines.append(
            f"IKEv2:(SESSION ID = {number},SA ID = {number}):SM Trace-> SA: I_SPI={spi} "
            f"R_SPI={'C' * 16} (R) MsgID = 1 CurState: READY Event: EV_R_OK"
        )
    lines += ["IKEv2:(SESSION ID = 1,SA ID = 1):NAT not found",
              "IKEv2-ERROR:(SESSION ID = 2,SA ID = 2):: Failed to do something"]  # fmt: skip
    first, second = of_text("\n".join(lines)).to_json()["ike_sas"]
    assert (first["nat"]["initiator"], second["nat"]["initiator"]) == (False, None)
    assert first["errors"] == [] and len(second["errors"]) == 1


def test_a_reader_never_fails(seed_path: Path) -> None:
    text = seed_path.read_text()
    dice = random.Random(7)
    for _ in range(12):
        cut = list(text[dice.randrange(len(text)) :][:6000])
        for _ in range(200):
            cut[dice.randrange(len(cut))] = dice.choice("(): ,=0xA*|\n\0가")
        of_text("".join(cut)).to_json()


def test_a_log_is_told_from_other_files() -> None:
    assert looks_like_log(b"*Nov 11 19:30:34.811: IKEv2:Insert SA\n")
    assert looks_like_log(b"IKEv2-PROTO-3: (5): Insert SA\n")
    assert not looks_like_log(b"\xd4\xc3\xb2\xa1\x02\0\x04\0 IKEv2:")
    assert not looks_like_log(b"crypto ikev2 proposal default\n")


BARE = """\
IKEv2:(SESSION ID = 31,SA ID = 1):Sending Packet [To 10.0.0.2:500/From 10.0.0.1:500/VRF i0:f0]
Initiator SPI : 352F8CB45CC6EE7E - Responder SPI : 0000000000000000 Message id: 0
IKEv2 IKE_SA_INIT Exchange REQUEST
Payload contents:
 SA KE N NOTIFY(NAT_DETECTION_SOURCE_IP) CERTREQ
IKEv2:(SESSION ID = 31,SA ID = 1):Building packet for encryption.
Payload contents:
 VID IDi AUTH CFG SA TSi TSr
IKEv2:(SESSION ID = 31,SA ID = 1):Sending Packet [To 10.0.0.2:500/From 10.0.0.1:500/VRF i0:f0]
Initiator SPI : 352F8CB45CC6EE7E - Responder SPI : DEBC583A8F40D0CF Message id: 1
IKEv2 IKE_AUTH Exchange REQUEST
Payload contents:
 ENCR
"""


def test_names_are_all_that_is_shown_where_names_are_all_that_was_printed() -> None:
    found = of_text(BARE)
    transcript = views.text(found, "transcript")
    assert ", 0), SAi1, KEi, Ni, N(NATD_S), CERTREQ" in transcript
    assert ", 1), SK{V, IDi, AUTH, CP, SAi2, TSi, TSr}" in transcript
    for form in ("transcript", "ladder", "mermaid", "svg", "summary", "json"):
        shown = views.text(found, form)
        for zero in ("modpnone", "AUTH(0)", "encr:", "()", "CFG_REQUEST", "X.509", "ID_KEY_ID"):
            assert zero not in shown, f"{zero} in {form}"
    assert "0.000" not in views.text(found, "ladder"), "the routers printed no time"


def test_what_was_not_printed_is_null_in_json() -> None:
    [row] = of_text(BARE).to_json()["ike_sas"]
    outer = {p["name"]: p for p in row["exchanges"][0]["request"]["payloads"]}
    assert outer["KE"]["group"] is None and outer["KE"]["text"] == "KEi"
    assert outer["CERTREQ"]["encoding"] is None and outer["N"]["protocol"] is None
    inner = {p["name"]: p for p in row["exchanges"][1]["request"]["inner"]}
    assert (inner["IDi"]["id"], inner["IDi"]["id_type"], inner["CP"]["cfg"]) == (None, None, None)
    assert inner["AUTH"]["method"] is None
