"""CHILD_SAs: the value, and its making from a choice of suite and selectors (RFC 7296 1.2, 2.17)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ikelab.harness.crypto.keys import ChildKeys
from ikelab.harness.model import TS, Spis, Suite


@dataclass(frozen=True, slots=True)
class Child:
    """One CHILD_SA, seen from our side. `spis.i` was chosen by the initiator of its exchange."""

    protocol: int
    spis: Spis
    made_by_us: bool
    suite: Suite
    tsi: tuple[TS, ...]
    tsr: tuple[TS, ...]
    keys: ChildKeys | None = field(default=None, repr=False)
    mode: str = "tunnel"

    @property
    def spi_in(self) -> bytes:
        """The SPI that we chose: what the peer puts into the ESP it sends us."""
        return self.spis.i if self.made_by_us else self.spis.r

    @property
    def spi_out(self) -> bytes:
        """The SPI that the peer chose: what we put into the ESP we send."""
        return self.spis.r if self.made_by_us else self.spis.i
