"""The addresses and identities of the lab's two hosts, as the seed's routers have them."""

from __future__ import annotations

from dataclasses import dataclass

from ikelab.harness.model import TS, Identity, selectors


@dataclass(frozen=True, slots=True)
class Side:
    """One end: its address, the subnet behind it, its identity (its address unless told)."""

    address: str
    subnet: tuple[TS, ...]
    name: str = ""

    @property
    def identity(self) -> Identity:
        """What the end calls itself."""
        return Identity.parse(self.name or self.address)


V4 = (
    Side("10.0.0.1", selectors("10.1.0.0/24")),
    Side("10.0.0.2", selectors("10.2.0.0/24")),
)
V6 = (
    Side("2001:db8:0:1::1", selectors("2001:db8:1::/64")),
    Side("2001:db8:0:1::2", selectors("2001:db8:2::/64")),
)
