"""What one end gave the other: addresses by the configuration payload; and which child took over.

RFC 7296 3.15 for the attributes, 2.8 for the succession of children.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.facts import Child
from ikelab.harness.inspect.session import Session
from ikelab.layers.config import value_repr
from ikelab.layers.iana import CfgAttr, CfgType, Payload, name
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.message import IKEv2_Malformed


@dataclass(frozen=True, slots=True)
class Attribute:
    """One configuration attribute; the value in words where its type is known, else in hex."""

    kind: str
    name: str
    value: str
    by_initiator: bool
    frame: int

    def __str__(self) -> str:
        return f"{self.name} {self.value}".strip()


def configuration(session: Session) -> list[Attribute]:
    """Every attribute of CFG_REQUEST, CFG_REPLY and the others, in order."""
    found = []
    for exchange, half in session.holding(Payload.CP):
        if exchange.type not in (Type.IKE_AUTH, Type.CREATE_CHILD_SA, Type.INFORMATIONAL):
            continue
        for payload in facts.of_kind(half, Payload.CP):
            kind = name(CfgType, payload.CFGType)
            for attribute in payload.attributes:
                if isinstance(attribute, IKEv2_Malformed):
                    continue
                number, value = attribute.type & 0x7FFF, bytes(attribute.value)
                label = name(CfgAttr, number)
                words = value_repr(number, value) if value else ""
                side = half.first.initiator
                found.append(Attribute(kind, label, words, side, half.first.frame))
    return found


def lines_of_descent(session: Session) -> list[list[Child]]:
    """The children by succession: each list begins with one that replaced none that was seen."""
    lines: list[list[Child]] = []
    for child in facts.children(session):
        line = next((ln for ln in lines if child.replaces and _is(ln[-1], child.replaces)), None)
        if line is None:
            lines.append([child])
        else:
            line.append(child)
    return lines


def _is(child: Child, spi: bytes) -> bool:
    return spi in (child.spis.i, child.spis.r)


def deleted(session: Session) -> Iterator[tuple[int, bytes, int]]:
    """(protocol, SPI, frame) of every child SA that was deleted."""
    for exchange, half in session.holding(Payload.D):
        if exchange.type == Type.INFORMATIONAL:
            for delete in facts.of_kind(half, Payload.D):
                for spi in delete.SPI:
                    yield int(delete.proto), bytes(spi), half.first.frame
