"""Traffic Selector payloads and their selectors (RFC 7296 3.13)."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from ikelab.layers.chain import GENERIC, IKEv2_Malformed, IKEv2_Payload
from ikelab.layers.fields import Address, Number, Octets, Packets, address_repr, text_repr
from ikelab.layers.iana import Payload, TsType
from ikelab.layers.shell import new
from ikelab.layers.wire import Wire


class TrafficSelector(Wire):
    """Base of the selectors: what they share is the first four octets."""

    automatic = ("length",)
    least = 4

    def _extent(self, s: bytes) -> int | str:
        size = int.from_bytes(s[2:4], "big")
        if self.least <= size <= len(s):
            return size
        return f"{self.name}: length {size}, {len(s)} octets left, {self.least} are needed"

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["length"] is None:
            values["length"] = self._head.size + len(tail)


class _AddressRange(TrafficSelector):
    """A selector of two addresses; `size` is an address's length in octets."""

    size = 0

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        half = 8 + self.size
        values["starting_address"] = address_repr(data[8:half])
        values["ending_address"] = address_repr(data[half:])

    def mysummary(self) -> str:
        ports = f"{self.getfieldval('start_port')}-{self.getfieldval('end_port')}"
        ends = [
            self.fieldtype[n].i2repr(self, self.getfieldval(n))
            for n in ("starting_address", "ending_address")
        ]
        return f"{'-'.join(ends)}[{self.getfieldval('IP_protocol_ID')}/{ports}]"


def _range(kind: TsType, size: int, first: str, last: str) -> list[Any]:
    return [
        Number("TS_type", kind, 1, TsType),
        Number("IP_protocol_ID", 0),
        Number("length", None, 2),
        Number("start_port", 0, 2),
        Number("end_port", 65535, 2),
        Address("starting_address", first, size),
        Address("ending_address", last, size),
    ]


class IPv4TrafficSelector(_AddressRange):
    """TS_IPV4_ADDR_RANGE; by default everything."""

    name = "IKEv2 IPv4 Traffic Selector"
    size = 4
    least = 16
    fields_desc = _range(TsType.TS_IPV4_ADDR_RANGE, 4, "0.0.0.0", "255.255.255.255")


class IPv6TrafficSelector(_AddressRange):
    """TS_IPV6_ADDR_RANGE; by default everything."""

    name = "IKEv2 IPv6 Traffic Selector"
    size = 16
    least = 40
    fields_desc = _range(TsType.TS_IPV6_ADDR_RANGE, 16, "::", ":".join(["ffff"] * 8))


class SecurityLabelSelector(TrafficSelector):
    """TS_SECLABEL (RFC 9478 2.1): a label, opaque to IKE, that a child's packets carry."""

    name = "IKEv2 Security Label Traffic Selector"
    fields_desc = [
        Number("TS_type", TsType.TS_SECLABEL, 1, TsType),
        Number("res", 0),
        Number("length", None, 2),
        Octets("label", b"", lambda pkt, data: text_repr(data)),
    ]

    def mysummary(self) -> str:
        label = text_repr(self.getfieldval("label"))
        return f"{self.fieldtype['TS_type'].i2repr(self, self.getfieldval('TS_type'))}({label})"


class RawTrafficSelector(TrafficSelector):
    """A selector of another type, or one whose length is not its type's."""

    name = "IKEv2 Raw Traffic Selector"
    fields_desc = [
        Number("TS_type", TsType.TS_SECLABEL, 1, TsType),
        Number("IP_protocol_ID", 0),
        Number("length", None, 2),
        Octets("load"),
    ]

    def mysummary(self) -> str:
        return self.fieldtype["TS_type"].i2repr(self, self.getfieldval("TS_type"))


_RANGES: dict[tuple[int, int], type[Wire]] = {
    (TsType.TS_IPV4_ADDR_RANGE, 16): IPv4TrafficSelector,
    (TsType.TS_IPV6_ADDR_RANGE, 40): IPv6TrafficSelector,
}


_LABELS: dict[int, type[Wire]] = {TsType.TS_SECLABEL: SecurityLabelSelector}


class _TrafficSelectors(IKEv2_Payload):
    """The body that TSi and TSr share."""

    fields_desc = [
        *GENERIC,
        Number("number_of_TSs", None),
        Number("res2", 0, 3),
        Packets("traffic_selector", TrafficSelector),
    ]
    automatic = ("next_payload", "length", "number_of_TSs")

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values["res2"] = int.from_bytes(data[5:8], "big")
        values["traffic_selector"] = found = []
        here, end = 8, len(data)
        while here < end:
            size = data[here + 2] << 8 | data[here + 3] if end - here >= 4 else 0
            if size < 4 or size > end - here:
                reason = f"traffic selector: length {size}, {end - here} octets left"
                found.append(IKEv2_Malformed.of(data[here:], reason))
                break
            made = _RANGES.get((data[here], size)) or _LABELS.get(data[here], RawTrafficSelector)
            packet: Packet = new(made)
            packet.__dict__["raw_packet_cache"] = data[here : here + size]
            found.append(packet)
            here += size

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        super()._complete(values, tail, index, after)
        if values["number_of_TSs"] is None:
            listed = values["traffic_selector"]
            values["number_of_TSs"] = len(listed) if isinstance(listed, list) else 0

    def mysummary(self) -> str:
        listed = self.getfieldval("traffic_selector")
        return f"{self.notation}({', '.join(ts.mysummary() for ts in listed[:8])})"


class IKEv2_TSi(_TrafficSelectors):
    """Traffic Selector - Initiator."""

    name = "IKEv2 Traffic Selector - Initiator"
    payload_type = Payload.TSI


class IKEv2_TSr(_TrafficSelectors):
    """Traffic Selector - Responder."""

    name = "IKEv2 Traffic Selector - Responder"
    payload_type = Payload.TSR
