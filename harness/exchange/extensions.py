"""Where the extensions of RFC 7296 hook in: what each of them adds to a message, in one place.

A function here is called once by the exchange that it names, and asks every extension in turn. An
extension lives in a file of its own and knows no other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import rounds
from ikelab.harness.exchange.inbound import Inbound

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def init_request(sa: IkeSa) -> list[Any]:
    """What an initiator adds to IKE_SA_INIT."""
    return []


def init_response(sa: IkeSa, it: Inbound) -> list[Any]:
    """What a responder adds to its answer to IKE_SA_INIT."""
    return rounds.announce(sa)


def auth_request(sa: IkeSa) -> list[Any]:
    """What an initiator adds to its first IKE_AUTH request."""
    return rounds.announce(sa)
