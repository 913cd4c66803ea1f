"""An exchange as JSON text: what `report` has as a dictionary, at a third of its price.

The text of a payload that peers repeat is kept; the rest is put together from its parts.
"""

from __future__ import annotations

import json
from functools import lru_cache

from ikelab.harness.inspect import described, octets, ready
from ikelab.harness.inspect.session import Exchange, Half
from ikelab.harness.inspect.shapes import Shape
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
    more = half.messages[1:]
    frames = ", ".join([str(m.frame) for m in half.messages]) if more else message.frame
    refusal = "null"
    if message.refusal and message.sealed is not None:
        refusal = _quoted(message.refusal)
    outer, inner = half._shapes or half.shapes()
    plain, inside = half.plain, "null"
    if plain is not None:
        inside = (
            json.dumps(described.inner(half, exchange, response))
            if inner is None
            else _chain(inner, plain, exchange, response)
        )
    payloads = (
        json.dumps(described.outer(half, exchange, response))
        if outer is None
        else _chain(outer, message.data, exchange, response)
    )
    return (
        f'{{"frame": {message.frame}, "time": {_time(message.now)}, '
        f'"src": {_end(message.src)}, "dst": {_end(message.dst)}, '
        f'"length": {len(message.data)}, "frames": [{frames}], '
        f'"retransmissions": {half.retransmissions}, '
        f'"encrypted": {"false" if message.sealed is None else "true"}, '
        f'"refusal": {refusal}, "payloads": {payloads}, "inner": {inside}}}'
    )


def _time(now: float) -> str:
    """`round(now, 6)` as JSON has it, for times after 1970 at half the price.

    Below 2^32 a double tells two numbers of six decimals apart, so its shortest form has no more.
    """
    if 1 <= now < 1 << 32:
        text = f"{now:.6f}".rstrip("0")
        return text + "0" if text[-1] == "." else text
    return repr(round(now, 6))


def _chain(shape: Shape, data: bytes, exchange: int, response: bool) -> str:
    """The payloads of a chain."""
    key = exchange, response
    words = shape.words.get(key)
    if words is not None:
        return words.of(data)
    # Most shapes come once: making words ready pays for those that come again, if it can be done.
    if key not in shape.words:
        shape.words[key] = None
    elif shape.kept and key not in shape.wordless:
        made = shape.words[key] = ready.words(shape, data, exchange, response)
        if made is not None:
            return made.of(data)
        shape.wordless.add(key)
    return f"[{', '.join([_payload(data, place, exchange, response) for place in shape.places])}]"


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
