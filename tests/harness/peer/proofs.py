"""A real daemon beside our endpoints, which prove themselves to each other in both roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ikelab.harness.exchange.table import State
from ikelab.harness.pki import Certificates, Pki
from ikelab.harness.rig import Rig, Settings, open_rig


@contextmanager
def rig(name: str) -> Iterator[Rig]:
    """The daemon in a namespace beside ours."""
    made = open_rig(name, Settings())
    try:
        yield made
    finally:
        made.close()


def as_responder(made: Rig, ours: dict[str, Any], theirs: dict[str, Any]) -> list[Any]:
    """What is wrong after the daemon has answered us."""
    made.begin("responder", None)
    made.peer.start(**theirs)
    sa = made.initiator().init(**ours)
    sa.auth()
    found = [str(sa)] if sa.state is not State.ESTABLISHED else made.peer.disagreements(sa)
    made.end()
    return [*found, *sa.violations]


def as_initiator(made: Rig, ours: dict[str, Any], theirs: dict[str, Any]) -> list[Any]:
    """What is wrong after the daemon has come to us."""
    made.begin("initiator", None)
    made.peer.start(**theirs)
    responder = made.responder()
    responder.listen(**ours)
    made.peer.initiate()
    sa = responder.accept()
    found = made.peer.disagreements(sa)
    made.end()
    return [*found, *sa.violations]


def in_both_roles(name: str, keys: tuple[str, ...]) -> list[Any]:
    """What is wrong when both sides have certificates with these kinds of keys."""
    pki, found = Pki(), []
    with rig(name) as made:
        for key in keys:
            sides = Certificates(pki, "initiator")
            found += as_responder(made, sides.ours(key), sides.theirs(key))
            sides = Certificates(pki, "responder")
            found += as_initiator(made, sides.ours(key), sides.theirs(key))
    return found
