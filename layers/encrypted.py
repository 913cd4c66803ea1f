"""The Encrypted payload: closed (SK, SKF) and opened (RFC 7296 3.14, RFC 7383 2.5).

No key comes here: what is closed is bytes, and what is open was opened by `harness.sk`.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from ikelab.layers.chain import (
    GENERIC,
    IKEv2_Payload,
    build_payloads,
    parse_payloads,
)
from ikelab.layers.fields import Number, Octets, Packets
from ikelab.layers.iana import Payload
from ikelab.layers.wire import Wire


class IKEv2_SK(IKEv2_Payload):
    """Encrypted and Authenticated; `load` is IV, ciphertext and ICV together.

    `next_payload` is the type of the first payload inside; None says none.
    """

    name = "IKEv2 Encrypted and Authenticated"
    payload_type = Payload.SK
    fields_desc = [*GENERIC, Octets("load")]
    automatic = ("length",)
    ends_chain = True

    def mysummary(self) -> str:
        return f"SK[{len(self.getfieldval('load') or b'')}]"


class IKEv2_SKF(IKEv2_Payload):
    """Encrypted and Authenticated Fragment; only fragment 1 has a `next_payload` (RFC 7383)."""

    name = "IKEv2 Encrypted and Authenticated Fragment"
    payload_type = Payload.SKF
    fields_desc = [
        *GENERIC,
        Number("frag_number", 1, 2),
        Number("frag_total", 1, 2),
        Octets("load"),
    ]
    automatic = ("length",)
    ends_chain = True

    def mysummary(self) -> str:
        return f"SKF({self.getfieldval('frag_number')}/{self.getfieldval('frag_total')})"


IKEv2_Encrypted = IKEv2_SK
IKEv2_Encrypted_Fragment = IKEv2_SKF


class _Chain(Packets):
    """A list of payloads, each naming the type of the next."""

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        return build_payloads(x) if isinstance(x, list) else Packets.octets(self, pkt, x)


class IKEv2_Decrypted(IKEv2_Payload):
    """An SK payload in clear: IV, the payloads inside, padding, its length, ICV.

    `padding` and `pad_length` None leave the padding to whoever seals; built as it is, there is
    none. Bytes given to this class are read as a plaintext without IV and ICV.
    """

    name = "IKEv2 Decrypted"
    payload_type = Payload.SK
    fields_desc = [
        *GENERIC,
        Octets("iv"),
        _Chain("inner", IKEv2_Payload),
        Octets("padding", None),
        Number("pad_length", None),
        Octets("icv"),
    ]
    automatic = ("next_payload", "length", "pad_length")
    ends_chain = True
    least = 5

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        pad = data[-1]
        end = len(data) - 1 - pad if pad <= len(data) - 5 else len(data) - 1
        values["iv"] = values["icv"] = b""
        values["inner"] = parse_payloads(data[0], data[4:end])
        values["padding"] = data[end:-1]
        values["pad_length"] = pad

    def self_build(self, index: int = 0, after: int | None = None) -> bytes:
        if self.raw_packet_cache is not None and self.clean():
            return self.raw_packet_cache
        values = {**self.default_fields, **self.fields}
        if values["pad_length"] is None:
            values["pad_length"] = len(values["padding"] or b"") & 0xFF
        tail = b"".join([f.octets(self, values[f.name]) for f in self._tail])
        inner = values["inner"]
        first = inner[0].kind if isinstance(inner, list) and inner else 0
        if values["next_payload"] is None:
            values["next_payload"] = first
        if values["length"] is None:
            values["length"] = 4 + len(tail)
        return self._pack(values) + tail

    def mysummary(self) -> str:
        words = [p.mysummary() if isinstance(p, Wire) else p.summary() for p in self.inner]
        return f"SK{{{', '.join(words)}}}"
