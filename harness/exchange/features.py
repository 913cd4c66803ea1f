"""What a side of an IKE SA is told about extensions: all off, or at RFC 7296's way, by default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ikelab.harness.exchange.credentials import Credential, Trust
from ikelab.harness.model import Identity


@dataclass(frozen=True, slots=True)
class Round:
    """One more proof of an initiator: who it says it is, and what with (RFC 4739)."""

    identity: Identity
    credential: Credential


@dataclass(frozen=True, slots=True)
class Features:
    """The extensions of one side. Who reads a field says what it means; see the RFC beside it."""

    more: tuple[Round, ...] = ()  # RFC 4739: what an initiator proves after its first proof
    more_trust: tuple[Trust, ...] = ()  # RFC 4739: what a responder wants proven in addition
    eap_key: bytes = field(default=b"", repr=False)  # a fault: AUTH is of this, not of the MSK

    def wanted(self) -> list[str]:
        """The names of what is told."""
        return [f.name for f in fields(self) if getattr(self, f.name) != f.default]


NO_FEATURES = Features()
