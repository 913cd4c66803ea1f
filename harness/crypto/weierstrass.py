"""Point multiplication for the curve that `cryptography` lacks. Not constant time: for tests."""

from __future__ import annotations

from ikelab.harness.crypto.groups import Curve

Jacobian = tuple[int, int, int]
"""X, Y, Z with x = X / Z^2 and y = Y / Z^3; Z = 0 is the point at infinity."""


def multiply(curve: Curve, scalar: int, x: int, y: int) -> tuple[int, int] | None:
    """scalar * (x, y) in affine coordinates; None for the point at infinity.

    The point need not lie on the curve: `b` plays no part, as in every implementation that an
    invalid point can attack.
    """
    total: Jacobian = (1, 1, 0)
    for bit in bin(scalar)[2:]:
        total = _double(curve, total)
        if bit == "1":
            total = _add(curve, total, x, y)
    if total[2] == 0:
        return None
    inverse = pow(total[2], -1, curve.p)
    square = inverse * inverse % curve.p
    return total[0] * square % curve.p, total[1] * square * inverse % curve.p


def _double(curve: Curve, point: Jacobian) -> Jacobian:
    x, y, z = point
    p = curve.p
    if z == 0 or y == 0:
        return 1, 1, 0
    square = y * y % p
    s = 4 * x * square % p
    m = (3 * x * x + curve.a * pow(z, 4, p)) % p
    double_x = (m * m - 2 * s) % p
    return double_x, (m * (s - double_x) - 8 * square * square) % p, 2 * y * z % p


def _add(curve: Curve, point: Jacobian, x: int, y: int) -> Jacobian:
    """Jacobian plus affine."""
    x1, y1, z1 = point
    p = curve.p
    if z1 == 0:
        return x, y, 1
    square = z1 * z1 % p
    h = (x * square - x1) % p
    r = (y * square * z1 - y1) % p
    if h == 0:
        return _double(curve, point) if r == 0 else (1, 1, 0)
    cube = h * h * h % p
    v = x1 * h * h % p
    x3 = (r * r - cube - 2 * v) % p
    return x3, (r * (v - x3) - y1 * cube) % p, h * z1 % p
