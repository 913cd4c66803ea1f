"""Messages in which no rule can find anything, told by their octets.

A bystander's rules cost a hundred microseconds a message, and most messages of a capture are
liveness checks. What is passed over here is what the rules named below cannot object to, and what
has the shape of a message that they passed before; as soon as there is a rule for all messages that
this file does not know, everything goes to the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ikelab.harness.exchange.rules import RULES
from ikelab.harness.inspect import octets
from ikelab.harness.inspect.session import Half
from ikelab.layers.iana import Exchange, Notify, Payload, lookup
from ikelab.layers.message import INITIATOR

KNOWN = frozenset(
    {
        "version-is-2-0",
        "unused-flags-are-cleared",
        "initiator-flag-names-the-original-initiator",
        "critical-bit-is-clear-on-known-payloads",
        "critical-bit-is-clear-in-responses",
        "reserved-bits-of-payloads-are-zero",
        "payload-chain-is-well-formed",
        "response-repeats-what-it-answers",
    }
)
"""The rules for any message that `clean` keeps itself."""
INIT_RESPONSE = frozenset(
    {
        "responder-chooses-an-spi",
        "init-answer-is-one-offered-proposal",
        "init-answer-picks-one-transform-of-each-type",
        "init-answer-keeps-combined-mode-free-of-integrity",
        "ke-is-of-the-chosen-group",
        "ke-has-the-length-of-its-group",
        "nonce-is-long-enough",
        "invalid-ke-names-an-offered-group",
        "cookie-is-1-to-64-octets",
    }
)
"""The rules for IKE_SA_INIT responses, which need one of these payloads or notifies."""
_ABOUT = frozenset({Payload.SA, Payload.KE, Payload.NONCE})
_NOTIFIES = frozenset({Notify.INVALID_KE_PAYLOAD})
_COOKIE = int(Notify.COOKIE)


@cache
def scoped(exchange: int, response: bool) -> frozenset[str]:
    """The rules for one half of an exchange, or those of any message that are unknown here."""
    found = lookup(Exchange, exchange)
    half = f"{found.name}/{'response' if response else 'request'}" if found else ""
    return frozenset(
        rule.id
        for rule in RULES.values()
        if half in rule.scope or ("any" in rule.scope and rule.id not in KNOWN)
    )


def clean(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """Whether this request or response is in order as far as any rule sees; False is no verdict."""
    if not _sound(half, request, by_initiator):
        return False
    message = half.first
    rules = scoped(message.exchange, message.response)
    if not rules or (message.sealed is not None and half.plain is None):
        return True  # of what stayed closed only the header and the chain are judged
    if rules <= INIT_RESPONSE and _mere_notifies(message.data, half.places()[0] or []):
        return True
    return _shape(half, request) in _PASSED


def passed(half: Half, request: Half | None, by_initiator: bool | None) -> None:
    """The rules had nothing to say of this one: nor will they of another of the same shape."""
    if len(_PASSED) < MOST_SHAPES and _sound(half, request, by_initiator):
        _PASSED.add(_shape(half, request))


MOST_SHAPES = 4096
_PASSED: set[tuple[object, ...]] = set()


def _sound(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """Whether header, chains and bodies are in order, and this answers what it belongs to."""
    data = half.first.data
    if len(data) < octets.HEADER or half.fragmented:
        return False
    flags = data[19]
    if data[17] != 0x20 or flags & 0xD7:
        return False
    if by_initiator is not None and by_initiator != bool(flags & INITIATOR):
        return False
    if request is not None and not _answers(data, request.first.data):
        return False
    places, inner = half.places()
    if places is None or inner is None or not octets.plain(data, places):
        return False
    return half.plain is None or octets.plain(half.plain, inner)


def _shape(half: Half, request: Half | None) -> tuple[object, ...]:
    """A message less what differs each time: nonces, public values, SPIs that are not zero."""
    data = half.first.data
    own = (data[18], any(data[8:16]), half.plain is None, *_parts(half))
    return own if request is None else (*own, request.plain is None, *_parts(request))


def _parts(half: Half) -> Iterator[object]:
    outer, inner = half.places()
    for data, places in ((half.first.data, outer), (half.plain or b"", inner)):
        if places is None:
            yield data  # a request that cannot be read whole is like no other
            continue
        for kind, at, stop in places:
            yield kind
            if kind in _FRESH:
                yield data[at + 4 : at + 4 + _FRESH[kind]], stop - at
            elif kind == Payload.SA:
                yield from _proposals(data[at + 4 : stop])
            elif kind not in (Payload.SK, Payload.SKF):
                yield data[at + 4 : stop]


# Payloads whose data are new each time, and the octets before those.
_FRESH = {int(Payload.NONCE): 0, int(Payload.KE): 2, int(Payload.AUTH): 1}


def _proposals(body: bytes) -> Iterator[object]:
    rows = octets.proposals(body)
    if rows is None:
        yield body
    for number, protocol, spi, transforms in rows or ():
        yield number, protocol, len(spi), any(spi), transforms


def _answers(data: bytes, asked: bytes) -> bool:
    """Whether SPIi, exchange type and message ID are the same."""
    return data[:8] == asked[:8] and data[18] == asked[18] and data[20:24] == asked[20:24]


def _mere_notifies(data: bytes, places: list[octets.Place]) -> bool:
    """Whether an IKE_SA_INIT response holds nothing that a rule of its own looks at."""
    for kind, at, stop in places:
        if kind in _ABOUT:
            return False
        if kind == Payload.N:
            notify = data[at + 6] << 8 | data[at + 7]
            octets_of_data = stop - at - 8 - data[at + 5]
            if notify in _NOTIFIES or (notify == _COOKIE and not 1 <= octets_of_data <= 64):
                return False
    return True
