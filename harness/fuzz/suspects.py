"""Which cases may have done it, and which do again what is known to end the peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ikelab.harness.edits import Edit
from ikelab.harness.fuzz.answers import SILENCE, Outcome
from ikelab.harness.fuzz.case import Case

Deed = tuple[str, ...]
"""What an edit does, and where, whatever the value."""


def deed(edit: Edit) -> Deed:
    """The deed of an edit."""
    where = [a for a in edit.args if isinstance(a, str)]
    payload = edit.option("payload")
    what = [str(payload.kind), *map(str, payload.args[:1])] if payload is not None else []
    return (str(edit.stage), edit.op, *where, *what)


def deeds(case: Case) -> set[Deed]:
    """What the edits of a case do."""
    return {deed(binding.edit) for binding in case.plan.bindings}


class Quarantine:
    """Deeds that are known to end the peer: to do them again costs time and shows nothing new."""

    def __init__(self) -> None:
        self._known: set[Deed] = set()

    def add(self, case: Case) -> None:
        """A case ended the peer; of one with several edits nobody knows which."""
        if len(case.plan.bindings) == 1:
            self._known |= deeds(case)

    def holds(self, case: Case) -> bool:
        """Whether a case does one of them."""
        return bool(self._known) and not self._known.isdisjoint(deeds(case))


def ranked(outcomes: Iterable[Outcome], made: Sequence[Case], recent: Iterable[Case]) -> list[Case]:
    """The cases that may have done it: those of a batch without an answer, then `recent` ones.

    Who answered a case was there when it came: what left at about that time comes first.
    """
    there = {id(o.case) for o in outcomes if o.kind != SILENCE}
    last = max((n for n, c in enumerate(made) if id(c) in there), default=0)
    order = sorted(enumerate(made), key=lambda one: (abs(one[0] - last), -one[0]))
    silent = [c for _, c in order if id(c) not in there]
    known = {id(c) for c in silent}
    return [*silent, *(c for c in recent if id(c) not in known)]
