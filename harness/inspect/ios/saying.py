"""A message of a log in words: what a router printed of it, and nothing in place of the rest.

The octets behind a message are made anew with zeros where nothing is known (`rebuild`). Zeros have
names too (`modpnone`, `encr:12/0`); none of them is the router's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.ios.told import Sighting
from ikelab.harness.notation import describe, exchange_name, header_text
from ikelab.harness.transcript import Step
from ikelab.layers.iana import CfgAttr, CfgType, IdType, Payload, name

_SIZELESS = re.compile(r"encr:(\d+)/0\b")
_WORDS = {"12": "aes?", "20": "aes?gcm16"}
_TOLD: dict[int, Callable[[PayloadLine], object]] = {
    Payload.SA: lambda line: line.proposals,
    Payload.KE: lambda line: line.group is not None,
    Payload.AUTH: lambda line: line.method is not None,
    Payload.N: lambda line: line.notify is not None,
    Payload.D: lambda line: line.protocol,
    Payload.CERT: lambda line: line.encoding is not None,
    Payload.CERTREQ: lambda line: line.encoding is not None,
    Payload.TSI: lambda line: line.selectors,
    Payload.TSR: lambda line: line.selectors,
    Payload.V: lambda line: True,
}
"""Payloads whose words are the router's where this holds; of others only the name is."""


def plain(suite: object) -> str:
    """A suite in words; a key length that the router does not print is a question mark."""
    return _SIZELESS.sub(lambda m: _WORDS.get(m[1], f"encr:{m[1]}/?"), str(suite))


def payload(line: PayloadLine, described: str) -> str:
    """The words for a payload, of those that its octets would have."""
    label = described.partition("(")[0]
    if line.kind in (Payload.IDI, Payload.IDR):
        return _identity(line, label, described)
    if line.kind == Payload.CP:
        return _configuration(line, label)
    told = _TOLD.get(line.kind)
    return plain(described) if told is not None and told(line) else label


def _identity(line: PayloadLine, label: str, described: str) -> str:
    if not described.endswith((":)", "()")):
        return described
    return label if line.id_type is None else f"{label}({name(IdType, line.id_type)})"


def _configuration(line: PayloadLine, label: str) -> str:
    kind = None if line.cfg is None else name(CfgType, line.cfg)
    attributes = ", ".join(
        name(CfgAttr, number) if number else "?" for number, _ in line.attributes
    )
    said = ": ".join(filter(None, [kind, attributes]))
    return f"{label}({said})" if said else label


@dataclass(slots=True)
class ToldStep(Step):
    """A message that a router told of, as a step of a transcript."""

    told: Sighting | None = None

    def words(self) -> list[str]:
        """Its payloads, those inside SK between braces."""
        assert self.told is not None
        parts = []
        for line, text in self._texts(self.told.outer, self.message.payloads):
            inner = self.inner() if line.kind in (Payload.SK, Payload.SKF) else None
            if inner is not None:
                rows = self._texts(self.told.inner or [], inner)
                text += "{" + ", ".join(words for _, words in rows) + "}"
            parts.append(text)
        return parts

    def _texts(
        self, lines: list[PayloadLine], payloads: list[Any]
    ) -> list[tuple[PayloadLine, str]]:
        kind, response = self.message.exch_type, bool(int(self.message.flags) & 0x20)
        return [
            (line, payload(line, str(describe(packet, kind, response)["text"])))
            for line, packet in zip(lines, payloads, strict=True)
        ]

    def text(self) -> str:
        """The message in RFC notation."""
        known = any(bytes(self.message.init_SPI))
        head = header_text(self.message) if known else f"HDR({self.message.id})"
        return f"{exchange_name(self.message.exch_type)}  " + ", ".join([head, *self.words()])
