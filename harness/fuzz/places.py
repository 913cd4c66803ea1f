"""Where a peer is met when it is fuzzed: as in a run of cases, and the peer with planted bugs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from ikelab.harness import rig as rigs
from ikelab.harness.errors import ConfigError
from ikelab.harness.peer.planted.peer import PlantedPeer, named
from ikelab.harness.peer.reference import ReferencePeer
from ikelab.harness.rig import MemoryRig, Rig, Settings
from ikelab.harness.tested import Tested

PLANTED = "planted"


def is_planted(peer: str) -> bool:
    """Whether a name means the peer with planted bugs."""
    return peer.partition(":")[0] == PLANTED


def check(peer: str, settings: Settings) -> None:
    """ConfigError for what cannot be, before anything is made."""
    if not is_planted(peer):
        rigs.check(peer, settings)
        return
    named(peer)
    if settings.fault is not None:
        raise ConfigError(f"{peer} has its own bugs: leave out --fault")
    if settings.topology not in ("", rigs.MEMORY):
        raise ConfigError(f"{peer} lives in memory: leave out --topology")


class PlantedRig(MemoryRig):
    """The planted peer in memory."""

    def __init__(self, peer: str, settings: Settings) -> None:
        self._bugs = named(peer)
        super().__init__(settings)
        self.name = peer

    def begin(self, label: str, folder: Path | None) -> None:
        """A network with a fresh planted peer in it."""
        super().begin(label, folder)
        plain = cast("ReferencePeer", self.peer.driver)
        driver = PlantedPeer.instead_of(plain, self._bugs)
        self.peer = Tested(driver, self.peer.us, self.peer.them)


@contextlib.contextmanager
def rig(peer: str, settings: Settings) -> Iterator[Rig]:
    """A rig for as long as the block runs."""
    if not is_planted(peer):
        with rigs.rig(peer, settings) as made:
            yield made
        return
    yield PlantedRig(peer, settings)
