"""Planted faults of the reference peer: what trips each oracle, as data.

A fault is a plan of edits on what the peer sends, switches of its conduct, or both. `cases` are
the catalogue ids that must FAIL with it. A case without a fault proves nothing about a peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.peer import beginnings, edges, manners, path_faults, quantum, relapses, slips


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to be wrong."""

    name: str
    text: str
    cases: tuple[str, ...]
    plan: Plan = field(default_factory=Plan)
    conduct: tuple[str, ...] = ()


def _fault(
    name: str, cases: str, text: str, plan: str = "", conduct: tuple[str, ...] = ()
) -> tuple[str, Fault]:
    return name, Fault(name, text, tuple(cases.split()), Plan.parse(plan), conduct)


ROOMS = (beginnings, manners, slips, quantum, relapses, edges, path_faults)
"""Where the rows are. ALSO of a room gives faults that are there already more cases to trip."""

FAULTS: dict[str, Fault] = dict(_fault(*row) for room in ROOMS for row in room.ROWS)
FAULTS.update(
    (name, replace(FAULTS[name], cases=FAULTS[name].cases + tuple(more.split())))
    for also in (manners.ALSO, slips.ALSO, quantum.ALSO, relapses.ALSO, edges.ALSO)
    for name, more in also.items()
)


def fault(name: str) -> Fault:
    """The fault of this name; ConfigError names the nearest."""
    if name not in FAULTS:
        hint = nearest(name, FAULTS) or f"; \"ikelab fuzz --fault '?'\" lists the {len(FAULTS)}"
        raise ConfigError(f"unknown fault {name!r}{hint}")
    return FAULTS[name]
