"""The EAP payload: one EAP message (RFC 7296 3.16, RFC 3748 4)."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from enum import IntEnum
from typing import Any

from scapy.packet import Packet

from ikelab.layers.chain import GENERIC, IKEv2_Payload
from ikelab.layers.fields import Number, Octets, text_repr
from ikelab.layers.iana import Payload


class EapCode(IntEnum):
    """EAP codes (RFC 3748 4, RFC 6696)."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4
    INITIATE = 5
    FINISH = 6


class EapType(IntEnum):
    """EAP method types met in IKEv2."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5_CHALLENGE = 4
    OTP = 5
    GTC = 6
    TLS = 13
    SIM = 18
    TTLS = 21
    AKA = 23
    PEAP = 25
    MSCHAPV2 = 26
    TNC = 38
    FAST = 43
    AKA_PRIME = 50
    EAP_PWD = 52
    TEAP = 55
    EXPANDED = 254


class _EapNumber(Number):
    """An EAP number, named by one of the tables above."""

    __slots__ = ["table"]

    def __init__(self, name: str, default: int | None, table: type[IntEnum]) -> None:
        self.table = table
        Number.__init__(self, name, default)

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        row = self.table._value2member_map_.get(x)
        return row.name if row is not None else super().i2repr(pkt, x)


class _EapType(_EapNumber):
    """The type octet, which Success and Failure do not have: None leaves it out."""

    fixed = False

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        return b"" if x is None else super().octets(pkt, x)


class IKEv2_EAP(IKEv2_Payload):
    """An EAP message; `type` None means that there is no type octet."""

    name = "IKEv2 Extensible Authentication"
    payload_type = Payload.EAP
    fields_desc = [
        *GENERIC,
        _EapNumber("code", EapCode.REQUEST, EapCode),
        Number("identifier", 0),
        Number("eap_length", None, 2),
        _EapType("type", None, EapType),
        Octets("load", b"", lambda pkt, data: text_repr(data)),
    ]
    automatic = ("next_payload", "length", "eap_length")

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values["type"] = data[8] if len(data) > 8 else None
        values["load"] = data[9:]

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        super()._complete(values, tail, index, after)
        if values["eap_length"] is None:
            values["eap_length"] = 4 + len(tail)

    def mysummary(self) -> str:
        code, kind = self.getfieldval("code"), self.getfieldval("type")
        words = [self.fieldtype["code"].i2repr(self, code)]
        if kind is not None:
            words.append(self.fieldtype["type"].i2repr(self, kind))
        return f"EAP({' '.join(words)})"
