"""The rules that judge a peer's messages, all together.

The same rules judge a live peer, a capture, and both sides of two daemons.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ikelab.harness.exchange import rules_of_messages, rules_of_requests
from ikelab.harness.exchange.rule import RULES, Rule, Seen, violation
from ikelab.harness.model import Violation
from ikelab.layers.iana import Exchange, lookup

__all__ = ["RULES", "Rule", "Seen", "judge", "violation"]

FILLED_BY = (rules_of_messages, rules_of_requests)
"""The modules whose rules the registry holds: to import one is to register its rules."""


def judge(seen: Seen) -> Iterator[Violation]:
    """Every rule that this message breaks."""
    for entry in _that_apply(seen.it.exchange, seen.it.response):
        evidence = entry.check(seen)
        if evidence is not None:
            yield Violation(entry.id, entry.rfc, entry.section, entry.level, evidence)


@cache
def _that_apply(exchange: int, response: bool) -> tuple[Rule, ...]:
    found = lookup(Exchange, exchange)
    half = "response" if response else "request"
    scopes = {"any", f"{found.name}/{half}" if found else ""}
    return tuple(entry for entry in RULES.values() if not scopes.isdisjoint(entry.scope))
