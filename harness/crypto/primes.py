"""Primes for RSA out of given entropy, so that a test bed can be made again to the octet."""

from __future__ import annotations

from functools import cache
from math import gcd, isqrt

from ikelab.harness.crypto.sign import Entropy

_SIEVE = 4096
"""Odd numbers looked at behind each starting point."""
_SMALL = 200_000
"""Up to here primes are tried before anything costly is."""
_ROUNDS = 12
"""Of Miller-Rabin: for numbers drawn at random that leaves less than one chance in 2^100."""


def prime(bits: int, exponent: int, entropy: Entropy) -> int:
    """A prime of exactly `bits` bits, its two highest set, with p - 1 prime to the exponent."""
    while True:
        start = int.from_bytes(entropy((bits + 7) // 8), "big") % (1 << bits)
        start |= (3 << bits - 2) | 1
        for candidate in _unsieved(start):
            if (
                candidate.bit_length() == bits
                and gcd(candidate - 1, exponent) == 1
                and is_prime(candidate)
            ):
                return candidate


def is_prime(candidate: int) -> bool:
    """Miller-Rabin with the first primes as bases: certain enough for numbers drawn at random."""
    odd, twos = candidate - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for base in _small()[:_ROUNDS]:
        if candidate == base:
            return True
        value = pow(base, odd, candidate)
        if value in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            value = value * value % candidate
            if value == candidate - 1:
                break
        else:
            return False
    return candidate > 1


def _unsieved(start: int) -> list[int]:
    """The odd numbers from `start` on that no small prime divides."""
    free = bytearray(b"\1") * _SIEVE
    for divisor in _small()[1:]:
        # start + 2i is a multiple of the divisor for this i and every divisor-th one after it
        first = (-start * ((divisor + 1) // 2)) % divisor
        free[first::divisor] = bytes(len(range(first, _SIEVE, divisor)))
    return [start + 2 * i for i in range(_SIEVE) if free[i]]


@cache
def _small() -> list[int]:
    free = bytearray(b"\1") * _SMALL
    for n in range(2, isqrt(_SMALL) + 1):
        if free[n]:
            free[n * n :: n] = bytes(len(range(n * n, _SMALL, n)))
    return [n for n in range(2, _SMALL) if free[n]]
