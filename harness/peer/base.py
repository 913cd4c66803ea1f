"""What every peer driver offers, whatever stands behind it, and the values it takes and gives.

A driver is three parts: `render(config) -> files` (pure), control (a process or a console), and
`parse(text) -> PeerView` (pure). This room holds no driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ikelab.harness.errors import IkelabError
from ikelab.harness.exchange.credentials import Credential, PskCredential, Trust
from ikelab.harness.exchange.features import NO_FEATURES, Features
from ikelab.harness.model import TS, Identity, Nat, Spis, Suite, Transform


class Unsupported(IkelabError):
    """The peer (or its configuration language) lacks what a case asks for; verdict UNSUPPORTED."""


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """What a case wants of the peer under test, in no daemon's words.

    `local` is the peer's own side. `ike` and `esp` are in order of preference; an empty `esp`
    means that the case negotiates no particular child.
    """

    local_address: str
    remote_address: str
    local_id: Identity
    remote_id: Identity
    psk: bytes
    ike: tuple[Suite, ...]
    esp: tuple[Suite, ...]
    local_ts: tuple[TS, ...]
    remote_ts: tuple[TS, ...]
    port: int = 500
    pool: tuple[str, ...] = ()  # networks to give addresses from (3.15)
    dns: tuple[str, ...] = ()  # DNS servers to hand out
    request: tuple[int, ...] = ()  # configuration attributes that an initiator asks for
    require_request: bool = False  # no child for an initiator that asks for no address (2.19)
    keepalive: float = 1.0  # seconds between NAT keepalives
    mode: str = "tunnel"  # or "transport"
    fragment: int | None = None  # RFC 7383: octets of an IP datagram, None for no fragmentation
    cookies: bool = False  # demand a COOKIE from every initiator (RFC 7296 2.6)
    dpd_delay: float = 0.0  # seconds between liveness checks, 0 for none
    tries: int = 4  # how often a request is repeated before the peer gives up
    window: int = 1  # how many requests it announces to take at once (SET_WINDOW_SIZE)
    own: Credential | None = None  # what the peer proves itself with; None is the shared key
    trust: Trust | None = None  # what it accepts from us; None is the shared key
    features: Features = NO_FEATURES  # the extensions, as far as the driver can say them
    options: Mapping[str, str] = field(default_factory=dict)  # driver-specific extras


def shared_key(config: PeerConfig) -> bytes:
    """The shared key where one of the sides uses one."""
    if isinstance(config.own, PskCredential):
        return config.own.key
    if config.trust is not None and config.trust.psk is not None:
        return config.trust.psk
    return config.psk


@dataclass(frozen=True, slots=True)
class ChildView:
    """One CHILD_SA as the peer itself reports it; `spis` by role in the IKE SA's negotiation."""

    protocol: str  # "ESP" or "AH"
    spi_in: bytes  # what the peer receives on
    spi_out: bytes  # what the peer sends to
    suite: Suite
    local_ts: tuple[TS, ...]
    remote_ts: tuple[TS, ...]
    pool: tuple[str, ...] = ()  # networks to give addresses from (3.15)
    dns: tuple[str, ...] = ()  # DNS servers to hand out
    request: tuple[int, ...] = ()  # configuration attributes that an initiator asks for
    keepalive: float = 1.0  # seconds between NAT keepalives
    mode: str = "tunnel"
    state: str = "INSTALLED"
    encap: bool = False


@dataclass(frozen=True, slots=True)
class IkeView:
    """One IKE SA as the peer itself reports it."""

    spis: Spis
    state: str  # "CONNECTING", "ESTABLISHED", ...
    initiator: bool  # whether the peer under test is the original initiator
    suite: Suite | None
    local_id: str
    remote_id: str
    nat: Nat  # what the peer found, by role
    children: tuple[ChildView, ...] = ()

    @property
    def child(self) -> ChildView | None:
        """The only child, or the first one."""
        return self.children[0] if self.children else None


@dataclass(frozen=True, slots=True)
class PeerView:
    """All that the peer tells about itself at one moment."""

    sas: tuple[IkeView, ...] = ()

    def sa(self, spis: Spis) -> IkeView | None:
        """The peer's IKE SA with these SPIs, None where it has none."""
        return next((sa for sa in self.sas if sa.spis == spis), None)


Keys = tuple[bytes, bytes, bytes, bytes]
"""A child's keys: cipher and MAC of the initiator's SA, cipher and MAC of the responder's."""


class Peer(Protocol):
    """The control surface of a peer under test.

    A driver whose capabilities depend on the machine has `lacks` as well: capability -> why not.
    `speaks` holds the fields of `Features` that it can put into its daemon's words, and "eap".
    """

    name: str  # "strongswan@trixie"
    version: str  # what the peer says of itself
    capabilities: frozenset[str]  # probed, such as {"cookies", "ipv6", "initiate", "view"}

    def start(self, config: PeerConfig) -> None:
        """Bring the peer up with this configuration and wait until it is observably ready.

        Idempotent. LabError with the last log lines when the peer dies, Unsupported when its
        configuration language cannot say what is asked.
        """

    def initiate(self) -> None:
        """Tell the peer to start IKE_SA_INIT towards the configured remote; does not wait."""

    def view(self) -> PeerView:
        """What the peer says of its SAs now."""

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether the peer can negotiate and use this transform for IKE, ESP or AH."""

    def child_keys(self) -> frozenset[Keys]:
        """The keys of every CHILD_SA since `start`, where the peer tells ("keys")."""

    def alive(self) -> bool:
        """Whether the peer (the same process as started) still runs."""

    def log(self) -> str:
        """Everything the peer has logged since `start`."""

    def config_text(self) -> str:
        """The configuration as the peer read it, for the record."""

    def stop(self) -> None:
        """End the peer and free what it held. Idempotent."""
