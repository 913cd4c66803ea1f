"""What is added to a child's negotiation: IPComp, AGGFRAG, labels, one child for each CPU.

RFC 7296 2.22, RFC 9347 5.1, RFC 9478 2, RFC 9611 5. What ESP makes of AGGFRAG is not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import compression
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers import typed
from ikelab.layers.iana import Notify, Payload, TsType
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.selectors import SecurityLabelSelector

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def ask(sa: IkeSa) -> list[Any]:
    """What an initiator asks for beside SA: compression, AGGFRAG."""
    return [*compression.ask(sa), *_aggfrag(sa)]


def _aggfrag(sa: IkeSa) -> list[Any]:
    """USE_AGGFRAG of who wants it."""
    if not sa.config.features.aggfrag:
        return []
    data = typed.write(typed.NOTIFY, Notify.USE_AGGFRAG, typed.AggFrag(False, False))
    return [IKEv2_Notify(type=Notify.USE_AGGFRAG, notify=data)]


def answer(sa: IkeSa, it: Inbound) -> list[Any]:
    """IPCOMP_SUPPORTED and USE_AGGFRAG to who asked; whose resource it is (RFC 9611 5.1)."""
    found = compression.answer(sa, it)
    if it.notify(Notify.USE_AGGFRAG) is not None:
        found += _aggfrag(sa)
    if sa.config.features.queues and it.notify(Notify.SA_RESOURCE_INFO) is not None:
        name = b"queue %d" % len(sa.children)
        found.append(IKEv2_Notify(type=Notify.SA_RESOURCE_INFO, notify=name))
    return found


def refuses(sa: IkeSa, it: Inbound) -> Notify | None:
    """Why a child is refused: more than a pair of addresses, another label, no more queues."""
    wanted = sa.config.features.single_pair
    if (wanted and not _single_pair(it)) or not sa.conduct.take_single_pairs:
        return Notify.SINGLE_PAIR_REQUIRED
    queues = sa.config.features.queues
    info = it.notify(Notify.SA_RESOURCE_INFO) is not None
    if info and queues and len(sa.children) >= queues and sa.conduct.count_queues:
        return Notify.TS_MAX_QUEUE
    label = sa.config.features.label
    if label and sa.conduct.match_labels:
        both = (labels(it, Payload.TSI), labels(it, Payload.TSR))
        if any(label not in found for found in both):
            return Notify.TS_UNACCEPTABLE
    return None


def _single_pair(it: Inbound) -> bool:
    """Whether TSi and TSr are of one address each (RFC 7296 2.9)."""
    ends = (it.selectors(Payload.TSI), it.selectors(Payload.TSR))
    return all(len({a for ts in end for a in (ts.start, ts.end)}) == 1 for end in ends)


def labels(it: Inbound, kind: int) -> list[bytes]:
    """The labels of TSi or TSr."""
    payload = it.one(kind)
    listed = getattr(payload, "traffic_selector", None) or []
    return [bytes(t.label) for t in listed if getattr(t, "TS_type", 0) == TsType.TS_SECLABEL]


def labelled(sa: IkeSa, payloads: list[Any]) -> list[Any]:
    """TSi and TSr with our label in both of them (RFC 9478 2.2)."""
    label = sa.config.features.label
    for payload in payloads if label else ():
        selector = SecurityLabelSelector(label=label)
        payload.traffic_selector = [*payload.traffic_selector, selector]
    return payloads
