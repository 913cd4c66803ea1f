"""Key exchange: a key pair of any group, and the shared secret with a peer's public value.

MODP is done with pow(), curves by `cryptography`, Brainpool P-224 by a few lines here. Randomness
comes in as an argument, so that a run can be repeated to the octet. A KEM has no key pair on both
sides: who answers asks `respond`, which does for every group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from cryptography.exceptions import UnsupportedAlgorithm as Missing
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

from ikelab.harness.crypto import mlkem, weierstrass
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.groups import CURVES, Curve, Modp, modp
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.layers.iana import Ke, name

__all__ = [
    "BadPublicValue",
    "KeyPair",
    "from_private",
    "generate",
    "public_length",
    "respond",
    "why_not",
]

Entropy = Callable[[int], bytes]
"""How many octets -> that many random octets."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One side's keys: `public` is the Key Exchange Data of a KE payload (RFC 7296 3.4)."""

    group: int
    private: bytes = field(repr=False)
    public: bytes
    _exchange: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def shared(self, peer_public: bytes) -> bytes:
        """The shared secret g^ir; BadPublicValue where the peer's value must be refused."""
        return self._exchange(peer_public)


@dataclass(frozen=True, slots=True)
class _Group:
    """`draw` makes a private key from entropy, `pair` a key pair from a private key."""

    draw: Callable[[Entropy], bytes]
    pair: Callable[[bytes], KeyPair]


def generate(group_id: int, entropy: Entropy) -> KeyPair:
    """A fresh key pair: one call of `entropy`. UnsupportedAlgorithm where ikelab has no group."""
    group = _group(group_id)
    return group.pair(group.draw(entropy))


def respond(group_id: int, entropy: Entropy, peer_public: bytes) -> KeyPair:
    """The key pair of who answers `peer_public`: of a KEM, its ciphertext and what that holds."""
    _group(group_id)
    row = Ke(group_id)
    if row.primitive != "ml-kem":
        return generate(group_id, entropy)
    _expect_length(row, peer_public)
    if not mlkem.in_range(peer_public):  # FIPS 203 7.2, the modulus check
        raise BadPublicValue(f"{row.iana}: a coefficient is not below {mlkem.Q}")
    message = entropy(mlkem.MESSAGE)
    shared, ciphertext = mlkem.encapsulate(row.bits, peer_public, message)
    return KeyPair(row, message, ciphertext, lambda _: shared)


def from_private(group_id: int, private: bytes) -> KeyPair:
    """The key pair of a private key: a big-endian number, or the octets of RFC 7748."""
    return _group(group_id).pair(private)


def public_length(group_id: int) -> int:
    """Octets of the Key Exchange Data."""
    _group(group_id)
    return Ke(group_id).public


def why_not(group_id: int) -> str | None:
    """The reason why this group cannot be computed here; None where it can."""
    try:
        from_private(group_id, _group(group_id).draw(lambda count: b"\1" * count))
    except UnsupportedAlgorithm as error:
        return str(error)
    return None


@cache
def _group(group_id: int) -> _Group:
    try:
        row = Ke(group_id)
    except ValueError:
        raise UnsupportedAlgorithm(f"KE {group_id} is no number that IANA assigned") from None
    if row.primitive == "modp":
        return _modp(row, modp(row))
    if row in _LIBRARY_CURVES:
        return _library_curve(row, CURVES[row], _LIBRARY_CURVES[row])
    if row in CURVES:
        return _own_curve(row, CURVES[row])
    if row.primitive == "curve25519":
        return _Group(lambda entropy: entropy(32), lambda private: _x25519(row, private))
    if row.primitive == "curve448":
        return _Group(lambda entropy: entropy(56), lambda private: _x448(row, private))
    if row.primitive == "ml-kem":
        return _Group(lambda entropy: entropy(mlkem.SEED), lambda seed: _mlkem(row, seed))
    reason = "no key exchange" if row == Ke.NONE else "cryptography has no such group"
    raise UnsupportedAlgorithm(f"{name(Ke, group_id)}: {reason}")


def _below(order: int, entropy: Entropy) -> bytes:
    """A number from 1 to order - 1; 64 bits more than needed make the bias negligible."""
    size = (order.bit_length() + 7) // 8
    number = int.from_bytes(entropy(size + 8), "big") % (order - 1) + 1
    return number.to_bytes(size, "big")


def _expect_length(row: Ke, public: bytes) -> None:
    if len(public) != row.public:
        raise BadPublicValue(f"{row.iana} has values of {row.public} octets, not {len(public)}")


def _modp(row: Ke, group: Modp) -> _Group:
    p, size = group.p, row.public

    def draw(entropy: Entropy) -> bytes:
        if not group.safe:
            return _below(group.q, entropy)
        octets = entropy(group.exponent_bits // 8)
        return octets if int.from_bytes(octets, "big") > 1 else b"\2".rjust(len(octets), b"\0")

    def pair(private: bytes) -> KeyPair:
        exponent = int.from_bytes(private, "big")
        public = pow(group.g, exponent, p).to_bytes(size, "big")

        def exchange(peer: bytes) -> bytes:
            _expect_length(row, peer)
            y = int.from_bytes(peer, "big")
            if not 1 < y < p - 1:  # RFC 6989 2.1
                raise BadPublicValue(f"{row.iana}: the value is not between 1 and p - 1")
            if not group.safe and pow(y, group.q, p) != 1:  # RFC 6989 2.2
                raise BadPublicValue(f"{row.iana}: the value is not in the subgroup of order q")
            return pow(y, exponent, p).to_bytes(size, "big")

        return KeyPair(row, private, public, exchange)

    return _Group(draw, pair)


_LIBRARY_CURVES: dict[Ke, ec.EllipticCurve] = {
    Ke.ECP_256: ec.SECP256R1(),
    Ke.ECP_384: ec.SECP384R1(),
    Ke.ECP_521: ec.SECP521R1(),
    Ke.ECP_192: ec.SECP192R1(),
    Ke.ECP_224: ec.SECP224R1(),
    Ke.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
    Ke.BRAINPOOL_P384R1: ec.BrainpoolP384R1(),
    Ke.BRAINPOOL_P512R1: ec.BrainpoolP512R1(),
}


def _scalar(row: Ke, curve: Curve, private: bytes) -> int:
    scalar = int.from_bytes(private, "big")
    if not 0 < scalar < curve.n:
        raise ConfigError(f"{row.iana}: a private key is a number from 1 to the order less one")
    return scalar


def _point(row: Ke, curve: Curve, public: bytes) -> tuple[int, int]:
    """x and y of a peer's value, checked as RFC 6989 2.3 tells; the cofactor is always 1."""
    _expect_length(row, public)
    x = int.from_bytes(public[: curve.octets], "big")
    y = int.from_bytes(public[curve.octets :], "big")
    if x >= curve.p or y >= curve.p:
        raise BadPublicValue(f"{row.iana}: a coordinate is not below the prime")
    if not curve.holds(x, y):
        raise BadPublicValue(f"{row.iana}: the point is not on the curve")
    return x, y


def _library_curve(row: Ke, curve: Curve, library: ec.EllipticCurve) -> _Group:
    algorithm = ec.ECDH()

    def pair(private: bytes) -> KeyPair:
        try:
            key = ec.derive_private_key(_scalar(row, curve, private), library)
        except Missing as error:
            raise UnsupportedAlgorithm(f"{row.iana}: {error}") from None
        numbers = key.public_key().public_numbers()
        public = numbers.x.to_bytes(curve.octets, "big") + numbers.y.to_bytes(curve.octets, "big")

        def exchange(peer: bytes) -> bytes:
            _point(row, curve, peer)
            point = ec.EllipticCurvePublicKey.from_encoded_point(library, b"\4" + peer)
            return key.exchange(algorithm, point)

        return KeyPair(row, private, public, exchange)

    return _Group(lambda entropy: _below(curve.n, entropy), pair)


def _own_curve(row: Ke, curve: Curve) -> _Group:
    def octets(point: tuple[int, int] | None) -> bytes:
        if point is None:
            raise BadPublicValue(f"{row.iana}: the shared point is the point at infinity")
        return b"".join(number.to_bytes(curve.octets, "big") for number in point)

    def pair(private: bytes) -> KeyPair:
        scalar = _scalar(row, curve, private)
        public = octets(weierstrass.multiply(curve, scalar, curve.x, curve.y))

        def exchange(peer: bytes) -> bytes:
            point = _point(row, curve, peer)
            # RFC 6954 2.3, as RFC 5903 7: the x coordinate alone is the secret
            return octets(weierstrass.multiply(curve, scalar, *point))[: curve.octets]

        return KeyPair(row, private, public, exchange)

    return _Group(lambda entropy: _below(curve.n, entropy), pair)


def _x25519(row: Ke, private: bytes) -> KeyPair:
    key = x25519.X25519PrivateKey.from_private_bytes(private)

    def exchange(peer: bytes) -> bytes:
        _expect_length(row, peer)
        try:
            return key.exchange(x25519.X25519PublicKey.from_public_bytes(peer))
        except ValueError:  # RFC 8031 3.2: the shared secret must not be all zero
            raise BadPublicValue(f"{row.iana}: the shared secret is zero") from None

    return KeyPair(row, private, key.public_key().public_bytes_raw(), exchange)


def _x448(row: Ke, private: bytes) -> KeyPair:
    key = x448.X448PrivateKey.from_private_bytes(private)

    def exchange(peer: bytes) -> bytes:
        _expect_length(row, peer)
        try:
            return key.exchange(x448.X448PublicKey.from_public_bytes(peer))
        except ValueError:  # RFC 8031 3.2: the shared secret must not be all zero
            raise BadPublicValue(f"{row.iana}: the shared secret is zero") from None

    return KeyPair(row, private, key.public_key().public_bytes_raw(), exchange)


def _mlkem(row: Ke, seed: bytes) -> KeyPair:
    if len(seed) != mlkem.SEED:
        raise ConfigError(f"{row.iana}: a private key is a seed of {mlkem.SEED} octets")
    key = mlkem.from_seed(row.bits, seed)

    def exchange(ciphertext: bytes) -> bytes:
        if len(ciphertext) != row.ciphertext:
            text = f"{row.iana} answers with {row.ciphertext} octets, not {len(ciphertext)}"
            raise BadPublicValue(text)
        return key.decapsulate(ciphertext)

    return KeyPair(row, seed, key.encapsulation_key, exchange)
