"""Messages in which no rule can find anything, told by their octets.

A bystander's rules cost a hundred microseconds a message, and peers say the same things again and
again. A message that has the shape of one that all rules passed is passed over: the shape holds
everything that a rule may look at, and leaves out what is new each time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.inspect import octets
from ikelab.harness.inspect.session import Half
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import INITIATOR

MOST_SHAPES = 16_384
_SA, _N, _D = int(Payload.SA), int(Payload.N), int(Payload.D)
_CLOSED = frozenset({int(Payload.SK), int(Payload.SKF)})
# Payloads whose data are new each time, and the octets before those that are not.
_FRESH = {int(Payload.NONCE): 0, int(Payload.KE): 2, int(Payload.AUTH): 1}
_FRESH_NOTIFIES = frozenset(
    {
        Notify.NAT_DETECTION_SOURCE_IP,
        Notify.NAT_DETECTION_DESTINATION_IP,
        Notify.COOKIE,
        Notify.COOKIE2,
    }
)
_passed: set[tuple[object, ...]] = set()


def clean(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """Whether the rules have passed a request or response like this; False is no verdict."""
    if not _sound(half, request, by_initiator):
        return False
    return _shape(half, request, by_initiator) in _passed


def passed(half: Half, request: Half | None, by_initiator: bool | None) -> None:
    """The rules had nothing to say of this one: nor will they of another of the same shape."""
    if len(_passed) < MOST_SHAPES and _sound(half, request, by_initiator):
        _passed.add(_shape(half, request, by_initiator))


def _sound(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """Whether header, chains and bodies are in order, and this answers what it belongs to."""
    data = half.messages[0].data
    if len(data) < octets.HEADER or half.fragmented:
        return False
    flags = data[19]
    if data[17] != 0x20 or flags & 0xD7:
        return False
    if by_initiator is not None and by_initiator != bool(flags & INITIATOR):
        return False
    if request is not None and not _answers(data, request.messages[0].data):
        return False
    places, inner = half.places()
    if places is None or inner is None or not octets.plain(data, places):
        return False
    return half.plain is None or octets.plain(half.plain, inner)


def _answers(data: bytes, asked: bytes) -> bool:
    """Whether SPIi, exchange type and message ID are the same."""
    return data[:8] == asked[:8] and data[18] == asked[18] and data[20:24] == asked[20:24]


def _shape(half: Half, request: Half | None, by_initiator: bool | None) -> tuple[object, ...]:
    """A message less what differs each time: nonces, public values, SPIs that are not zero."""
    data = half.messages[0].data
    own = (data[18], data[19], any(data[8:16]), any(data[20:24]), by_initiator, *_parts(half))
    return own if request is None else (*own, None, *_parts(request))


def _parts(half: Half) -> Iterator[object]:
    outer, inner = half.places()
    text = half.plain
    yield text is None
    for data, places in ((half.messages[0].data, outer), (text or b"", inner)):
        if places is None:
            yield data  # a request that cannot be read whole is like no other
            continue
        for kind, at, stop in places:
            yield kind
            if kind in _CLOSED:
                continue
            if kind == _SA:
                yield from _proposals(data[at + 4 : stop])
            elif kind == _N:
                yield from _notify(data, at, stop)
            elif kind == _D:
                yield data[at + 4 : at + 8], stop - at
            elif kind in _FRESH:
                yield data[at + 1 : at + 4 + _FRESH[kind]], stop - at
            else:
                yield data[at + 1 : stop]


def _notify(data: bytes, at: int, stop: int) -> Iterator[object]:
    """Protocol, size of the SPI and whether it is zero, type and data; of new data the length."""
    start = at + 8 + data[at + 5]
    yield data[at + 4 : at + 8], any(data[at + 8 : start])
    fresh = data[at + 6] << 8 | data[at + 7] in _FRESH_NOTIFIES
    yield stop - start if fresh else data[start:stop]


def _proposals(body: bytes) -> Iterator[object]:
    rows = octets.proposals(body)
    if rows is None:
        yield body
    for number, protocol, spi, transforms in rows or ():
        yield number, protocol, len(spi), any(spi), transforms
