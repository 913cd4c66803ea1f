"""Payloads in words: RFC notation for people, typed fields for the JSON contracts.

Knows packets and names; no keys, no state.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import Any

from ikelab.harness.model import TS, Identity, IPAddress, Suite, Transform
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import (
    AuthMethod,
    CertEncoding,
    CfgAttr,
    CfgType,
    Exchange,
    Ke,
    Notify,
    Payload,
    Protocol,
    TransformType,
    lookup,
    name,
)
from ikelab.layers.message import IKEv2, IKEv2_Malformed
from ikelab.layers.vendor import vendor_name

# RFC notation abbreviates these two; every other notify keeps IANA's name.
SHORT = {Notify.NAT_DETECTION_SOURCE_IP: "NATD_S", Notify.NAT_DETECTION_DESTINATION_IP: "NATD_D"}


def suite_of(proposal: Any) -> Suite:
    """The transforms of a proposal on the wire as a Suite, in the order they were sent."""
    return Suite(
        tuple(
            Transform(t.transform_type, t.transform_id, t.key_length) for t in proposal.transform
        ),
        proposal.proto,
    )


@lru_cache(maxsize=1024)
def _address(text: str) -> IPAddress:
    return ipaddress.ip_address(text)


def selector_of(selector: Any) -> TS | None:
    """A traffic selector packet as a TS; None where its type is not an address range."""
    try:
        return TS(
            _address(selector.starting_address),
            _address(selector.ending_address),
            selector.IP_protocol_ID,
            selector.start_port,
            selector.end_port,
        )
    except (AttributeError, ValueError):
        return None


def exchange_name(number: int) -> str:
    """`IKE_AUTH`, or `EXCHANGE_250` for an unknown type."""
    found = lookup(Exchange, number)
    return found.name if found else f"EXCHANGE_{number}"


def notify_name(number: int) -> str:
    """IANA's name of a notify type, its number where it has none."""
    return name(Notify, number)


def payload_name(payload: Any) -> str:
    """The payload's notation (SA, IDi, N, ...), or `P200` for an unknown type."""
    found = lookup(Payload, payload.kind)
    return found.notation if found else f"P{payload.kind}"


def describe(payload: Any, exchange: int, response: bool) -> dict[str, Any]:
    """One payload as the JSON contract has it: name, type, length, critical, text, fields."""
    side = "r" if response else "i"
    kind = payload.kind
    if isinstance(payload, IKEv2_Malformed):
        return _malformed(payload)
    row: dict[str, Any] = {
        "name": payload_name(payload),
        "type": int(kind),
        "length": wire_length(payload),
        "critical": bool(int(payload.flags) & 0x80),
    }
    writer = _WRITERS.get(kind)
    try:
        text, fields = writer(payload, exchange, side) if writer else _raw(payload, row["name"])
    except (AttributeError, struct.error):
        # A body that stops short of its fixed fields: the packet keeps it as octets.
        text, fields = _raw(payload, row["name"])
    row["text"] = ("!" if row["critical"] else "") + text
    return row | fields


def _malformed(payload: IKEv2_Malformed) -> dict[str, Any]:
    """Octets that could not be read, under the name they were announced with."""
    data = bytes(payload.load)
    label = payload_name(payload) if payload.kind else "octets"
    return {
        "name": label,
        "type": int(payload.kind),
        "length": len(data),
        "critical": False,
        "text": f"{label}(malformed: {payload.reason})",
        "malformed": payload.reason,
        "data": data.hex(),
    }


def wire_length(payload: Any) -> int:
    """Octets of the payload on the wire, its generic header included."""
    if payload.length is not None:
        return int(payload.length)
    copy = payload.copy()
    copy.remove_payload()
    return len(bytes(copy))


def _raw(payload: Any, label: str) -> tuple[str, dict[str, Any]]:
    # Not `payload.load`: where the class has no such field, Scapy looks in the payloads behind it.
    data = payload.self_build()[4:]
    return f"{label}({len(data)} octets)", {"data": data.hex()}


# RFC 7296 1.2 writes SAi1 in IKE_SA_INIT and SAi2 in IKE_AUTH.
_STEPS: dict[int, str] = {Exchange.IKE_SA_INIT: "1", Exchange.IKE_AUTH: "2"}


def _sa(payload: Any, exchange: int, side: str) -> tuple[str, dict[str, Any]]:
    step = _STEPS.get(exchange, "")
    proposals = []
    for proposal in payload.proposal:
        suite = suite_of(proposal)
        proposals.append(
            {
                "number": proposal.number,
                "protocol": name(Protocol, proposal.proto),
                "spi": bytes(proposal.SPI).hex(),
                "text": str(suite),
                "transforms": [transform_json(t) for t in suite.transforms],
            }
        )
    label = f"SA{side}{step}" if step else "SA"
    return f"{label}({' | '.join(p['text'] for p in proposals)})", {"proposals": proposals}


def transform_json(transform: Transform) -> dict[str, Any]:
    """A transform as the JSON contract has it."""
    return {
        "type": name(TransformType, transform.type),
        "id": int(transform.id),
        "name": transform.name,
        "key_bits": transform.key_bits,
    }


def _ke(payload: Any, _exchange: int, side: str) -> tuple[str, dict[str, Any]]:
    group = Transform(TransformType.KE, payload.group)
    fields = {"group": int(payload.group), "group_name": name(Ke, payload.group)}
    return f"KE{side}({group.word})", {**fields, "data": bytes(payload.ke).hex()}


def _id(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    identity = Identity(payload.IDtype, bytes(payload.ID))
    fields = {"id_type": int(payload.IDtype), "id": str(identity), "data": identity.data.hex()}
    return f"{payload_name(payload)}({identity})", fields


def _auth(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    data = bytes(payload.load)
    fields = {"method": int(payload.auth_type), "method_name": name(AuthMethod, payload.auth_type)}
    return f"AUTH({fields['method_name']})", {**fields, "data": data.hex()}


def _nonce(payload: Any, _exchange: int, side: str) -> tuple[str, dict[str, Any]]:
    return f"N{side}", {"data": bytes(payload.nonce).hex()}


def _notify(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    label = SHORT.get(payload.type) or notify_name(payload.type)
    fields = {
        "notify": int(payload.type),
        "notify_name": notify_name(payload.type),
        "protocol": int(payload.proto),
        "spi": bytes(payload.SPI).hex(),
        "data": bytes(payload.notify).hex(),
    }
    return f"N({label})", fields


def _delete(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    spis = [bytes(s).hex() for s in payload.SPI]
    protocol = name(Protocol, payload.proto)
    text = ", ".join([protocol, *spis])
    return f"D({text})", {"protocol": protocol, "spis": spis}


def _vendor(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    data = bytes(payload.vendorID)
    known = vendor_name(data)
    return f"V({known})" if known else "V", {"vendor": known, "data": data.hex()}


def _ts(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    shown = [str(selector_of(s) or f"type {s.TS_type}") for s in payload.traffic_selector]
    return f"{payload_name(payload)}({', '.join(shown)})", {"selectors": shown}


def _cert(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    label = payload_name(payload)
    encoding = name(CertEncoding, payload.cert_encoding)
    data = bytes(getattr(payload, "cert_data", b"") or getattr(payload, "cert_authority", b""))
    return f"{label}({encoding})", {"encoding": int(payload.cert_encoding), "data": data.hex()}


def _cp(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    kind = name(CfgType, payload.CFGType)
    attributes = [
        {"type": a.type & 0x7FFF, "name": name(CfgAttr, a.type & 0x7FFF), "value": a.value.hex()}
        for a in payload.attributes
    ]
    shown = ", ".join(str(a["name"]) for a in attributes)
    return f"CP({kind}: {shown})" if shown else f"CP({kind})", {
        "cfg": kind,
        "attributes": attributes,
    }


def _eap(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    words = {1: "Request", 2: "Response", 3: "Success", 4: "Failure"}
    word = words.get(payload.code, str(payload.code))
    return f"EAP({word})", {"code": int(payload.code), "identifier": int(payload.identifier)}


def _sk(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    if isinstance(payload, IKEv2_Decrypted):
        return "SK", {"pad_length": payload.pad_length}
    return "SK", {"octets": len(payload.load)}


def _skf(payload: Any, _exchange: int, _side: str) -> tuple[str, dict[str, Any]]:
    numbers = {"fragment": payload.frag_number, "total": payload.frag_total}
    return f"SKF({payload.frag_number}/{payload.frag_total})", numbers


_WRITERS = {
    Payload.SA: _sa,
    Payload.KE: _ke,
    Payload.IDI: _id,
    Payload.IDR: _id,
    Payload.CERT: _cert,
    Payload.CERTREQ: _cert,
    Payload.AUTH: _auth,
    Payload.NONCE: _nonce,
    Payload.N: _notify,
    Payload.D: _delete,
    Payload.V: _vendor,
    Payload.TSI: _ts,
    Payload.TSR: _ts,
    Payload.CP: _cp,
    Payload.EAP: _eap,
    Payload.SK: _sk,
    Payload.SKF: _skf,
}


def message_text(message: IKEv2, inner: list[Any] | None) -> str:
    """One message in RFC notation: `IKE_AUTH  HDR(SPIi=01.., SPIr=9c.., 1), SK{IDi(..), ..}`."""
    response = bool(int(message.flags) & 0x20)
    parts = [header_text(message)]
    for payload in message.payloads:
        if payload.kind in (Payload.SK, Payload.SKF) and inner is not None:
            words = [describe(p, message.exch_type, response)["text"] for p in inner]
            outer = describe(payload, message.exch_type, response)["text"]
            parts.append(outer + "{" + ", ".join(words) + "}")
        else:
            parts.append(describe(payload, message.exch_type, response)["text"])
    return f"{exchange_name(message.exch_type)}  " + ", ".join(parts)


def header_text(message: IKEv2) -> str:
    """`HDR(SPIi=01.., SPIr=9c.., 1)`: the first octet of each SPI, and the message ID."""
    spi_r = bytes(message.resp_SPI)
    responder = f"SPIr={spi_r[:1].hex()}.., " if any(spi_r) else ""
    return f"HDR(SPIi={bytes(message.init_SPI)[:1].hex()}.., {responder}{message.id})"
