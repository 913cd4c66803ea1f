"""The network between the two ends of a test, as a case sees it: what crossed, what it may change.

The fixture `path` gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ikelab.harness.endpoint import Initiator
from ikelab.netns.packets import Packet, parse
from ikelab.netns.topology import Topology

if TYPE_CHECKING:
    from ikelab.netns.capture import Capture
    from ikelab.netns.lab import Lab
    from ikelab.netns.router import Router

_IP = (b"\x08\x00", b"\x86\xdd")


class Crossing:
    """`router.rebind()`, `router.expire()`; `seen(link)`; `initiator(node)` for a second client."""

    def __init__(
        self, lab: Lab, captures: Mapping[str, Capture], initiator: Callable[[str], Initiator]
    ) -> None:
        self._lab = lab
        self._captures = captures
        self.initiator = initiator

    @property
    def topology(self) -> Topology:
        """What the network is."""
        return self._lab.topology

    @property
    def router(self) -> Router:
        """The router that does something to packets."""
        return self._lab.router

    def seen(self, link: str) -> list[Packet]:
        """Every IP packet that was on a link since the test began, in order of time."""
        frames = self._captures[link].kept()
        found = (parse(frame[14:]) for frame in frames if frame[12:14] in _IP)
        return [packet for packet in found if packet is not None]
