"""What makes a case a finding: the peer died, went silent for good, or let somebody in.

Each oracle says what it saw in a sentence. None of them fires on an honest peer.
"""

from __future__ import annotations

from ikelab.harness.crypto.auth import psk_auth, signed_octets
from ikelab.harness.endpoint import Initiator, Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Payload

PROBES = 3  # honest attempts before a peer counts as hanging


def dead(peer: Tested) -> str | None:
    """The process is gone."""
    return None if peer.alive() else "the peer died"


def hangs(initiator: Initiator) -> str | None:
    """No honest IKE SA comes up any more."""
    if any(initiator.probe() for _ in range(PROBES)):
        return None
    return f"no honest IKE SA comes up in {PROBES} attempts"


def lets_in(session: Session) -> str | None:
    """An IKE SA was established although nothing that left proves our identity."""
    keys = session.sa.keys
    if not session.established or keys is None or keys.suite.prf is None:
        return None
    sent = [s for s in session.sent() if s.message.exch_type == Exchange.IKE_AUTH]
    inner = sent[0].inner() if sent else None
    if inner is None:
        return None
    proofs = [bytes(p.load) for p in inner if p.kind == Payload.AUTH and hasattr(p, "load")]
    names = [p for p in inner if p.kind == Payload.IDI and hasattr(p, "ID")]
    if not proofs:
        return "established without AUTH"
    state = session.sa.init
    for name in names:
        body = bytes([name.IDtype, *name.res2.to_bytes(3, "big")]) + bytes(name.ID)
        octets = signed_octets(keys.suite.prf.id, state.request, state.nr, body, keys.sk_pi)
        if psk_auth(keys.suite.prf.id, session.sa.config.psk, octets) in proofs:
            return None
    return "established although no AUTH that was sent proves an identity that was sent"
