"""Which network a test is run in: its own, where it has the marker `topology`, or the run's.

Knows pytest's items and functions by their attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikelab.harness.peer.base import Unsupported
from ikelab.netns.topology import TOPOLOGIES

SPOT_FIXTURE = "_ikelab_spot"
MARKER = "topology"


@dataclass(frozen=True, slots=True)
class Spot:
    """A network other than the run's, and the peer's role where it matters who is where."""

    topology: str = ""
    role: str = ""


EVERYWHERE = Spot()


def special(topology: str) -> bool:
    """Whether a topology does something to packets: only what is written for it runs there."""
    return topology in TOPOLOGIES and not TOPOLOGIES[topology].plain


def spots(function: Any, role: str, asked: str) -> dict[str, Spot]:
    """The networks that a test function is to be run in, by name; none where any will do.

    `asked` is the topology that the user named.
    """
    marker = function.get_closest_marker(MARKER)
    names = marker.args if marker else [asked] if special(asked) else []
    return {name: Spot(name, role if TOPOLOGIES[name].uneven else "") for name in names}


def wanted(item: Any, asked: str, *, shipped: bool) -> bool:
    """Whether a test belongs to a run in the topology that the user named."""
    if not special(asked):
        return True
    if item.get_closest_marker(MARKER):
        return spot_of(item).topology == asked
    return not shipped


def spot_of(item: Any) -> Spot:
    """The spot that a test has as its parameter."""
    found = item.callspec.params.get(SPOT_FIXTURE, EVERYWHERE)
    assert isinstance(found, Spot)
    return found


def refuse(item: Any, topology: str) -> None:
    """Unsupported where a test needs a network that this one is not."""
    marker = item.get_closest_marker(MARKER)
    if marker and topology not in marker.args:
        where = {"memory": "run it with --topology direct", "external": "its network is its own"}
        raise Unsupported(f"needs the network {' or '.join(marker.args)}: {where[topology]}")
