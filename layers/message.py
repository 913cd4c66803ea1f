"""The IKE header, whole messages, and what a datagram on ports 500 and 4500 is.

Importing this module brings in every payload class. Nothing is bound to UDP ports by importing:
`bind()` does that, for those who sniff with Scapy.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scapy.packet import Packet

from ikelab.layers import config, eap, encrypted, notify, sa, selectors  # noqa: F401
from ikelab.layers import payloads as _payloads  # noqa: F401
from ikelab.layers.chain import (
    PAYLOADS,
    IKEv2_Malformed,
    IKEv2_Payload,
    IKEv2_Unknown,
    build_payloads,
    chain,
    link,
    parse_payloads,
    unknown,
)
from ikelab.layers.fields import Flags, Number, Octets, Version
from ikelab.layers.iana import Exchange, Payload, name
from ikelab.layers.shell import NOTHING
from ikelab.layers.wire import Wire

__all__ = [
    "PAYLOADS",
    "IKEv2",
    "IKEv2_Malformed",
    "IKEv2_Payload",
    "IKEv2_Unknown",
    "bind",
    "build_payloads",
    "chain",
    "demux",
    "message",
    "parse_payloads",
    "recompute",
    "unknown",
]

NO_SPI = bytes(8)
INITIATOR, VERSION, RESPONSE = 0x08, 0x10, 0x20


class Spi(Octets):
    """Eight octets; a value of another length stands as it is."""

    fixed = True

    def __init__(self, name: str) -> None:
        Octets.__init__(self, name, NO_SPI)
        self.fmt, self.sz = "!8s", 8


class _Below:
    """`message.payload` of a dissected message: the chain is walked when someone asks for it."""

    def __get__(self, packet: Any, owner: type | None = None) -> Any:
        if packet is None:
            return self
        own = packet.__dict__
        own["payload"] = NOTHING
        data = own.get("original")
        if data:
            length = int.from_bytes(data[24:28], "big")
            end = min(max(length, 28), len(data))
            found = parse_payloads(data[16], data[28:end])
            if end < len(data):
                reason = f"{len(data) - end} octets beyond the message's length"
                found.append(IKEv2_Malformed.of(data[end:], reason))
            link(packet, found)
        return own["payload"]


class IKEv2(Wire):
    """The IKE header (RFC 7296 3.1); what is dissected holds its bytes until it is changed.

    Bytes that are too few for a header give a message whose only payload is IKEv2_Malformed.
    """

    name = "IKEv2"
    fields_desc = [
        Spi("init_SPI"),
        Spi("resp_SPI"),
        Number("next_payload", None, 1, Payload),
        Version("version", 0x20),
        Number("exch_type", Exchange.IKE_SA_INIT, 1, Exchange),
        Flags("flags", 0, {INITIATOR: "Initiator", VERSION: "Version", RESPONSE: "Response"}),
        Number("id", 0, 4),
        Number("length", None, 4),
    ]
    automatic = ("next_payload", "length")
    least = 28
    payload = _Below()
    _flags_at = 19

    @property
    def payloads(self) -> list[Packet]:
        """Everything below the header, in wire order."""
        found: list[Packet] = []
        packet = self.payload
        while packet is not NOTHING:
            found.append(packet)
            packet = packet.payload
        return found

    @property
    def is_response(self) -> bool:
        """Whether the Response flag is set."""
        return bool(int(self.getfieldval("flags")) & RESPONSE)

    def dissect(self, s: bytes) -> None:
        if len(s) < 28:
            self._unreadable(s, f"{len(s)} octets, an IKE header has 28")
            # The chain below is what was just linked, not what these octets announce.
            self.__dict__["original"] = b""
        else:
            self.__dict__["raw_packet_cache"] = s[:28]

    def do_build(self) -> bytes:
        own = self.__dict__
        if own.get("original") and "payload" not in own and self.clean():
            return own["original"]
        below = self.payload.do_build()
        head = self.self_build(len(below))
        for transform in self.post_transforms:
            head = transform(head)
        return head + below

    def self_build(self, below: int | None = None, after: int | None = None) -> bytes:
        """The header's own octets, where `below` octets follow."""
        if below is None:
            below = 0 if self.clean() else len(self.payload.do_build())
        return super().self_build(below, after)

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["next_payload"] is None:
            values["next_payload"] = after
        if values["length"] is None:
            values["length"] = 28 + index

    def _pack(self, values: dict[str, Any]) -> bytes:
        # struct would pad or cut an SPI of another length.
        if len(values["init_SPI"]) == len(values["resp_SPI"]) == 8:
            return super()._pack(values)
        return b"".join([self.fieldtype[n].octets(self, values[n]) for n in self._names])

    def hashret(self) -> bytes:
        """The same for a request and its response."""
        keys = ("init_SPI", "exch_type", "id")
        return b"".join([self.fieldtype[k].octets(self, self.getfieldval(k)) for k in keys])

    def answers(self, other: Any) -> int:
        """Whether this is the response to `other`: SPIs, message ID, exchange and both flags."""
        if not isinstance(other, IKEv2):
            return 0
        ours, theirs = int(self.flags), int(other.flags)
        same = ("init_SPI", "id", "exch_type")
        return int(
            bool(ours & RESPONSE)
            and not theirs & RESPONSE
            and (ours ^ theirs) & INITIATOR == INITIATOR
            and other.resp_SPI in (self.resp_SPI, NO_SPI)
            and all(self.getfieldval(k) == other.getfieldval(k) for k in same)
        )

    def mysummary(self) -> str:
        exchange = self.getfieldval("exch_type")
        called = name(Exchange, exchange) if isinstance(exchange, int) else repr(exchange)
        direction = "response" if self.is_response else "request"
        return f"IKEv2 {called} {direction} id={self.getfieldval('id')}"


def message(payloads: Iterable[Packet], **header: Any) -> IKEv2:
    """A message of these payloads, linked in place; `header` sets header fields."""
    head = IKEv2(**header)
    link(head, payloads)
    return head


def recompute(packet: Wire) -> Wire:
    """Set every length, count and next-payload field in the tree to None; the same packet."""
    packet.recompute()
    return packet


def demux(data: bytes, port: int = 500, tcp: bool = False) -> tuple[str, bytes]:
    """What a datagram is: ("ike" | "esp" | "keepalive" | "unknown", its octets).

    Port 4500 has a non-ESP marker before IKE (RFC 3948 2.2), and so has a frame of a TCP stream,
    whose length field must be gone already (RFC 9329 3); the marker is not in what comes back.
    """
    if not data:
        return "unknown", data
    if data == b"\xff" and not tcp:
        return "keepalive", data
    if port != 4500 and not tcp:
        return "ike", data
    if data[:4] == bytes(4):
        return "ike", data[4:]
    # RFC 4303 2: an SPI and a sequence number at least.
    return ("esp" if len(data) >= 8 else "unknown"), data


def bind() -> None:
    """Bind IKEv2 to UDP 500 and, behind the non-ESP marker, to 4500, for sniffing with Scapy."""
    from scapy.layers.inet import UDP
    from scapy.layers.ipsec import NON_ESP
    from scapy.packet import bind_bottom_up, bind_layers

    bind_layers(UDP, IKEv2, dport=500, sport=500)
    bind_bottom_up(UDP, IKEv2, dport=500)
    bind_bottom_up(UDP, IKEv2, sport=500)
    bind_bottom_up(NON_ESP, IKEv2)
