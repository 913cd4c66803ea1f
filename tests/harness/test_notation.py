"""Payloads in words and in typed fields: every kind, known and unknown numbers."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.exchange.negotiate import sa_payload, ts_payloads
from ikelab.harness.model import selectors, suites
from ikelab.harness.notation import (
    describe,
    exchange_name,
    message_text,
    notify_name,
    payload_name,
    selector_of,
    suite_of,
    wire_length,
)
from ikelab.layers.config import ConfigurationAttribute
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.message import PAYLOADS, IKEv2, build_payloads, message, parse_payloads, unknown
from ikelab.layers.selectors import RawTrafficSelector

INIT, AUTH, INFO = Exchange.IKE_SA_INIT, Exchange.IKE_AUTH, Exchange.INFORMATIONAL


def made(kind: Payload, **fields: Any) -> Any:
    return PAYLOADS[kind](**fields)


TSI, TSR = ts_payloads(selectors(["10.0.0.0/8", "10.1.0.0/16[6/80]"]), selectors("2001:db8::/32"))
CP = [ConfigurationAttribute(type=1), ConfigurationAttribute(type=0x8000 | 7, value=b"v")]
CASES: list[tuple[Any, Exchange, str, dict[str, Any]]] = [
    (sa_payload(suites(["3des-aes128-sha1-modp1024"])), INIT,
     "SAi1(3des-aes128-sha1-modp1024)", {}),
    (sa_payload(suites(["aes128gcm16"], Protocol.ESP), b"abcd"), AUTH,
     "SAi2(aes128gcm16-noesn)", {}),
    (made(Payload.KE, group=2, ke=b"x"), INIT, "KEi(modp1024)", {"group": 2}),
    (made(Payload.KE, group=9999, ke=b"x"), INIT, "KEi(ke:9999)", {"group_name": "9999"}),
    (made(Payload.NONCE, nonce=b"n" * 16), INIT, "Ni", {"data": "6e" * 16}),
    (made(Payload.IDI, IDtype=1, ID=b"\n\0\0\1"), AUTH, "IDi(10.0.0.1)", {"id": "10.0.0.1"}),
    (made(Payload.IDR, IDtype=99, ID=b"\1"), AUTH, "IDr(99:01)", {"id_type": 99}),
    (made(Payload.AUTH, auth_type=2, load=b"m"), AUTH,
     "AUTH(Shared Key Message Integrity Code)", {"method": 2}),
    (made(Payload.N, type=Notify.NAT_DETECTION_SOURCE_IP, notify=b"h"), INIT, "N(NATD_S)",
     {"notify_name": "NAT_DETECTION_SOURCE_IP", "data": "68"}),
    (made(Payload.N, type=40000, proto=3, SPI=b"abcd"), INFO, "N(40000)", {"spi": "61626364"}),
    (made(Payload.D, proto=3, SPI=[b"abcd"]), INFO, "D(ESP, 61626364)", {"protocol": "ESP"}),
    (made(Payload.D, proto=1), INFO, "D(IKE)", {"spis": []}),
    (made(Payload.V, vendorID=b"nobody knows this"), INIT, "V", {"vendor": None}),
    (TSI, AUTH, "TSi(10.0.0.0-10.255.255.255[0/0-65535], 10.1.0.0-10.1.255.255[6/80-80])", {}),
    (TSR, AUTH, "TSr(2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff[0/0-65535])", {}),
    (made(Payload.TSI, traffic_selector=[RawTrafficSelector(TS_type=99, load=b"x")]), AUTH,
     "TSi(type 99)", {}),
    (made(Payload.CERTREQ, cert_encoding=4, cert_authority=b"k"), INIT,
     "CERTREQ(X.509 Certificate - Signature)", {"encoding": 4}),
    (made(Payload.CP, CFGType=1, attributes=CP), AUTH,
     "CP(CFG_REQUEST: INTERNAL_IP4_ADDRESS, APPLICATION_VERSION)", {"cfg": "CFG_REQUEST"}),
    (made(Payload.EAP, code=1, identifier=7), AUTH, "EAP(Request)", {"identifier": 7}),
    (made(Payload.SKF, frag_number=2, frag_total=3), AUTH, "SKF(2/3)", {"total": 3}),
    (unknown(200, b"abc"), INIT, "P200(3 octets)", {"data": "616263"}),
    (unknown(49, b"", critical=True), INIT, "!GSPM(0 octets)", {"critical": True}),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "exchange", "text", "fields"), CASES,
                         ids=[c[2][:30] for c in CASES])  # fmt: skip
def test_a_payload_in_words_and_fields(
    payload: Any, exchange: Exchange, text: str, fields: dict[str, Any]
) -> None:
    row = describe(payload, exchange, response=False)

    assert row["text"] == text
    assert {k: row[k] for k in fields} == fields
    assert (row["name"], row["type"]) == (payload_name(payload), payload.kind)
    assert row["length"] == len(build_payloads([payload]))


def test_the_responders_side_is_marked() -> None:
    nonce = made(Payload.NONCE, nonce=b"n" * 16)

    assert describe(nonce, INIT, response=True)["text"] == "Nr"


def test_proposals_are_typed() -> None:
    payload = sa_payload(suites(["aes128gcm16-prfsha256-x25519"]))
    [proposal] = describe(payload, INIT, response=False)["proposals"]

    assert (proposal["number"], proposal["protocol"], proposal["spi"]) == (1, "IKE", "")
    encr, *_ = proposal["transforms"]
    assert (encr["id"], encr["key_bits"]) == (20, 128) and "GCM" in encr["name"]
    assert str(suite_of(payload.proposal[0])) == "aes128gcm16-prfsha256-x25519"


def test_a_payload_that_cannot_be_read_keeps_its_name() -> None:
    [payload, *_] = parse_payloads(Payload.NONCE, b"\0\0\xff\xff")
    row = describe(payload, INIT, response=False)

    assert row["text"].startswith("Nonce(malformed: ") and row["length"] == 4


def test_a_message_in_notation() -> None:
    inner = [made(Payload.IDI, IDtype=2, ID=b"me")]
    tree = message([IKEv2_Decrypted(inner=inner)], init_SPI=b"\1" * 8, resp_SPI=b"\x9c" * 8,
                   exch_type=AUTH, id=1)  # fmt: skip

    assert message_text(tree, inner) == "IKE_AUTH  HDR(SPIi=01.., SPIr=9c.., 1), SK{IDi(me)}"
    assert message_text(tree, None) == "IKE_AUTH  HDR(SPIi=01.., SPIr=9c.., 1), SK"
    assert message_text(IKEv2(bytes(message([], exch_type=250))), None).startswith("EXCHANGE_250")


def test_numbers_without_a_name_stay_numbers() -> None:
    assert exchange_name(250) == "EXCHANGE_250" and notify_name(40000) == "40000"
    assert payload_name(unknown(222)) == "P222"


def test_a_literal_length_is_what_the_wire_says() -> None:
    assert wire_length(made(Payload.NONCE, nonce=b"n", length=99)) == 99
    assert wire_length(made(Payload.NONCE, nonce=b"n")) == 5


def test_selectors_of_other_types_are_no_ranges() -> None:
    assert selector_of(RawTrafficSelector(load=b"x")) is None
