"""Algorithms that RFC 8247 (IKE) and RFC 8221 (ESP, AH) want to see gone, or at least less often.

The words are those of the registry table; this file only looks them up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ikelab.harness.model import Suite, Transform
from ikelab.layers.iana import TRANSFORMS, Algorithm, Protocol, TransformType, lookup

# MUST- and SHOULD- are on their way out, and still asked for: no reason to warn.
_DISCOURAGED = ("MUST NOT", "SHOULD NOT")


@dataclass(frozen=True, slots=True)
class Weak:
    """A transform, what the RFC says of it, and whether it was agreed on or only offered."""

    protocol: int
    transform: Transform
    status: str
    rfc: int
    chosen: bool

    def __str__(self) -> str:
        kind = lookup(TransformType, self.transform.type)
        found = lookup(Protocol, self.protocol)
        where = found.name if found else str(self.protocol)
        role = "chosen" if self.chosen else "offered"
        says = f"RFC {self.rfc} says {self.status}" if self.rfc else "IANA: deprecated"
        name = kind.name if kind else self.transform.type
        return f"{where} {name} {self.transform.name} {role}: {says}"


def weak(offered: Iterable[Suite], chosen: Suite | None) -> list[Weak]:
    """What is discouraged among the transforms offered and chosen, the chosen ones first."""
    found: dict[tuple[int, Transform], Weak] = {}
    if chosen is not None:
        _look(chosen, True, found)
    for suite in offered:
        _look(suite, False, found)
    return list(found.values())


def _look(suite: Suite, chosen: bool, found: dict[tuple[int, Transform], Weak]) -> None:
    for transform in suite.transforms:
        key = (suite.protocol, transform)
        if key not in found and (verdict := _status(transform, suite.protocol)):
            found[key] = Weak(suite.protocol, transform, *verdict, chosen)


@lru_cache(maxsize=1024)
def _status(transform: Transform, protocol: int) -> tuple[str, int] | None:
    """(requirement word, RFC) where the word discourages; None otherwise."""
    registry = TRANSFORMS.get(transform.type)
    row = lookup(registry, transform.id) if registry else None
    if not isinstance(row, Algorithm):
        return None
    # RFC 8221 leaves PRFs and groups to RFC 8247, whose words count for children as well.
    groups = transform.type in (TransformType.KE, TransformType.PRF)
    if protocol == Protocol.IKE or groups:
        word, rfc = row.ike_status, 8247
    else:
        word, rfc = row.esp_status, 8221
    if word in _DISCOURAGED:
        return word, rfc
    return ("deprecated", 0) if row.deprecated else None
