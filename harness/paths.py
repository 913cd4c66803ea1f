"""The path language of edits: names a place in a message tree.

`SA.proposal[1].trans_nb`, `SK.TSi[0].start_port`, `N(COOKIE).notify`, `header.flags`, `P200.load`.
An index behind a payload whose body is a list (SA, TSi, TSr, CP) picks from that list; behind any
other payload it picks the n-th payload of that type.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.chain import link
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2

# The field that an index means, by payload notation.
LISTS = {"SA": "proposal", "TSi": "traffic_selector", "TSr": "traffic_selector", "CP": "attributes"}
NOTATIONS = {p.notation: p for p in Payload if p}


class MatchesNothing(ConfigError):
    """A path that leads nowhere in this message; an edit with it would do nothing."""


@dataclass(frozen=True, slots=True)
class Name:
    """A payload or field name, with the notify's type where one is given."""

    text: str
    argument: str | int | None = None


Part = Name | int


@lru_cache(maxsize=4096)
def parse(path: str) -> tuple[Part, ...]:
    """Split a path into names and indices; ConfigError where it is none."""
    try:
        node = ast.parse(path, mode="eval").body
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ConfigError(f"not a path: {path!r}") from None
    return tuple(_walk(node, path))


def _walk(node: ast.expr, path: str) -> Iterator[Part]:
    match node:
        case ast.Name(id=text):
            yield Name(text)
        case ast.Attribute(value=value, attr=text):
            yield from _walk(value, path)
            yield Name(text)
        case ast.Subscript(value=value, slice=ast.Constant(value=int(index))):
            yield from _walk(value, path)
            yield index
        case ast.Subscript(
            value=value, slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(index)))
        ):
            yield from _walk(value, path)
            yield -index
        case ast.Call(func=func, args=[argument], keywords=[]):
            *before, last = _walk(func, path)
            yield from before
            if not isinstance(last, Name):
                raise ConfigError(f"not a path: {path!r}")
            yield Name(last.text, _argument(argument, path))
        case _:
            raise ConfigError(f"not a path: {path!r}")


def _argument(node: ast.expr, path: str) -> str | int:
    """The notify that `N(..)` names: IANA's name, quoted or not, or its number."""
    match node:
        case ast.Name(id=word) | ast.Constant(value=str(word) | int(word)):
            return word
    raise ConfigError(f"{path!r}: a notify is named by a word or a number")


@dataclass(slots=True)
class Place:
    """Where a path leads: an attribute of an object, or an element of a list."""

    owner: Any
    key: str | int
    payload: Any  # the payload the place lies in, or the message for its header

    def get(self) -> Any:
        return self.owner[self.key] if isinstance(self.key, int) else getattr(self.owner, self.key)

    def set(self, value: Any) -> None:
        if isinstance(self.key, int):
            self.owner[self.key] = value
        else:
            setattr(self.owner, self.key, value)


class Tree:
    """A message as lists of payloads that edits may change; `message()` puts it together again."""

    def __init__(self, message: IKEv2) -> None:
        self.header = message
        self.outer: list[Any] = list(message.payloads)
        self._inner: list[Any] | None = None

    def message(self) -> IKEv2:
        """The message over the payloads as they are now."""
        link(self.header, self.outer)
        return self.header

    def sk(self) -> IKEv2_Decrypted:
        """The SK payload in clear; ConfigError where the message has none."""
        for payload in self.outer:
            if isinstance(payload, IKEv2_Decrypted):
                return payload
        raise MatchesNothing("the message has no SK payload in clear")

    def payloads(self, path: str) -> list[Any]:
        """The chain a path such as `` or `SK` names."""
        if path not in ("", "SK"):
            raise ConfigError(f"not a chain: {path!r}; it is '' (in clear) or 'SK'")
        if not path:
            return self.outer
        if self._inner is None:
            sk = self.sk()
            sk.inner = self._inner = list(sk.inner)  # so that Scapy sees the change
        return self._inner

    def place(self, path: str) -> Place:
        """Find the place; ConfigError when nothing is there."""
        parts = parse(path)
        head = parts[0]
        if isinstance(head, Name) and head.text == "header":
            if len(parts) != 2 or not isinstance(parts[1], Name):
                raise ConfigError(f"{path!r}: write header.FIELD")
            return _field(self.header, parts[1].text, self.header, path)
        chain_: list[Any] = self.outer
        rest = parts
        if head == Name("SK") and len(parts) > 1 and _is_payload(parts[1]):
            chain_, rest = self.payloads("SK"), parts[1:]
        return _in_chain(chain_, rest, path)


def _is_payload(part: Part) -> bool:
    return isinstance(part, Name) and (part.text in NOTATIONS or _number(part.text) is not None)


def _number(text: str) -> int | None:
    return int(text[1:]) if text[:1] == "P" and text[1:].isdecimal() else None


def positions(payloads: list[Any], name: Name) -> list[int]:
    """Where payloads of that name stand in a chain."""
    kind = NOTATIONS[name.text] if name.text in NOTATIONS else _number(name.text)
    if kind is None:
        raise ConfigError(f"unknown payload {name.text!r}{nearest(name.text, NOTATIONS)}")
    wanted = None
    if name.argument is not None:
        try:
            argument = name.argument
            wanted = Notify[argument] if isinstance(argument, str) else int(argument)
        except KeyError:
            close = nearest(str(name.argument), Notify.__members__)
            raise ConfigError(f"unknown notify {name.argument!r}{close}") from None
    return [
        i
        for i, p in enumerate(payloads)
        if p.kind == kind and (wanted is None or (kind == Payload.N and p.type == wanted))
    ]


def _in_chain(payloads: list[Any], parts: Sequence[Part], path: str) -> Place:
    name, rest = parts[0], parts[1:]
    if not isinstance(name, Name):
        raise ConfigError(f"{path!r} must start with a payload's name")
    where = positions(payloads, name)
    nth = 0
    if rest and isinstance(rest[0], int) and name.text not in LISTS:
        nth, rest = rest[0], rest[1:]
    if not -len(where) <= nth < len(where):
        have = ", ".join(Payload(p.kind).notation if p.kind in set(Payload) else f"P{p.kind}"
                         for p in payloads)  # fmt: skip
        raise MatchesNothing(
            f"the edit {path!r} matches nothing: the message has {have or 'nothing'}"
        )
    payload = payloads[where[nth]]
    place = Place(payloads, where[nth], payload)
    for part in rest:
        value = place.get()
        if isinstance(part, int):
            listed = value
            if not isinstance(value, list):
                listed = getattr(value, LISTS[name.text]) if name.text in LISTS else value
            if not isinstance(listed, list) or not -len(listed) <= part < len(listed):
                raise MatchesNothing(f"the edit {path!r} matches nothing: no element {part}")
            place = Place(listed, part, payload)
        else:
            place = _field(value, part.text, payload, path)
    return place


def _field(owner: Any, field: str, payload: Any, path: str) -> Place:
    known = [f.name for f in owner.fields_desc] + ["key_length"]
    if field not in known:
        raise ConfigError(f"{path!r}: no field {field!r} there{nearest(field, known)}")
    return Place(owner, field, payload)
