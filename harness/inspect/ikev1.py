"""IKEv1 messages by name (RFC 2408 3.1, RFC 2409): counted, not read any further."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ikelab.harness.inspect.flow import Packet

# RFC 2408 3.1 and RFC 2409 A; numbers that IKEv2's registry leaves free.
EXCHANGES = {
    1: "Base",
    2: "Identity Protection (Main Mode)",
    3: "Authentication Only",
    4: "Aggressive",
    5: "Informational",
    6: "Transaction",
    32: "Quick Mode",
    33: "New Group Mode",
}


@dataclass(slots=True)
class Ikev1:
    """How many IKEv1 messages there were, by exchange, and the cookie pairs they belong to."""

    messages: int = 0
    exchanges: Counter[str] = field(default_factory=Counter)
    cookies: dict[bytes, int] = field(default_factory=dict)

    def add(self, packet: Packet) -> None:
        """Count one message; its header is there."""
        kind = packet.data[18]
        self.messages += 1
        self.exchanges[EXCHANGES.get(kind, f"exchange {kind}")] += 1
        initiator = packet.data[:8]
        self.cookies[initiator] = self.cookies.get(initiator, 0) + 1
