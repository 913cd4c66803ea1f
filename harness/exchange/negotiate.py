"""Choosing a suite, narrowing selectors, and both as payloads (RFC 7296 2.7, 2.9, 3.3).

Pure functions over Suites and TS; the only packets here are SA and TS payloads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from ikelab.harness.model import TS, Suite, Transform
from ikelab.harness.notation import selector_of, suite_of
from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.iana import Encr, Integ, Protocol, TransformType, TsType
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform
from ikelab.layers.selectors import IKEv2_TSi, IKEv2_TSr, IPv4TrafficSelector, IPv6TrafficSelector


@dataclass(frozen=True, slots=True)
class Offered:
    """One proposal as it came: its number, its SPI and its transforms."""

    number: int
    spi: bytes
    suite: Suite
    unreadable: bool = False  # it holds a transform whose attributes nobody here understands


def sa_payload(suites: Sequence[Suite], spi: bytes = b"") -> IKEv2_SA:
    """An SA payload that offers these suites, numbered from 1 (RFC 7296 3.3.1)."""
    return IKEv2_SA(proposal=[_proposal(n, s, spi) for n, s in enumerate(suites, 1)])


def accepted_payload(choice: Choice, spi: bytes = b"") -> IKEv2_SA:
    """An SA payload that accepts one offered proposal, with its number (3.3.1)."""
    return IKEv2_SA(proposal=[_proposal(choice.number, choice.suite, spi)])


def _proposal(number: int, suite: Suite, spi: bytes) -> IKEv2_Proposal:
    transforms = [
        IKEv2_Transform(transform_type=t.type, transform_id=t.id)
        if t.key_bits is None
        else IKEv2_Transform(transform_type=t.type, transform_id=t.id, key_length=t.key_bits)
        for t in suite.transforms
    ]
    return IKEv2_Proposal(number=number, proto=suite.protocol, SPI=spi, transform=transforms)


def offers(payload: Any) -> list[Offered]:
    """The proposals of an SA payload; none where its body is malformed."""
    found = []
    for proposal in getattr(payload, "proposal", None) or []:
        try:
            found.append(_offered(proposal))
        except AttributeError:  # a malformed proposal has no transforms
            continue
    return found


def _offered(proposal: Any) -> Offered:
    octets = proposal.raw_packet_cache
    if octets and isinstance(proposal, IKEv2_Proposal) and proposal.clean():
        spi, transforms = octets[8 : 8 + octets[6]], octets[8 + octets[6] :]
        return Offered(octets[4], spi, *_suite_in(octets[5], transforms))
    suite = suite_of(proposal)
    return Offered(proposal.number, bytes(proposal.SPI), *_readable(proposal, suite))


@lru_cache(maxsize=256)
def _suite_in(protocol: int, transforms: bytes) -> tuple[Suite, bool]:
    """The transforms of a proposal as it came: peers say the same ones again and again."""
    length = (8 + len(transforms)).to_bytes(2, "big")
    proposal = IKEv2_Proposal(bytes(2) + length + bytes([1, protocol, 0, 0]) + transforms)
    return _readable(proposal, suite_of(proposal))


def inconsistent(payload: Any) -> str | None:
    """Why the lengths and counts inside an SA payload do not add up (3.3), None where they do."""
    for proposal in getattr(payload, "proposal", None) or []:
        if isinstance(proposal, IKEv2_Malformed):
            return str(proposal.reason)
        for part in (p for t in proposal.transform for p in (t, *getattr(t, "attribute", ()))):
            if isinstance(part, IKEv2_Malformed):
                return str(part.reason)
        if proposal.trans_nb not in (None, len(proposal.transform)):
            return f"{proposal.trans_nb} transforms are announced, {len(proposal.transform)} came"
    return None


def _readable(proposal: Any, suite: Suite) -> tuple[Suite, bool]:
    """Leave out transforms with an attribute that is not a key length (3.3.6: not acceptable)."""
    fine: list[Transform] = []
    unreadable = False
    for packet, transform in zip(proposal.transform, suite.transforms, strict=True):
        known = all((a.type & 0x7FFF) == 14 for a in packet.attribute)
        unreadable = unreadable or not known
        if known:
            fine.append(transform)
    return Suite(tuple(fine), suite.protocol), unreadable


@dataclass(frozen=True, slots=True)
class Choice:
    """The proposal that was picked: its number, the peer's SPI in it, one transform a type."""

    number: int
    spi: bytes
    suite: Suite


# A transform type that a protocol's proposal must carry (RFC 7296 3.3.3), NONE where allowed.
MANDATORY = {
    Protocol.IKE: (TransformType.ENCR, TransformType.PRF, TransformType.KE),
    Protocol.ESP: (TransformType.ENCR, TransformType.SN),
    Protocol.AH: (TransformType.INTEG, TransformType.SN),
}


ADDITIONAL = tuple(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1))  # RFC 9370

# The types that have a NONE (RFC 7296 3.3.2, RFC 9370 2.2.1); a type that nobody knows has none.
MAY_BE_NONE = frozenset((TransformType.INTEG, TransformType.KE, *ADDITIONAL))


def choose(
    offered: Iterable[Offered],
    policy: Sequence[Suite],
    *,
    strict_aead: bool = True,
    distinct: bool = True,
) -> Choice | None:
    """Pick the first offered proposal that a suite of the policy accepts; None where none fits.

    The initiator's order wins (2.7 leaves the choice to the responder). Every transform type in
    the proposal must be matched by the policy, and a type that the policy wants must be there.
    `strict_aead` False takes a combined-mode cipher together with an integrity algorithm,
    `distinct` False one key exchange method in two slots.
    """
    for proposal in offered:
        for wanted in policy:
            suite = match(proposal.suite, wanted, strict_aead=strict_aead, distinct=distinct)
            if suite is not None:
                return Choice(proposal.number, proposal.spi, suite)
    return None


def match(
    offered: Suite, wanted: Suite, *, strict_aead: bool = True, distinct: bool = True
) -> Suite | None:
    """One transform of each type of `offered` that `wanted` allows, None where a type fails."""
    if offered.protocol != wanted.protocol:
        return None
    kinds = list(dict.fromkeys(t.type for t in offered.transforms))
    if any(k not in kinds for k in MANDATORY.get(Protocol(offered.protocol), ())):
        return None
    picked: dict[int, Transform] = {}
    for kind in kinds:
        allowed = wanted.of(kind) or _optional(kind, wanted)
        found = next((t for t in offered.of(kind) if t in allowed), None)
        if found is None:
            return None
        picked[kind] = found
    if distinct and not _distinct(offered, wanted, picked):
        return None
    missing = {t.type for t in wanted.transforms} - set(kinds)
    if any(not _may_lack(kind, wanted, picked) for kind in missing):
        return None
    encr, integ = picked.get(TransformType.ENCR), picked.get(TransformType.INTEG)
    if encr and strict_aead and not _integrity_fits(encr, integ, offered.protocol):
        return None
    return Suite(tuple(picked.values()), offered.protocol)


def _distinct(offered: Suite, wanted: Suite, picked: dict[int, Transform]) -> bool:
    """RFC 9370 2.2.1: no two key exchanges are the same; pick others where that helps."""
    kinds = [k for k in picked if k in (TransformType.KE, *ADDITIONAL)]
    if len(kinds) < 2:
        return True
    choices = []
    for kind in kinds:
        allowed = wanted.of(kind) or _optional(kind, wanted)
        choices.append([t for t in offered.of(kind) if t in allowed])
    found = _different(choices, frozenset())
    if found is not None:
        picked.update(zip(kinds, found, strict=True))
    return found is not None


def _different(
    choices: Sequence[Sequence[Transform]], taken: frozenset[int]
) -> list[Transform] | None:
    """One of each, the first that can be, none twice; None where that cannot be."""
    if not choices:
        return []
    for one in choices[0]:
        if not one.id or one.id not in taken:
            rest = _different(choices[1:], taken | {one.id})
            if rest is not None:
                return [one, *rest]
    return None


def _optional(kind: int, wanted: Suite) -> tuple[Transform, ...]:
    """What a type that the policy does not name may be: only its NONE."""
    return (Transform(kind, 0),) if kind in MAY_BE_NONE else ()


def _may_lack(kind: int, wanted: Suite, picked: dict[int, Transform]) -> bool:
    """Whether the proposal may lack a type: INTEG beside AEAD, or where NONE would do."""
    encr = picked.get(TransformType.ENCR)
    if kind == TransformType.INTEG and encr and Suite((encr,)).aead:
        return True
    return kind in MAY_BE_NONE and any(t.id == 0 for t in wanted.of(kind))


def _integrity_fits(encr: Transform, integ: Transform | None, protocol: int) -> bool:
    """RFC 7296 3.3.3, RFC 5282 8: AEAD goes without integrity, anything else needs it."""
    has = integ is not None and integ.id != Integ.NONE
    if Suite((encr,)).aead:
        return not has
    return has or (protocol == Protocol.ESP and encr.id != Encr.ENCR_NULL)


def without_ke(suites: Sequence[Suite]) -> tuple[Suite, ...]:
    """The child suites of IKE_AUTH: it has no KE payload for them (1.2, RFC 9370 2.2.3)."""
    return tuple(s.without(TransformType.KE, *ADDITIONAL) for s in suites)


def narrow(offered: Iterable[TS], policy: Sequence[TS]) -> tuple[TS, ...]:
    """The part of the offered selectors that the policy allows (2.9), in the offer's order."""
    found: list[TS] = []
    for ts in offered:
        for allowed in policy:
            common = ts.intersection(allowed)
            if common is not None and not any(f.contains(common) for f in found):
                found = [f for f in found if not common.contains(f)]
                found.append(common)
    return tuple(found)


def covered(ts: TS, offered: Sequence[TS]) -> bool:
    """Whether the offered selectors together contain every packet that `ts` selects."""
    if ts in offered:
        return True
    same = [o for o in offered if o.version == ts.version and o.protocol in (0, ts.protocol)]
    if ts.opaque:
        same = [o for o in same if o.intersection(ts)]
        ts, same = _all_ports(ts), [_all_ports(o) for o in same]
    whole = _Box(int(ts.start), int(ts.end), ts.start_port, ts.end_port)
    left = [whole] if whole.low <= whole.high and whole.first <= whole.last else []
    for one in same:
        box = _Box(int(one.start), int(one.end), one.start_port, one.end_port)
        left = [rest for piece in left for rest in piece.less(box)]
    return not left


def _all_ports(ts: TS) -> TS:
    return replace(ts, start_port=0, end_port=65535)


class _Box(NamedTuple):
    """Addresses by ports, both ends included."""

    low: int
    high: int
    first: int
    last: int

    def less(self, other: _Box) -> list[_Box]:
        """What is left of this box without the other, in at most four boxes."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        first, last = max(self.first, other.first), min(self.last, other.last)
        if low > high or first > last:
            return [self]
        pieces = [
            _Box(self.low, low - 1, self.first, self.last),
            _Box(high + 1, self.high, self.first, self.last),
            _Box(low, high, self.first, first - 1),
            _Box(low, high, last + 1, self.last),
        ]
        return [p for p in pieces if p.low <= p.high and p.first <= p.last]


def ts_payloads(tsi: Iterable[TS], tsr: Iterable[TS]) -> list[Any]:
    """TSi and TSr payloads."""
    return [
        IKEv2_TSi(traffic_selector=[_selector(t) for t in tsi]),
        IKEv2_TSr(traffic_selector=[_selector(t) for t in tsr]),
    ]


def _selector(ts: TS) -> IPv4TrafficSelector | IPv6TrafficSelector:
    four = ts.version == 4
    cls = IPv4TrafficSelector if four else IPv6TrafficSelector
    return cls(
        TS_type=TsType.TS_IPV4_ADDR_RANGE if four else TsType.TS_IPV6_ADDR_RANGE,
        IP_protocol_ID=ts.protocol,
        start_port=ts.start_port,
        end_port=ts.end_port,
        starting_address=str(ts.start),
        ending_address=str(ts.end),
    )


def selectors_of(payload: Any) -> tuple[TS, ...]:
    """The address ranges of a TSi or TSr payload; other selector types are left out (3.13.1)."""
    found = (selector_of(s) for s in getattr(payload, "traffic_selector", None) or [])
    return tuple(ts for ts in found if ts is not None)
