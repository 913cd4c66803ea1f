"""Where the extensions of RFC 7296 hook in: what each of them adds to a message, in one place.

A function here is called once by the exchange that it names, and asks every extension in turn. An
extension lives in a file of its own and knows no other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import mobike, ppk, redirect, resumption, rounds, small
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.window import Outstanding

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def init_request(sa: IkeSa) -> list[Any]:
    """What an initiator adds to IKE_SA_INIT."""
    return [*redirect.announce(sa), *ppk.announce(sa)]


def init_response(sa: IkeSa, it: Inbound) -> list[Any]:
    """What a responder adds to its answer to IKE_SA_INIT."""
    return [
        *rounds.announce(sa),
        *small.announce_childless(sa),
        *small.announce_methods(sa),
        *ppk.announce(sa, it),
    ]


def auth_request(sa: IkeSa) -> list[Any]:
    """What an initiator adds to its first IKE_AUTH request."""
    return [
        *rounds.announce(sa),
        *small.announce_methods(sa),
        *small.announce_token(sa),
        *small.announce_sync(sa),
        *mobike.announce(sa),
        *resumption.ask(sa),
    ]


def auth_response(sa: IkeSa, offer: Inbound, now: float) -> list[Any]:
    """What a responder adds to its last IKE_AUTH response; `offer` is the first request."""
    _take_auth(sa, offer, now)
    return [
        *small.announce_lifetime(sa, now),
        *small.announce_token(sa),
        *small.announce_sync(sa),
        *mobike.announce(sa),
        *resumption.give(sa, now),
        *redirect.conclude(sa),
    ]


def established(sa: IkeSa, it: Inbound, now: float) -> None:
    """What an initiator takes from the last IKE_AUTH response."""
    _take_auth(sa, it, now)
    small.take_lifetime(sa, it, now)
    small.replace(sa, now)
    redirect.in_auth(sa, it, now)


def _take_auth(sa: IkeSa, it: Inbound, now: float) -> None:
    small.take_token(sa, it)
    small.take_sync(sa, it)
    mobike.take(sa, it)
    resumption.take(sa, it, now)


def serve_informational(sa: IkeSa, it: Inbound, now: float) -> list[Any]:
    """What an INFORMATIONAL request gets back beside RFC 7296's own."""
    redirect.serve(sa, it, now)
    return mobike.serve(sa, it)


def answered(sa: IkeSa, it: Inbound, waiting: Outstanding, now: float) -> None:
    """A response to a request that came after authentication."""
    small.take_sync_answer(sa, it)
    mobike.answered(sa, it, waiting, now)


def served(sa: IkeSa, now: float) -> None:
    """A request of the peer has been answered."""
    mobike.check(sa, now)
    redirect.after(sa, now)


def timer(sa: IkeSa) -> float | None:
    """When `handle_timer` wants to be called."""
    return sa.small.expires


def handle_timer(sa: IkeSa, now: float) -> None:
    """Do what is due."""
    small.expired(sa, now)
