"""Primes for RSA out of given entropy."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import groups
from ikelab.harness.crypto.primes import is_prime, prime
from ikelab.harness.entropy import entropy


def test_small_numbers() -> None:
    sieve = [n for n in range(2, 2000) if all(n % d for d in range(2, int(n**0.5) + 1))]
    assert [n for n in range(3, 2000, 2) if is_prime(n)] == sieve[1:]


@pytest.mark.parametrize("group", [5, 14, 15])
def test_the_primes_of_rfc3526(group: int) -> None:
    p = groups.modp(group).p
    assert is_prime(p) and is_prime((p - 1) // 2)
    assert not is_prime(p + 2) and not is_prime(p * p)


@pytest.mark.parametrize(
    "composite",
    [561, 41041, 825265, 3215031751, 3825123056546413051],  # Carmichael and strong pseudoprimes
)
def test_numbers_that_look_like_primes(composite: int) -> None:
    assert not is_prime(composite)


@pytest.mark.parametrize("bits", [64, 256, 512])
def test_primes_have_their_size_and_fit_the_exponent(bits: int) -> None:
    for number in range(5):
        p = prime(bits, 65537, entropy(number))
        assert p.bit_length() == bits and p >> bits - 2 == 3 and (p - 1) % 65537
        assert is_prime(p) and p == prime(bits, 65537, entropy(number))
