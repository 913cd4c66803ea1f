"""Payloads of captured messages in words, as `notation.describe` has them, without a packet twice.

Peers say the same proposals, vendor ids and selectors again and again: what was described once is
kept by its octets. What comes back is shared; nobody may change it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ikelab.harness.inspect import facts, octets
from ikelab.harness.inspect.session import Half
from ikelab.harness.notation import describe, transform_json
from ikelab.layers.iana import Notify, Payload, Protocol, name
from ikelab.layers.message import parse_payloads

SK, _SA, _N = int(Payload.SK), int(Payload.SA), int(Payload.N)
_D = int(Payload.D)
# Payloads that end in octets nobody sends twice, and where those begin.
_HEADS = {int(Payload.KE): 8, int(Payload.NONCE): 4, int(Payload.AUTH): 8}
_FRESH = frozenset(
    {Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP, Notify.COOKIE}
)
NEW = frozenset({_SA, _D})
"""Payloads that hold SPIs, and so are new more often than not."""
Row = dict[str, Any]
Describe = Callable[[Half, int, bool], "list[Row] | None"]


def outer(half: Half, exchange: int, response: bool) -> list[Row]:
    """The payloads outside SK."""
    data = half.first.data
    places, _ = half.places()
    if places is None:
        return [describe(p, exchange, response) for p in half.outer()]
    return [one(data, place, exchange, response) for place in places]


def inner(half: Half, exchange: int, response: bool) -> list[Row] | None:
    """The payloads inside SK; None where it was not opened."""
    text = half.plain
    if text is None:
        return None
    _, places = half.places()
    if places is None:
        return [describe(p, exchange, response) for p in half.inner() or ()]
    return [one(text, place, exchange, response) for place in places]


def fresh_from(data: bytes, at: int, kind: int) -> int:
    """Where the octets begin that nobody sends twice, counted from the payload; 0 for none."""
    if kind == _N and not data[at + 5] and data[at + 6] << 8 | data[at + 7] in _FRESH:
        return 8
    return _HEADS.get(kind, 0)


def one(data: bytes, place: octets.Place, exchange: int, response: bool) -> Row:
    """A payload of a chain that is whole."""
    kind, at, stop = place
    flags = data[at + 1]
    if kind == SK and not flags:
        return {**_row("SK", kind, stop - at, "SK"), "octets": stop - at - 4}
    if head := fresh_from(data, at, kind):
        known = shared(kind, data[at + 1 : at + head], exchange, response)
        return {**known, "length": stop - at, "data": data[at + head : stop].hex()}
    if kind == _SA:
        found = _proposals(data[at + 4 : stop])
        if found is not None:
            return _sa(found, data[at + 1 : stop], exchange, response)
    if kind == _D and not flags and data[at + 5]:
        return _delete(data[at:stop])
    if kind == _D:
        return _read(kind, data[at + 1 : stop], exchange, response)
    return shared(kind, data[at + 1 : stop], exchange, response)


def _sa(proposals: list[Row], rest: bytes, exchange: int, response: bool) -> Row:
    """An SA payload: the words around its proposals are those of one without any."""
    known = shared(_SA, rest[:3], exchange, response)
    text = known["text"].removesuffix(")") + " | ".join(p["text"] for p in proposals) + ")"
    return {**known, "length": 1 + len(rest), "text": text, "proposals": proposals}


def _delete(data: bytes) -> Row:
    size, protocol = data[5], name(Protocol, data[4])
    spis = [data[at : at + size].hex() for at in range(8, len(data), size)]
    text = f"D({', '.join([protocol, *spis])})"
    return {**_row("D", _D, len(data), text), "protocol": protocol, "spis": spis}


def _row(label: str, kind: int, length: int, text: str) -> Row:
    return {"name": label, "type": kind, "length": length, "critical": False, "text": text}


def _proposals(body: bytes) -> list[Row] | None:
    rows: list[Row] = []
    for number, protocol, spi, transforms in octets.proposals(body) or ():
        known = _proposal(protocol, transforms)
        if known is None:
            return None
        rows.append({"number": number, "protocol": known[0], "spi": spi.hex(),
                     "text": known[1], "transforms": known[2]})  # fmt: skip
    return rows or None


@lru_cache(maxsize=4096)
def _proposal(protocol: int, transforms: bytes) -> tuple[str, str, list[Row]] | None:
    """Protocol, text and transforms of a proposal; None where it cannot be read whole."""
    suite = facts.suite_in(protocol, transforms)
    if suite is None:
        return None
    return name(Protocol, protocol), str(suite), [transform_json(t) for t in suite.transforms]


@lru_cache(maxsize=8192)
def shared(kind: int, rest: bytes, exchange: int, response: bool) -> Row:
    """The same for octets behind the next-payload field, described once."""
    return _read(kind, rest, exchange, response)


def _read(kind: int, rest: bytes, exchange: int, response: bool) -> Row:
    """One payload alone; `rest` are its octets behind the next-payload field, its length aside."""
    size = (1 + len(rest)).to_bytes(2, "big")
    (packet,) = parse_payloads(kind, b"\0" + rest[:1] + size + rest[3:])
    return describe(packet, exchange, response)
