"""Who is translated, to what, from the NAT detection hashes (RFC 7296 2.23); forced or not.

A hash that does not fit the address seen here has one of two reasons: a NAT changed the address,
or its sender spoilt the hash so that ESP goes inside UDP whatever the path is. What tells them
apart: the address that was hashed, where it can be found; port 0, which nobody sends from; a
packet whose TTL no router has touched yet. Where nothing tells, the verdict says so.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Half, Message, Session
from ikelab.harness.model import IKE_PORT, NATT_PORT, Address, Nat
from ikelab.layers.iana import IdType, Notify, Payload

UNROUTED = frozenset({64, 128, 255})
"""Time to live as systems send it: a router would have taken one off."""

_INSIDE = (b"\xc0\xa8", b"\x0a\x00", b"\xac\x11")
"""The networks of 65,536 addresses that most NATs have inside: 192.168, 10.0, 172.17."""
_ADDRESS_IDS = {(IdType.ID_IPV4_ADDR, 4), (IdType.ID_IPV6_ADDR, 16)}


class Where(StrEnum):
    """What became of one end's address."""

    DIRECT = "direct"
    TRANSLATED = "translated"
    FORCED = "encapsulation forced"
    EITHER = "translated, or encapsulation forced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class End:
    """One end: the address it has at the place of capture, the one hashed where it was found.

    `other` is what the other end of the path has for it: the address behind the NAT where `seen`
    is the translated one, or the other way round; None where it could not be found.
    """

    where: Where
    seen: Address
    other: Address | None = None
    reason: str = ""
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.where is not Where.TRANSLATED:
            return f"{self.where} ({_at(self.seen)})"
        other = f", {_at(self.other)} beyond" if self.other else ""
        return f"translated ({_at(self.seen)} here{other})"


@dataclass(frozen=True, slots=True)
class NatView:
    """Both ends."""

    initiator: End
    responder: End

    @property
    def floats(self) -> bool:
        """Whether IKE and ESP have to go over port 4500, because of a NAT or by force."""
        spared = (Where.DIRECT, Where.UNKNOWN)
        return any(e.where not in spared for e in (self.initiator, self.responder))


@dataclass(frozen=True, slots=True)
class _Hashes:
    """The hashes that one message holds about one end, and where that end is at this place."""

    message: Message
    values: frozenset[bytes]
    seen: Address

    def fits(self, address: Address) -> bool:
        spis = self.message.data[:8], self.message.data[8:16]
        return nat_detection(*spis, *address) in self.values


@dataclass
class _Known:
    """Addresses worth trying, gathered when a hash does not fit."""

    session: Session
    hints: Iterable[str]

    @cached_property
    def addresses(self) -> list[str]:
        return [*self.hints, *_own_hints(self.session)]


def view(session: Session, hints: Iterable[str] = (), *, thorough: bool = False) -> NatView:
    """The verdict on both ends. `hints` are addresses that may lie behind a NAT.

    `thorough` tries the usual private networks and every port as well: about half a second for an
    end whose address is not found. Only then is a TTL believed: what sits in the same host as its
    client (a virtual machine's NAT) sends with a fresh one.
    """
    if session.nat is not None:
        return _told(session)
    known = _Known(session, hints)
    own: dict[bool, _Hashes] = {}  # what an end says of itself
    told: dict[bool, _Hashes] = {}  # what the other end says of it
    exchange = facts.beginning(session)
    for half in exchange.halves() if exchange else ():
        side = half.first.initiator
        src, dst = half.first.src, half.first.dst
        if found := _hashes(half, Notify.NAT_DETECTION_SOURCE_IP, src):
            own[side] = found
        if found := _hashes(half, Notify.NAT_DETECTION_DESTINATION_IP, dst):
            told[not side] = found
    ends = (
        _end(session, side, own.get(side), told.get(side), known, thorough)
        for side in (True, False)
    )
    return NatView(*ends)


def _told(session: Session) -> NatView:
    """What somebody else found out: a router, in its log."""
    words = {True: Where.TRANSLATED, False: Where.DIRECT, None: Where.UNKNOWN}
    nat = session.nat or Nat(None, None)
    return NatView(
        End(words[nat.initiator], session.initiator, reason="the log says so"),
        End(words[nat.responder], session.responder, reason="the log says so"),
    )


def _hashes(half: Half, kind: int, seen: Address) -> _Hashes | None:
    values = frozenset(bytes(n.notify) for n in facts.notifies(half, kind))
    return _Hashes(half.first, values, seen) if values else None


def _end(
    session: Session,
    side: bool,
    own: _Hashes | None,
    told: _Hashes | None,
    known: _Known,
    thorough: bool,
) -> End:
    seen = session.initiator if side else session.responder
    if told is not None and not told.fits(told.seen):
        other = _search(told, known.addresses, thorough)
        reason = "the other end sees it at another address than this capture does"
        return End(Where.TRANSLATED, told.seen, other, reason, (told.message.frame,))
    if own is None:
        if told is None:
            return End(Where.UNKNOWN, seen, reason="no NAT detection hashes")
        # Its own hash would tell of a NAT before the capture: without it nobody can say.
        return End(Where.UNKNOWN, told.seen, reason="it sent no hash of its own address")
    frames = (own.message.frame,)
    if own.fits(own.seen):
        return End(Where.DIRECT, own.seen, None, "its hash fits the address seen here", frames)
    if own.fits((own.seen[0], 0)):
        reason = "it hashed its own address with port 0"
        return End(Where.FORCED, own.seen, None, reason, frames)
    other = _search(own, known.addresses, thorough)
    if other is not None:
        return End(Where.TRANSLATED, own.seen, other, "its hash is of another address", frames)
    if own.seen[1] not in (IKE_PORT, NATT_PORT):
        reason = f"its hash does not fit, and port {own.seen[1]} is none that IKE is sent from"
        return End(Where.TRANSLATED, own.seen, None, reason, frames)
    if thorough and own.message.hops in UNROUTED:
        reason = f"its hash fits no address, and with TTL {own.message.hops} no router was between"
        return End(Where.FORCED, own.seen, None, reason, frames)
    reason = "its hash does not fit; the address that was hashed could not be found"
    return End(Where.EITHER, own.seen, None, reason, frames)


def _search(hashes: _Hashes, hints: list[str], thorough: bool) -> Address | None:
    """The address and port that were hashed, among those worth trying."""
    digest = hashlib.sha1(hashes.message.data[:16], usedforsecurity=False)
    for packed, port in _candidates(hashes.seen, hints, thorough):
        tried = digest.copy()
        tried.update(packed + port.to_bytes(2, "big"))
        if tried.digest() in hashes.values:
            return str(ipaddress.ip_address(packed)), port
    return None


def _candidates(seen: Address, hints: list[str], thorough: bool) -> Iterator[tuple[bytes, int]]:
    ports = dict.fromkeys((IKE_PORT, NATT_PORT, seen[1]))
    here = ipaddress.ip_address(seen[0])
    for text in hints:
        address = ipaddress.ip_address(text)
        if address.version == here.version:
            yield from ((address.packed, port) for port in ports)
    if not thorough:
        return
    yield from ((here.packed, port) for port in range(1, 65536))
    for network in _INSIDE if here.version == 4 else ():
        for number in range(1 << 16):
            packed = network + number.to_bytes(2, "big")
            yield from ((packed, port) for port in (IKE_PORT, NATT_PORT))


def _own_hints(session: Session) -> Iterator[str]:
    """Addresses that the conversation itself tells: of its messages, of identities."""
    for message in session.messages[:32]:
        yield message.src[0]
        yield message.dst[0]
    for end in facts.ends(session):
        if end.id and (end.id.type, len(end.id.data)) in _ADDRESS_IDS:
            yield str(end.id)
    for exchange in session.exchanges[:8]:
        for kind in (Payload.TSI, Payload.TSR):
            for ts in facts.selectors(exchange.request, kind):
                if not isinstance(ts, str) and ts.start == ts.end:
                    yield str(ts.start)


def _at(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
