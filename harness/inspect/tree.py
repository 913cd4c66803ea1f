"""One message as a tree: every structure and field, with its octets and place beside it.

Reads octets by the layers' own field lists; what was encrypted is shown twice, as it was captured
and opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scapy.packet import NoPayload

from ikelab.harness.inspect.session import Half, Message
from ikelab.layers.fields import Packets
from ikelab.layers.iana import Exchange, Payload, lookup
from ikelab.layers.message import IKEv2, IKEv2_Malformed

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

WIDTH = 16
"""Octets in a line."""
HEADER = 28


@dataclass(frozen=True, slots=True)
class Node:
    """A structure or a field: where it begins, its octets, its name, its value in words."""

    depth: int
    at: int
    data: bytes
    name: str
    value: str = ""


def tree(it: Inspection, frame: int) -> str:
    """The message of a frame; KeyError where there is none."""
    found = find(it, frame)
    if found is None:
        raise KeyError(frame)
    return text(found, _half(it, found))


def find(it: Inspection, frame: int) -> Message | None:
    """The IKE message of a frame."""
    return next((m for s in it.sessions for m in s.messages if m.frame == frame), None)


def frames(it: Inspection) -> list[int]:
    """The frames that hold an IKE message."""
    return sorted(m.frame for s in it.sessions for m in s.messages)


def _half(it: Inspection, message: Message) -> Half | None:
    for session in it.sessions:
        for exchange in session.exchanges:
            for half in exchange.halves():
                if any(m is message for m in half.messages):
                    return half
    return None


def text(message: Message, half: Half | None = None) -> str:
    """The tree as text: offset, octets, name and value."""
    nodes = list(outer(message))
    lines = [line for node in nodes for line in _lines(node)]
    if half is not None and half.plain is not None:
        of = f" ({half.first.step.note})" if half.fragmented else ""
        lines += ["", f"inside SK{of}:"]
        lines += [line for node in inner(half) for line in _lines(node)]
    elif message.sealed is not None:
        lines += ["", f"inside SK: not opened ({message.refusal})"]
    return "\n".join(lines)


def outer(message: Message) -> Iterator[Node]:
    """The header and the payloads as captured."""
    packet = IKEv2(message.data)
    exchange = lookup(Exchange, message.exchange)
    label = exchange.name if exchange else f"exchange {message.exchange}"
    yield Node(
        0, 0, b"", f"IKE message of {len(message.data)} octets in frame {message.frame}", label
    )
    yield from _fields(packet, message.data[:HEADER], 0, 1)
    yield from _chain(packet.payloads, HEADER, 1)


def inner(half: Half) -> Iterator[Node]:
    """The payloads inside SK, all fragments together."""
    yield from _chain(half.inner() or (), 0, 1)


def _chain(payloads: Iterable[Any], at: int, depth: int) -> Iterator[Node]:
    for payload in payloads:
        data = _octets(payload)
        yield from _packet(payload, data, at, depth)
        at += len(data)


def _packet(packet: Any, data: bytes, at: int, depth: int) -> Iterator[Node]:
    if isinstance(packet, IKEv2_Malformed):
        yield Node(depth, at, data, f"{packet.notation} (malformed)", str(packet.reason))
        return
    yield Node(depth, at, b"", _title(packet), f"{len(data)} octets")
    yield from _fields(packet, data, at, depth + 1)


def _title(packet: Any) -> str:
    kind = getattr(packet, "kind", None)
    row = lookup(Payload, kind) if isinstance(kind, int) else None
    return f"{row.notation}: {row.iana}" if row else str(packet.name)


def _fields(packet: Any, data: bytes, at: int, depth: int) -> Iterator[Node]:
    """The fields in order; each one's octets are cut from those of the whole."""
    here = 0
    for field in packet.fields_desc:
        value = packet.getfieldval(field.name)
        if isinstance(field, Packets) or getattr(field, "holds_packets", False):
            for item in value or ():
                octets = _octets(item)
                yield from _packet(item, octets, at + here, depth)
                here += len(octets)
            continue
        octets = _cut(field, packet, value)
        if not octets:
            continue
        name, shown = field.name, _value(field, packet, value)
        if name == "length" and value is None:
            # RFC 7296 3.3.5: a short attribute has its value where the length would be.
            name, shown = "value", str(packet.value)
        yield Node(depth, at + here, data[here : here + len(octets)], name, shown)
        here += len(octets)


def _cut(field: Any, packet: Any, value: Any) -> bytes:
    try:
        return bytes(field.octets(packet, value))
    except (AttributeError, TypeError, ValueError):
        return b""


def _value(field: Any, packet: Any, value: Any) -> str:
    if isinstance(value, bytes) and len(value) > WIDTH:
        return f"{len(value)} octets"
    try:
        shown = str(field.i2repr(packet, value))
    except (AttributeError, TypeError, ValueError):
        shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _octets(packet: Any) -> bytes:
    """A packet's own octets, without what follows it."""
    if isinstance(packet, IKEv2_Malformed):
        return bytes(packet.load)
    if isinstance(packet.payload, NoPayload):
        return bytes(packet)
    return bytes(packet.self_build())


def _lines(node: Node) -> Iterator[str]:
    """`0010  21 20 22 08               flags: 0x08`, octets of a long field below each other."""
    label = "  " * node.depth + node.name + (f": {node.value}" if node.value else "")
    if not node.data:
        yield f"{node.at:04x}  {'':<{WIDTH * 3}} {label}"
        return
    for start in range(0, len(node.data), WIDTH):
        row = node.data[start : start + WIDTH].hex(" ")
        yield f"{node.at + start:04x}  {row:<{WIDTH * 3}} {label if start == 0 else ''}".rstrip()


def to_json(message: Message, half: Half | None = None) -> dict[str, Any]:
    """The same for programs."""
    inside = None if half is None or half.plain is None else [_node(n) for n in inner(half)]
    return {
        "frame": message.frame,
        "length": len(message.data),
        "nodes": [_node(n) for n in outer(message)],
        "inner": inside,
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "depth": node.depth,
        "offset": node.at,
        "name": node.name,
        "value": node.value,
        "octets": node.data.hex(),
    }
