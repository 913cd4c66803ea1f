"""A planted fault as a row of data.

Its name, the catalogue ids of the cases that fail over it, what it does, a plan of edits, switches.
"""

from __future__ import annotations

Row = tuple[str, str, str, str, tuple[str, ...]]


def wire(name: str, cases: str, text: str, plan: str) -> Row:
    """A fault in what is sent: edits."""
    return name, cases, text, plan, ()


def conduct(name: str, cases: str, text: str, *switches: str) -> Row:
    """A fault in what is done: switches of `Conduct` that are off."""
    return name, cases, text, "", switches


def row(name: str, cases: str, text: str, plan: str = "", conduct: tuple[str, ...] = ()) -> Row:
    """A fault in both, or in either."""
    return name, cases, text, plan, conduct
