"""Payloads of captured messages in words, as `notation.describe` has them, without a packet twice.

Peers say the same proposals, vendor ids and selectors again and again: what was described once is
kept by its octets. What comes back is shared; nobody may change it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ikelab.harness.inspect import octets
from ikelab.harness.inspect.session import Half
from ikelab.harness.notation import describe
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import parse_payloads

_SK, _SKF, _KE, _NONCE, _N = map(
    int, (Payload.SK, Payload.SKF, Payload.KE, Payload.NONCE, Payload.N)
)
_AUTH = int(Payload.AUTH)
# Notifies whose data are new each time: keeping them would keep nothing of use.
_FRESH = frozenset(
    {Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP, Notify.COOKIE}
)
_ONCE = frozenset({_KE, _AUTH, int(Payload.D)})
Row = dict[str, Any]


def outer(half: Half, exchange: int, response: bool) -> list[Row]:
    """The payloads outside SK."""
    data = half.first.data
    places = octets.outer(data)
    if places is None:
        return [describe(p, exchange, response) for p in half.outer()]
    return [_one(data, place, exchange, response) for place in places]


def inner(half: Half, exchange: int, response: bool) -> list[Row] | None:
    """The payloads inside SK; None where it was not opened."""
    text = half.plain
    if text is None:
        return None
    places = octets.walk(half.first_inner, text, 0, len(text))
    if places is None:
        return [describe(p, exchange, response) for p in half.inner() or ()]
    return [_one(text, place, exchange, response) for place in places]


def _one(data: bytes, place: octets.Place, exchange: int, response: bool) -> Row:
    kind, at, stop = place
    flags = data[at + 1]
    if kind == _SK and not flags:
        size = stop - at
        return {"name": "SK", "type": kind, "length": size, "critical": False, "text": "SK",
                "octets": size - 4}  # fmt: skip
    if kind == _NONCE and not flags:
        text = "Nr" if response else "Ni"
        return _row(_nonce_name(), kind, stop - at, text) | {"data": data[at + 4 : stop].hex()}
    if kind == _N and not flags and not data[at + 5]:
        notify = data[at + 6] << 8 | data[at + 7]
        if notify in _FRESH:
            row = dict(_shared(kind, data[at + 1 : at + 8], exchange, response))
            row.update(length=stop - at, data=data[at + 8 : stop].hex())
            return row
    if kind in _ONCE:
        return _read(kind, data[at + 1 : stop], exchange, response)
    return _shared(kind, data[at + 1 : stop], exchange, response)


def _row(name: str, kind: int, length: int, text: str) -> Row:
    return {"name": name, "type": kind, "length": length, "critical": False, "text": text}


@lru_cache(maxsize=1)
def _nonce_name() -> str:
    return Payload.NONCE.notation


@lru_cache(maxsize=8192)
def _shared(kind: int, rest: bytes, exchange: int, response: bool) -> Row:
    return _read(kind, rest, exchange, response)


def _read(kind: int, rest: bytes, exchange: int, response: bool) -> Row:
    """One payload alone; `rest` are its octets behind the next-payload field."""
    size = (1 + len(rest)).to_bytes(2, "big")
    (packet,) = parse_payloads(kind, b"\0" + rest[:1] + size + rest[3:])
    return describe(packet, exchange, response)
