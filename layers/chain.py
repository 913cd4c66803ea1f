"""Payloads and the next-payload chain that links them (RFC 7296 3.2).

A chain is read in one loop; what cannot be read becomes one `IKEv2_Malformed` that keeps the
bytes and says why. `ikelab.layers.message` brings in every payload class.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scapy.packet import NoPayload, Packet

from ikelab.layers.fields import Flags, Number, Octets, Remark
from ikelab.layers.iana import Payload, lookup
from ikelab.layers.shell import NOTHING, new
from ikelab.layers.wire import Wire

PAYLOADS: dict[int, type[IKEv2_Payload]] = {}
"""Payload type -> the class that reads it; the rest is IKEv2_Unknown."""
_FRAMES: dict[int, tuple[type[IKEv2_Payload], int, bool]] = {}
"""The same with what the reading loop asks of a class: its least size, whether it is the last."""

GENERIC = [
    Number("next_payload", None, 1, Payload),
    Flags("flags", 0, {0x80: "critical"}),
    Number("length", None, 2),
]
"""The generic payload header (RFC 7296 3.2), first in every payload's `fields_desc`."""


class IKEv2_Payload(Wire):
    """Base of all payloads; `payload_type` is the class's number, `kind` this packet's."""

    name = "IKEv2 Payload"
    fields_desc = [*GENERIC]
    automatic: tuple[str, ...] = ("next_payload", "length")
    least = 4
    payload_type: int | None = None
    ends_chain = False
    _flags_at = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = cls.__dict__.get("payload_type")
        if kind is not None:
            cls.kind = int(kind)
            if PAYLOADS.setdefault(kind, cls) is cls:
                _FRAMES[kind] = (cls, cls.least, cls.ends_chain)

    @property
    def notation(self) -> str:
        """The short name of RFC 7296 1.2 (`SA`, `KE`, `N`), or the number."""
        row = lookup(Payload, self.kind)
        return row.notation if row is not None else str(self.kind)

    @property
    def critical(self) -> bool:
        """Whether the Critical bit is set."""
        return bool(int(self.getfieldval("flags")) & 0x80)

    def _extent(self, s: bytes) -> int | str:
        size = int.from_bytes(s[2:4], "big")
        reason = _fault(type(self), self.kind, len(s), size)
        return reason or size

    def _follow(self, rest: bytes) -> None:
        if rest:
            kind = 0 if self.ends_chain else int(self.getfieldval("next_payload"))
            link(self, parse_payloads(kind, rest))

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        if values["next_payload"] is None:
            values["next_payload"] = 0 if self.ends_chain else after
        if values["length"] is None:
            values["length"] = self._head.size + len(tail)

    def mysummary(self) -> str:
        return self.notation


class IKEv2_Unknown(IKEv2_Payload):
    """A payload of a type that has no class of its own; `kind` is that type."""

    name = "IKEv2 Unknown Payload"
    fields_desc = [*GENERIC, Octets("load")]

    def mysummary(self) -> str:
        return f"{self.notation}[{len(self.getfieldval('load') or b'')}]"


_UNKNOWN = (IKEv2_Unknown, 4, False)


class IKEv2_Malformed(Wire):
    """Bytes that cannot be read; `reason` says why, `kind` is the type they were announced as.

    `kind` 0 marks octets that no next-payload or length field accounts for.
    """

    name = "IKEv2 Malformed"
    fields_desc = [Remark("reason", b""), Octets("load")]

    @classmethod
    def of(cls, data: bytes, reason: str, kind: int = 0) -> IKEv2_Malformed:
        """Hold `data` with the reason."""
        packet = new(cls)
        packet.__dict__.update(
            raw_packet_cache=data, fields={"reason": reason, "load": data}, kind=kind
        )
        return packet

    @property
    def notation(self) -> str:
        """The short name of what was announced, or its number."""
        row = lookup(Payload, self.kind)
        return row.notation if row is not None else str(self.kind)

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        values.update(reason="", load=data)

    def mysummary(self) -> str:
        return f"Malformed({self.reason})"


def unknown(kind: int, data: bytes = b"", critical: bool = False) -> IKEv2_Unknown:
    """A payload of any type with a raw body, as a peer from the future would send it."""
    packet = IKEv2_Unknown(load=data, flags=0x80 if critical else 0)
    packet.__dict__["kind"] = kind
    return packet


def parse_payloads(first_type: int, data: bytes) -> list[Packet]:
    """Read a chain of payloads that starts with `first_type` and fills `data`.

    Never raises, and the octets of the packets in the list are those of `data`, in order.
    """
    found: list[Packet] = []
    append, frame_of = found.append, _FRAMES.get
    kind, here, end = first_type, 0, len(data)
    while kind and here < end:
        cls, least, ends = frame_of(kind, _UNKNOWN)
        stop = here + (data[here + 2] << 8 | data[here + 3]) if end - here >= 4 else here
        if stop - here < least or stop > end:
            # A body too short for its type spoils that payload only: its own length is sound.
            sound = here + 4 <= stop <= end
            reason = _fault(cls, kind, end - here, stop - here)
            stop = stop if sound else end
            append(IKEv2_Malformed.of(data[here:stop], reason, kind))
            if not sound:
                return found
        else:
            packet = new(cls)
            own = packet.__dict__
            own["raw_packet_cache"] = data[here:stop]
            if cls is IKEv2_Unknown:
                own["kind"] = kind
            append(packet)
        kind = 0 if ends else data[here]
        here = stop
    if kind:
        reason = f"the chain announces {_called(kind)}, no octets are left"
        found.append(IKEv2_Malformed.of(b"", reason, kind))
    elif here < end:
        found.append(IKEv2_Malformed.of(data[here:], f"{end - here} octets after the end"))
    return found


def _fault(cls: type[IKEv2_Payload], kind: int, room: int, size: int) -> str:
    """Why a payload cannot be read, or an empty string where it can."""
    if room < 4:
        return f"{_called(kind)}: {room} octets left, a payload header has 4"
    if size > room:
        return f"{_called(kind)}: length {size}, {room} octets left"
    if size < cls.least:
        return f"{_called(kind)}: length {size}, at least {max(cls.least, 4)} are needed"
    return ""


def _called(kind: int) -> str:
    row = lookup(Payload, kind)
    return f"payload {row.notation}" if row is not None else f"payload type {kind}"


def build_payloads(payloads: Iterable[Packet]) -> bytes:
    """The octets of a chain; next-payload fields that are None name what follows, the last none."""
    items = list(payloads)
    kinds = [getattr(p, "kind", 0) if isinstance(p, Wire) else 0 for p in items[1:]] + [0]
    return b"".join(
        [
            p.self_build(0, kind) if isinstance(p, Wire) else bytes(p)
            for p, kind in zip(items, kinds, strict=False)
        ]
    )


def link(under: Wire, payloads: Iterable[Packet]) -> None:
    """Put payloads behind `under`, one behind the other, without copying any."""
    for payload in payloads:
        under.__dict__["payload"] = payload
        if not isinstance(payload, Wire):
            payload.add_underlayer(under)
            return
        payload.__dict__["underlayer"] = under
        under = payload
    under.__dict__["payload"] = NOTHING


def chain(payloads: Iterable[Packet]) -> Packet:
    """The first of the payloads, linked to the rest in place; NoPayload where there is none."""
    items = list(payloads)
    if not items:
        return NoPayload()
    link(items[0], items[1:])
    return items[0]
