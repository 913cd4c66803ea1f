"""Key lengths of ciphers: a dump tells that there is one and not which; what stands beside may."""

from __future__ import annotations

import re

from ikelab.harness.inspect.ios.dump import PayloadLine, Transform
from ikelab.harness.inspect.ios.told import Log
from ikelab.layers.iana import Protocol, TransformType

_CONFIGURED = re.compile(r"\bencryption\b[^\n|]*?\baes-(cbc|gcm)-(128|192|256)\b", re.IGNORECASE)
_SIZES = re.compile(r"\baes-(cbc|gcm)-(128|192|256)\b", re.IGNORECASE)


def from_policies(row: PayloadLine, policies: list[list[Transform]]) -> None:
    """Key lengths of a policy line, to the ciphers of the proposal in the same place."""
    for proposal, listed in zip(row.proposals, policies, strict=False):
        sized = [t for t in listed if t.type == TransformType.ENCR]
        ciphers = [t for t in proposal.transforms if t.type == TransformType.ENCR]
        if [t.id for t in sized] == [t.id for t in ciphers]:
            for cipher, known in zip(ciphers, sized, strict=True):
                cipher.key_bits = known.key_bits


def add(log: Log, text: str) -> None:
    """A dump says that a cipher has a key length, not which: the configuration beside it may.

    Taken only where all that the text configures for a cipher is one size.
    """
    configured: dict[str, set[int]] = {}
    for line in _CONFIGURED.finditer(text):
        for mode, bits in _SIZES.findall(line[0]):
            configured.setdefault(f"AES-{mode.upper()}", set()).add(int(bits))
    used = False
    for sa in log.sas:
        for sighting in sa.sightings:
            for row in (*sighting.outer, *(sighting.inner or ())):
                for transform in (
                    t for p in row.proposals for t in p.transforms if p.protocol == Protocol.IKE
                ):
                    sizes = configured.get(transform.name, set())
                    if transform.key_bits is None and len(sizes) == 1:
                        transform.key_bits = next(iter(sizes))
                        used = True
    if used:
        log.notes.append("key lengths of ciphers are those of the configuration in the text")
