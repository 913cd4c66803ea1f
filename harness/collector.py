"""How often Python looks for cycles of garbage, in a process that handles many packets.

Modules and tables stay for ever, and a packet's objects are freed by their counts of references
for the most part: what the collector would look at again and again is what does not change.
"""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 50
"""Allocations before a look at the youngest objects; such looks before an older generation's."""


def settle() -> None:
    """Call it once all that is needed is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
