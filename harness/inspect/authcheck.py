"""Whether captured AUTH payloads verify: with shared keys that were given, or the certificate sent.

Computes what AUTH covers from the messages as captured (RFC 7296 2.15); needs SK_pi and SK_pr.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ikelab.harness.crypto.auth import null_auth, psk_auth, signed_octets
from ikelab.harness.crypto.errors import BadSignature
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.inspect import facts, intauth
from ikelab.harness.inspect.session import Half, Session
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import AuthMethod, CertEncoding, Payload
from ikelab.layers.iana import Exchange as Type

if TYPE_CHECKING:
    from ikelab.harness.crypto.certs import Certificate

_PSK, _NULL = AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, AuthMethod.NULL_AUTHENTICATION


@dataclass(frozen=True, slots=True)
class Proof:
    """One side's AUTH: where, with which method; `verified` None where it could not be checked."""

    by_initiator: bool
    frame: int
    method: int
    verified: bool | None
    reason: str


def proofs(session: Session, psks: Sequence[bytes] = ()) -> list[Proof]:
    """Every AUTH payload of IKE_AUTH, checked as far as the keys go."""
    found = []
    bodies: dict[bool, bytes] = {}
    leaves: dict[bool, Certificate] = {}
    for exchange in session.of_type(Type.IKE_AUTH):
        for half in exchange.halves():
            side = half is exchange.request
            _learn(half, side, bodies, leaves)
            auth = facts.first(half, Payload.AUTH)
            if auth is None:
                continue
            octets = _covered(session, side, bodies.get(side))
            method, data = int(auth.auth_type), bytes(auth.load)
            verdict = _check(session, side, method, data, octets, psks, leaves.get(side))
            found.append(Proof(side, half.first.frame, method, *verdict))
    return found


def _learn(
    half: Half, side: bool, bodies: dict[bool, bytes], leaves: dict[bool, Certificate]
) -> None:
    """The ID body and the end-entity certificate that a message brings."""
    if (who := facts.first(half, Payload.IDI if side else Payload.IDR)) is not None:
        reserved = int(who.res2).to_bytes(3, "big")
        bodies.setdefault(side, bytes([who.IDtype]) + reserved + bytes(who.ID))
    if (leaf := leaf_of(half)) is not None:
        leaves.setdefault(side, leaf)


def leaf_of(half: Half | None) -> Certificate | None:
    """The first certificate of a message (RFC 7296 3.6: the end entity); None where none reads."""
    found = certificates(half)
    return found[0] if found else None


def certificates(half: Half | None) -> list[Certificate]:
    """The X.509 certificates that a message carries, in order."""
    if half is None or not half.may_hold(Payload.CERT):
        return []
    from ikelab.harness.crypto.certs import Certificate, CertRefused

    found = []
    for payload in facts.of_kind(half, Payload.CERT):
        if payload.cert_encoding == CertEncoding.X_509_CERTIFICATE_SIGNATURE:
            try:
                found.append(Certificate.load(bytes(payload.cert_data)))
            except CertRefused:
                continue
    return found


def _covered(session: Session, side: bool, body: bytes | None) -> tuple[int, bytes, bytes] | None:
    """(PRF, octets that AUTH covers, SK_p) of one side; None where something is missing."""
    init = facts.beginning(session)
    row, more = _keys(session)
    if init is None or init.request is None or init.response is None or row is None or not body:
        return None
    own, other = (init.request, init.response) if side else (init.response, init.request)
    nonce = facts.first(other, Payload.NONCE)
    if nonce is None:
        return None
    sk_p, prf = row.sk_pi if side else row.sk_pr, int(row.prf or 0)
    octets = signed_octets(prf, own.first.data, bytes(nonce.nonce), body, sk_p)
    return prf, octets + more, sk_p


def _keys(session: Session) -> tuple[IkeRow | None, bytes]:
    """The keys whose SK_p AUTH is made with, and what it covers of IKE_INTERMEDIATE."""
    rows = [row for row in session.rows if row.prf and row.sk_pi]
    if not intauth.any_of(session):
        return next(iter(rows), None), b""
    more = intauth.int_auth(session)
    opening = next(iter(session.of_type(Type.IKE_AUTH)), None)
    if more is None or opening is None:
        return None, b""
    return intauth.row_of(opening.request or opening.response, rows), more


def _check(
    session: Session,
    side: bool,
    method: int,
    data: bytes,
    covered: tuple[int, bytes, bytes] | None,
    psks: Sequence[bytes],
    leaf: Certificate | None,
) -> tuple[bool | None, str]:
    if covered is None:
        return None, "not checked: SK_p, the identity or IKE_SA_INIT is missing"
    prf, octets, sk_p = covered
    if method == _NULL:
        right = hmac.compare_digest(null_auth(prf, sk_p, octets), data)
        return right, "NULL authentication" if right else "does not match"
    if method == _PSK:
        if not psks:
            return None, "not checked: no shared key was given"
        right = any(hmac.compare_digest(psk_auth(prf, k, octets), data) for k in psks)
        return right, "made with the shared key" if right else "made with another shared key"
    if leaf is None:
        return None, "not checked: no certificate was sent"
    from ikelab.harness.crypto import sign
    from ikelab.harness.crypto.certs import CertRefused

    try:
        scheme = sign.verify(method, leaf.key, data, octets)
    except (BadSignature, CertRefused) as error:
        return False, f"with the key of {leaf.name}: {error}"
    except UnsupportedAlgorithm as error:
        return None, f"not checked: {error}"
    return True, f"signed by {leaf.name} with {scheme.name}"
