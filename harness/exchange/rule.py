"""What a rule is, and the registry that `rules_of_*` fill: what is judged, by which section.

A rule returns the evidence in a sentence when a message breaks it, None when it does not. Its
docstring is the requirement in our words. A false accusation is worse than a miss: a rule holds
only what the RFC says with MUST or SHOULD of the sender, and stays silent where it cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import Level, Violation


@dataclass(frozen=True, slots=True)
class Seen:
    """A message under judgement.

    `request` is what it answers. `initiator` tells whether its sender is the original initiator
    of the IKE SA, None where nobody knows. `offer` asked for the child where `request` did not:
    the first of several IKE_AUTH requests.
    """

    it: Inbound
    request: Inbound | None = None
    initiator: bool | None = None
    offer: Inbound | None = None

    @property
    def asked(self) -> Inbound | None:
        """The request that holds the offer."""
        return self.offer or self.request


Check = Callable[[Seen], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement: `scope` holds `any` or `EXCHANGE/request` or `EXCHANGE/response`."""

    id: str
    section: str
    level: Level
    scope: tuple[str, ...]
    text: str
    check: Check
    rfc: int = 7296


RULES: dict[str, Rule] = {}


def rule(section: str, *scope: str, level: Level = Level.MUST) -> Callable[[Check], Check]:
    """Register a function as a rule; its name is the rule's id, its docstring the requirement."""

    def register(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        text = " ".join((check.__doc__ or "").split())
        RULES[name] = Rule(name, section, level, scope or ("any",), text, check)
        return check

    return register


def violation(rule_id: str, section: str, evidence: str, level: Level = Level.MUST) -> Violation:
    """A violation that only the engine can see (keys, state), in the same form."""
    return Violation(rule_id, 7296, section, level, evidence)
