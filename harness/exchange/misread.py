"""How a peer with planted faults reads what is sent to it: too strictly, too loosely, or to death.

Only a reference peer with a fault comes here. Each question is answered from one switch of its
conduct; `config` says which requirement the switch stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import Offered
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.model import Datagram, Suite, Transform, is_aead
from ikelab.harness.notation import suite_of
from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.eap import EapCode, EapType
from ikelab.layers.iana import TRANSFORMS, Encr, Exchange, Notify, Payload, TransformType, lookup
from ikelab.layers.message import IKEv2

_MANY = frozenset({Payload.CERT, Payload.CERTREQ, Payload.N, Payload.D, Payload.V})
_ORDERED = ((Payload.SA, Payload.NONCE), (Payload.IDI, Payload.AUTH))
"""Which payload goes before which in the figures of RFC 7296 1.2 and 1.3."""


def refuses(conduct: Conduct, it: Inbound) -> str | None:
    """Why a request is refused that is as good as any; None where it is not."""
    found = it.readable
    if not conduct.ignore_reserved and _reserved(it):
        return "reserved bits are set"
    if not conduct.ignore_critical and any(int(p.flags) & 0x80 for p in found):
        return "the critical bit is set"
    if not conduct.ignore_order and _disordered(found):
        return "the payloads are in another order"
    if not conduct.ignore_vendors and it.has(Payload.V):
        return "an unfamiliar vendor ID"
    nonce = it.one(Payload.NONCE)
    if not conduct.accept_nonce_lengths and nonce is not None and len(nonce.nonce) != 32:
        return "a nonce of another length than its own"
    if not conduct.ignore_notifies and any(
        lookup(Notify, int(n.type)) is None for n in it.all(Payload.N)
    ):
        return "an unknown notify"
    if not conduct.take_initial_contact and it.notify(Notify.INITIAL_CONTACT) is not None:
        return "INITIAL_CONTACT"
    if not conduct.take_several_selectors and any(
        len(it.selectors(k)) > 1 for k in (Payload.TSI, Payload.TSR)
    ):
        return "more than one selector"
    if not conduct.ignore_unknown_selectors and _strange_selectors(it):
        return "a selector of an unknown type"
    if not conduct.take_padding and _padded(it):
        return "more padding than it would send"
    return None


def _reserved(it: Inbound) -> bool:
    if it.flags & 0xC7:
        return True
    return any(
        int(p.flags) & 0x7F or _number(getattr(p, "res2", 0) if p.kind != Payload.N else 0)
        for p in it.readable
    )


def _strange_selectors(it: Inbound) -> bool:
    both = [*it.all(Payload.TSI), *it.all(Payload.TSR)]
    return any(t.TS_type not in (7, 8) for p in both for t in p.traffic_selector)


def _number(value: Any) -> int:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value or 0)


def _padded(it: Inbound) -> bool:
    last = it.outer[-1] if it.opened and it.outer else None
    padding = bytes(getattr(last, "padding", None) or b"")
    return len(padding) > 16 or any(padding)


def _disordered(found: Sequence[Any]) -> bool:
    kinds = [p.kind for p in found]
    return any(
        first in kinds and second in kinds and kinds.index(first) > kinds.index(second)
        for first, second in _ORDERED
    )


def offered(conduct: Conduct, payload: Any, fine: list[Offered]) -> list[Offered]:
    """The proposals as a faulty reader has them; `fine` is what an honest one read."""
    found = list(fine)
    if not conduct.refuse_unknown_attributes:
        pairs = zip(found, payload.proposal, strict=False)
        found = [replace(o, suite=suite_of(p)) for o, p in pairs]
    if not conduct.refuse_unknown_types:
        found = [_mapped(o, [t for t in o.suite.transforms if t.type <= 13]) for o in found]
    if not conduct.skip_unknown_transforms:
        found = [o for o in found if all(map(_known, o.suite.transforms))]
    if not conduct.check_key_length:
        found = [_mapped(o, map(_usual_length, o.suite.transforms)) for o in found]
    if not conduct.insist_on_protection:
        found = [_mapped(o, _filled(o.suite)) for o in found]
    return found


def _filled(suite: Suite) -> tuple[Transform, ...]:
    """What is missing of an offer for an IKE SA, or is NULL or NONE, as one often sees it."""
    none = {int(TransformType.ENCR): int(Encr.ENCR_NULL)}
    there = [t for t in suite.transforms if t.id != none.get(t.type, 0)]
    if any(t.type == TransformType.ENCR and is_aead(t.id) for t in there):
        return suite.transforms
    kinds = {t.type for t in there}
    usual = Suite.parse("aes128-sha256-modp2048").transforms
    return (*there, *(t for t in usual if t.type not in kinds))


def _mapped(offer: Offered, transforms: Any) -> Offered:
    return replace(offer, suite=Suite(tuple(transforms), offer.suite.protocol))


def _known(transform: Transform) -> bool:
    registry = TRANSFORMS.get(transform.type)
    return registry is None or lookup(registry, transform.id) is not None


def _usual_length(transform: Transform) -> Transform:
    """AES is taken as AES-128 whatever Key Length comes with it, or none."""
    if transform.type != TransformType.ENCR or transform.id != Encr.ENCR_AES_CBC:
        return transform
    return transform if transform.key_bits in (192, 256) else replace(transform, key_bits=128)


def odd(it: Inbound, data: bytes = b"") -> bool:
    """Whether a message is one that no honest peer would have sent."""
    message = it.message
    if data and (len(data) != message.length or int(message.version) != 0x20):
        return True
    if lookup(Exchange, it.exchange) is None or not any(message.init_SPI) or it.flags & 0xC7:
        return True
    first = it.exchange == Exchange.IKE_SA_INIT and not it.response
    if first and (not it.from_initiator or it.message_id or any(message.resp_SPI)):
        return True
    if it.malformed() or len(it.payloads) > 30:
        return True
    kinds = Counter(p.kind for p in it.payloads)
    if any(count > 1 and kind not in _MANY for kind, count in kinds.items()):
        return True
    return any(map(_odd_payload, it.payloads))


def _odd_payload(payload: Any) -> bool:
    if isinstance(payload, IKEv2_Malformed) or lookup(Payload, payload.kind) is None:
        return True
    match payload.kind:
        case Payload.SA:
            numbers = [p.number for p in payload.proposal]
            many = any(len(p.transform) > 50 for p in payload.proposal)
            return many or len(numbers) > 20 or numbers != list(range(1, len(numbers) + 1))
        case Payload.KE if not lookup(TRANSFORMS[TransformType.KE], payload.group):
            return True
        case Payload.KE:
            return len(payload.ke) not in (32, 64, 256) or not any(payload.ke[:31])
        case Payload.EAP:
            size = 4 + (payload.type is not None) + len(payload.load)
            return payload.eap_length != size or not 1 <= payload.code <= 4
        case Payload.NONCE:
            return not 16 <= len(payload.nonce) <= 256
        case Payload.N:
            return payload.type == Notify.COOKIE and not 1 <= len(payload.notify) <= 64
        case Payload.V:
            return not 1 <= len(payload.vendorID) <= 1000
        case Payload.D:
            return payload.proto != 1 and any(len(s) != 4 for s in payload.SPI)
        case Payload.CP:
            lengths = {1: (0, 4), 2: (0, 4), 3: (0, 4), 8: (0, 17), 14: (0,)}
            return any(
                isinstance(a, IKEv2_Malformed) or len(a.value) not in lengths.get(a.type, (0,))
                for a in payload.attributes
            )
        case Payload.TSI | Payload.TSR:
            listed = payload.traffic_selector
            return (
                payload.number_of_TSs != len(listed)
                or len(listed) > 100
                or any(
                    getattr(t, "start_port", 0) > getattr(t, "end_port", 0)
                    or _address(t, "starting_address") > _address(t, "ending_address")
                    for t in listed
                )
            )
    return False


def short_eap(it: Inbound) -> bool:
    """Whether a gateway's EAP-MSCHAPv2 lacks the four octets that all it says begins with."""
    return any(
        p.code == EapCode.REQUEST and p.type == EapType.MSCHAPV2 and len(p.load) < 4
        for p in it.all(Payload.EAP)
    )


def _address(selector: Any, name: str) -> tuple[int, ...]:
    text = getattr(selector, name, "")
    return tuple(int(part) for part in text.split(".")) if "." in text else ()


def odd_datagram(packet: IKEv2, data: bytes) -> bool:
    """As `odd`, for a message as it came."""
    return odd(Inbound(packet), data)


def lacks_marker(datagram: Datagram) -> bool:
    """Whether it is an IKE message by its own length that came without the marker of port 4500."""
    kind, data = arrived(datagram)
    return datagram.protocol == 17 and kind == "esp" and IKEv2(data).length == len(data)
