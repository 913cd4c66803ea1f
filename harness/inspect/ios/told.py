"""What a debug log tells of IKE SAs, as values: states, messages as routers printed them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.ios.records import Record
from ikelab.harness.model import Nat, Spis
from ikelab.layers.iana import Payload

INITIATOR, RESPONDER = "initiator", "responder"
NO_SPI = bytes(8)


@dataclass(frozen=True, slots=True)
class Trace:
    """One `SM Trace` record: a router in this role entered or was in a state, and why."""

    line: int
    time: float | None
    spis: Spis
    role: str
    message_id: int
    state: str
    event: str
    number: int | None = None  # the router's own SA number


@dataclass(slots=True)
class Sighting:
    """One message as one router printed it. `sent` is None where it cannot be told."""

    line: int
    time: float | None
    exchange: int
    id: int
    initiator: bool
    response: bool
    length: int | None = None
    outer: list[PayloadLine] = field(default_factory=list)
    inner: list[PayloadLine] | None = None
    spis: Spis | None = None
    sent: bool | None = None
    src: str | None = None
    dst: str | None = None
    number: int | None = None  # the router's own SA number
    role_known: bool = True
    sealed: bool = False  # whether it begins with SK
    vendors: tuple[str, ...] = ()  # the names of its vendor IDs, as they were constructed

    @property
    def key(self) -> tuple[int, int, bool, bool]:
        return (self.exchange, self.id, self.initiator, self.response)

    @property
    def box(self) -> str:
        """The role of the router that printed it."""
        return INITIATOR if self.initiator == (self.sent is not False) else RESPONDER

    def announces(self, other: Sighting) -> bool:
        """Whether the other one is the dump of this message, which was in the short style."""
        same = (self.exchange, self.id, self.response) == (other.exchange, other.id, other.response)
        return same and self.length is None and self.spis is not None

    def take(self, rows: list[PayloadLine]) -> None:
        """Payloads that belong to this message: those inside SK, unless they are SK itself."""
        for row in rows:
            if row.kind in (Payload.SK, Payload.SKF) or not self.sealed:
                self.outer.append(row)
            else:
                self.inner = [*(self.inner or []), row]

    def last(self) -> list[PayloadLine]:
        """The payload that details would belong to."""
        rows = self.inner or self.outer
        return rows[-1:]


@dataclass(frozen=True, slots=True)
class Said:
    """Something a router said beside its messages: NAT, a child's SPI, an address, a failure."""

    line: int
    time: float | None
    number: int | None
    kind: str
    value: object
    text: str = ""


@dataclass(slots=True)
class IkeSa:
    """All that a log tells of one SPI pair."""

    spis: Spis
    traces: list[Trace] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    said: list[tuple[str, Said]] = field(default_factory=list)  # (role, what)

    def values(self, kind: str, role: str | None = None) -> list[object]:
        """What was said of this kind, by one role or by both."""
        return [s.value for who, s in self.said if s.kind == kind and role in (None, who)]

    @property
    def nat(self) -> Nat:
        """The routers' verdict on NAT, by role."""
        found: dict[str, bool | None] = {INITIATOR: None, RESPONDER: None}
        other = {INITIATOR: RESPONDER, RESPONDER: INITIATOR}
        for role, said in self.said:
            if said.kind != "nat" or not isinstance(said.value, tuple):
                continue
            who, translated = said.value
            ends = {"both": (role, other[role]), "local": (role,), "remote": (other[role],)}[who]
            for end in ends:
                found[end] = bool(found[end]) or translated
        return Nat(found[INITIATOR], found[RESPONDER])

    @property
    def child_spis(self) -> list[bytes]:
        """The child SPIs that were printed, each once."""
        return list(dict.fromkeys(v for v in self.values("child spi") if isinstance(v, bytes)))

    def messages(self) -> list[list[Sighting]]:
        """The sightings of each message together, in the order of their first one."""
        groups: dict[tuple[object, ...], list[Sighting]] = {}
        for sighting in self.sightings:
            groups.setdefault(sighting.key, []).append(sighting)
        return list(groups.values())


@dataclass(slots=True)
class Log:
    """A whole text: its SAs and what could not be placed or read."""

    file: str
    records: int = 0
    state_records: int = 0
    unknown: list[Record] = field(default_factory=list)
    foreign: int = 0
    sas: list[IkeSa] = field(default_factory=list)
    failures: list[Said] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merged(sightings: list[Sighting]) -> Sighting:
    """One message out of what the routers printed of it: the fullest account, gaps filled."""
    best = replace(max(sightings, key=lambda s: (s.length is not None, *_wealth(s))))
    best.outer = _filled(best.outer, [s.outer for s in sightings])
    best.inner = (
        None if best.inner is None else _filled(best.inner, [s.inner or [] for s in sightings])
    )
    best.line, best.time = sightings[0].line, sightings[0].time
    rows = [r for r in (best.outer if best.inner is None else best.inner) if r.kind == Payload.V]
    for names in (s.vendors for s in sightings):
        for row, name in zip(rows, names, strict=False):
            if row.vendor in (None, "(CUSTOM)"):
                row.vendor = name
    return best


def _wealth(sighting: Sighting) -> tuple[int, int]:
    rows = [*sighting.outer, *(sighting.inner or ())]
    return len(rows), sum(row.richness for row in rows)


def _filled(rows: list[PayloadLine], others: list[list[PayloadLine]]) -> list[PayloadLine]:
    found = []
    for index, row in enumerate(rows):
        row = replace(row)
        for other in (o[index] for o in others if index < len(o) and o[index].kind == row.kind):
            for name in ("length", "notify", "group", "id_type", "method", "cfg", "encoding"):
                if getattr(row, name) is None:
                    setattr(row, name, getattr(other, name))
            for name in ("attributes", "selectors", "proposals"):
                if not getattr(row, name):
                    setattr(row, name, getattr(other, name))
            if row.vendor in (None, "(CUSTOM)") and other.vendor:
                row.vendor = other.vendor
        found.append(row)
    return found
