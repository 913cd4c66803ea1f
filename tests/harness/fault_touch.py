"""Which tests a planted fault can change at all, found in one honest run.

The peer's randomness is fixed by the seed and its clock is virtual: a conversation with a fault is
the honest one up to the first place where a switch of the fault is read, or an edit of it bound to
what is sent. A test without such a place ends with the fault as it does without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from typing import Any

from ikelab.harness.edits import Edit, Plan
from ikelab.harness.exchange import misread
from ikelab.harness.exchange.config import Conduct, IkeConfig
from ikelab.harness.peer.faults import FAULTS, Fault
from ikelab.harness.peer.reference import ReferencePeer

SWITCHES = frozenset(field.name for field in fields(Conduct))
# Functions of a conduct and a message alone: what they say without one switch tells whether it
# matters to this message.
PURE = ("refuses", "offered")


class Notes:
    """What the peer of one test read of its conduct, and which faults' edits it came by."""

    def __init__(self) -> None:
        self.decisive: set[str] = set()  # switches that would have changed something, or may have
        self.looked_at: set[str] = set()  # switches that a pure function read in vain
        self.bound: set[str] = set()  # faults

    def clear(self) -> None:
        """Begin another test."""
        self.decisive, self.looked_at, self.bound = set(), set(), set()

    def touched(self) -> list[str]:
        """The faults that may change this test."""
        return [name for name, fault in FAULTS.items() if self._touches(fault)]

    def _touches(self, fault: Fault) -> bool:
        read = self.decisive if len(fault.conduct) == 1 else self.decisive | self.looked_at
        return fault.name in self.bound or not read.isdisjoint(fault.conduct)


NOTES = Notes()
"""Of the test that is running."""


class Watched(Conduct):
    """An honest conduct that notes which of its switches are read."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in SWITCHES:
            NOTES.decisive.add(name)
        return object.__getattribute__(self, name)


class WatchedPlan(Plan):
    """A plan that notes which faults have edits for a message."""

    __slots__ = ()

    def edits(self, exchange: int, response: bool, number: int) -> tuple[Edit, ...]:
        """What applies to the message, the faults' edits left aside."""
        for fault in FAULTS.values():
            if fault.plan.edits(exchange, response, number):
                NOTES.bound.add(fault.name)
        return super().edits(exchange, response, number)


@cache
def without(switch: str) -> Conduct:
    """An honest conduct but for one switch."""
    return Conduct().but(switch)


def _weighed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function of conduct that notes the switches without which it would say otherwise."""

    def weighed(conduct: Conduct, *args: Any) -> Any:
        if not isinstance(conduct, Watched):
            return function(conduct, *args)
        before, NOTES.decisive = NOTES.decisive, set()
        answer = function(conduct, *args)
        read, NOTES.decisive = NOTES.decisive, before
        NOTES.looked_at |= read
        NOTES.decisive |= {s for s in read - before if function(without(s), *args) != answer}
        return answer

    return weighed


@contextmanager
def watched() -> Iterator[None]:
    """The reference peer is one that a fault could be planted in, has none, and is watched."""
    configured = ReferencePeer._engine_config
    pure = {name: getattr(misread, name) for name in PURE}

    def watching(peer: ReferencePeer, wanted: Any) -> IkeConfig:
        config = configured(peer, wanted)
        plan = WatchedPlan(config.plan.bindings)
        return replace(config, conduct=Watched(), plan=plan, lenient=True)

    ReferencePeer._engine_config = watching
    for name, function in pure.items():
        setattr(misread, name, _weighed(function))
    try:
        yield
    finally:
        ReferencePeer._engine_config = configured
        for name, function in pure.items():
            setattr(misread, name, function)
