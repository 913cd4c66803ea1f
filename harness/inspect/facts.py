"""What the messages of one IKE SA say: suites, NAT, identities, children, vendor ids.

Reads exchanges that were sorted and opened; decides nothing about right and wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, TypeVar

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.inspect import octets
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.model import TS, Identity, Nat, Spis, Suite
from ikelab.harness.notation import selector_of, suite_of
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Notify, Payload, Protocol, name
from ikelab.layers.message import PAYLOADS, IKEv2_Malformed, parse_payloads
from ikelab.layers.sa import IKEv2_Proposal
from ikelab.layers.vendor import vendor_name

T = TypeVar("T")
_N, _D = int(Payload.N), int(Payload.D)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal on the wire: number, SPI, transforms."""

    number: int
    spi: bytes
    suite: Suite


@dataclass(frozen=True, slots=True)
class Child:
    """A CHILD_SA that was agreed on; SPIs and selectors by who began the exchange."""

    protocol: int
    spis: Spis
    offered: tuple[Proposal, ...]
    chosen: Suite
    tsi: tuple[TS | str, ...]
    tsr: tuple[TS | str, ...]
    transport: bool
    replaces: bytes
    frame: int


@dataclass(slots=True)
class End:
    """How one end named and proved itself; None where it was not seen."""

    id: Identity | None = None
    method: int | None = None
    eap: bool = False


def _kept(work: Callable[[Session], T]) -> Callable[[Session], T]:
    """Find something out about an IKE SA once, until it is let go."""

    @wraps(work)
    def kept(session: Session) -> T:
        if work.__name__ not in session.memo:
            session.memo[work.__name__] = work(session)
        found: T = session.memo[work.__name__]
        return found

    return kept


def find(payloads: Iterable[Any], kind: int) -> Iterator[Any]:
    """The readable payloads of one type."""
    return (p for p in payloads if p.kind == kind and not isinstance(p, IKEv2_Malformed))


def of_kind(half: Half, kind: int) -> Iterator[Any]:
    """The readable payloads of one type in a request or response; no others are dissected."""
    if not half.may_hold(kind):
        return
    outer, inner = half.places()
    if outer is None or inner is None:
        yield from find(half.payloads(), kind)
        return
    for data, places in ((half.first.data, outer), (half.plain or b"", inner)):
        for place, at, stop in places:
            if place == kind:
                yield from find(parse_payloads(kind, b"\0" + data[at + 1 : stop]), kind)


def first(half: Half | None, kind: int) -> Any | None:
    """The first readable payload of a type in a request or response."""
    if half is None or not half.may_hold(kind):
        return None
    return next(of_kind(half, kind), None)


def notifies(half: Half | None, kind: int) -> list[Any]:
    """The notifies of one type in a request or response."""
    if half is None or not half.may_hold(Payload.N):
        return []
    outer, inner = half.places()
    if outer is None or inner is None:
        return [n for n in of_kind(half, Payload.N) if n.type == kind]
    found: list[Any] = []
    for data, places in ((half.messages[0].data, outer), (half.plain or b"", inner)):
        for place, at, stop in places:
            if place == _N and data[at + 6] << 8 | data[at + 7] == kind:
                found += find(parse_payloads(_N, b"\0" + data[at + 1 : stop]), _N)
    return found


def _spis(half: Half | None, kind: int) -> list[bytes]:
    """The SPIs that the notifies of one type name, of each of them; by octets as a rule."""
    if half is None or not half.may_hold(_N):
        return []
    outer, inner = half.places()
    if outer is None or inner is None:
        return [bytes(notify.SPI) for notify in notifies(half, kind)]
    return [
        data[at + 8 : min(at + 8 + data[at + 5], stop)]
        for data, places in ((half.messages[0].data, outer), (half.plain or b"", inner))
        for place, at, stop in places
        if place == _N and data[at + 6] << 8 | data[at + 7] == kind
    ]


def deleting(half: Half) -> list[int]:
    """The protocols of the deletes in a request or response."""
    outer, inner = half.places()
    if outer is None or inner is None:
        return [int(d.proto) for d in of_kind(half, Payload.D)]
    return [
        data[at + 4]
        for data, places in ((half.messages[0].data, outer), (half.plain or b"", inner))
        for place, at, _ in places
        if place == _D
    ]


def offer(half: Half | None) -> tuple[Proposal, ...]:
    """The proposals of a request or response, which many ask for; by octets as a rule."""
    if half is None or not half.may_hold(Payload.SA):
        return ()
    if half.offer is None:
        body = _body(half, Payload.SA)
        found = None if body is None else _by_octets(body[4:])
        half.offer = proposals(first(half, Payload.SA)) if found is None else found
    known: tuple[Proposal, ...] = half.offer
    return known


def _body(half: Half, kind: int) -> bytes | None:
    """The octets of the first payload of a type, where the chains are whole."""
    outer, inner = half.places()
    if outer is None or inner is None:
        return None
    for data, places in ((half.first.data, outer), (half.plain or b"", inner)):
        for place, at, stop in places:
            if place == kind:
                return data[at:stop]
    return None


def proposals(sa: Any | None) -> tuple[Proposal, ...]:
    """The readable proposals of an SA payload."""
    if sa is None:
        return ()
    found = None
    if sa.raw_packet_cache and sa.clean():
        found = _by_octets(sa.raw_packet_cache[4:])
    return tuple(_dissected(sa)) if found is None else found


def _by_octets(body: bytes) -> tuple[Proposal, ...] | None:
    """The same from the body of the payload; None where not all of it can be read."""
    rows = octets.proposals(body)
    if rows is None:
        return None
    found = []
    for number, protocol, spi, transforms in rows:
        suite = suite_in(protocol, transforms)
        if suite is None:
            return None
        found.append(Proposal(number, spi, suite))
    return tuple(found)


@lru_cache(maxsize=4096)
def suite_in(protocol: int, transforms: bytes) -> Suite | None:
    """The transforms of a proposal: peers say the same ones again and again; None if damaged."""
    size = 8 + len(transforms)
    if size > 0xFFFF:
        return None
    proposal = IKEv2_Proposal(
        bytes(2) + size.to_bytes(2, "big") + bytes([1, protocol, 0, 0]) + transforms
    )
    return None if octets.unreadable([proposal]) else suite_of(proposal)


def _dissected(sa: Any) -> Iterator[Proposal]:
    for proposal in sa.proposal:
        if isinstance(proposal, IKEv2_Malformed):
            continue
        if any(isinstance(t, IKEv2_Malformed) for t in proposal.transform):
            continue
        yield Proposal(proposal.number, bytes(proposal.SPI), suite_of(proposal))


@_kept
def beginning(session: Session) -> Exchange | None:
    """The IKE_SA_INIT that counted: the last one whose response chose a suite, else the last."""
    inits = session.of_type(Type.IKE_SA_INIT)
    answered = [e for e in inits if offer(e.response)]
    return next(reversed(answered or inits), None)


def nat(session: Session) -> Nat:
    """Who is translated between the ends and the place of capture (RFC 7296 2.23).

    Each end hashes what it believes to be source and destination; a hash that none of the
    addresses seen here gives means that they were changed on the way, before or after this place.
    """
    if session.nat is not None:
        return session.nat
    moved: dict[bool, bool | None] = {True: None, False: None}
    exchange = beginning(session)
    for half in exchange.halves() if exchange else ():
        message = half.first
        spis = message.data[:8], message.data[8:16]
        from_initiator = message.initiator
        for kind, end, about_initiator in (
            (Notify.NAT_DETECTION_SOURCE_IP, message.src, from_initiator),
            (Notify.NAT_DETECTION_DESTINATION_IP, message.dst, not from_initiator),
        ):
            hashes = {bytes(n.notify) for n in notifies(half, kind)}
            if hashes:
                changed = nat_detection(*spis, *end) not in hashes
                moved[about_initiator] = bool(moved[about_initiator]) or changed
    return Nat(initiator=moved[True], responder=moved[False])


@_kept
def vendors(session: Session) -> list[tuple[bytes, str | None, bool]]:
    """Vendor IDs as sent: octets, name where known, and whether the initiator sent it."""
    found: dict[tuple[bytes, bool], str | None] = {}
    for exchange, half in session.holding(Payload.V):
        if exchange.type in (Type.IKE_SA_INIT, Type.IKE_AUTH):
            for payload in of_kind(half, Payload.V):
                data = bytes(payload.vendorID)
                found.setdefault((data, half.first.initiator), vendor_name(data))
    return [(data, known, side) for (data, side), known in found.items()]


@_kept
def ends(session: Session) -> tuple[End, End]:
    """Identity and method of the initiator and of the responder, from IKE_AUTH."""
    initiator, responder = End(), End()
    for exchange in session.of_type(Type.IKE_AUTH):
        for half, kind, end in (
            (exchange.request, Payload.IDI, initiator),
            (exchange.response, Payload.IDR, responder),
        ):
            if (who := first(half, kind)) is not None and end.id is None:
                end.id = Identity(who.IDtype, bytes(who.ID))
            if (proof := first(half, Payload.AUTH)) is not None:
                end.method = proof.auth_type
            end.eap |= first(half, Payload.EAP) is not None
    return initiator, responder


def selectors(half: Half | None, kind: int) -> tuple[TS | str, ...]:
    """The selectors of TSi or TSr; a type that is no address range as text."""
    if half is None or not half.may_hold(kind):
        return ()
    body = _body(half, kind)
    if body is not None:
        return _selectors(kind, body[2:])
    payload = first(half, kind)
    return () if payload is None else tuple(_each_selector(payload))


@lru_cache(maxsize=4096)
def _selectors(kind: int, octets_of: bytes) -> tuple[TS | str, ...]:
    """The same from octets, for a rekeyed child has those of the old one."""
    return tuple(_each_selector(PAYLOADS[kind](bytes(2) + octets_of)))


def _each_selector(payload: Any) -> Iterator[TS | str]:
    for selector in payload.traffic_selector:
        if not isinstance(selector, IKEv2_Malformed):
            yield selector_of(selector) or f"type {selector.TS_type}"


def rekeys(session: Session) -> Iterator[tuple[Spis, Exchange]]:
    """The IKE SAs that CREATE_CHILD_SA exchanges of this one made, with the exchange."""
    for exchange in session.of_type(Type.CREATE_CHILD_SA):
        chosen = offer(exchange.response)
        if chosen and chosen[0].suite.protocol == Protocol.IKE:
            yield Spis(_offer_of(exchange.request, chosen[0]), chosen[0].spi), exchange


def _offer_of(request: Half | None, chosen: Proposal) -> bytes:
    """The SPI in the proposal that was chosen, by its number (RFC 7296 3.3.1)."""
    return next((p.spi for p in offer(request) if p.number == chosen.number), b"")


@_kept
def children(session: Session) -> list[Child]:
    """The CHILD_SAs that came to be, the first one from IKE_AUTH."""
    found: list[Child] = []
    opening: Half | None = None
    for exchange in session.of_type(Type.IKE_AUTH, Type.CREATE_CHILD_SA):
        request = exchange.request
        if exchange.type == Type.IKE_AUTH:
            # With EAP the request that holds SA and the response that does are rounds apart.
            if first(request, Payload.SA) is not None:
                opening = request
            request = opening
        if child := child_of(request, exchange.response):
            found.append(child)
    return found


def child_of(request: Half | None, response: Half | None) -> Child | None:
    """The CHILD_SA that a request and its response made; None where they made none."""
    chosen = offer(response)
    if response is None or not chosen or chosen[0].suite.protocol == Protocol.IKE:
        return None
    replaced = _spis(request, Notify.REKEY_SA)
    return Child(
        chosen[0].suite.protocol,
        Spis(_offer_of(request, chosen[0]), chosen[0].spi),
        offer(request),
        chosen[0].suite,
        selectors(response, Payload.TSI),
        selectors(response, Payload.TSR),
        bool(_spis(response, Notify.USE_TRANSPORT_MODE)),
        replaced[0] if replaced else b"",
        response.first.frame,
    )


def faults(payloads: Iterable[Any]) -> list[str]:
    """Why payloads, or structures inside them, cannot be read."""
    found = []
    for payload in payloads:
        if isinstance(payload, IKEv2_Malformed):
            found.append(payload.reason)
            continue
        for field in payload.packetfields:
            found += faults(getattr(payload, field.name) or ())
    return found


def errors(half: Half | None) -> list[str]:
    """The names of the error notifies in a request or response."""
    if half is None:
        return []
    kinds = [n.type for n in of_kind(half, Payload.N)]
    return [name(Notify, kind) for kind in kinds if kind < FIRST_STATUS]


FIRST_STATUS = 16384  # RFC 7296 3.10.1: below this the notify type is an error
