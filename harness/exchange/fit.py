"""Whether the SA payload of an answer fits the offer it answers (RFC 7296 2.7, 3.3.1, 3.3.6).

Each function gives the misfit in words, None where there is none or where nobody can tell.
"""

from __future__ import annotations

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import ADDITIONAL, MAY_BE_NONE, Offered
from ikelab.harness.model import Transform
from ikelab.layers.iana import Exchange, Payload, TransformType, lookup


def misfit(answer: Inbound, request: Inbound) -> str | None:
    """Why an accepted SA is not consistent with the offer (3.3.6), None where it is."""
    if choice(answer) is not None and _accepted(answer, request) is None:
        return "its proposal was not offered"
    return wrong_proposal(answer, request) or wrong_transforms(answer, request)


def choice(answer: Inbound) -> Offered | None:
    """The one proposal of an answer; None where there is not one, or one that nobody can read."""
    found = answer.offers()
    return found[0] if len(found) == 1 and not found[0].unreadable else None


def wrong_proposal(answer: Inbound, request: Inbound | None) -> str | None:
    """Why the answer is not one proposal with the number of an offered one."""
    if request is None or not answer.has(Payload.SA):
        return None
    found = answer.offers()
    if len(found) != 1:
        return f"the response holds {len(found)} proposals"
    numbers = [o.number for o in request.offers()]
    if numbers and found[0].number not in numbers:
        return f"proposal number {found[0].number} was not offered (offered: {numbers})"
    return None


def wrong_transforms(answer: Inbound, request: Inbound | None) -> str | None:
    """Why the answer does not hold exactly one offered transform of each offered type."""
    pair = _accepted(answer, request)
    if pair is None:
        return None
    offered, accepted = pair
    faults = [_unlike(one, accepted, answer.exchange) for one in offered]
    return None if None in faults else faults[0]


def _accepted(answer: Inbound, request: Inbound | None) -> tuple[list[Offered], Offered] | None:
    """(what was offered under that number, what came back), None where it cannot be paired."""
    accepted = choice(answer)
    if request is None or accepted is None:
        return None
    # A faulty offer may have used a number twice: what fits one of them is accepted.
    offered = [o for o in request.offers() if o.number == accepted.number]
    return (offered, accepted) if offered else None


def _unlike(offered: Offered, answer: Offered, exchange: int) -> str | None:
    """Why an answer is no choice from this proposal."""
    if offered.suite.protocol != answer.suite.protocol:
        return f"protocol {answer.suite.protocol} answers protocol {offered.suite.protocol}"
    kinds = [t.type for t in answer.suite.transforms]
    repeated = next((k for k in kinds if kinds.count(k) > 1), None)
    if repeated is not None:
        return f"{kinds.count(repeated)} transforms of type {_type(repeated)}"
    for transform in answer.suite.transforms:
        if transform not in offered.suite.transforms and not _is_none(transform):
            return f"{words(transform)} was not in proposal {offered.number}"
    optional: set[int] = set()
    if answer.suite.aead:
        optional.add(TransformType.INTEG)
    if exchange == Exchange.IKE_AUTH:
        # RFC 7296 1.2: a group has no place there, so leaving it out is all that one can do.
        optional.update((TransformType.KE, *ADDITIONAL))
    for kind in dict.fromkeys(t.type for t in offered.suite.transforms):
        free = kind in optional or any(_is_none(t) for t in offered.suite.of(kind))
        if kind not in kinds and not free:
            return f"no transform of type {_type(kind)} came back"
    return None


def _is_none(transform: Transform) -> bool:
    return transform.id == 0 and transform.type in MAY_BE_NONE


def _type(kind: int) -> str:
    found = lookup(TransformType, kind)
    return found.name if found else str(kind)


def words(transform: Transform | None) -> str:
    """A transform with its type, for people."""
    return f"{_type(transform.type)} {transform}" if transform else "nothing"
