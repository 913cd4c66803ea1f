"""Tunnel or transport mode of a child (RFC 7296 1.3.1): asked for, answered, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import child_extras
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers.iana import Notify
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def ask_mode(sa: IkeSa, old: Child | None = None) -> list[Any]:
    """What a request adds to ask for transport mode: for a rekey, if the old child has it."""
    # RFC 7296 1.3.3: usually the same notifications as in the original exchange.
    extras = child_extras.ask(sa)
    if (old.mode if old else sa.config.mode) != "transport":
        return extras
    return [IKEv2_Notify(type=Notify.USE_TRANSPORT_MODE), *extras]


def mode_of(it: Inbound, request: Inbound) -> str:
    """The mode that a response settles: transport only where both have the notify."""
    asked = request.notify(Notify.USE_TRANSPORT_MODE) is not None
    granted = it.notify(Notify.USE_TRANSPORT_MODE) is not None
    return "transport" if asked and granted else "tunnel"


def answer_mode(sa: IkeSa, it: Inbound) -> tuple[list[Any], str]:
    """(what the response adds, the mode): transport where it was asked for and is allowed."""
    asked = it.notify(Notify.USE_TRANSPORT_MODE) is not None
    extras = child_extras.answer(sa, it)
    if not asked or sa.config.mode != "transport":
        return extras, "tunnel"
    return [IKEv2_Notify(type=Notify.USE_TRANSPORT_MODE), *extras], "transport"
