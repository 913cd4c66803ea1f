"""What an IKE SA tells its owner, as values; the core speaks through these and never logs."""

from __future__ import annotations

from dataclasses import dataclass

from ikelab.harness.model import Address, Violation


@dataclass(frozen=True, slots=True)
class Answered:
    """A response to one of our requests came and was processed."""

    exchange: int
    message_id: int


@dataclass(frozen=True, slots=True)
class Requested:
    """A request of the peer came and was answered."""

    exchange: int
    message_id: int


@dataclass(frozen=True, slots=True)
class Established:
    """The IKE SA is up: both sides are authenticated."""


@dataclass(frozen=True, slots=True)
class ChildUp:
    """A CHILD_SA is up; `spi_in` is ours."""

    spi_in: bytes


@dataclass(frozen=True, slots=True)
class ChildDown:
    """A CHILD_SA is gone."""

    spi_in: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A request of ours was answered with an error notify; the SA lives on."""

    exchange: int
    message_id: int
    notify: int


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The IKE SA has a successor with these SPIs."""

    spi_i: bytes
    spi_r: bytes


@dataclass(frozen=True, slots=True)
class NotAuthenticated:
    """The peer (or we) could not be authenticated: a word for the reason, and a sentence."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class ProofExpires:
    """The initiator's proof is too old now (RFC 4478)."""


@dataclass(frozen=True, slots=True)
class Synchronised:
    """Message IDs were set anew (RFC 6311): of our next request, and the one that we expect."""

    sends: int
    expects: int


@dataclass(frozen=True, slots=True)
class Moved:
    """The IKE SA has other addresses (RFC 4555): ours and the peer's."""

    local: Address
    remote: Address


@dataclass(frozen=True, slots=True)
class Redirected:
    """We are sent to another gateway, and go (RFC 5685)."""

    to: str


@dataclass(frozen=True, slots=True)
class TicketRefused:
    """The responder does not take our ticket (RFC 5723)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The IKE SA is gone, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A datagram was dropped without an answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No response came to a request however often it was sent."""

    exchange: int
    message_id: int


@dataclass(frozen=True, slots=True)
class Broke:
    """The peer broke a rule."""

    violation: Violation


Event = (
    Answered
    | Requested
    | Established
    | ChildUp
    | ChildDown
    | Refused
    | Rekeyed
    | NotAuthenticated
    | ProofExpires
    | Synchronised
    | Moved
    | Redirected
    | TicketRefused
    | Closed
    | Ignored
    | TimedOut
    | Broke
)
