"""An exchange as JSON text: what `report` has as a dictionary, at a third of its price.

The text of a payload that peers repeat is kept; the rest is put together from its parts.
"""

from __future__ import annotations

import json
from functools import lru_cache

from ikelab.harness.inspect import described, octets
from ikelab.harness.inspect.session import Exchange, Half
from ikelab.harness.model import Address
from ikelab.harness.notation import exchange_name


def exchange_text(exchange: Exchange) -> str:
    """`json.dumps` of the exchange as `inspect --json` has it."""
    kind, by = _name(exchange.type), "initiator" if exchange.by_initiator else "responder"
    request, response = exchange.request, exchange.response
    asked = "null" if request is None else _half(request, exchange.type, False)
    answer = "null" if response is None else _half(response, exchange.type, True)
    return (
        f'{{"type": {kind}, "message_id": {exchange.id}, "by": "{by}", '
        f'"request": {asked}, "response": {answer}}}'
    )


def _half(half: Half, exchange: int, response: bool) -> str:
    message = half.messages[0]
    step = message.step
    sealed = message.sealed is not None
    frames = ", ".join([str(m.frame) for m in half.messages])
    refusal = _quoted(message.refusal) if sealed and message.refusal else "null"
    outer, inner = half.places()
    payloads = _chain(half, outer, message.data, exchange, response, described.outer)
    plain = half.plain
    inside = "null"
    if plain is not None:
        inside = _chain(half, inner, plain, exchange, response, described.inner)
    return (
        f'{{"frame": {message.frame}, "time": {round(step.now, 6)!r}, "src": {_end(step.src)}, '
        f'"dst": {_end(step.dst)}, "length": {len(message.data)}, "frames": [{frames}], '
        f'"retransmissions": {half.retransmissions}, "encrypted": {"true" if sealed else "false"}, '
        f'"refusal": {refusal}, "payloads": {payloads}, "inner": {inside}}}'
    )


def _chain(
    half: Half,
    places: list[octets.Place] | None,
    data: bytes,
    exchange: int,
    response: bool,
    slowly: described.Describe,
) -> str:
    if places is None:
        return json.dumps(slowly(half, exchange, response))
    return f"[{', '.join([_payload(data, place, exchange, response) for place in places])}]"


def _payload(data: bytes, place: octets.Place, exchange: int, response: bool) -> str:
    kind, at, stop = place
    size = stop - at
    if kind == described.SK and not data[at + 1]:
        return (
            f'{{"name": "SK", "type": {kind:d}, "length": {size}, "critical": false, '
            f'"text": "SK", "octets": {size - 4}}}'
        )
    if head := described.fresh_from(data, at, kind):
        before, between = _around(kind, data[at + 1 : at + head], exchange, response)
        return f'{before}{size}{between}{data[at + head : stop].hex()}"}}'
    if kind in described.NEW:
        return json.dumps(described.one(data, place, exchange, response))
    return _kept(kind, data[at + 1 : stop], exchange, response)


@lru_cache(maxsize=4096)
def _around(kind: int, head: bytes, exchange: int, response: bool) -> tuple[str, str]:
    """The text before the length of a payload whose data are new, and that up to the data."""
    row = {**described.shared(kind, head, exchange, response), "length": 0, "data": ""}
    text = json.dumps(row)
    before, _, rest = text.partition('"length": 0')
    return before + '"length": ', rest.removesuffix('"}')


@lru_cache(maxsize=8192)
def _kept(kind: int, rest: bytes, exchange: int, response: bool) -> str:
    data = b"\0" + rest
    return json.dumps(described.one(data, (kind, 0, len(data)), exchange, response))


@lru_cache(maxsize=1024)
def _name(exchange: int) -> str:
    return json.dumps(exchange_name(exchange))


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return json.dumps(text)


@lru_cache(maxsize=65536)
def _end(end: Address) -> str:
    return json.dumps(list(end))
