"""The places of a message that a case can change, taken from an honest message itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ikelab.harness.paths import LISTS
from ikelab.harness.transcript import Step
from ikelab.layers.chain import build_payloads
from ikelab.layers.iana import Code
from ikelab.layers.wire import Wire

HEADER = ("init_SPI", "resp_SPI", "next_payload", "version", "exch_type", "flags", "id", "length")


@dataclass(frozen=True, slots=True)
class Place:
    """A field: its path, the value that honest messages have there, its size if a number."""

    path: str
    value: Any  # int, bytes, or str where it is an address
    size: int = 0
    registry: type[Code] | None = None
    computed: bool = False  # a length, a count or a next-payload field


@dataclass(frozen=True, slots=True)
class Target:
    """One message of ours: its fields, its payloads and elements, and its octets."""

    exchange: str
    response: bool
    sealed: bool
    places: tuple[Place, ...]
    elements: tuple[str, ...]
    bodies: tuple[tuple[int, bytes], ...]  # kind and body of each payload
    chain: bytes  # the payloads' octets, those inside SK where it is sealed
    data: bytes  # the whole message as it left

    def held_to(self, patterns: Sequence[str]) -> Target:
        """The same with only the places and elements that one of the patterns names."""
        if not patterns:
            return self

        def wanted(path: str) -> bool:
            bare = path.removeprefix("SK.")
            return any(fnmatchcase(bare, pattern) for pattern in patterns)

        return Target(
            self.exchange,
            self.response,
            self.sealed,
            tuple(p for p in self.places if wanted(p.path)),
            tuple(e for e in self.elements if wanted(e)),
            self.bodies,
            self.chain,
            self.data,
        )


def target(exchange: str, step: Step, *, response: bool = False) -> Target:
    """The places of an honest message that was sent."""
    inner = step.inner()
    payloads = step.message.payloads if inner is None else inner
    prefix = "" if inner is None else "SK."
    places = list(_fields("header", step.message))[: len(HEADER)]
    elements: list[str] = []
    seen: dict[str, int] = {}
    if inner is not None:
        sk = step.message.payloads[-1]
        places += [p for p in _fields("SK", sk) if p.path != "SK.load"]
    for payload in payloads:
        name = payload.notation
        nth = seen[name] = seen.get(name, -1) + 1
        # An index behind a list payload picks from its list: only the first of those has a path.
        if name in LISTS and nth:
            continue
        path = prefix + (name if name in LISTS or not nth else f"{name}[{nth}]")
        elements.append(path)
        places += _fields(path, payload)
        for below, element in _elements(path, payload):
            elements.append(below)
            places += _fields(below, element)
    chain = step.plain if step.plain is not None else step.data[28:]
    bodies = tuple((int(p.kind), build_payloads([p])[4:]) for p in payloads)
    return Target(
        exchange, response, inner is not None, tuple(places), tuple(elements), bodies, chain,
        step.data,
    )  # fmt: skip


def _fields(path: str, packet: Wire) -> Iterator[Place]:
    for field in packet.fields_desc:
        value = packet.getfieldval(field.name)
        if isinstance(value, list) or value is None:
            continue
        size = 0
        if not isinstance(value, bytes | str):
            value, size = int(value), int(field.sz)
        computed = field.name in packet.automatic
        registry = getattr(field, "registry", None)
        yield Place(f"{path}.{field.name}", value, size, registry, computed)


def _elements(path: str, packet: Wire) -> Iterator[tuple[str, Wire]]:
    for field in packet.fields_desc:
        value = packet.getfieldval(field.name)
        if not isinstance(value, list):
            continue
        for number, element in enumerate(value):
            if isinstance(element, Wire):
                below = f"{path}.{field.name}[{number}]"
                yield below, element
                yield from _elements(below, element)
