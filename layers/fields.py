"""The few field types that IKEv2 needs.

One rule for all of them: None is computed when the packet is built, a value is literal, and bytes
stand as they are, in a number's place as well. No field knows the packet around it.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from scapy.fields import Field, FlagValue, PacketListField, RawVal
from scapy.packet import Packet
from scapy.volatile import RandBin, RandNum, VolatileValue

from ikelab.layers.iana import Code
from ikelab.layers.shell import Shell

SHOWN = 64
"""How many octets or list items a field shows before it says how many there are."""


class Number(Field):
    """An unsigned number of 1, 2, 3 or 4 octets, with the registry that names its values."""

    __slots__ = ["registry"]
    fixed = True
    """Whether the number is always there."""

    def __init__(
        self, name: str, default: int | None, size: int = 1, registry: type[Code] | None = None
    ) -> None:
        self.registry = registry
        Field.__init__(self, name, default, {1: "B", 2: "!H", 3: "!I", 4: "!I"}[size])
        self.sz = size

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        """Numbers and bytes as they are; a text is a name of the registry."""
        if isinstance(x, str):
            return self._named(x)
        return x

    def _named(self, text: str) -> int:
        for row in self.registry or ():
            if text in (row.name, row.iana):
                return int(row)
        raise ValueError(f"{self.name}: no value is called {text!r}")

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        if isinstance(x, bytes):
            return octets_repr(x)
        if self.registry is not None and isinstance(x, int):
            row = self.registry._value2member_map_.get(x)
            if row is not None:
                return row.name
        return repr(x)

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        """The value as it goes onto the wire; OverflowError where it does not fit."""
        if isinstance(x, bytes | RawVal):
            return bytes(x)
        if isinstance(x, VolatileValue):
            x = x._fix()
        try:
            return int(x or 0).to_bytes(self.sz, "big")
        except OverflowError:
            raise OverflowError(f"{self.name}={x!r} does not fit in {self.sz} octets") from None

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return s + self.octets(pkt, 0 if val is None else val)

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, int]:
        return s[self.sz :], int.from_bytes(s[: self.sz], "big")

    def randval(self) -> Any:
        return RandNum(0, 256**self.sz - 1)


class Tagged(Number):
    """A 15-bit type below a format or reserved bit, shown by the type's name."""

    def __init__(self, name: str, default: int, registry: type[Code]) -> None:
        Number.__init__(self, name, default, 2, registry)

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return super().i2repr(pkt, x & 0x7FFF if isinstance(x, int) else x)


class Version(Number):
    """Major and minor version in one octet, shown as `2.0`."""

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return f"{x >> 4}.{x & 15}" if isinstance(x, int) else super().i2repr(pkt, x)


class Flags(Number):
    """One octet of named bits; reading it gives a Scapy FlagValue that can be written to."""

    __slots__ = ["names"]
    ismutable = True

    def __init__(self, name: str, default: int, names: dict[int, str]) -> None:
        self.names = [names.get(1 << bit, f"res{bit}") for bit in range(8)]
        Number.__init__(self, name, default)

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        return FlagValue(x, self.names) if isinstance(x, str | list) else x

    def i2h(self, pkt: Packet | None, x: Any) -> Any:
        if isinstance(x, int):
            x = FlagValue(x, self.names)
            if pkt is not None:
                pkt.fields[self.name] = x
        return x

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        if isinstance(x, int):
            x = FlagValue(x, self.names)
        return str(x) if isinstance(x, FlagValue) else repr(x)


class Octets(Field):
    """Bytes. `tell(pkt, bytes)` may say in words what they mean."""

    __slots__ = ["tell"]
    fixed = False

    def __init__(
        self,
        name: str,
        default: bytes | None = b"",
        tell: Callable[[Any, bytes], str | None] | None = None,
    ) -> None:
        self.tell = tell
        Field.__init__(self, name, default, "H")

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        if isinstance(x, str):
            return x.encode()
        if isinstance(x, bytearray | memoryview | Packet):
            return bytes(x)
        return x

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        if isinstance(x, bytes):
            told = self.tell(pkt, x) if self.tell is not None and pkt is not None else None
            return octets_repr(x) if told is None else told
        return repr(x)

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        """The value as it goes onto the wire; None is empty."""
        if isinstance(x, bytes):
            return x
        if isinstance(x, VolatileValue):
            x = x._fix()
        return b"" if x is None else bytes(x)

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return s + self.octets(pkt, val)

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, bytes]:
        return b"", s

    def i2len(self, pkt: Packet, x: Any) -> int:
        return len(self.octets(pkt, x))

    def randval(self) -> Any:
        return RandBin(RandNum(0, 64))


class Remark(Octets):
    """A text for people that has no octets of its own."""

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        return x if isinstance(x, str) else ""

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return str(x)

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        return b""

    def randval(self) -> Any:
        return None


class Identifier(Octets):
    """Octets that may be given as an IP address in text."""

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        return _packed(x) if isinstance(x, str) else Octets.any2i(self, pkt, x)


class Address(Octets):
    """An IP address in text; bytes of any length stand as they are."""

    __slots__ = ["size"]

    def __init__(self, name: str, default: str, size: int) -> None:
        self.size = size
        Octets.__init__(self, name)
        self.default = default

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        if isinstance(x, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return str(x)
        return x

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return x if isinstance(x, str) else octets_repr(bytes(x))

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        return _address(x) if isinstance(x, str) else Octets.octets(self, pkt, x)

    def randval(self) -> Any:
        return RandBin(self.size)


class OctetsList(Octets):
    """A list of byte strings that follow each other, such as the SPIs of a Delete payload."""

    islist = 1

    def __init__(self, name: str) -> None:
        Octets.__init__(self, name)
        self.default: list[bytes] = []

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        return list(x) if isinstance(x, list | tuple) else x

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        if not isinstance(x, list):
            return octets_repr(bytes(x))
        more = f", and {len(x) - SHOWN} more" if len(x) > SHOWN else ""
        return "[" + ", ".join(octets_repr(v) for v in x[:SHOWN]) + more + "]"

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        return b"".join(x) if isinstance(x, list) else Octets.octets(self, pkt, x)

    def randval(self) -> Any:
        return None


class Packets(PacketListField):
    """A list of packets inside a packet; `between` is the type that links one to the next.

    Inside SA and proposals the first octet of a substructure says whether another one follows
    (RFC 7296 3.3.1); elsewhere `between` is 0.
    """

    __slots__ = ["between"]
    fixed = False

    def __init__(self, name: str, cls: type[Packet], between: int = 0) -> None:
        self.between = between
        PacketListField.__init__(self, name, [], cls)

    def any2i(self, pkt: Packet | None, x: Any) -> Any:
        if isinstance(x, list):
            return x
        if isinstance(x, Packet):
            return [x]
        return list(x) if isinstance(x, tuple) else x

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return repr(x) if isinstance(x, list) else octets_repr(bytes(x))

    def octets(self, pkt: Packet | None, x: Any) -> bytes:
        """Each item in turn; an item knows its place and whether it is the last."""
        if not isinstance(x, list):
            return b"" if x is None else bytes(x)
        parts: list[bytes] = []
        last, between = len(x) - 1, self.between
        for index, item in enumerate(x):
            if isinstance(item, Shell):
                parts.append(item.self_build(index, between if index < last else 0))
            else:
                parts.append(bytes(item))
        return b"".join(parts)

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        return s + self.octets(pkt, val)

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, list[Packet]]:
        return b"", [self.cls(s)] if s else []


def octets_repr(data: bytes) -> str:
    """Hex, cut where it is long, with the length then."""
    if len(data) <= SHOWN:
        return data.hex() or "''"
    return f"{data[:SHOWN].hex()}.. ({len(data)} octets)"


def text_repr(data: bytes) -> str:
    """Text where all is printable ASCII, hex otherwise."""
    if data and len(data) <= 1024 and data.isascii() and data.decode().isprintable():
        return repr(data.decode())
    return octets_repr(data)


def address_repr(data: bytes) -> str:
    """An IP address where the length is one's, hex otherwise."""
    if len(data) == 4:
        return "%d.%d.%d.%d" % tuple(data)  # noqa: UP031
    if len(data) == 16:
        return str(ipaddress.IPv6Address(data))
    return octets_repr(data)


@lru_cache(maxsize=1024)
def _address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def _packed(text: str) -> bytes:
    try:
        return _address(text)
    except ValueError:
        return text.encode()
