"""What a Scapy shell does with a packet, over a whole chain and without recursion.

Scapy walks from a layer to its payload by calling itself. Here a chain may have thousands of
links, so each habit takes one packet at a time, seen without what follows, and leaves that packet
to Scapy's own code.
"""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from scapy.config import conf
from scapy.fields import FlagValue
from scapy.packet import NoPayload, Packet

NOTHING = NoPayload()
new = object.__new__


class _Kind(type(Packet)):
    """Scapy's class of packet classes, less the look for a dispatch_hook at every call."""

    __call__ = type.__call__


class Shell(Packet, metaclass=_Kind):
    """show, repr, summary, copy, pickle, getlayer and the like for chains of our packets."""

    def _chain(self) -> tuple[list[Any], Packet]:
        """Our packets from this one on, and what is behind them."""
        chain: list[Any] = []
        packet: Packet = self
        while isinstance(packet, Shell):
            chain.append(packet)
            packet = packet.payload
        return chain, packet

    def _alone(self) -> Any:
        """The same packet seen without what follows; shares everything."""
        view = new(type(self))
        fields = self.fields
        view.__dict__.update(self.__dict__)
        view.__dict__["fields"] = fields
        view.__dict__["payload"] = NOTHING
        return view

    def clean(self) -> bool:
        """Whether the kept bytes still say what the fields say."""
        raise NotImplementedError

    # --- reading

    def _show_or_dump(
        self,
        dump: bool = False,
        indent: int = 3,
        lvl: str = "",
        label_lvl: str = "",
        first_call: bool = True,
    ) -> str | None:
        """Payloads stand side by side below the header, not each inside the one before."""
        chain, rest = self._chain()
        text = ""
        for packet in chain:
            text += Packet._show_or_dump(packet._alone(), dump, indent, lvl, label_lvl, False)
            if packet is self:
                lvl += " " * indent * self.show_indent
        if rest:
            text += rest._show_or_dump(dump, indent, lvl, label_lvl, False)
        if first_call and not dump:
            print(text)
            return None
        return text

    def __repr__(self) -> str:
        chain, rest = self._chain()
        closing = conf.color_theme.punct(">")
        opened = [Packet.__repr__(p._alone()).removesuffix(closing) for p in chain]
        return "".join(opened) + repr(rest) + closing * len(chain)

    def _do_summary(self) -> tuple[int, str, list[Any]]:
        chain, rest = self._chain()
        words = [p.mysummary() or type(p).__name__ for p in chain]
        if rest:
            words.append(rest.summary())
        return 1, " / ".join(words), []

    def lastlayer(self, layer: Packet | None = None) -> Packet:
        chain, rest = self._chain()
        return rest.lastlayer(chain[-1])

    def haslayer(self, cls: Any, _subclass: bool | None = None) -> int:
        chain, rest = self._chain()
        found = any(Packet.haslayer(p._alone(), cls, _subclass=_subclass) for p in chain)
        return found or rest.haslayer(cls, _subclass=_subclass)

    def getlayer(
        self,
        cls: Any,
        nb: int = 1,
        _track: list[int] | None = None,
        _subclass: bool | None = None,
        **flt: Any,
    ) -> Any:
        if isinstance(cls, int):
            cls, nb = None, cls + 1
        chain, rest = self._chain()
        for packet in chain:
            track: list[int] = []
            view = packet._alone()
            wanted = type(packet) if cls is None else cls
            found = Packet.getlayer(view, wanted, nb=nb, _track=track, _subclass=_subclass, **flt)
            if found is not None:
                return packet if found is view else found
            nb = track[0]
        return rest.getlayer(cls or nb - 1, nb=nb, _track=_track, _subclass=_subclass, **flt)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Shell):
            return False
        (ours, rest), (theirs, other_rest) = self._chain(), other._chain()
        if [type(p) for p in ours] != [type(p) for p in theirs]:
            return False
        for one, two in zip(ours, theirs, strict=True):
            if one.kind != two.kind:
                return False
            if any(one.getfieldval(f.name) != two.getfieldval(f.name) for f in one.fields_desc):
                return False
        return bool(rest == other_rest)

    __hash__ = None  # type: ignore[assignment]

    kind = 0
    """The payload type that a next-payload field names this packet by; 0 for none."""

    # --- copying

    def copy(self) -> Any:
        """A deep copy of this packet and all that follows."""
        chain, rest = self._chain()
        copies = [p.copy_alone() for p in chain]
        for packet, following in pairwise(copies):
            packet._link(following)
        if rest:
            copies[-1]._link(rest.copy())
        return copies[0]

    def copy_alone(self) -> Any:
        """A deep copy of this packet without what follows."""
        clone = new(type(self))
        own = clone.__dict__
        own.update(self.__dict__)
        own.pop("underlayer", None)
        own.update(payload=NOTHING, original=b"")
        # Scapy's fuzz() writes into the defaults of the copy it makes.
        own["default_fields"] = dict(self.default_fields)
        if "fields" in own:
            own["fields"] = values = {n: _copied(v) for n, v in self.fields.items()}
            if not self.clean():
                own["raw_packet_cache"] = own["raw_packet_cache_fields"] = None
            elif own.get("raw_packet_cache_fields"):
                lists = {n: tuple(values[n]) for n in own["raw_packet_cache_fields"]}
                own["raw_packet_cache_fields"] = lists
        return clone

    def __reduce__(self) -> tuple[Any, ...]:
        chain, rest = self._chain()
        return _restored, ([(type(p), p._state()) for p in chain], rest if rest else None)

    def _state(self) -> dict[str, Any]:
        """Everything this packet has, its neighbours left out."""
        leave = ("payload", "underlayer", "parent", "original", "raw_packet_cache_fields")
        state = {n: v for n, v in self.__dict__.items() if n not in leave}
        if "fields" in state and state.get("raw_packet_cache") is not None:
            if self.clean():
                listed = self.__dict__.get("raw_packet_cache_fields")
                if listed:
                    state["listed"] = tuple(listed)
            else:
                state["raw_packet_cache"] = None
        return state

    # --- changing

    def hide_defaults(self) -> None:
        chain, rest = self._chain()
        for packet in chain:
            for name, value in list(packet.fields.items()):
                if packet.default_fields.get(name, self) == value:
                    packet.delfieldval(name)
        rest.hide_defaults()

    def clear_cache(self) -> None:
        """Forget the kept bytes here and below, so that all is built from the fields."""
        chain, rest = self._chain()
        while chain:
            packet = chain.pop()
            for value in packet.fields.values():
                if isinstance(value, list):
                    chain += [item for item in value if isinstance(item, Shell)]
            packet.__dict__["raw_packet_cache"] = None
            packet.__dict__["raw_packet_cache_fields"] = None
        rest.clear_cache()

    def dissection_done(self, pkt: Packet) -> None:
        self._chain()[1].dissection_done(pkt)

    def _command(self, json: bool = False) -> list[tuple[str, Any]]:
        view = self._alone()
        plain = {n: int(v) if isinstance(v, int) else v for n, v in self.fields.items()}
        # Flags print as the number that they are only where they are a FlagValue.
        for name, value in plain.items():
            if self.fieldtype[name].ismutable and isinstance(value, int):
                plain[name] = self.fieldtype[name].i2h(None, value)
        view.__dict__["fields"] = plain
        return Packet._command(view, json)

    def command(self) -> str:
        chain, rest = self._chain()
        words = [Packet.command(p._alone()) for p in chain]
        return "/".join(words + ([rest.command()] if rest else []))


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [v.copy() if isinstance(v, Packet) else v for v in value]
    return FlagValue(value.value, value.names) if isinstance(value, FlagValue) else value


def _restored(states: list[tuple[type, dict[str, Any]]], rest: Packet | None) -> Any:
    """Put a pickled chain together again."""
    link: Callable[[Any], None] | None = None
    first: Any = None
    for cls, state in states:
        packet: Any = new(cls)
        listed = state.pop("listed", ())
        packet.__dict__.update(state, payload=NOTHING)
        if listed:
            kept = {name: tuple(packet.__dict__["fields"][name]) for name in listed}
            packet.__dict__["raw_packet_cache_fields"] = kept
        if link is not None:
            link(packet)
        first = packet if first is None else first
        link = packet._link
    if rest is not None and link is not None:
        link(rest)
    return first
