"""Where a message can be changed, and with what: edits made from an honest message itself.

A case is a Plan, so that every case is text that replays. The same seed gives the same cases.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ikelab.harness.edits import Binding, Edit, Plan, Stage, insert, notify, unknown, vendor
from ikelab.harness.paths import LISTS
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.wire import Wire

BOUNDARIES = (0, 1, 2, 3, 4, 5, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0xFFFFFFFF)
DICTIONARY = (
    b"",
    b"\0",
    b"\0" * 16,
    b"\xff" * 16,
    b"%n%s%x",
    b"A" * 64,
    b"A" * 1024,
    b"\0\0\0\x01",
)
STRUCTURE = ("drop", "swap", "duplicate")
HEADER = ("init_SPI", "resp_SPI", "next_payload", "version", "exch_type", "flags", "id", "length")


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of message of ours: its exchange and the places that an honest one has."""

    exchange: str
    fields: tuple[tuple[str, type], ...]  # (path, int or bytes or str)
    elements: tuple[str, ...]  # payloads and list elements
    sealed: bool


def target(exchange: str, payloads: Sequence[Any], *, sealed: bool) -> Target:
    """The places of a message with these payloads (those inside SK where it is sealed)."""
    prefix = "SK." if sealed else ""
    fields: list[tuple[str, type]] = [
        (f"header.{name}", bytes if "SPI" in name else int) for name in HEADER
    ]
    elements: list[str] = []
    seen: dict[str, int] = {}
    for payload in payloads:
        name = payload.notation
        nth = seen[name] = seen.get(name, -1) + 1
        # An index behind a list payload picks from its list: only the first of those has a path.
        if name in LISTS and nth:
            continue
        path = prefix + (name if name in LISTS or not nth else f"{name}[{nth}]")
        elements.append(path)
        fields += _fields(path, payload)
        elements += [p for p, _ in _elements(path, payload)]
        for inner, element in _elements(path, payload):
            fields += _fields(inner, element)
    return Target(exchange, tuple(fields), tuple(elements), sealed)


def _fields(path: str, packet: Wire) -> Iterator[tuple[str, type]]:
    for field in packet.fields_desc:
        value = packet.getfieldval(field.name)
        if isinstance(value, list):
            continue
        kind = bytes if isinstance(value, bytes) else str if isinstance(value, str) else int
        yield f"{path}.{field.name}", kind


def _elements(path: str, packet: Wire) -> Iterator[tuple[str, Wire]]:
    for field in packet.fields_desc:
        value = packet.getfieldval(field.name)
        if not isinstance(value, list):
            continue
        for number, element in enumerate(value):
            if isinstance(element, Wire):
                inner = f"{path}.{field.name}[{number}]"
                yield inner, element
                yield from _elements(inner, element)


class Maker:
    """Draws edits for one target from a seeded stream."""

    def __init__(self, where: Target, seed: int) -> None:
        self.where = where
        self._random = random.Random(f"{seed}|{where.exchange}")
        self._kinds: list[Callable[[], Edit]] = [
            self._number, self._number, self._octets, self._octets, self._drop, self._repeat,
            self._swap, self._insert, self._wire,
        ]  # fmt: skip
        if where.sealed:
            self._kinds += [self._plain, self._sealed]

    def plan(self) -> Plan:
        """One case: mostly a single edit, now and then two or three."""
        count = self._random.choice((1, 1, 1, 1, 2, 3))
        edits = [self._random.choice(self._kinds)() for _ in range(count)]
        # Values are fitted to the field as the edits change it; structure comes last.
        edits.sort(
            key=lambda e: (e.stage is not Stage.MESSAGE, e.op in ("drop", "swap", "duplicate"))
        )
        # The first such message alone: what follows it is honest again.
        return Plan(tuple(Binding(self.where.exchange, False, edit, 0) for edit in edits))

    def _path(self, *kinds: type) -> str:
        return self._random.choice([path for path, kind in self.where.fields if kind in kinds])

    def _number(self) -> Edit:
        path = self._path(int)
        if self._random.random() < 0.5:
            return Edit(Stage.MESSAGE, "set", (path, self._random.choice(BOUNDARIES)))
        return Edit(Stage.MESSAGE, "add", (path, self._random.choice((-8, -4, -1, 1, 4, 8, 255))))

    def _octets(self) -> Edit:
        path = self._path(bytes)
        match self._random.randrange(4):
            case 0:
                return Edit(Stage.MESSAGE, "set", (path, self._random.choice(DICTIONARY)))
            case 1:
                return Edit(Stage.MESSAGE, "truncate", (path, self._random.choice((0, 1, 3, -1))))
            case 2:
                return Edit(Stage.MESSAGE, "append", (path, self._random.choice(DICTIONARY[1:])))
            case _:
                mask = bytes(self._random.randrange(32)) + bytes([1 << self._random.randrange(8)])
                return Edit(Stage.MESSAGE, "xor", (path, mask))

    def _element(self) -> str:
        return self._random.choice(self.where.elements)

    def _drop(self) -> Edit:
        return Edit(Stage.MESSAGE, "drop", (self._element(),))

    def _repeat(self) -> Edit:
        return Edit(Stage.MESSAGE, "duplicate", (self._element(),))

    def _swap(self) -> Edit:
        return Edit(Stage.MESSAGE, "swap", (self._element(), self._element()))

    def _insert(self) -> Edit:
        chain = "SK" if self.where.sealed else ""
        data = self._random.choice(DICTIONARY)
        match self._random.randrange(3):
            case 0:
                kind = self._random.choice([*[*Payload][1:], 1, 100, 127, 200, 255])
                critical = self._random.random() < 0.3
                return insert(chain, payload=unknown(int(kind), data, critical=critical))
            case 1:
                kind = self._random.choice([*Notify, 8191, 40959, 65535])
                return insert(chain, payload=notify(int(kind), data))
            case _:
                return insert(chain, payload=vendor(data))

    def _plain(self) -> Edit:
        match self._random.randrange(4):
            case 0:
                return Edit(Stage.PLAIN, "pad_length", (self._random.choice((0, 1, 15, 16, 255)),))
            case 1:
                return Edit(Stage.PLAIN, "flip", (self._random.randrange(24), self._bit()))
            case 2:
                return Edit(Stage.PLAIN, "truncate", (self._random.choice((0, 1, 4, 8, 20)),))
            case _:
                return Edit(Stage.PLAIN, "append", (self._random.choice(DICTIONARY[1:]),))

    def _sealed(self) -> Edit:
        part = self._random.choice(("iv", "ciphertext", "icv"))
        if self._random.random() < 0.5:
            return Edit(Stage.SEALED, "flip", (part, self._bit()))
        return Edit(Stage.SEALED, "truncate", (part, self._random.choice((0, 1, -1))))

    def _wire(self) -> Edit:
        match self._random.randrange(4):
            case 0:
                return Edit(Stage.WIRE, "truncate", (self._random.choice((0, 1, 27, 28, 29, -1)),))
            case 1:
                return Edit(Stage.WIRE, "append", (self._random.choice(DICTIONARY[1:]),))
            case 2:
                return Edit(Stage.WIRE, "duplicate", (2,))
            case _:
                return Edit(Stage.WIRE, "flip", (self._random.randrange(28), self._bit()))

    def _bit(self) -> int:
        return self._random.randrange(8)
