"""The Notify payload (RFC 7296 3.10), with its data told in words where the type is known."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from typing import Any

from ikelab.layers import typed
from ikelab.layers.chain import GENERIC, IKEv2_Payload
from ikelab.layers.fields import Number, Octets, address_repr, octets_repr, text_repr
from ikelab.layers.iana import (
    GatewayId,
    Hash,
    IpComp,
    Ke,
    Notify,
    Payload,
    Protocol,
    name,
)


def notify_repr(kind: int, data: bytes) -> str:
    """The data of a notify of this type in words; hex where nothing better is known."""
    if kind == Notify.INVALID_KE_PAYLOAD and len(data) == 2:
        return name(Ke, int.from_bytes(data, "big"))
    if kind == Notify.SIGNATURE_HASH_ALGORITHMS and data and len(data) % 2 == 0:
        numbers = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        return ", ".join(name(Hash, n) for n in numbers[:64])
    if kind in (Notify.SET_WINDOW_SIZE, Notify.AUTH_LIFETIME) and len(data) == 4:
        return str(int.from_bytes(data, "big"))
    if kind == Notify.UNSUPPORTED_CRITICAL_PAYLOAD and len(data) == 1:
        return name(Payload, data[0])
    if kind == Notify.IPCOMP_SUPPORTED and len(data) == 3:
        return f"CPI {data[:2].hex()} {name(IpComp, data[2])}"
    if kind in (Notify.ADDITIONAL_IP4_ADDRESS, Notify.ADDITIONAL_IP6_ADDRESS):
        return address_repr(data)
    if kind in (Notify.REDIRECT, Notify.REDIRECTED_FROM) and len(data) >= 2:
        return _gateway(data)
    return octets_repr(data)


def _gateway(data: bytes) -> str:
    """A new gateway's identity (RFC 5685 10): type, length, identity, and the nonce behind it."""
    identity, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    told = text_repr(identity) if data[0] == GatewayId.FQDN else address_repr(identity)
    return told + (f" nonce {octets_repr(rest)}" if rest else "")


class IKEv2_Notify(IKEv2_Payload):
    """A notification; `proto` and `SPI` name the SA that it concerns, where it does."""

    name = "IKEv2 Notify"
    payload_type = Payload.N
    fields_desc = [
        *GENERIC,
        Number("proto", 0, 1, Protocol),
        Number("SPIsize", None),
        Number("type", 0, 2, Notify),
        Octets("SPI"),
        Octets("notify", b"", lambda pkt, data: notify_repr(pkt.getfieldval("type"), data)),
    ]
    automatic = ("next_payload", "length", "SPIsize")

    @property
    def value(self) -> Any:
        """The data as what it means (`typed.NOTIFY`): a number, addresses, names; or octets."""
        return typed.read(typed.NOTIFY, self.getfieldval("type"), self.getfieldval("notify"))

    @value.setter
    def value(self, value: Any) -> None:
        self.setfieldval("notify", typed.write(typed.NOTIFY, self.getfieldval("type"), value))

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        here = 8 + values["SPIsize"]
        values["SPI"] = data[8:here]
        values["notify"] = data[here:]

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        super()._complete(values, tail, index, after)
        if values["SPIsize"] is None:
            values["SPIsize"] = len(values["SPI"] or b"")

    def mysummary(self) -> str:
        return f"N({self.fieldtype['type'].i2repr(self, self.getfieldval('type'))})"
