"""Two daemons that talk to each other: their configurations, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ikelab.harness.model import Identity, selectors, suites
from ikelab.harness.peer import registry
from ikelab.harness.peer.addresses import V4, Side
from ikelab.harness.peer.base import IkeView, Peer, PeerConfig
from ikelab.layers.iana import Protocol
from ikelab.netns.lab import Lab

Result = TypeVar("Result")


def config(local: Side, remote: Side, *, swap: bool = False, **differs: Any) -> PeerConfig:
    """A plain configuration; `ts=(initiator's, responder's)`, `swap` on the responder's side."""
    near, far = differs.pop("ts", (None, None))
    if swap:
        near, far = far, near
    plain = PeerConfig(
        local_address=local.address,
        remote_address=remote.address,
        local_id=Identity.parse(local.address),
        remote_id=Identity.parse(remote.address),
        psk=b"cisco",
        ike=suites(["aes128gcm16-prfsha256-x25519"]),
        esp=suites(["aes128gcm16"], Protocol.ESP),
        local_ts=selectors(near) if near else local.subnet,
        remote_ts=selectors(far) if far else remote.subnet,
    )
    return replace(plain, **differs)


@contextmanager
def pair(name: str, folder: Path) -> Iterator[tuple[Any, Any]]:
    """Two hosts, a daemon in each; nothing runs afterwards."""
    with Lab("direct") as lab:
        near = registry.open_peer(name, lab.host("initiator"), folder / "near")
        far = registry.open_peer(name, lab.host("responder"), folder / "far")
        try:
            yield near, far
        finally:
            near.stop()
            far.stop()


def bring_up(
    near: Peer, far: Peer, sides: tuple[Side, Side] = V4, **differs: Any
) -> tuple[IkeView, IkeView]:
    """Start both, let the first initiate; the two views of the SA, with its child where it may."""
    far.start(config(sides[1], sides[0], swap=True, **differs))
    near.start(config(sides[0], sides[1], **differs))
    near.initiate()
    found = established if "child" in near.capabilities else up
    return found(near), found(far)


def up(peer: Peer) -> IkeView:
    """The peer's IKE SA once it is up."""
    found = until(
        lambda: [sa for sa in peer.view().sas if sa.state == "ESTABLISHED"], f"{peer.name} is up"
    )
    return found[-1]


def until(question: Callable[[], Result], what: str, seconds: float = 10.0) -> Result:
    """Ask until the answer is true."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
    return answer


def established(peer: Peer) -> IkeView:
    """The peer's SA once it has a child."""

    def found() -> IkeView | None:
        return next((sa for sa in peer.view().sas if sa.child), None)

    try:
        sa = until(found, f"{peer.name} has a CHILD_SA")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{peer.log()[-3000:]}") from None
    assert sa
    return sa
