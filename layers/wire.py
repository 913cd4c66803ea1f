"""The packet that all of ours are: a Scapy packet that looks at its bytes when asked to.

What is dissected keeps its bytes and is opened on the first access to a field; what was not
touched is built from those bytes. A chain of payloads is walked in loops, never by recursion, so
that a datagram of sixteen thousand empty payloads is as good as any other.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import is_, itemgetter
from typing import Any

from scapy.base_classes import Gen
from scapy.config import conf
from scapy.fields import ConditionalField, Field
from scapy.packet import NoPayload, Packet
from scapy.volatile import VolatileValue

from ikelab.layers.fields import Number
from ikelab.layers.shell import NOTHING, Shell

_PLAIN = (int, bytes)
"""Values that stand as they are in any field."""


class _Fields:
    """`packet.fields` of a packet not opened yet: a non-data descriptor, so it is asked once."""

    def __get__(self, packet: Any, owner: type | None = None) -> Any:
        if packet is None:
            return self
        rest = packet._rest
        if rest is None:
            return packet._open()
        # As _open does it, without the call: most packets are of this kind.
        own, head = packet.__dict__, packet._head
        data = own["raw_packet_cache"]
        own["fields"] = values = dict(zip(packet._names, head.unpack_from(data)))  # noqa: B905
        values[rest] = data[head.size :]
        return values


class Wire(Shell):
    """Base of every packet here. Subclasses give `fields_desc` and, where needed:

    `_split(values, data)`: cut the octets after the leading numbers into the other fields;
    `_complete(values, tail, index, after)`: fill in what is None, knowing the rest is built;
    `automatic`: the fields that are computed when None;
    `least`: octets below which the bytes cannot be this packet.
    """

    # These shadow the slots of Packet: an instance sets only what differs.
    time = 0.0
    sent_time = None
    overloaded_fields: dict[str, Any] = {}
    original = b""
    explicit = 0
    raw_packet_cache: bytes | None = None
    raw_packet_cache_fields: dict[str, tuple[Any, ...]] | None = None
    post_transforms: list[Any] = []
    stop_dissection_after = None
    payload: Packet = NOTHING
    underlayer: Packet | None = None
    parent: Packet | None = None
    direction = None
    sniffed_on = None
    wirelen = None
    comments = None
    process_information = None
    _answered = None
    fields: Any = _Fields()

    automatic: tuple[str, ...] = ()
    least = 0
    _head = struct.Struct("")
    _names: tuple[str, ...] = ()
    _tail: tuple[Any, ...] = ()
    _last: Any = None
    _rest: str | None = None
    _known: frozenset[str] = frozenset()
    _literal: frozenset[str] = frozenset()
    _ordered: Any = None
    _lists: tuple[str, ...] = ()
    _flags_at: int | None = None
    _leaf = False
    """Whether nothing changes in here but by setting a field."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive the tables: the leading numbers as one struct, then the rest field by field."""
        super().__init_subclass__(**kwargs)
        cls.name = getattr(cls, "_name", None) or cls.__name__
        cls._known = frozenset(f.name for f in cls.fields_desc)
        cls.fieldtype = {f.name: f for f in cls.fields_desc}
        cls.default_fields = {f.name: f.default for f in cls.fields_desc}
        cls.packetfields = [f for f in cls.fields_desc if f.holds_packets]
        cls._lists = tuple(f.name for f in cls.fields_desc if f.islist)
        cls._leaf = not cls._lists and cls._flags_at is None
        cls._literal = frozenset(f.name for f in cls.fields_desc if type(f).i2h is Field.i2h)
        head: list[Any] = []
        for field in cls.fields_desc:
            if isinstance(field, ConditionalField) or not field.fixed or field.sz == 3:
                break
            head.append(field)
        cls._head = struct.Struct("!" + "".join(f.fmt.lstrip("!") for f in head))
        cls._names = tuple(f.name for f in head)
        cls._tail = tuple(cls.fields_desc[len(head) :])
        cls._last = cls._tail[0] if len(cls._tail) == 1 else None
        plain = cls._split is Wire._split and not cls._lists
        plain = plain and cls._open is Wire._open
        cls._rest = cls._last.name if plain and cls._last is not None else None
        # itemgetter gives no tuple for a single name.
        cls._ordered = staticmethod(itemgetter(*cls._names) if len(head) > 1 else _no_tuple(head))
        odd = sum(f.sz for f in cls._tail if isinstance(f, Number) and f.sz == 3)
        cls.least = max(cls.__dict__.get("least", 0), cls._head.size + odd)

    def __init__(self, _pkt: bytes | None = None, **fields: Any) -> None:
        """Dissect `_pkt`, or hold `fields`; the other arguments that Packet takes are taken too."""
        if not self._known.issuperset(fields):
            self._arguments(fields)
        if _pkt is None:
            for name, value in fields.items():
                if not isinstance(value, _PLAIN):
                    fields[name] = self.fieldtype[name].any2i(self, value)
            self.__dict__["fields"] = fields
        else:
            self.__dict__["original"] = data = bytes(_pkt)
            self.dissect(data)
            for name, value in fields.items():
                self.setfieldval(name, value)

    def _arguments(self, fields: dict[str, Any]) -> None:
        """Take out of `fields` what is no field."""
        own = self.__dict__
        for name in [n for n in fields if n not in self.fieldtype]:
            value = fields.pop(name)
            if name in ("_underlayer", "_parent"):
                own[name[1:]] = value
            elif name == "post_transform":
                if value is not None:
                    own["post_transforms"] = value if isinstance(value, list) else [value]
            elif name not in ("_internal", "stop_dissection_after"):
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    # --- dissecting

    def dissect(self, s: bytes) -> None:
        """Take the octets that are this packet's; the rest is what follows."""
        size = self._extent(s)
        if isinstance(size, str):
            self._unreadable(s, size)
            return
        self.__dict__["raw_packet_cache"] = s[:size]
        self._follow(s[size:])

    def _extent(self, s: bytes) -> int | str:
        """How many octets of `s` are this packet, or the reason why it cannot be read."""
        if len(s) < self.least:
            return f"{self.name} of {len(s)} octets, {self.least} are needed"
        return len(s)

    def _follow(self, rest: bytes) -> None:
        """What stands behind this packet in the same bytes."""
        if rest:
            self.add_payload(conf.padding_layer(rest))

    def _unreadable(self, s: bytes, reason: str) -> None:
        """Hold bytes that are too few: the fields as far as they go, nothing built for them."""
        from ikelab.layers.chain import IKEv2_Malformed

        values = self._head.unpack(s[: self._head.size].ljust(self._head.size, b"\0"))
        self.__dict__["fields"] = dict(zip(self._names, values, strict=True))
        self.__dict__["raw_packet_cache"] = b""
        self._link(IKEv2_Malformed.of(s, reason, self.kind))

    def _open(self) -> dict[str, Any]:
        """Parse the kept bytes into `fields`, where that is more than numbers and one rest."""
        own = self.__dict__
        data = own["raw_packet_cache"]
        own["fields"] = values = dict(zip(self._names, self._head.unpack_from(data)))  # noqa: B905
        self._split(values, data)
        if self._lists:
            own["raw_packet_cache_fields"] = kept = {}
            for name in self._lists:
                kept[name] = tuple(values[name])
        return values

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        """The fields behind the leading numbers: 24-bit numbers, then one that takes the rest."""
        here = self._head.size
        for field in self._tail[:-1]:
            values[field.name] = int.from_bytes(data[here : here + field.sz], "big")
            here += field.sz
        for field in self._tail[-1:]:
            values[field.name] = data[here:]

    def _link(self, payload: Packet) -> None:
        """Put `payload` behind this packet without copying either."""
        self.__dict__["payload"] = payload
        if isinstance(payload, Wire):
            payload.__dict__["underlayer"] = self
        else:
            payload.add_underlayer(self)

    # --- building

    def self_build(self, index: int = 0, after: int | None = None) -> bytes:
        """This packet's own octets. `index` is its place in a list, `after` the type behind it."""
        if self.raw_packet_cache is not None and self.clean():
            return self.raw_packet_cache
        values = {**self.default_fields, **self.fields}
        if self._last is None:
            tail = b"".join([f.octets(self, values[f.name]) for f in self._tail])
        else:
            tail = self._last.octets(self, values[self._last.name])
        self._complete(values, tail, index, self._after() if after is None else after)
        return self._pack(values) + tail

    def _pack(self, values: dict[str, Any]) -> bytes:
        """The leading numbers; one by one where a value is none that struct takes."""
        try:
            return self._head.pack(*self._ordered(values))
        except struct.error:
            return b"".join([self.fieldtype[n].octets(self, values[n]) for n in self._names])

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        """Compute the fields that are None."""

    def _after(self) -> int:
        """The type of what follows, as a next-payload field says it."""
        return getattr(self.payload, "kind", 0) if isinstance(self.payload, Wire) else 0

    def clean(self) -> bool:
        """Whether the kept bytes still say what the fields say, however deep one looks."""
        own = self.__dict__
        cache, fields = own.get("raw_packet_cache"), own.get("fields")
        if cache is None:
            return False
        if fields is None:
            return True
        if self._flags_at is not None and cache and fields["flags"] != cache[self._flags_at]:
            return False
        kept = own.get("raw_packet_cache_fields")
        if kept is None:
            return True
        for name, before in kept.items():
            now = fields.get(name)
            if now.__class__ is not list or len(now) != len(before):
                return False
            if not all(map(is_, now, before)):
                return False
            for one in now if self.fieldtype[name].holds_packets else ():
                if isinstance(one, Wire) and (
                    one.raw_packet_cache is None if one._leaf else not one.clean()
                ):
                    return False
        return True

    def do_build(self) -> bytes:
        chain, rest = self._chain()
        parts = [p.self_build() for p in chain]
        for transform in self.post_transforms:
            parts[0] = transform(parts[0])
        if rest is not NOTHING:
            parts.append(rest.do_build())
        return b"".join(parts)

    def build_padding(self) -> bytes:
        return self._chain()[1].build_padding()

    def build_done(self, p: bytes) -> bytes:
        return self._chain()[1].build_done(p)

    def recompute(self) -> None:
        """Set every length, count and next-payload field in the tree below to None."""
        chain, _ = self._chain()
        while chain:
            packet = chain.pop()
            for name in packet.automatic:
                packet.setfieldval(name, None)
            for name in packet._lists:
                items = packet.getfieldval(name)
                if isinstance(items, list):
                    chain += [item for item in items if isinstance(item, Wire)]

    # --- fields

    def getfieldval(self, attr: str) -> Any:
        fields = self.fields
        if attr in fields:
            return fields[attr]
        packet: Packet = self
        while isinstance(packet, Wire):
            fields = packet.fields
            if attr in fields:
                return fields[attr]
            if attr in packet.default_fields:
                return packet._default(attr)
            packet = packet.payload
        return packet.getfieldval(attr)

    def _default(self, attr: str) -> Any:
        """A field's default; a list becomes this packet's own."""
        value = self.default_fields[attr]
        if value.__class__ is list:
            self.fields[attr] = value = []
        return value

    def getfield_and_val(self, attr: str) -> tuple[Any, Any]:
        if attr in self.default_fields:
            return self.fieldtype[attr], self.getfieldval(attr)
        raise ValueError

    def __getattr__(self, attr: str) -> Any:
        if attr in self._literal:  # most reads: one of our own fields, shown as it is kept
            fields = self.fields
            return fields[attr] if attr in fields else self._default(attr)
        packet: Packet = self
        while isinstance(packet, Wire):
            if attr in packet.default_fields:
                fields = packet.fields
                value = fields[attr] if attr in fields else packet._default(attr)
                return packet.fieldtype[attr].i2h(packet, value)
            packet = packet.payload
        return packet.__getattr__(attr)

    def __setattr__(self, attr: str, val: Any) -> None:
        if attr in self.default_fields:
            self.setfieldval(attr, val)
        elif attr == "payload":
            self.remove_payload()
            self.add_payload(val)
        elif hasattr(type(self), attr) or attr in self.__dict__:
            object.__setattr__(self, attr, val)
        else:
            self._set_below(attr, val)

    def _set_below(self, attr: str, val: Any) -> None:
        chain, rest = self._chain()
        for packet in chain:
            if attr in packet.default_fields:
                return packet.setfieldval(attr, val)
        try:
            rest.setfieldval(attr, val)
        except AttributeError:
            object.__setattr__(self, attr, val)

    def setfieldval(self, attr: str, val: Any) -> None:
        if attr not in self.default_fields:
            return self._set_below(attr, val)
        self.fields[attr] = self.fieldtype[attr].any2i(self, val)
        own = self.__dict__
        own["raw_packet_cache"] = own["raw_packet_cache_fields"] = None

    def add_payload(self, payload: Any) -> None:
        """Append at the end of the chain (as Scapy does), in place."""
        if payload is None or isinstance(payload, NoPayload):
            return
        chain, rest = self._chain()
        if rest:
            rest.add_payload(payload)
        elif isinstance(payload, Packet):
            chain[-1]._link(payload)
        else:
            chain[-1]._link(conf.raw_layer(load=bytes(payload)))

    def remove_payload(self) -> None:
        self.payload.remove_underlayer(self)
        self.__dict__["payload"] = NOTHING

    def remove_underlayer(self, other: Packet) -> None:
        self.__dict__["underlayer"] = None

    def __iter__(self) -> Iterator[Any]:
        for packet in self._chain()[0]:
            for name, value in (*packet.fields.items(), *packet.default_fields.items()):
                several = isinstance(value, list) and not packet.fieldtype[name].islist
                if several or (isinstance(value, Gen) and not isinstance(value, Packet)):
                    return super().__iter__()
                if isinstance(value, VolatileValue):
                    return super().__iter__()
        return iter((self,))


def _no_tuple(head: list[Any]) -> Any:
    names = [field.name for field in head]
    return lambda values: [values[name] for name in names]


Wire.overload_fields = property(lambda packet: type(packet)._overload_fields)
if "comment" in Packet.__slots__:  # a property since Scapy 2.7
    Wire.comment = None
