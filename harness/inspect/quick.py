"""Messages in which no rule can find anything, told by their octets.

A bystander's rules cost a hundred microseconds a message, and peers say the same things again and
again. A message that has the shape of one that all rules passed is passed over: the shape holds
everything that a rule may look at, and leaves out what is new each time (`shapes`).
"""

from __future__ import annotations

from ikelab.harness.inspect import octets
from ikelab.harness.inspect.session import Half
from ikelab.harness.inspect.shapes import Shape
from ikelab.layers.message import INITIATOR

MOST_SHAPES = 16_384
_Key = tuple[bytes, bool, bool, bool | None, Shape, Shape, bytes, Shape | None, Shape | None]
_passed: set[_Key] = set()
_NO_SPI, _NO_ID = bytes(8), bytes(4)


def clean(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """Whether the rules have passed a request or response like this; False is no verdict."""
    if _shape(half, request, by_initiator) not in _passed:
        return False
    if request is None:
        return True
    # Whether SPIi, exchange type and message ID are those of the request.
    data, asked = half.messages[0].data, request.messages[0].data
    return data[:8] == asked[:8] and data[18] == asked[18] and data[20:24] == asked[20:24]


def passed(half: Half, request: Half | None, by_initiator: bool | None) -> bool:
    """The rules had nothing to say of this one: nor will they of another of the same shape.

    True says that the message is whole besides; False is no verdict.
    """
    key = _shape(half, request, by_initiator)
    if key is None or not (key[4].kept and key[5].kept) or not _sound(half, by_initiator):
        return False
    if len(_passed) >= MOST_SHAPES:
        _passed.clear()
    _passed.add(key)
    return True


def _sound(half: Half, by_initiator: bool | None) -> bool:
    """Whether header, chains and bodies are in order; told by what a shape holds alone."""
    data = half.messages[0].data
    if half.fragmented or data[17] != 0x20 or data[19] & 0xD7:
        return False
    if by_initiator is not None and by_initiator != bool(data[19] & INITIATOR):
        return False
    places, inner = half.places()
    if places is None or inner is None or not octets.plain(data, places):
        return False
    return half.plain is None or octets.plain(half.plain, inner)


def _shape(half: Half, request: Half | None, by_initiator: bool | None) -> _Key | None:
    """A message less what differs each time; None where it cannot be read whole."""
    outer, inner = half._shapes or half.shapes()
    if outer is None or inner is None:
        return None
    data = half.messages[0].data
    asked, before, inside = b"", None, None
    if request is not None:
        asked = request.messages[0].data[17:20]
        before, inside = request._shapes or request.shapes()
        if before is None or inside is None:
            return None
    return (
        data[17:20],
        data[8:16] == _NO_SPI,
        data[20:24] == _NO_ID,
        by_initiator,
        outer,
        inner,
        asked,
        before,
        inside,
    )
