"""Garbage collection at a pace that fits: messages come by the ten thousand, and hold no loops."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 1_000_000
"""Objects made between two looks for garbage: some hundred megabytes if all of them were."""


@contextmanager
def patient_collector() -> Iterator[None]:
    """Packets come and go by the thousand here: at its usual pace the collector takes half."""
    usual = gc.get_threshold()
    gc.set_threshold(RARELY, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def leave_alone() -> None:
    """What is there by now stays to the end of the process: look for garbage in what comes."""
    gc.set_threshold(RARELY, *gc.get_threshold()[1:])
    gc.freeze()
