"""Rules about what a peer asks for: its offers, its configuration requests, its notifies.

A rule holds what the RFC says with MUST of the sender.
"""

from __future__ import annotations

from typing import Any

from ikelab.harness.exchange.rule import Seen, rule
from ikelab.harness.model import Transform
from ikelab.layers.iana import (
    CfgAttr,
    CfgType,
    Encr,
    Exchange,
    Integ,
    Notify,
    Payload,
    Prf,
    TransformType,
    lookup,
)

INIT, AUTH, CREATE = "IKE_SA_INIT/request", "IKE_AUTH/request", "CREATE_CHILD_SA/request"
_LATER = (Exchange.IKE_SA_INIT, Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL)
"""The exchanges of RFC 7296 in which INITIAL_CONTACT has no place; others have their own RFCs."""


@rule("3.3.1", INIT, AUTH, CREATE)
def offered_proposals_are_numbered(seen: Seen) -> str | None:
    """The proposals of an offer are numbered 1, 2, 3 and so on."""
    if seen.it.malformed() is not None:  # a proposal that cannot be read has its number too
        return None
    numbers = [proposal.number for proposal in seen.it.offers()]
    if numbers == list(range(1, len(numbers) + 1)):
        return None
    return "the proposals have the numbers " + ", ".join(map(str, numbers))


@rule("3.3", INIT, AUTH, CREATE)
def offered_combined_mode_comes_without_integrity(seen: Seen) -> str | None:
    """A combined-mode cipher is offered with no integrity algorithm, or with NONE alone."""
    for proposal in seen.it.offers():
        ciphers = [lookup(Encr, t.id) for t in proposal.suite.of(TransformType.ENCR)]
        integrity = [t.id for t in proposal.suite.of(TransformType.INTEG) if t.id != Integ.NONE]
        combined = next((row for row in ciphers if row is not None and row.aead), None)
        if combined is not None and integrity:
            return f"proposal {proposal.number} offers {combined.name} and integrity algorithms"
    return None


@rule("3.3.5", INIT, AUTH, CREATE)
def key_length_is_of_variable_keys(seen: Seen) -> str | None:
    """The Key Length attribute is not used with transforms whose keys have one length."""
    for proposal in seen.it.offers():
        for transform in proposal.suite.transforms:
            if transform.key_bits is None:
                continue
            if _has_one_key_length(transform):
                return f"transform {transform} of proposal {proposal.number} has a key length"
    return None


def _has_one_key_length(transform: Transform) -> bool:
    """Of what is registered: a number for private use may stand for keys of several lengths."""
    match transform.type:
        case TransformType.ENCR:
            row = lookup(Encr, transform.id)
            return row is not None and not row.key_attribute and any(row.key_bits)
        case TransformType.PRF:
            return lookup(Prf, transform.id) is not None
        case TransformType.INTEG:
            return lookup(Integ, transform.id) is not None
        case _:
            return False


@rule("3.4", INIT, CREATE)
def ke_is_of_an_offered_group(seen: Seen) -> str | None:
    """The KE payload is of a group that a proposal of the same message holds."""
    key = seen.it.one(Payload.KE)
    if key is None or not seen.it.has(Payload.SA) or seen.it.malformed() is not None:
        return None
    if any(proposal.unreadable for proposal in seen.it.offers()):
        return None  # a group with an attribute may be what was left out
    groups = {t.id for p in seen.it.offers() for t in p.suite.of(TransformType.KE)}
    return None if key.group in groups else f"KE is of group {key.group}, which no proposal holds"


@rule("2.22")
def ipcomp_comes_with_an_offer(seen: Seen) -> str | None:
    """IPCOMP_SUPPORTED stands only in messages with an SA payload."""
    if seen.it.notify(Notify.IPCOMP_SUPPORTED) is None or seen.it.has(Payload.SA):
        return None
    if seen.it.malformed() is not None:  # an SA that cannot be read is an SA
        return None
    return "IPCOMP_SUPPORTED in a message without SA"


@rule("2.4")
def initial_contact_comes_in_ike_auth(seen: Seen) -> str | None:
    """INITIAL_CONTACT is sent in IKE_AUTH, not in an exchange of its own afterwards."""
    contact = seen.it.notify(Notify.INITIAL_CONTACT)
    if contact is None or seen.it.exchange not in _LATER:
        return None
    return f"INITIAL_CONTACT in exchange type {seen.it.exchange}"


@rule("3.15.1", AUTH)
def netmask_is_asked_for_without_a_value(seen: Seen) -> str | None:
    """INTERNAL_IP4_NETMASK in a CFG_REQUEST has no value."""
    for payload in seen.it.all(Payload.CP):
        if payload.CFGType == CfgType.CFG_REQUEST and any(map(_netmask_with_value, _read(payload))):
            return "INTERNAL_IP4_NETMASK is asked for with a value"
    return None


def _read(payload: Any) -> list[Any]:
    return list(getattr(payload, "attributes", ()))


def _netmask_with_value(attribute: Any) -> bool:
    kind = getattr(attribute, "type", 0) & 0x7FFF
    return kind == CfgAttr.INTERNAL_IP4_NETMASK and bool(attribute.value)
