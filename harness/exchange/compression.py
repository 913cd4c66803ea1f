"""IPComp, agreed on by a notify of each side beside SA (RFC 7296 2.22, RFC 3173 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange.child import Compression
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers import typed
from ikelab.layers.iana import IpComp, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

FIRST, LAST = 256, 61439  # CPIs that are negotiated (RFC 3173 3.3)


def ask(sa: IkeSa) -> list[Any]:
    """IPCOMP_SUPPORTED with a CPI of ours, where compression is wanted."""
    if not sa.config.features.ipcomp:
        return []
    value = typed.IpCompOffer(_fresh_cpi(sa), IpComp.IPCOMP_DEFLATE)
    data = typed.write(typed.NOTIFY, Notify.IPCOMP_SUPPORTED, value)
    return [IKEv2_Notify(type=Notify.IPCOMP_SUPPORTED, notify=data)]


def answer(sa: IkeSa, it: Inbound) -> list[Any]:
    """The same to who offers DEFLATE: one algorithm out of the offer, or none."""
    offered = {offer.transform for offer in _offers(it.all(Payload.N))}
    return ask(sa) if IpComp.IPCOMP_DEFLATE in offered else []


def agreed(ours: Iterable[Any], theirs: Iterable[Any]) -> Compression | None:
    """What the payloads of both sides settle; each sends under the CPI that the other one told."""
    told = {offer.transform: offer.cpi for offer in _offers(ours)}
    for offer in _offers(theirs):
        if offer.transform in told:
            return Compression(int(offer.transform), told[offer.transform], offer.cpi)
    return None


def _offers(payloads: Iterable[Any]) -> list[typed.IpCompOffer]:
    """What can be read of the IPCOMP_SUPPORTED among payloads."""
    values = [
        typed.read(typed.NOTIFY, Notify.IPCOMP_SUPPORTED, bytes(payload.notify))
        for payload in payloads
        if payload.kind == Payload.N and payload.type == Notify.IPCOMP_SUPPORTED
    ]
    return [value for value in values if isinstance(value, typed.IpCompOffer)]


def _fresh_cpi(sa: IkeSa) -> int:
    """A CPI for what comes in that no child of the IKE SA has."""
    taken = {child.compression.ours for child in sa.children.values() if child.compression}
    while True:
        cpi = int.from_bytes(sa.entropy(2), "big")
        if FIRST <= cpi <= LAST and cpi not in taken:
            return cpi
