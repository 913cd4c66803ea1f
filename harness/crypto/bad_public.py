"""Public values that a peer must refuse, by group and name: data for test cases.

Sources: RFC 6989 2.1 to 2.3 for numbers and points, RFC 8031 3.2 for Curve25519 and Curve448,
FIPS 203 7.2 for ML-KEM, RFC 7296 3.4 for lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ikelab.harness.crypto.groups import CURVES, Curve, Modp, modp
from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.iana import Ke


@dataclass(frozen=True, slots=True)
class BadPublic:
    """One value for the Key Exchange Data, and what is wrong with it."""

    name: str
    value: bytes
    reason: str


@cache
def bad_publics(group_id: int) -> tuple[BadPublic, ...]:
    """Every bad value of a group; lengths alone where ikelab does not know its arithmetic."""
    row = Ke(group_id)
    if row.primitive == "modp":
        values = [*_numbers(modp(row), row.public), *_lengths(row.public)]
    elif row in CURVES:
        values = [*_points(CURVES[row]), *_lengths(row.public)]
    elif row.primitive == "curve25519":
        values = [*_montgomery(_P25519, 32, _ORDER_8), *_lengths(row.public)]
    elif row.primitive == "curve448":
        values = [*_montgomery(_P448, 56, ()), *_lengths(row.public)]
    elif row.primitive == "ml-kem":
        ones = BadPublic("all-ones", b"\xff" * row.public, "the coefficients are not below 3329")
        values = [ones, *_lengths(row.public)]
    else:
        values = list(_lengths(row.public))
    return tuple(values)


def bad_public(group_id: int, name: str) -> bytes:
    """One value by name; ConfigError names the nearest ones for a name that the group lacks."""
    values = {bad.name: bad.value for bad in bad_publics(group_id)}
    if name not in values:
        group = Ke(group_id).iana
        raise ConfigError(f"no bad value {name!r} for {group}{nearest(name, values)}")
    return values[name]


def _lengths(octets: int) -> Iterator[BadPublic]:
    # The last octets are 2 and no larger, so that but for the length nothing else is wrong with
    # the value as a number.
    text = f"{octets} octets are right"
    if octets:
        yield BadPublic("empty", b"", text)
        yield BadPublic("short", (b"\2").rjust(octets - 1, b"\0"), text)
    yield BadPublic("long", (b"\2").rjust(octets + 1, b"\0"), text)


def _numbers(group: Modp, octets: int) -> Iterator[BadPublic]:
    p = group.p
    outside = "not between 1 and p - 1"
    for name, number, reason in (
        ("zero", 0, outside),
        ("one", 1, outside),
        ("p-1", p - 1, outside),
        ("p", p, outside),
        ("p+1", p + 1, outside),
        ("all-ones", (1 << 8 * octets) - 1, outside),
    ):
        yield BadPublic(name, number.to_bytes(octets, "big"), reason)
    yield BadPublic("unpadded", b"\2", "the zeros that fill up the length are missing")
    if group.safe:
        return
    for order in _small_factors((p - 1) // group.q):
        element = next(e for e in (pow(h, (p - 1) // order, p) for h in range(2, 99)) if e != 1)
        if element != p - 1:
            reason = f"it generates a subgroup of order {order}"
            yield BadPublic(f"order-{order}", element.to_bytes(octets, "big"), reason)
    other = next(y for y in range(2, 99) if pow(y, group.q, p) != 1)
    reason = "not in the subgroup of order q"
    yield BadPublic("other-subgroup", other.to_bytes(octets, "big"), reason)


def _small_factors(number: int) -> Iterator[int]:
    for factor in range(2, 1000):
        if number % factor == 0:
            yield factor
        while number % factor == 0:
            number //= factor


def _points(curve: Curve) -> Iterator[BadPublic]:
    def octets(x: int, y: int) -> bytes:
        return x.to_bytes(curve.octets, "big") + y.to_bytes(curve.octets, "big")

    p = curve.p
    off, range_ = "the point is not on the curve", "a coordinate is not below the prime"
    yield BadPublic("zero", octets(0, 0), off)
    yield BadPublic("off-curve", octets(1, 1), off)
    # On the curve with the same a and b' = -(1 + a), where adding never looks at b: order 2.
    yield BadPublic("order-2", octets(1, 0), "on another curve, where its order is 2")
    yield BadPublic("p", octets(p, p), range_)
    yield BadPublic("all-ones", b"\xff" * (2 * curve.octets), range_)
    x, y = _some_point(curve)
    yield BadPublic("off-by-one", octets(x, y ^ 1), off)
    yield BadPublic("x-plus-p", octets(x + p, y), range_)
    yield BadPublic("x-only", octets(x, y)[: curve.octets], "y is missing")
    yield BadPublic("prefixed", b"\4" + octets(x, y), "the octet 4 of SEC 1 is no part of it")
    compressed = bytes([2 + y % 2]) + octets(x, y)[: curve.octets]
    yield BadPublic("compressed", compressed, "the compressed form of SEC 1 is not used")


def _some_point(curve: Curve) -> tuple[int, int]:
    """The point with the least x whose y is easily found."""
    p = curve.p
    for x in range(p):
        square = ((x * x + curve.a) * x + curve.b) % p
        y = _square_root(square, p)
        if y * y % p == square:
            return x, y
    raise AssertionError("a curve has points")


def _square_root(square: int, p: int) -> int:
    """A root mod p, by Cipolla; any number where the argument is no square."""
    if p % 4 == 3:
        return pow(square, (p + 1) // 4, p)
    a = next(a for a in range(p) if pow(a * a - square, (p - 1) // 2, p) == p - 1)
    w = (a * a - square) % p
    real, imaginary, base = 1, 0, (a, 1)
    for bit in bin((p + 1) // 2)[2:]:
        real, imaginary = (real * real + imaginary * imaginary * w) % p, 2 * real * imaginary % p
        if bit == "1":
            real, imaginary = (
                (real * base[0] + imaginary * base[1] * w) % p,
                (real * base[1] + imaginary * base[0]) % p,
            )
    return real


_P25519 = (1 << 255) - 19
_P448 = (1 << 448) - (1 << 224) - 1
_ORDER_8 = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)


def _montgomery(p: int, octets: int, order_8: tuple[str, ...]) -> Iterator[BadPublic]:
    """The u coordinates of small order, little-endian, in every form that fits the octets."""
    reason = "the shared secret is zero: a point of small order"
    for name, number in (("zero", 0), ("one", 1), ("p-1", p - 1), ("p", p), ("p+1", p + 1)):
        yield BadPublic(name, number.to_bytes(octets, "little"), reason)
    for number, text in enumerate(order_8, 1):
        yield BadPublic(f"order-8-{number}", bytes.fromhex(text), reason)
    if p.bit_length() % 8:  # RFC 7748 5: the bit that is not used is masked
        value = (1 << 8 * octets - 1).to_bytes(octets, "little")
        yield BadPublic("zero-high-bit", value, reason)
