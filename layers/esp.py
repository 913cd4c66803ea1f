"""ESP and AH on the wire (RFC 4303, RFC 4302), and ESP opened. No key comes here.

Field names are those of scapy.layers.ipsec. What is closed is bytes; what is open was opened by
`harness.esp.seal`. Nothing is bound to IP or UDP by importing: `bind()` does that.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

from scapy.config import conf
from scapy.packet import Packet

from ikelab.layers.fields import Number, Octets
from ikelab.layers.wire import Wire


class IpProtocol(IntEnum):
    """IANA's protocol numbers, as far as tunnels meet them."""

    ICMP = 1
    IPV4 = 4
    TCP = 6
    UDP = 17
    IPV6 = 41
    ESP = 50
    AH = 51
    ICMPV6 = 58
    NO_NEXT_HEADER = 59  # a dummy packet (RFC 4303 2.6)
    IPCOMP = 108
    SCTP = 132


class _Hex(Number):
    """A number that people know in hex."""

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return f"{x:#010x}" if isinstance(x, int) else super().i2repr(pkt, x)


class ESP(Wire):
    """Encapsulating Security Payload, closed: `data` is IV, ciphertext and ICV together."""

    name = "ESP"
    fields_desc = [_Hex("spi", 0, 4), Number("seq", 0, 4), Octets("data")]
    least = 8

    def mysummary(self) -> str:
        return f"ESP(spi={self.getfieldval('spi'):#010x}, seq={self.getfieldval('seq')})"


class ESP_Decrypted(Wire):
    """ESP in clear: IV, inner packet, TFC padding, padding, its length, next header, ICV.

    `padding` None is left to whoever seals; built as it is, there is none. `seq` is what goes on
    the wire, the low half of an extended sequence number. Bytes given to this class are read as a
    plaintext without IV, TFC padding and ICV.
    """

    name = "ESP Decrypted"
    fields_desc = [
        _Hex("spi", 0, 4),
        Number("seq", 0, 4),
        Octets("iv"),
        Octets("data"),
        Octets("tfc"),
        Octets("padding", None),
        Number("pad_length", None),
        Number("nh", IpProtocol.IPV4),
        Octets("icv"),
    ]
    automatic = ("pad_length",)
    least = 10

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        pad, values["nh"] = data[-2], data[-1]
        end = len(data) - 2 - pad if pad <= len(data) - 10 else len(data) - 2
        values["iv"] = values["tfc"] = values["icv"] = b""
        values["data"], values["padding"] = data[8:end], data[end:-2]
        values["pad_length"] = pad

    def self_build(self, index: int = 0, after: int | None = None) -> bytes:
        if self.raw_packet_cache is not None and self.clean():
            return self.raw_packet_cache
        values = {**self.default_fields, **self.fields}
        if values["pad_length"] is None:
            values["pad_length"] = len(values["padding"] or b"") & 0xFF
        tail = b"".join([f.octets(self, values[f.name]) for f in self._tail])
        return self._pack(values) + tail

    def mysummary(self) -> str:
        spi, seq, nh = (self.getfieldval(n) for n in ("spi", "seq", "nh"))
        return f"ESP(spi={spi:#010x}, seq={seq}, nh={nh})"


class AH(Wire):
    """Authentication Header; what it protects follows. The ICV may end with padding (RFC 4302 3.3).

    `payloadlen` counts 32-bit words less two, over the header with its ICV.
    """

    name = "AH"
    fields_desc = [
        Number("nh", IpProtocol.NO_NEXT_HEADER),
        Number("payloadlen", None),
        Number("reserved", 0, 2),
        _Hex("spi", 0, 4),
        Number("seq", 0, 4),
        Octets("icv"),
    ]
    automatic = ("payloadlen",)
    least = 12

    def _extent(self, s: bytes) -> int | str:
        size = (s[1] + 2) * 4 if len(s) > 1 else 0
        if 12 <= size <= len(s):
            return size
        return f"AH: length {size}, {len(s)} octets left, 12 are needed"

    def _follow(self, rest: bytes) -> None:
        if rest:
            self._link(conf.raw_layer(load=rest))

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["payloadlen"] is None:
            values["payloadlen"] = (self._head.size + len(tail)) // 4 - 2

    def mysummary(self) -> str:
        return f"AH(spi={self.getfieldval('spi'):#010x}, seq={self.getfieldval('seq')})"


HEADER = struct.Struct("!II")
"""SPI and sequence number, which every ESP packet begins with."""


def bind() -> None:
    """Bind ESP and AH to IPv4 and IPv6, for sniffing with Scapy."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.packet import bind_layers

    for protocol, layer in ((IpProtocol.ESP, ESP), (IpProtocol.AH, AH)):
        bind_layers(IP, layer, proto=int(protocol))
        bind_layers(IPv6, layer, nh=int(protocol))
