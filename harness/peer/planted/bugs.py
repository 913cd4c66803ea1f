"""The planted bugs: each is code with one mistake, run on what honest code has not checked yet.

They read octets as daemons in C do, and trust what they should not. What would read beyond its
memory there is an IndexError here, a loop without end is a `Loop`; both end or stop the peer. None
of them does anything wrong with what honest peers send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ikelab.layers.iana import Notify, Payload

Chain = list[tuple[int, bytes]]
"""Kind and body of each payload, as far as the chain can be followed."""
MOST_TURNS = 10_000


class Loop(Exception):
    """A loop that would never end."""


@dataclass(frozen=True, slots=True)
class Bug:
    """`depth` is what has to be reached: init, auth, established. `shows` is how it is seen."""

    name: str
    depth: str
    shows: str
    text: str
    run: Callable[[Chain], None] | None = None


BUGS: dict[str, Bug] = {}


def bug(
    name: str, depth: str, shows: str
) -> Callable[[Callable[[Chain], None]], Callable[[Chain], None]]:
    """Register a piece of code with a mistake; its docstring says which."""

    def register(run: Callable[[Chain], None]) -> Callable[[Chain], None]:
        text = " ".join((run.__doc__ or "").split())
        BUGS[name] = Bug(name, depth, shows, text, run)
        return run

    return register


def conduct(name: str, depth: str, shows: str, text: str) -> None:
    """Register a bug that the station or the SA itself has."""
    BUGS[name] = Bug(name, depth, shows, text)


def chain(kind: int, data: bytes) -> Chain:
    """Follow a chain as far as its lengths make sense."""
    found: Chain = []
    here = 0
    while kind and len(data) - here >= 4:
        size = int.from_bytes(data[here + 2 : here + 4], "big")
        if size < 4:
            break
        found.append((kind, data[here + 4 : here + size]))
        if kind in (Payload.SK, Payload.SKF):
            break
        kind = data[here]
        here += size
    return found


def _all(payloads: Chain, kind: int) -> Iterator[bytes]:
    return (body for found, body in payloads if found == kind)


# -- in clear --------------------------------------------------------------------------------


@bug("notify-spi-size", "init", "crash")
def read_notify_spi(payloads: Chain) -> None:
    """Trusts the SPI size of a Notify payload."""
    for body in _all(payloads, Payload.N):
        if len(body) >= 4:
            bytes(body[4 + n] for n in range(body[1]))


@bug("nonce-buffer", "init", "crash")
def keep_nonce(payloads: Chain) -> None:
    """Copies a nonce of any length into a buffer of 256 octets."""
    buffer = bytearray(256)
    for body in _all(payloads, Payload.NONCE):
        for place, octet in enumerate(body):
            buffer[place] = octet


@bug("attribute-off-by-one", "init", "crash")
def read_attributes(payloads: Chain) -> None:
    """Reads one octet of a transform's attributes too many, where their length is odd."""
    for kind, attributes in _transforms(payloads):
        here = 0
        while here < len(attributes) and kind:
            short = attributes[here] & 0x80
            length = attributes[here + 2] << 8 | attributes[here + 3]
            here += 4 if short else 4 + length


def _transforms(payloads: Chain) -> Iterator[tuple[int, bytes]]:
    """Type and attributes of each transform, by lengths that make sense."""
    for body in _all(payloads, Payload.SA):
        here = 0
        while len(body) - here >= 8:
            size = int.from_bytes(body[here + 2 : here + 4], "big")
            at, end = here + 8 + body[here + 6], min(here + size, len(body))
            while end - at >= 8:
                length = int.from_bytes(body[at + 2 : at + 4], "big")
                if length < 8:
                    break
                yield body[at + 4], body[at + 8 : at + length]
                at += length
            if size < 8:
                break
            here += size


@bug("proposal-loop", "init", "hang")
def count_proposals(payloads: Chain) -> None:
    """Steps by the length of a proposal, even where it is zero."""
    for body in _all(payloads, Payload.SA):
        here = turns = 0
        while len(body) - here >= 8:
            here += int.from_bytes(body[here + 2 : here + 4], "big")
            turns += 1
            if turns > MOST_TURNS:
                raise Loop


@bug("cookie-stack", "init", "crash")
def check_cookie(payloads: Chain) -> None:
    """Compares a cookie of any length with one of 64 octets."""
    expected = bytes(64)
    for body in _all(payloads, Payload.N):
        if body[2:4] == Notify.COOKIE.to_bytes(2, "big"):
            all(expected[n] == octet or True for n, octet in enumerate(body[4:]))


conduct("message-length", "init", "crash", "copies as many octets as the header says")
conduct("refused-half-open", "init", "leak", "keeps the state of an IKE_SA_INIT that it refused")
conduct("vendor-memory", "init", "leak", "keeps every vendor ID that it does not know, for ever")
conduct("spi-reuse", "init", "rule", "takes a constant SPI where the nonce is short")
conduct("nonce-reuse", "init", "rule", "takes the same nonce where NAT detection is missing")


# -- inside SK of IKE_AUTH ---------------------------------------------------------------------


@bug("empty-identity", "auth", "crash")
def read_identity(payloads: Chain) -> None:
    """Looks at the first octet of an identity without asking whether there is one."""
    for body in _all(payloads, Payload.IDI):
        body[3 + 1]


@bug("selector-count", "auth", "crash")
def read_selectors(payloads: Chain) -> None:
    """Reads as many traffic selectors as the payload says it has."""
    for kind in (Payload.TSI, Payload.TSR):
        for body in _all(payloads, kind):
            here = 4
            for _ in range(body[0]):
                here += body[here + 2] << 8 | body[here + 3]


@bug("configuration-loop", "auth", "hang")
def read_configuration(payloads: Chain) -> None:
    """Skips a configuration attribute of type 0 without going on to the next one."""
    for body in _all(payloads, Payload.CP):
        here, turns = 4, 0
        while len(body) - here >= 4:
            if body[here : here + 2] != b"\0\0":
                here += 4 + int.from_bytes(body[here + 2 : here + 4], "big")
            turns += 1
            if turns > MOST_TURNS:
                raise Loop


@bug("payload-table", "auth", "crash")
def look_up_payloads(payloads: Chain) -> None:
    """Looks payload types up in a table that ends at 199."""
    known = [True] * 200
    for kind, _ in payloads:
        known[kind]


conduct("method-bypass", "auth", "rule", "verifies only the AUTH methods that it knows")
conduct("wide-selectors", "auth", "rule", "adds its own selectors to those that were asked for")
conduct("fragment-number", "auth", "crash", "puts a fragment in its place before it verifies it")


# -- in an established IKE SA ------------------------------------------------------------------


@bug("delete-count", "established", "crash")
def read_deletes(payloads: Chain) -> None:
    """Reads as many SPIs of a Delete payload as it says it has."""
    for body in _all(payloads, Payload.D):
        size, count = body[1], body[2] << 8 | body[3]
        bytes(body[4 + n] for n in range(size * count))


conduct("short-icv", "established", "rule", "compares all of the ICV but its last octet")
conduct("repeated-id", "established", "rule", "carries out a repeated message ID again")
conduct("late-auth", "established", "crash", "takes IKE_AUTH in an established IKE SA")
