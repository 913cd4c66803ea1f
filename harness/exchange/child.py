"""CHILD_SAs: the value, and its making from suite and selectors (RFC 7296 1.2, 2.17)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ikelab.harness.crypto.keys import ChildKeys, derive_child
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.exchange.negotiate import Choice
from ikelab.harness.model import TS, Spis, Suite

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


@dataclass(frozen=True, slots=True)
class Compression:
    """IPComp of a child (RFC 7296 2.22): an algorithm, and the CPIs that we and the peer chose.

    What comes to us has our CPI, what we send has the peer's, as it is with SPIs.
    """

    transform: int
    ours: int
    theirs: int


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
    replaces: bytes = b""  # our inbound SPI of the child that it rekeyed
    compression: Compression | None = None

    @property
    def spi_in(self) -> bytes:
        """The SPI that we chose: what the peer puts into the ESP it sends us."""
        return self.spis.i if self.made_by_us else self.spis.r

    @property
    def spi_out(self) -> bytes:
        """The SPI that the peer chose: what we put into the ESP we send."""
        return self.spis.r if self.made_by_us else self.spis.i

    @property
    def local_ts(self) -> tuple[TS, ...]:
        """What lies behind us."""
        return self.tsi if self.made_by_us else self.tsr

    @property
    def remote_ts(self) -> tuple[TS, ...]:
        """What lies behind the peer."""
        return self.tsr if self.made_by_us else self.tsi


@dataclass(frozen=True, slots=True)
class Nonces:
    """The nonces that a child's keys are made from, and g^ir of its own exchange if any (2.17).

    `more` is what IKE_FOLLOWUP_KE added (RFC 9370 2.2.4).
    """

    ni: bytes
    nr: bytes
    shared: bytes = b""
    more: bytes = b""


def fresh_spi(sa: IkeSa) -> bytes:
    """An inbound SPI that no child of the IKE SA has; 0 to 255 are reserved (RFC 4303 2.1)."""
    while True:
        spi = sa.entropy(4)
        if int.from_bytes(spi, "big") > 255 and spi not in sa.children:
            return spi


def install(
    sa: IkeSa,
    choice: Choice,
    spis: Spis,
    selectors: tuple[tuple[TS, ...], tuple[TS, ...]],
    nonces: Nonces,
    *,
    made_by_us: bool,
    mode: str = "tunnel",
    replaces: bytes = b"",
    compression: Compression | None = None,
) -> Child:
    """Derive the keys of a child and give it to its IKE SA; `selectors` are (TSi, TSr)."""
    keys = sa.keys
    assert keys is not None and keys.suite.prf is not None
    try:
        material = derive_child(
            keys.suite.prf.id,
            keys.sk_d,
            choice.suite,
            nonces.ni,
            nonces.nr,
            nonces.shared,
            nonces.more,
        )
        if not sa.config.conduct.order_keymat:
            material = replace(
                material,
                encr_i=material.encr_r,
                integ_i=material.integ_r,
                encr_r=material.encr_i,
                integ_r=material.integ_i,
            )
    except (UnsupportedAlgorithm, ConfigError):
        material = None  # negotiated all the same; only ikelab's own ESP cannot use it
    child = Child(
        choice.suite.protocol,
        spis,
        made_by_us,
        choice.suite,
        *selectors,
        keys=material,
        mode=mode,
        replaces=replaces,
        compression=compression,
    )
    sa.add_child(child)
    return child
