"""What group key management puts into GSA and KD payloads (RFC 9838 4.4, 4.5): policies and bags.

A policy and a key bag begin alike: protocol, SPI size, length, SPI. What follows stays octets.
"""

from __future__ import annotations

from dataclasses import dataclass

from ikelab.layers.iana import Protocol, lookup

HEAD = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of GSA, or one bag of KD: whose it is, and the selectors or keys in octets.

    Protocol 0 is the policy of the group as a whole, or the bag of one member.
    """

    protocol: int
    spi: bytes
    body: bytes


def read(data: bytes) -> tuple[Part, ...]:
    """The parts of a GSA or KD payload's body. ValueError where a length does not fit."""
    found, here = [], 0
    while here < len(data):
        length = int.from_bytes(data[here + 2 : here + 4], "big")
        end, size = here + length, data[here + 1] if here + 1 < len(data) else 0
        if length < HEAD + size or end > len(data):
            raise ValueError(f"a part of {length} octets, {len(data) - here} are left")
        spi_end = here + HEAD + size
        protocol = lookup(Protocol, data[here]) or data[here]
        found.append(Part(protocol, data[here + HEAD : spi_end], data[spi_end:end]))
        here = end
    return tuple(found)


def write(parts: tuple[Part, ...]) -> bytes:
    """The octets of parts."""
    written = []
    for part in parts:
        length = HEAD + len(part.spi) + len(part.body)
        head = bytes([int(part.protocol), len(part.spi)]) + length.to_bytes(2, "big")
        written.append(head + part.spi + part.body)
    return b"".join(written)
