"""Settings side by side: a suite, a proof, fragments, a mode, a NAT; each once, or each pair.

A covering array of strength 2 holds every pair of values that can go together, in far fewer rows
than there are combinations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """What an IKE SA and its child are set to, apart from each other: one value of each."""

    mode: str  # of the child
    translated: bool  # whether the peer takes us to be behind a NAT
    suite: str
    proof: str  # the shared key, or the kind of key of a certificate
    fragment: int | None  # octets of an IP datagram

    def __str__(self) -> str:
        words = [self.suite, self.proof, self.mode]
        words += ["fragments"] if self.fragment else []
        return " ".join([*words, "NAT"] if self.translated else words)


SUITES = (
    "aes128-sha256-modp2048",
    "aes256-sha512-ecp384",
    "aes128gcm16-prfsha256-ecp256",
    "chacha20poly1305-prfsha384-x25519",
)
PROOFS = ("psk", "rsa2048", "p256")
FRAGMENTS = (None, 576)
MODES = ("tunnel", "transport")


def settings(
    strength: int, suites: Sequence[str], proofs: Sequence[str], modes: Sequence[str]
) -> list[Setting]:
    """Each value once (1), or each pair of values that go together (2); none where a list is empty.

    Transport mode behind a NAT has rules of its own (RFC 7296 2.23.1) and is left out: how a child
    is carried is one parameter of the array.
    """
    carried = [(mode, False) for mode in modes]
    carried += [("tunnel", True)] if "tunnel" in modes else []
    values: list[Sequence[Any]] = [suites, carried, proofs, FRAGMENTS]
    if not all(values):
        return []
    if strength == 2:
        from allpairspy import AllPairs

        found = [list(row) for row in AllPairs([list(v) for v in values])]
    else:
        longest = max(len(v) for v in values)
        found = [[v[n % len(v)] for v in values] for n in range(longest)]
    return [
        Setting(mode, translated, suite, proof, cut)
        for suite, (mode, translated), proof, cut in found
    ]
