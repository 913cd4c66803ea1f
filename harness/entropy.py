"""Randomness as an argument: the system's, or a stream that a seed repeats to the octet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""How many octets -> that many random octets."""


def entropy(seed: int | None, *labels: str) -> Entropy:
    """The system's randomness for None; otherwise a stream fixed by the seed and the labels."""
    if seed is None:
        return os.urandom
    return _Stream(f"{seed}|{'|'.join(labels)}".encode())


class _Stream:
    """BLAKE2b in counter mode. For repeatable tests, not for secrets."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32).digest()
        self._counter = 0
        self._left = b""

    def __call__(self, octets: int) -> bytes:
        while len(self._left) < octets:
            block = self._counter.to_bytes(8, "big")
            self._left += hashlib.blake2b(block, key=self._key).digest()
            self._counter += 1
        taken, self._left = self._left[:octets], self._left[octets:]
        return taken
