"""The Security Association payload: proposals, transforms, attributes (RFC 7296 3.3)."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

import struct
from typing import Any, TypeVar

from scapy.fields import ConditionalField
from scapy.packet import Packet

from ikelab.layers.chain import GENERIC, IKEv2_Malformed, IKEv2_Payload
from ikelab.layers.fields import Number, Octets, Packets, Tagged
from ikelab.layers.iana import TRANSFORMS, Attribute, Encr, Payload, Protocol, TransformType
from ikelab.layers.shell import new
from ikelab.layers.wire import Wire

AF = 0x8000
"""The Attribute Format bit: the value itself stands where the length would (RFC 7296 3.3.5)."""
KEY_LENGTH = AF | Attribute.KEY_LENGTH
PROPOSAL, TRANSFORM = 2, 3
"""What the first octet of a substructure says when another one follows (RFC 7296 3.3.1, 3.3.2)."""

_LONG = struct.Struct("!HH")
_KEY_LENGTH = KEY_LENGTH.to_bytes(2, "big")
_HEAD = struct.Struct("!BBHBBH")
_USUAL = frozenset(("transform_type", "transform_id", "attribute"))
"""What a transform of one's own making has; the rest is computed or zero."""

P = TypeVar("P", bound=Wire)


def substructures(cls: type[P], data: bytes, here: int, what: str) -> list[Packet]:
    """Packets that follow each other from `here` on, with their length in octets 2 and 3."""
    found: list[Packet] = []
    end, least = len(data), cls.least
    while here < end:
        size = data[here + 2] << 8 | data[here + 3] if end - here >= 4 else 0
        if size < least or size > end - here:
            reason = f"{what}: length {size}, {end - here} octets left, at least {least} are needed"
            found.append(IKEv2_Malformed.of(data[here:], reason))
            break
        packet = new(cls)
        packet.__dict__["raw_packet_cache"] = data[here : here + size]
        found.append(packet)
        here += size
    return found


class _Value(Octets):
    """An attribute's value: a number, or bytes."""

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        if isinstance(x, int):
            return x.to_bytes(max(2, (x.bit_length() + 7) // 8), "big")
        return Octets.octets(self, pkt, x)


class IKEv2_TransformAttribute(Wire):
    """One attribute of a transform: with the AF bit a two-octet number, else length and bytes."""

    name = "IKEv2 Transform Attribute"
    fields_desc = [
        Tagged("type", KEY_LENGTH, Attribute),
        ConditionalField(Number("length", None, 2), lambda packet: not packet.short),
        _Value("value", b""),
    ]
    automatic = ("length",)
    least = 4

    @property
    def short(self) -> bool:
        """Whether the attribute has the short form (AF bit set)."""
        kind = self.getfieldval("type")
        return isinstance(kind, int) and bool(kind & AF)

    def _extent(self, s: bytes) -> int | str:
        short = super()._extent(s)
        if isinstance(short, str) or s[0] & 0x80:
            return short if isinstance(short, str) else 4
        size = 4 + int.from_bytes(s[2:4], "big")
        return size if size <= len(s) else f"attribute of {size} octets, {len(s)} are left"

    def _open(self) -> dict[str, Any]:
        own = self.__dict__
        data = own["raw_packet_cache"]
        kind, word = _LONG.unpack_from(data)
        if kind & AF:
            own["fields"] = values = {"type": kind, "value": word}
        else:
            own["fields"] = values = {"type": kind, "length": word, "value": data[4:]}
        return values

    def clean(self) -> bool:
        return self.raw_packet_cache is not None  # nothing in here changes but by setting a field

    def self_build(self, index: int = 0, after: int | None = None) -> bytes:
        if self.raw_packet_cache is not None:
            return self.raw_packet_cache
        values = {**self.default_fields, **self.fields}
        kind, length, value = (self.fieldtype[n] for n in ("type", "length", "value"))
        tail = value.octets(self, values["value"])
        if not self.short:
            size = len(tail) if values["length"] is None else values["length"]
            tail = length.octets(self, size) + tail
        return bytes(kind.octets(self, values["type"]) + tail)

    def mysummary(self) -> str:
        return f"{self.fieldtype['type'].i2repr(self, self.type)}={self.value!r}"


class _TransformId(Number):
    """A transform's id, named by the registry of the transform's type."""

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        # A name says its registry by itself: ENCR_AES_CBC, PRF_HMAC_SHA1, MODP_2048.
        for registry in dict.fromkeys(TRANSFORMS.values()) if isinstance(x, str) else ():
            if x in registry.__members__:
                return int(registry[x])
        return super().any2i(pkt, x)

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        registry = TRANSFORMS.get(pkt.getfieldval("transform_type")) if pkt is not None else None
        row = registry._value2member_map_.get(x) if registry is not None else None
        return row.name if row is not None else super().i2repr(pkt, x)


class IKEv2_Transform(Wire):
    """One transform; `key_length` is its Key Length attribute in bits, None without one."""

    name = "IKEv2 Transform"
    fields_desc = [
        Number("next_payload", None),
        Number("reserved", 0),
        Number("length", None, 2),
        Number("transform_type", TransformType.ENCR, 1, TransformType),
        Number("res2", 0),
        _TransformId("transform_id", Encr.ENCR_3DES, 2),
        Packets("attribute", IKEv2_TransformAttribute),
    ]
    automatic = ("next_payload", "length")

    def __init__(
        self, _pkt: bytes | None = None, key_length: int | None = None, **fields: Any
    ) -> None:
        if _pkt is not None or not _USUAL.issuperset(fields):
            super().__init__(_pkt, **fields)
            if key_length is not None:
                self.key_length = key_length
            return
        for name, value in fields.items():
            if not isinstance(value, int):
                fields[name] = self.fieldtype[name].any2i(self, value)
        if key_length is not None:
            given = fields.get("attribute")
            own = _key_length(key_length)
            fields["attribute"] = [own, *given] if given else [own]
        self.__dict__["fields"] = fields

    def self_build(self, index: int = 0, after: int | None = None) -> bytes:
        """As for every packet; transforms are most of a message's packets, so shorter."""
        if self.raw_packet_cache is not None and self.clean():
            return self.raw_packet_cache
        fields = self.fields
        if "default_fields" in self.__dict__ or not _USUAL.issuperset(fields):
            return super().self_build(index, after)
        listed = fields.get("attribute")
        tail = b""
        if listed:
            alone = len(listed) == 1 and listed[0].__class__ is IKEv2_TransformAttribute
            tail = listed[0].self_build() if alone else self._last.octets(self, listed)
        kind = fields.get("transform_type", TransformType.ENCR)
        ident = fields.get("transform_id", Encr.ENCR_3DES)
        try:
            return _HEAD.pack(after or 0, 0, 8 + len(tail), kind, 0, ident) + tail
        except struct.error:
            return super().self_build(index, after)

    @property
    def key_length(self) -> int | None:
        """The Key Length attribute in bits (the first, where there are several)."""
        for item in self.attribute:
            if isinstance(item, IKEv2_TransformAttribute) and item.type & ~AF == KEY_LENGTH & ~AF:
                value = item.value
                return value if isinstance(value, int) else int.from_bytes(value, "big")
        return None

    @key_length.setter
    def key_length(self, bits: int | None) -> None:
        others = [a for a in self.attribute if getattr(a, "type", 0) & ~AF != KEY_LENGTH & ~AF]
        self.setfieldval("attribute", [] if bits is None else [_key_length(bits)])
        self.attribute.extend(others)

    def _extent(self, s: bytes) -> int | str:
        return sized(self, s)

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values["attribute"] = found = []
        here, end = 8, len(data)
        while here < end:
            size = 4
            if end - here >= 4 and not data[here] & 0x80:
                size = 4 + (data[here + 2] << 8 | data[here + 3])
            if end - here < size:
                reason = f"attribute of {size} octets, {end - here} are left"
                found.append(IKEv2_Malformed.of(data[here:], reason))
                break
            packet = new(IKEv2_TransformAttribute)
            packet.__dict__["raw_packet_cache"] = data[here : here + size]
            found.append(packet)
            here += size

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["next_payload"] is None:
            values["next_payload"] = after
        if values["length"] is None:
            values["length"] = 8 + len(tail)

    def mysummary(self) -> str:
        bits = self.key_length
        return self.fieldtype["transform_id"].i2repr(self, self.transform_id) + (
            f"/{bits}" if bits is not None else ""
        )


class IKEv2_Proposal(Wire):
    """One proposal; `number` None is its place in the list, counted from 1."""

    name = "IKEv2 Proposal"
    fields_desc = [
        Number("next_payload", None),
        Number("reserved", 0),
        Number("length", None, 2),
        Number("number", None),
        Number("proto", Protocol.IKE, 1, Protocol),
        Number("SPIsize", None),
        Number("trans_nb", None),
        Octets("SPI"),
        Packets("transform", IKEv2_Transform, TRANSFORM),
    ]
    automatic = ("next_payload", "length", "SPIsize", "trans_nb")

    def _extent(self, s: bytes) -> int | str:
        return sized(self, s)

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        here = 8 + values["SPIsize"]
        values["SPI"] = data[8:here]
        values["transform"] = substructures(IKEv2_Transform, data, here, "transform")

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["next_payload"] is None:
            values["next_payload"] = after
        if values["length"] is None:
            values["length"] = 8 + len(tail)
        if values["number"] is None:
            values["number"] = (index + 1) & 0xFF
        if values["SPIsize"] is None:
            values["SPIsize"] = len(values["SPI"] or b"")
        if values["trans_nb"] is None:
            listed = values["transform"]
            values["trans_nb"] = len(listed) if isinstance(listed, list) else 0

    def mysummary(self) -> str:
        words = [t.mysummary() for t in self.transform if isinstance(t, IKEv2_Transform)]
        return f"{self.fieldtype['proto'].i2repr(self, self.proto)}({', '.join(words)})"


class IKEv2_SA(IKEv2_Payload):
    """The Security Association payload (RFC 7296 3.3)."""

    name = "IKEv2 SA"
    payload_type = Payload.SA
    fields_desc = [*GENERIC, Packets("proposal", IKEv2_Proposal, PROPOSAL)]

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values["proposal"] = substructures(IKEv2_Proposal, data, 4, "proposal")


def sized(packet: Wire, s: bytes) -> int | str:
    """The extent of a substructure read alone, as its own length field gives it."""
    size = int.from_bytes(s[2:4], "big")
    if packet.least <= size <= len(s):
        return size
    return f"{packet.name}: length {size}, {len(s)} octets left, {packet.least} are needed"


def _key_length(bits: int) -> IKEv2_TransformAttribute:
    """A Key Length attribute, as one that was dissected: its octets are at hand."""
    if not 0 <= bits <= 0xFFFF:
        return IKEv2_TransformAttribute(type=KEY_LENGTH, value=bits)
    packet = new(IKEv2_TransformAttribute)
    packet.__dict__["raw_packet_cache"] = _KEY_LENGTH + bits.to_bytes(2, "big")
    return packet
