"""Addresses that change under an IKE SA (RFC 4555), both roles, with return routability checks."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.exchange.events import Moved
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.window import Outstanding
from ikelab.harness.model import Address, Nat
from ikelab.layers.iana import Notify
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


_ADDITIONAL = {4: Notify.ADDITIONAL_IP4_ADDRESS, 6: Notify.ADDITIONAL_IP6_ADDRESS}


@dataclass(slots=True)
class Mobility:
    """What one IKE SA knows of its moves. `moves` counts them, so that others notice."""

    agreed: bool = False  # whether both sides announced RFC 4555
    moves: int = 0
    updating: bool = False  # an UPDATE_SA_ADDRESSES of ours has to go out, or is out
    adopted: bool = False  # the request at hand carried an UPDATE_SA_ADDRESSES that was taken
    doubted: bool = False  # the new path has to be checked once the update is answered
    cookie: bytes = b""  # of our check: what has to come back
    others: tuple[str, ...] = ()  # the peer's other addresses, as it told last


def announce(sa: IkeSa) -> list[Any]:
    """MOBIKE_SUPPORTED in IKE_AUTH, and NO_NATS_ALLOWED of an initiator that wants that (3.1)."""
    told = sa.config.features
    if not told.mobike or not (sa.initiator or sa.mobility.agreed):
        return []
    found = [IKEv2_Notify(type=Notify.MOBIKE_SUPPORTED), *_additional(told.addresses)]
    return found + _no_nats(sa) if sa.initiator and told.no_nats else found


def floats(sa: IkeSa) -> bool:
    """Whether IKE_AUTH goes to port 4500 although there is no NAT (3.3)."""
    return sa.config.features.mobike and sa.config.nat_detection


def take(sa: IkeSa, it: Inbound) -> None:
    """Whether the peer can do it too."""
    heard = it.notify(Notify.MOBIKE_SUPPORTED) is not None
    sa.mobility.agreed = heard and sa.config.features.mobike
    if sa.mobility.agreed:
        _learn(sa, it)


def addresses(texts: Sequence[str]) -> list[Any]:
    """What tells the peer in an INFORMATIONAL request that our other addresses are these (3.6)."""
    return _additional(texts) or [IKEv2_Notify(type=Notify.NO_ADDITIONAL_ADDRESSES)]


def _additional(texts: Sequence[str]) -> list[Any]:
    found = []
    for address in map(ipaddress.ip_address, texts):
        kind = _ADDITIONAL[address.version]
        found.append(IKEv2_Notify(type=kind, notify=address.packed))
    return found


def _learn(sa: IkeSa, it: Inbound) -> None:
    """A list of the peer's takes the place of the one before (3.6); without one that one stays."""
    told = [bytes(n.notify) for kind in _ADDITIONAL.values() for n in it.notifies(kind)]
    if told or it.notify(Notify.NO_ADDITIONAL_ADDRESSES) is not None:
        packed = [data for data in told if len(data) in (4, 16)]
        sa.mobility.others = tuple(str(ipaddress.ip_address(data)) for data in packed)


# -- initiator -------------------------------------------------------------------------------


def move(sa: IkeSa, local: Address, now: float) -> None:
    """Our address is another one now: tell the responder (3.5).

    What is outstanding goes out again from the new address first: the window has one place.
    """
    sa.local = local
    sa.mobility.moves += 1
    sa.mobility.updating = True
    for waiting in sa.window.waiting.values():
        waiting.wire = [replace(d, src=sa.local, dst=sa.remote) for d in waiting.wire]
    if sa.window.full:
        sa.resend(now)
    else:
        _update(sa, now)


def _update(sa: IkeSa, now: float) -> None:
    sa.mobility.updating = False
    payloads: list[Any] = [IKEv2_Notify(type=Notify.UPDATE_SA_ADDRESSES), *_hashes(sa)]
    if sa.config.features.no_nats:
        payloads += _no_nats(sa)
    sa.inform(payloads, now)


def answered(sa: IkeSa, it: Inbound, waiting: Outstanding, now: float) -> None:
    """A response came: to an update, to a check of ours, or to what an update had to wait for."""
    asked = waiting.request
    updated = asked.notify(Notify.UPDATE_SA_ADDRESSES) is not None
    if updated and it.notify(Notify.UNEXPECTED_NAT_DETECTED) is None:
        sa.nat = _nat(sa, it, asked) or sa.nat
        sa.note(Moved(sa.local, sa.remote))
    sent = asked.notify(Notify.COOKIE2)
    if sent is not None and sa.mobility.cookie:
        came = it.notify(Notify.COOKIE2)
        right = came is not None and hmac.compare_digest(bytes(came.notify), sa.mobility.cookie)
        sa.mobility.cookie = b""
        if not right and sa.conduct.check_path:
            sa.close(now)  # 3.7: who does not give it back loses the IKE SA
    if sa.mobility.updating and not sa.window.full:
        _update(sa, now)


# -- responder -------------------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound) -> list[Any]:
    """What an INFORMATIONAL request gets back: COOKIE2 as it came, hashes, or a refusal."""
    if sa.mobility.agreed:
        _learn(sa, it)
    cookie = it.notify(Notify.COOKIE2)
    found: list[Any] = []
    if cookie is not None and sa.conduct.return_cookie2:
        found.append(IKEv2_Notify(type=Notify.COOKIE2, notify=bytes(cookie.notify)))
    if it.notify(Notify.UPDATE_SA_ADDRESSES) is None or not sa.mobility.agreed:
        return found
    if sa.initiator:
        return found  # 3.5: the initiator alone says what the addresses are
    if translated(sa, it):
        return [*found, IKEv2_Notify(type=Notify.UNEXPECTED_NAT_DETECTED)]
    sa.mobility.adopted = sa.conduct.take_updates
    sa.mobility.moves += sa.conduct.take_updates
    sa.mobility.doubted = sa.config.features.check_path
    sa.nat = _nat(sa, it, None) or sa.nat
    if sa.mobility.adopted:
        sa.note(Moved(sa.local, sa.remote))
    return [*found, *(_hashes(sa) if it.notify(Notify.NAT_DETECTION_SOURCE_IP) else ())]


def adopts(sa: IkeSa) -> bool:
    """Whether the request that was just answered moved the IKE SA; asked once for each."""
    adopted, sa.mobility.adopted = sa.mobility.adopted, False
    return adopted


def check(sa: IkeSa, now: float) -> None:
    """Ask the new address for a cookie, once the update is answered (3.7)."""
    if sa.mobility.doubted and not sa.window.full:
        sa.mobility.doubted = False
        sa.mobility.cookie = sa.entropy(16)
        sa.inform([IKEv2_Notify(type=Notify.COOKIE2, notify=sa.mobility.cookie)], now)


def translated(sa: IkeSa, it: Inbound) -> bool:
    """Whether NO_NATS_ALLOWED names another path than the one that the request took (3.9)."""
    said = it.notify(Notify.NO_NATS_ALLOWED)
    if said is None or not sa.conduct.heed_no_nats:
        return False
    return bytes(said.notify) != _path(sa.remote, sa.local)


# -- both ------------------------------------------------------------------------------------


def _no_nats(sa: IkeSa) -> list[Any]:
    return [IKEv2_Notify(type=Notify.NO_NATS_ALLOWED, notify=_path(sa.local, sa.remote))]


def _path(src: Address, dst: Address) -> bytes:
    """Source and destination address, source and destination port (3.9, 4.2.5)."""
    addresses = b"".join(ipaddress.ip_address(end[0]).packed for end in (src, dst))
    return addresses + b"".join(end[1].to_bytes(2, "big") for end in (src, dst))


def _hashes(sa: IkeSa) -> list[Any]:
    """NAT detection over the addresses as we see them now (3.5)."""
    if not sa.config.nat_detection:
        return []
    return [
        IKEv2_Notify(type=kind, notify=nat_detection(sa.spi_i, sa.spi_r, *address))
        for kind, address in (
            (Notify.NAT_DETECTION_SOURCE_IP, sa.local),
            (Notify.NAT_DETECTION_DESTINATION_IP, sa.remote),
        )
    ]


def _nat(sa: IkeSa, it: Inbound, asked: Inbound | None) -> Nat | None:
    """What the peer's hashes say of the new path; None where it sent none, or we asked for none."""
    source = [bytes(n.notify) for n in it.notifies(Notify.NAT_DETECTION_SOURCE_IP)]
    target = [bytes(n.notify) for n in it.notifies(Notify.NAT_DETECTION_DESTINATION_IP)]
    silent = asked is not None and asked.notify(Notify.NAT_DETECTION_SOURCE_IP) is None
    if not source or not target or silent:
        return None
    theirs = nat_detection(sa.spi_i, sa.spi_r, *sa.remote) not in source
    ours = nat_detection(sa.spi_i, sa.spi_r, *sa.local) not in target
    return Nat(ours, theirs) if sa.initiator else Nat(theirs, ours)
