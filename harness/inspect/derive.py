"""Opening IKE SAs with all that is known, and deriving what follows from it.

A key row opens its IKE SA. Secrets from a log, a Diffie-Hellman private value or a shared secret
make rows once the capture has told suite, nonces and SPIs (RFC 7296 2.14). SK_d of what was opened
gives the keys of children without PFS (2.17); with a shared secret more, also those of a rekeyed
IKE SA (2.18) and of each IKE_INTERMEDIATE with a key exchange (RFC 9370 2.2.2). Preshared keys are
mixed in where the capture says so (RFC 8784, RFC 9867).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.keys import derive_child, expand_ike, skeyseed
from ikelab.harness.crypto.prf import prf, prf_plus
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.inspect import facts
from ikelab.harness.inspect.keys import KeyRing, checked
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.inspect.sorting import Sessions
from ikelab.harness.inspect.unseal import open_direction
from ikelab.harness.model import Spis, Suite
from ikelab.harness.wireshark import EspRow, IkeRow, esp_rows
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Notify, Payload

_DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class _Birth:
    """What made an IKE SA: its suite, and what its SKEYSEED takes beside the shared secret."""

    suite: Suite
    exchange: Exchange
    ni: bytes
    nr: bytes
    prf: int | None = None  # the old IKE SA's, with its SK_d; None for a first IKE SA
    sk_d: bytes = b""


def open_all(sessions: Sessions, ring: KeyRing, esp: Container[bytes] = frozenset()) -> None:
    """Decrypt everything there are keys for.

    `esp` are the SPIs of ESP packets: keys of children that have such go onto the ring.
    """
    births: dict[Spis, _Birth] = {}
    orphans = {s.spis for s in sessions.all if s.spis not in ring.ike and not facts.beginning(s)}
    for session in sessions.all:
        rows = list(ring.ike.get(session.spis, ()))
        birth = births.get(session.spis)
        if not rows and (birth := birth or _first(session)):
            rows = list(_rows(session.spis, birth, ring))
        session.open(rows)
        if any(row.sk_d for row in rows):
            rows = _generations(session, rows, birth or _first(session), ring)
            rows = session.rows = _preshared(session, rows, ring)
        if len(rows) > 1:
            # Of several candidates only those that opened something are keys of this IKE SA.
            rows = session.rows = [row for row in rows if opens(session, row)]
        if orphans or esp:
            row = rows[-1] if rows else None
            if orphans:
                births |= _rekeys(session, row)
            if row is not None and row.sk_d and row.prf is not None and esp:
                for made in _children(session, row, ring, esp):
                    ring.add(made)


def _first(session: Session) -> _Birth | None:
    """Of a first IKE SA: the suite that was chosen, and the nonces."""
    exchange = facts.beginning(session)
    return None if exchange is None else _birth(exchange)


def _birth(exchange: Exchange, prf_id: int | None = None, sk_d: bytes = b"") -> _Birth | None:
    chosen = facts.offer(exchange.response)
    nonces = [facts.first(half, Payload.NONCE) for half in (exchange.request, exchange.response)]
    if not chosen or None in nonces:
        return None
    ni, nr = (bytes(nonce.nonce) for nonce in nonces if nonce is not None)
    return _Birth(chosen[0].suite, exchange, ni, nr, prf_id, sk_d)


def _rows(spis: Spis, birth: _Birth, ring: KeyRing) -> Iterator[IkeRow]:
    """The rows that loose secrets and shared secrets make for an IKE SA."""
    suite = birth.suite
    if suite.encr is None or suite.prf is None:
        return
    if (loose := ring.loose.get(spis)) is not None:
        row = _loose(spis, suite, loose)
        if row is not None and (right := checked(row, ring.notes)) is not None:
            yield right
    for shared in secrets(birth.exchange, ring):
        try:
            if birth.prf is None:
                seed = skeyseed(suite.prf.id, shared, birth.ni, birth.nr)
            elif birth.sk_d:
                seed = prf(birth.prf, birth.sk_d, shared + birth.ni + birth.nr)
            else:
                return
            keys = expand_ike(suite, seed, birth.ni, birth.nr, spis.i, spis.r)
        except UnsupportedAlgorithm as error:
            ring.notes.append(f"the keys of {spis} cannot be derived: {error}")
            return
        yield replace(IkeRow.of(spis, keys), source=_DERIVED)


def _loose(spis: Spis, suite: Suite, loose: dict[str, bytes]) -> IkeRow | None:
    if suite.encr is None or "SK_ei" not in loose or "SK_er" not in loose:
        return None
    aead = suite.aead
    return IkeRow(
        spis,
        suite.encr,
        None if aead else suite.integ,
        sk_ei=loose["SK_ei"],
        sk_er=loose["SK_er"],
        sk_ai=b"" if aead else loose.get("SK_ai", b""),
        sk_ar=b"" if aead else loose.get("SK_ar", b""),
        prf=suite.prf.id if suite.prf else None,
        sk_d=loose.get("SK_d", b""),
        sk_pi=loose.get("SK_pi", b""),
        sk_pr=loose.get("SK_pr", b""),
        source="a log",
    )


def secrets(exchange: Exchange, ring: KeyRing) -> Iterator[bytes]:
    """What g^ir may be: those that were given, and those that a given private value makes."""
    mine = facts.first(exchange.request, Payload.KE)
    theirs = facts.first(exchange.response, Payload.KE)
    if mine is None or theirs is None:
        return
    ours, other, group = bytes(mine.ke), bytes(theirs.ke), int(theirs.group)
    if ring.privates:
        yield from _own(ours, other, group, ring)
    yield from ring.shared


def _own(ours: bytes, other: bytes, group: int, ring: KeyRing) -> Iterator[bytes]:
    """What the private values make that belong to one of the two public ones."""
    from ikelab.harness.crypto import ke

    for private in ring.privates:
        try:
            pair = ke.from_private(group, private)
        except (UnsupportedAlgorithm, ConfigError, ValueError):
            continue
        for public, peer in ((ours, other), (other, ours)):
            if pair.public == public:
                try:
                    yield pair.shared(peer)
                except BadPublicValue as error:
                    ring.notes.append(f"--dh-private fits, and the other public value not: {error}")


def _generations(
    session: Session, rows: list[IkeRow], birth: _Birth | None, ring: KeyRing
) -> list[IkeRow]:
    """After IKE_INTERMEDIATE with a key exchange the keys change: open again with what follows."""
    if birth is None or birth.suite.prf is None:
        return rows
    for exchange in session.exchanges:
        if exchange.type != Type.IKE_INTERMEDIATE or not any(h.plain for h in exchange.halves()):
            continue
        number, ends = birth.suite.prf.id, (session.spis.i, session.spis.r)
        nonces = birth.ni + birth.nr
        old = [row.sk_d for row in rows if row.sk_d]
        seeds = [prf(number, sk_d, s + nonces) for sk_d in old for s in secrets(exchange, ring)]
        if key := ring.ppks.get(_in_use([exchange]) or b""):
            # RFC 9867 3.1.1: the preshared key comes last, behind a key exchange or without one.
            made = [expand_ike(birth.suite, s, birth.ni, birth.nr, *ends).sk_d for s in seeds]
            seeds += [prf_plus(number, key, sk_d, len(sk_d)) for sk_d in (*old, *made)]
        found = (expand_ike(birth.suite, s, birth.ni, birth.nr, *ends) for s in seeds)
        fresh = [replace(IkeRow.of(session.spis, keys), source=_DERIVED) for keys in found]
        fresh = [row for row in fresh if row not in rows]
        if fresh:
            rows = [*rows, *fresh]
            session.open(rows)
    return rows


def _in_use(exchanges: Sequence[Exchange]) -> bytes | None:
    """The name of the preshared key that a response says to be in use; None where none is.

    The response may leave it to the request to name it (RFC 8784 3).
    """
    answers = [_identity(exchange.response) for exchange in exchanges]
    if all(name is None for name in answers):
        return None
    asked = [_identity(exchange.request) for exchange in exchanges]
    return next((name for name in (*answers, *asked) if name), b"")


def _identity(half: Half | None) -> bytes | None:
    """The name in a PPK_IDENTITY, less its type; empty where there is none in it."""
    for notify in facts.of_kind(half, Payload.N) if half is not None else ():
        if notify.type == Notify.PPK_IDENTITY:
            return bytes(notify.notify)[1:]
    return None


def _preshared(session: Session, rows: list[IkeRow], ring: KeyRing) -> list[IkeRow]:
    """RFC 8784 3: a key that IKE_AUTH agreed on is in SK_d, SK_pi and SK_pr.

    Keys that were given are as whoever wrote them down had them in the end.
    """
    name = _in_use([e for e in session.exchanges if e.type == Type.IKE_AUTH])
    if name is None:
        return rows
    key = ring.ppks.get(name, b"")
    return [_mixed(row, key) if row.source == _DERIVED else row for row in rows]


def _mixed(row: IkeRow, key: bytes) -> IkeRow:
    if row.prf is None or not key:
        return replace(row, sk_d=b"", sk_pi=b"", sk_pr=b"")  # nobody can say what they are
    sk_d, sk_pi, sk_pr = (
        prf_plus(row.prf, key, sk, len(sk)) for sk in (row.sk_d, row.sk_pi, row.sk_pr)
    )
    return replace(row, sk_d=sk_d, sk_pi=sk_pi, sk_pr=sk_pr)


def opens(session: Session, row: IkeRow) -> bool:
    """Whether a row opens at least one message of an IKE SA."""
    for side in (True, False):
        sealed = [
            m.sealed for m in session.messages if m.sealed is not None and m.initiator is side
        ]
        if any(o.chain is not None for o in open_direction(sealed, [row], side)):
            return True
    return False


def _rekeys(session: Session, row: IkeRow | None) -> dict[Spis, _Birth]:
    """The IKE SAs that this one was rekeyed to."""
    number, sk_d = (row.prf, row.sk_d) if row else (None, b"")
    made = {}
    for spis, exchange in facts.rekeys(session):
        birth = _birth(exchange, number if number is not None else -1, sk_d)
        if birth is not None:
            made[spis] = birth
    return made


def _children(
    session: Session, row: IkeRow, ring: KeyRing, esp: Container[bytes]
) -> Iterator[EspRow]:
    """The keys of children that have packets, where no key exchange of their own hides them."""
    init = facts.beginning(session)
    opening: Half | None = None
    for exchange in session.exchanges:
        if exchange.type == Type.IKE_AUTH:
            opening = exchange.request if opening is None else opening
        elif exchange.type != Type.CREATE_CHILD_SA:
            continue
        child = facts.child_of(opening if exchange.type == Type.IKE_AUTH else exchange.request,
                               exchange.response)  # fmt: skip
        if child is None or not (child.spis.i in esp or child.spis.r in esp):
            continue
        source = init if exchange.type == Type.IKE_AUTH else exchange
        birth = None if source is None else _birth(source)
        if birth is None or row.prf is None:
            continue
        own = exchange.type == Type.CREATE_CHILD_SA and facts.first(exchange.response, Payload.KE)
        for shared in secrets(exchange, ring) if own else (b"",):
            keys = derive_child(row.prf, row.sk_d, child.chosen, birth.ni, birth.nr, shared)
            ends = (session.initiator[0], session.responder[0])
            yield from esp_rows(
                keys, child.spis, *(ends if exchange.by_initiator else reversed(ends))
            )
