"""Being sent to another gateway, and sending others there (RFC 5685): in each of the exchanges."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange.events import Redirected
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.harness.model import IKE_PORT, Address
from ikelab.harness.transcript import Step
from ikelab.layers import typed
from ikelab.layers.iana import Exchange, GatewayId, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

MOST, PERIOD = 5, 300.0  # 7: MAX_REDIRECTS within REDIRECT_LOOP_DETECT_PERIOD seconds


@dataclass(slots=True)
class Redirection:
    """Where an IKE SA has been sent, when, and from where it came."""

    origin: str = ""  # the gateway that sent us here
    times: list[float] = field(default_factory=list)
    supported: bool = False  # as responder: whether the initiator follows
    going: str = ""  # where to go once the request at hand is answered


def gateway(where: str, nonce: bytes = b"") -> bytes:
    """The data of REDIRECT or REDIRECTED_FROM: an address, or a name (6)."""
    try:
        version = ipaddress.ip_address(where).version
        kind = GatewayId.IPV4_ADDRESS if version == 4 else GatewayId.IPV6_ADDRESS
    except ValueError:
        kind = GatewayId.FQDN
    value = typed.Gateway(kind, where, nonce)
    return typed.write(typed.NOTIFY, Notify.REDIRECT, value)


def _read(it: Inbound) -> typed.Gateway | None:
    """The REDIRECT of a message; None where there is none that can be read."""
    notify = it.notify(Notify.REDIRECT)
    value = typed.read(typed.NOTIFY, Notify.REDIRECT, bytes(notify.notify)) if notify else None
    return value if isinstance(value, typed.Gateway) else None


# -- initiator -------------------------------------------------------------------------------


def announce(sa: IkeSa) -> list[Any]:
    """REDIRECT_SUPPORTED, and where we were sent from (3, 5)."""
    if sa.redirection.origin:
        data = gateway(sa.redirection.origin)
        return [IKEv2_Notify(type=Notify.REDIRECTED_FROM, notify=data)]
    wanted = sa.config.features.follow_redirects
    return [IKEv2_Notify(type=Notify.REDIRECT_SUPPORTED)] if wanted else []


def in_init(sa: IkeSa, it: Inbound, seen: Step, now: float) -> bool:
    """Whether a response to IKE_SA_INIT was a REDIRECT; if it may be, it is followed.

    4: the nonce has to be that of our request; anything else is not from who saw it.
    """
    said = _read(it)
    if said is None or it.has(Payload.SA):
        return False
    fresh = hmac.compare_digest(said.nonce, sa.init.ni) or not sa.conduct.check_redirect
    if not fresh or not _may(sa, said, now):
        sa.ignore(seen, f"a REDIRECT to {said.identity} that is not followed")
        return True
    seen.note = f"redirected to {said.identity}"
    sa.window.settle(0)
    sa.move("recv", it.exchange, "response", "retry")
    sa.redirection.origin, sa.remote = sa.remote[0], (said.identity, IKE_PORT)
    sa.local = (sa.local[0], sa.config.local[1])
    sa.spi_i = sa.entropy(8)
    sa.restart_init(now)
    return True


def in_auth(sa: IkeSa, it: Inbound, now: float) -> None:
    """The responder of an established IKE SA sends us away in IKE_AUTH (6)."""
    said = _read(it)
    if said is not None and sa.initiator and _may(sa, said, now):
        _leave(sa, said.identity, now)


def serve(sa: IkeSa, it: Inbound, now: float) -> None:
    """The same in an INFORMATIONAL request: it is answered before we go (7)."""
    said = _read(it)
    if said is not None and sa.initiator and _may(sa, said, now):
        sa.redirection.going = said.identity


def after(sa: IkeSa, now: float) -> None:
    """The request is answered: go."""
    where, sa.redirection.going = sa.redirection.going, ""
    if where and sa.state is State.ESTABLISHED:
        _leave(sa, where, now)


def _may(sa: IkeSa, said: typed.Gateway, now: float) -> bool:
    """Whether we follow: it was announced, an address is there, and it is not the sixth time."""
    times = [t for t in sa.redirection.times if now - t < PERIOD]
    often = len(times) >= MOST and sa.conduct.bound_redirects
    nowhere = said.kind == GatewayId.FQDN or said.identity == sa.remote[0]
    nowhere = nowhere or (":" in said.identity) != (":" in sa.local[0])
    stays = not (sa.config.features.follow_redirects and sa.conduct.go_elsewhere)
    if stays or often or nowhere:
        return False
    sa.redirection.times = [*times, now]
    sa.note(Redirected(said.identity))
    return True


def _leave(sa: IkeSa, where: str, now: float) -> None:
    """A new IKE SA with the other gateway; the old one is deleted (6)."""
    remote: Address = (where, IKE_PORT)
    config = replace(sa.config, remote=remote, local=(sa.local[0], sa.config.local[1]))
    new = sa.another(config)
    new.redirection.origin, new.redirection.times = sa.remote[0], sa.redirection.times
    new.start_init(now)
    sa.close(now)


# -- responder -------------------------------------------------------------------------------


def refuses(sa: IkeSa, it: Inbound) -> bytes | None:
    """The data of a REDIRECT that answers IKE_SA_INIT in place of an IKE SA (4)."""
    kinds = (Notify.REDIRECT_SUPPORTED, Notify.REDIRECTED_FROM)
    sa.redirection.supported = any(it.notify(kind) is not None for kind in kinds)
    told, nonce = sa.config.features.redirect, it.one(Payload.NONCE)
    unasked = not sa.redirection.supported and sa.conduct.redirect_who_asks
    if told is None or told.when != "init" or nonce is None or unasked:
        return None
    return gateway(told.to, bytes(nonce.nonce) if told.nonce is None else told.nonce)


def conclude(sa: IkeSa) -> list[Any]:
    """A REDIRECT beside our AUTH (6)."""
    told = sa.config.features.redirect
    if told is None or told.when != "auth" or not sa.redirection.supported:
        return []
    return [IKEv2_Notify(type=Notify.REDIRECT, notify=gateway(told.to))]


def send(sa: IkeSa, where: str, now: float) -> None:
    """Send an initiator away later, in INFORMATIONAL (7)."""
    notify = IKEv2_Notify(type=Notify.REDIRECT, notify=gateway(where))
    sa.request(Exchange.INFORMATIONAL, [notify], now)
