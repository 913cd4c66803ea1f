"""What AUTH covers of IKE_INTERMEDIATE exchanges (RFC 9242 3.3.2), from messages as captured.

Each side's messages of that type go through its PRF one after the other, with the SK_p of the keys
that protected them; RFC 9370 changes those on the way. Where a message is missing or was not
opened, or one of them is of a form that leaves a doubt, there is no answer: nobody is accused.
"""

from __future__ import annotations

from ikelab.harness.crypto.prf import prf
from ikelab.harness.inspect import facts
from ikelab.harness.inspect.bulk import decrypted
from ikelab.harness.inspect.session import Exchange, Half, Session
from ikelab.harness.sk import HEADER
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Notify, Payload

_SEALED = (int(Payload.SK), int(Payload.SKF))
_LENGTH, _FIRST = slice(24, 28), 16  # in the IKE header


def any_of(session: Session) -> bool:
    """Whether there were such exchanges."""
    return bool(session.of_type(Type.IKE_INTERMEDIATE))


def row_of(half: Half | None, rows: list[IkeRow]) -> IkeRow | None:
    """The keys that a request or response was sealed with: its ICV tells."""
    sealed = half.first.sealed if half is not None else None
    if half is None or sealed is None or half.plain is None:
        return None
    found = (r for r in rows if isinstance(decrypted([sealed], r, half.first.initiator)[0], bytes))
    return next(found, None)


def int_auth(session: Session) -> bytes | None:
    """IntAuth_i | IntAuth_r | the message ID of the first IKE_AUTH; None where it is not known."""
    rows = [row for row in session.rows if row.prf and row.sk_pi and not row.unchecked]
    chains = {True: b"", False: b""}
    between = session.of_type(Type.IKE_INTERMEDIATE)
    opening = next(iter(session.of_type(Type.IKE_AUTH)), None)
    if opening is None or [e.id for e in (*between, opening)] != list(range(1, len(between) + 2)):
        return None
    if _mixed(session):
        return None
    for exchange in between:
        for side, half in ((True, exchange.request), (False, exchange.response)):
            row, octets = row_of(half, rows), _covered(exchange, half)
            if row is None or octets is None:
                return None
            key = row.sk_pi if side else row.sk_pr
            chains[side] = prf(int(row.prf or 0), key, chains[side] + octets)
    return chains[True] + chains[False] + opening.id.to_bytes(4, "big")


def _mixed(session: Session) -> bool:
    """RFC 8784: SK_p is changed by IKE_AUTH, and as known now is not what was in use before."""
    auths = session.of_type(Type.IKE_AUTH)
    return any(facts.notifies(h, Notify.PPK_IDENTITY) for e in auths for h in e.halves())


def _covered(exchange: Exchange, half: Half | None) -> bytes | None:
    """A message as if it had gone in one piece, and without IV, padding and ICV."""
    if half is None or half.plain is None or not exchange.by_initiator:
        return None
    data = half.first.data
    if data[_FIRST] not in _SEALED or data[HEADER + 1]:
        return None  # payloads in clear before SK, or flags: rare enough to be left alone
    head, length = bytearray(data[:HEADER]), 4 + len(half.plain)
    head[_FIRST] = Payload.SK
    head[_LENGTH] = (HEADER + length).to_bytes(4, "big")
    return bytes(head) + bytes([half.first_inner, 0]) + length.to_bytes(2, "big") + half.plain
