"""The Configuration payload and its attributes (RFC 7296 3.15)."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from ikelab.layers import typed
from ikelab.layers.chain import GENERIC, IKEv2_Malformed, IKEv2_Payload
from ikelab.layers.fields import (
    Identifier,
    Number,
    Packets,
    Tagged,
    address_repr,
    octets_repr,
    text_repr,
)
from ikelab.layers.iana import CfgAttr, CfgType, Payload, name
from ikelab.layers.shell import new
from ikelab.layers.wire import Wire

_ADDRESSES = frozenset(
    row for row in CfgAttr if row.name.startswith(("INTERNAL_IP4", "INTERNAL_IP6", "P_CSCF"))
)
_TEXTS = frozenset((CfgAttr.APPLICATION_VERSION, CfgAttr.INTERNAL_DNS_DOMAIN))


def value_repr(kind: int, data: bytes) -> str:
    """The value of an attribute of this type in words; hex where nothing better is known."""
    kind &= 0x7FFF
    if kind in _TEXTS:
        return text_repr(data)
    if kind in _ADDRESSES:
        if len(data) in (8, 17):
            address, mask = (data[:4], data[4:]) if len(data) == 8 else (data[:16], data[16:])
            return f"{address_repr(address)}/{address_repr(mask) if len(mask) == 4 else mask[0]}"
        return address_repr(data)
    if kind == CfgAttr.SUPPORTED_ATTRIBUTES and data and len(data) % 2 == 0:
        numbers = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        return ", ".join(name(CfgAttr, n & 0x7FFF) for n in numbers[:64])
    return octets_repr(data)


class ConfigurationAttribute(Wire):
    """One attribute; the highest bit of `type` is reserved. An empty value asks for one."""

    name = "IKEv2 Configuration Attribute"
    fields_desc = [
        Tagged("type", CfgAttr.INTERNAL_IP4_ADDRESS, CfgAttr),
        Number("length", None, 2),
        Identifier("value", b"", lambda pkt, data: value_repr(pkt.getfieldval("type"), data)),
    ]
    automatic = ("length",)

    @property
    def typed(self) -> Any:
        """The value as what it means (`typed.CONFIGURATION`), None where it is empty; or octets."""
        kind = self.getfieldval("type") & 0x7FFF
        return typed.read(typed.CONFIGURATION, kind, self.getfieldval("value"))

    @typed.setter
    def typed(self, value: Any) -> None:
        kind = self.getfieldval("type") & 0x7FFF
        self.setfieldval("value", typed.write(typed.CONFIGURATION, kind, value))

    def _extent(self, s: bytes) -> int | str:
        size = 4 + int.from_bytes(s[2:4], "big")
        if len(s) >= 4 and size <= len(s):
            return size
        return f"configuration attribute of {size} octets, {len(s)} are left"

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["length"] is None:
            values["length"] = len(tail)

    def mysummary(self) -> str:
        kind, value = self.getfieldval("type"), self.getfieldval("value")
        told = f"={value_repr(kind, value)}" if value else ""
        return self.fieldtype["type"].i2repr(self, kind) + told


class IKEv2_CP(IKEv2_Payload):
    """Configuration: CFG_REQUEST, CFG_REPLY, CFG_SET or CFG_ACK with a list of attributes."""

    name = "IKEv2 Configuration"
    payload_type = Payload.CP
    fields_desc = [
        *GENERIC,
        Number("CFGType", CfgType.CFG_REQUEST, 1, CfgType),
        Number("res2", 0, 3),
        Packets("attributes", ConfigurationAttribute),
    ]

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values["res2"] = int.from_bytes(data[5:8], "big")
        values["attributes"] = found = []
        here, end = 8, len(data)
        while here < end:
            size = 4 + (data[here + 2] << 8 | data[here + 3]) if end - here >= 4 else 4
            if size > end - here:
                reason = f"configuration attribute of {size} octets, {end - here} are left"
                found.append(IKEv2_Malformed.of(data[here:], reason))
                break
            packet: Packet = new(ConfigurationAttribute)
            packet.__dict__["raw_packet_cache"] = data[here : here + size]
            found.append(packet)
            here += size

    def mysummary(self) -> str:
        listed = [a.mysummary() for a in self.getfieldval("attributes")[:8]]
        kind = self.fieldtype["CFGType"].i2repr(self, self.getfieldval("CFGType"))
        return f"CP({kind}{': ' if listed else ''}{', '.join(listed)})"
