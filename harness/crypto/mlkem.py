"""ML-KEM (FIPS 203) in plain Python, all three parameter sets: a lab's key encapsulation.

`cryptography` has 768 and 1024, no 512, and draws the message of an encapsulation by itself; here
every octet of randomness is an argument, so that a run can be repeated. Not constant in time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

Q, N = 3329, 256
SEED, MESSAGE = 64, 32  # octets of d | z, and of m

Poly = list[int]


@dataclass(frozen=True, slots=True)
class Parameters:
    """One row of FIPS 203 table 2."""

    k: int
    eta1: int
    du: int
    dv: int
    eta2: int = 2

    @property
    def encapsulation_key(self) -> int:
        """Octets."""
        return 384 * self.k + 32

    @property
    def ciphertext(self) -> int:
        """Octets."""
        return 32 * (self.du * self.k + self.dv)


PARAMETERS = {
    512: Parameters(2, 3, 10, 4),
    768: Parameters(3, 2, 10, 4),
    1024: Parameters(4, 2, 11, 5),
}


def _reversed_bits(number: int) -> int:
    return int(f"{number:07b}"[::-1], 2)


ZETAS = [pow(17, _reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reversed_bits(i) + 1, Q) for i in range(128)]


# -- polynomials -----------------------------------------------------------------------------


def _ntt(poly: Poly) -> Poly:
    """FIPS 203 algorithm 9."""
    f, at, length = list(poly), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta, at = ZETAS[at], at + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length] = (f[j] - t) % Q
                f[j] = (f[j] + t) % Q
        length //= 2
    return f


def _inverse_ntt(poly: Poly) -> Poly:
    """FIPS 203 algorithm 10."""
    f, at, length = list(poly), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta, at = ZETAS[at], at - 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [value * 3303 % Q for value in f]  # 3303 is 1/128


def _dot(left: list[Poly], right: list[Poly]) -> Poly:
    """The sum of products in the NTT domain (algorithms 11 and 12)."""
    total = [0] * N
    for a, b in zip(left, right, strict=True):
        for i, gamma in enumerate(GAMMAS):
            a0, a1, b0, b1 = a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]
            total[2 * i] += a0 * b0 + a1 * b1 % Q * gamma
            total[2 * i + 1] += a0 * b1 + a1 * b0
    return [value % Q for value in total]


def _add(left: Poly, right: Poly) -> Poly:
    return [(a + b) % Q for a, b in zip(left, right, strict=True)]


def _encode(poly: Poly, bits: int) -> bytes:
    """Algorithm 5: `bits` bits of each coefficient, least significant first."""
    number = 0
    for value in reversed(poly):
        number = number << bits | value
    return number.to_bytes(32 * bits, "little")


def _decode(data: bytes, bits: int) -> Poly:
    """Algorithm 6, without its reduction for 12 bits."""
    number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [number >> bits * i & mask for i in range(N)]


def _compress(poly: Poly, bits: int) -> Poly:
    return [((value << bits) + Q // 2) // Q % (1 << bits) for value in poly]


def _decompress(poly: Poly, bits: int) -> Poly:
    return [(value * Q + (1 << bits - 1)) >> bits for value in poly]


def _sample_ntt(seed: bytes) -> Poly:
    """Algorithm 7: uniform coefficients by rejection."""
    found: Poly = []
    want = 672
    while True:
        stream = hashlib.shake_128(seed).digest(want)
        found.clear()
        for i in range(0, want, 3):
            low = stream[i] | (stream[i + 1] & 15) << 8
            high = stream[i + 1] >> 4 | stream[i + 2] << 4
            found += [value for value in (low, high) if value < Q]
        if len(found) >= N:
            return found[:N]
        want += 168


def _sample_cbd(eta: int, seed: bytes, count: int) -> Poly:
    """Algorithm 8 on PRF_eta(seed, count): the centred binomial distribution."""
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([count])).digest(64 * eta), "little")
    mask = (1 << eta) - 1
    found = []
    for _ in range(N):
        x, y = bits & mask, bits >> eta & mask
        found.append((x.bit_count() - y.bit_count()) % Q)
        bits >>= 2 * eta
    return found


# -- K-PKE -----------------------------------------------------------------------------------


def _matrix(rho: bytes, k: int) -> list[list[Poly]]:
    return [[_sample_ntt(rho + bytes([j, i])) for j in range(k)] for i in range(k)]


def _polys(data: bytes, bits: int) -> list[Poly]:
    size = 32 * bits
    return [_decode(data[i : i + size], bits) for i in range(0, len(data), size)]


def _keygen(p: Parameters, d: bytes) -> tuple[bytes, bytes]:
    """Algorithm 13."""
    both = hashlib.sha3_512(d + bytes([p.k])).digest()
    rho, sigma = both[:32], both[32:]
    secret = [_ntt(_sample_cbd(p.eta1, sigma, n)) for n in range(p.k)]
    noise = [_ntt(_sample_cbd(p.eta1, sigma, p.k + n)) for n in range(p.k)]
    public = [_add(_dot(row, secret), e) for row, e in zip(_matrix(rho, p.k), noise, strict=True)]
    return b"".join(_encode(t, 12) for t in public) + rho, b"".join(_encode(s, 12) for s in secret)


def _encrypt(p: Parameters, key: bytes, message: bytes, coins: bytes) -> bytes:
    """Algorithm 14."""
    public, matrix = _polys(key[:-32], 12), _matrix(key[-32:], p.k)
    y = [_ntt(_sample_cbd(p.eta1, coins, n)) for n in range(p.k)]
    e1 = [_sample_cbd(p.eta2, coins, p.k + n) for n in range(p.k)]
    e2 = _sample_cbd(p.eta2, coins, 2 * p.k)
    columns = [[matrix[j][i] for j in range(p.k)] for i in range(p.k)]
    u = [_add(_inverse_ntt(_dot(column, y)), e) for column, e in zip(columns, e1, strict=True)]
    mu = _decompress(_decode(message, 1), 1)
    v = _add(_add(_inverse_ntt(_dot(public, y)), e2), mu)
    first = b"".join(_encode(_compress(poly, p.du), p.du) for poly in u)
    return first + _encode(_compress(v, p.dv), p.dv)


def _decrypt(p: Parameters, secret: bytes, ciphertext: bytes) -> bytes:
    """Algorithm 15."""
    cut = 32 * p.du * p.k
    u = [_ntt(_decompress(poly, p.du)) for poly in _polys(ciphertext[:cut], p.du)]
    v = _decompress(_decode(ciphertext[cut:], p.dv), p.dv)
    product = _inverse_ntt(_dot(_polys(secret, 12), u))
    return _encode(_compress([(a - b) % Q for a, b in zip(v, product, strict=True)], 1), 1)


# -- ML-KEM ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decapsulator:
    """A decapsulation key: its encapsulation key is what the peer gets."""

    parameters: Parameters
    encapsulation_key: bytes
    _secret: bytes
    _z: bytes

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret; of a ciphertext that was changed, one that nobody else has (6.3)."""
        p, key = self.parameters, self.encapsulation_key
        message = _decrypt(p, self._secret, ciphertext)
        both = hashlib.sha3_512(message + hashlib.sha3_256(key).digest()).digest()
        if hmac.compare_digest(_encrypt(p, key, message, both[32:]), ciphertext):
            return both[:32]
        return hashlib.shake_256(self._z + ciphertext).digest(32)


def from_seed(bits: int, seed: bytes) -> Decapsulator:
    """The key pair of d | z (algorithm 16)."""
    p = PARAMETERS[bits]
    key, secret = _keygen(p, seed[:32])
    return Decapsulator(p, key, secret, seed[32:])


def rejected(seed: bytes, ciphertext: bytes, shared: bytes) -> bool:
    """Whether a ciphertext was found to be changed: what nobody should be able to tell (6.3)."""
    return hashlib.shake_256(seed[32:] + ciphertext).digest(32) == shared


def in_range(key: bytes) -> bool:
    """The modulus check of an encapsulation key of the right length (FIPS 203 7.2)."""
    return all(value < Q for poly in _polys(key[:-32], 12) for value in poly)


def encapsulate(bits: int, key: bytes, message: bytes) -> tuple[bytes, bytes]:
    """(shared secret, ciphertext) with 32 octets of randomness (algorithm 17)."""
    both = hashlib.sha3_512(message + hashlib.sha3_256(key).digest()).digest()
    return both[:32], _encrypt(PARAMETERS[bits], key, message, both[32:])
