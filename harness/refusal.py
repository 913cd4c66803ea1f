"""Who refused whose IKE_AUTH, in words for the reason of a verdict.

Where both sides use the shared key, a refusal is most often about the key or an identity, and the
line says so; not where the test itself changed them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ikelab.harness.session import Session
from ikelab.harness.transcript import SENT, Step
from ikelab.layers.iana import Exchange, Notify, Payload

_RESPONSE = 0x20  # the header's flag (RFC 7296 3.1)
HINT = "is the psk the same at both ends, and do both expect the identities that the other one has?"


def told(session: Session) -> str:
    """`; the peer refused our IKE_AUTH with AUTHENTICATION_FAILED: ...`; empty where nobody did."""
    step = next((s for s in session.transcript if _refuses(s)), None)
    if step is None:
        return ""
    ours = step.direction == SENT
    who, whose = ("we", "the peer's") if ours else ("the peer", "our")
    what = "IKE_AUTH" if int(step.message.flags) & _RESPONSE else "AUTH"
    hint = f": {HINT}" if by_default(session) else ""
    return f"; {who} refused {whose} {what} with AUTHENTICATION_FAILED{hint}"


def of_a_test(sessions: Iterable[Session], reason: str) -> str:
    """The same for the last conversation of a test that nothing in it was done to."""
    if Notify.AUTHENTICATION_FAILED.name in reason:
        return ""
    found = [words for s in sessions if by_default(s) and (words := told(s))]
    return found[-1] if found else ""


def by_default(session: Session) -> bool:
    """Whether key and identities are those of every test, and no message was changed."""
    sa = session.sa
    mine, usual = sa.config, session.endpoint.base
    names = ("psk", "local_id", "remote_id", "own", "trust")
    same = all(getattr(mine, name) == getattr(usual, name) for name in names)
    return same and mine.own is None and not sa.applied


def _refuses(step: Step) -> bool:
    """Whether a message says AUTHENTICATION_FAILED: in the exchange or after it (RFC 7296 2.21.2).

    An unauthenticated notify in a request proves nothing, and is none.
    """
    kinds = (Exchange.IKE_AUTH, Exchange.INFORMATIONAL)
    if step.message.exch_type not in kinds:
        return False
    return any(
        p.kind == Payload.N and p.type == Notify.AUTHENTICATION_FAILED for p in step.inner() or ()
    )
