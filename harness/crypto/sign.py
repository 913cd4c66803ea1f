"""AUTH by signature: RSA (method 1), ECDSA (9 to 11, RFC 4754), digital signature (14, RFC 7427).

Keys and certificates come in as octets, PEM or DER. Signing can be repeated to the octet: ECDSA
is deterministic (RFC 6979) and the salt of PSS comes from the caller's entropy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as Missing
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ikelab.harness.crypto.errors import BadSignature
from ikelab.harness.crypto.pss import encode
from ikelab.harness.crypto.schemes import SCHEMES, Scheme, digest_info, parse_identifier
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.layers.iana import AuthMethod, Hash, name

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
Entropy = Callable[[int], bytes]

_HASHES: dict[int, hashes.HashAlgorithm] = {
    Hash.SHA1: hashes.SHA1(),
    Hash.SHA2_256: hashes.SHA256(),
    Hash.SHA2_384: hashes.SHA384(),
    Hash.SHA2_512: hashes.SHA512(),
}
# RFC 4754 3: method, curve, hash.
_ECDSA: dict[int, tuple[str, Scheme]] = {
    AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE: ("secp256r1", SCHEMES["ecdsa-sha256"]),
    AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE: ("secp384r1", SCHEMES["ecdsa-sha384"]),
    AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE: ("secp521r1", SCHEMES["ecdsa-sha512"]),
}
# RFC 7296 3.8: SHA-1 by default; a receiver tries the others, since nothing names the hash.
_RSA = [SCHEMES[f"rsa-pkcs1-{word}"] for word in ("sha1", "sha256", "sha384", "sha512")]


def sign(
    method: int,
    key: PrivateKey,
    octets: bytes,
    *,
    scheme: Scheme | None = None,
    entropy: Entropy | None = None,
    hash_octets: int | None = None,
) -> bytes:
    """AUTH data of a signing method over the signed octets.

    Method 14 needs a scheme (see `usable`); method 1 takes one to use another hash than SHA-1.
    `hash_octets` signs only the first octets of the hash (RSA with PKCS#1), which is wrong.
    ConfigError where key and scheme do not fit; UnsupportedAlgorithm for other methods.
    """
    if method in _ECDSA:
        curve, fixed = _ECDSA[method]
        size = _curve_octets(key, curve)
        r, s = decode_dss_signature(_sign(fixed, key, octets, entropy))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")  # RFC 4754 7: not DER
    if method == AuthMethod.RSA_DIGITAL_SIGNATURE:
        return _sign(scheme or _RSA[0], key, octets, entropy, hash_octets)
    if method == AuthMethod.DIGITAL_SIGNATURE:
        if scheme is None:
            raise ConfigError("a digital signature (RFC 7427) needs a scheme to be chosen")
        identifier = scheme.identifier
        signature = _sign(scheme, key, octets, entropy, hash_octets)
        return bytes([len(identifier)]) + identifier + signature
    raise UnsupportedAlgorithm(f"{name(AuthMethod, method)}: ikelab signs with no such method")


def verify(method: int, key: PublicKey, data: bytes, octets: bytes) -> Scheme:
    """Check AUTH data; the scheme that it was made with, or BadSignature with the reason."""
    if method in _ECDSA:
        curve, fixed = _ECDSA[method]
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve:
            raise BadSignature(f"{name(AuthMethod, method)}: the key is not on {curve}")
        half = (key.curve.key_size + 7) // 8
        if len(data) != 2 * half:
            raise BadSignature(f"{2 * half} octets are r and s (RFC 4754 7), not {len(data)}")
        r, s = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
        return _verify([fixed], key, encode_dss_signature(r, s), octets)
    if method == AuthMethod.RSA_DIGITAL_SIGNATURE:
        return _verify(_RSA, key, data, octets)
    if method == AuthMethod.DIGITAL_SIGNATURE:
        if not data or len(data) <= data[0]:
            raise BadSignature("the AlgorithmIdentifier goes past the end (RFC 7427 3)")
        split = 1 + data[0]
        return _verify([parse_identifier(data[1:split])], key, data[split:], octets)
    raise UnsupportedAlgorithm(f"{name(AuthMethod, method)}: ikelab verifies no such method")


def usable(key: PrivateKey, hash_ids: Iterable[int]) -> list[Scheme]:
    """The schemes of a key among a peer's SIGNATURE_HASH_ALGORITHMS, best first.

    PSS before PKCS#1 (RFC 8247 3.2), the hash nearest to the curve's size first, SHA-1 last.
    """
    allowed = set(hash_ids)
    kinds = _kinds(key)
    bits = key.curve.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 256

    def rank(scheme: Scheme) -> tuple[bool, int, int]:
        hash_bits = 8 * _HASHES[scheme.hash].digest_size if scheme.hash in _HASHES else bits
        nearest = abs(min(bits, 512) - hash_bits)
        return scheme.hash == Hash.SHA1, kinds.index(scheme.kind), nearest

    found = [s for s in SCHEMES.values() if s.kind in kinds and s.hash in allowed]
    return sorted(found, key=rank)


def method_of(key: PrivateKey) -> int | None:
    """The method of a key where RFC 7427 is not spoken: 1, 9 to 11, or None."""
    if isinstance(key, rsa.RSAPrivateKey):
        return AuthMethod.RSA_DIGITAL_SIGNATURE
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    return next((method for method, (known, _) in _ECDSA.items() if known == curve), None)


def load_private_key(data: bytes, password: bytes | None = None) -> PrivateKey:
    """A private key, PEM or DER (PKCS#8 or the older forms); ConfigError where it is none."""
    load = (
        serialization.load_pem_private_key
        if b"-----BEGIN" in data
        else serialization.load_der_private_key
    )
    try:
        key = load(data, password)
    except (ValueError, TypeError, Missing) as error:
        raise ConfigError(f"not a private key: {error}") from None
    if not isinstance(key, PrivateKey):
        raise ConfigError(f"a {type(key).__name__} signs nothing in IKEv2")
    return key


def load_public_key(data: bytes) -> PublicKey:
    """The public key of a certificate, a SubjectPublicKeyInfo or a PKCS#1 key, PEM or DER.

    BadSignature where there is none: what is read here comes from a peer.
    """
    loaders: tuple[Callable[[bytes], object], ...] = (
        lambda octets: x509.load_der_x509_certificate(octets).public_key(),
        serialization.load_der_public_key,
    )
    if b"-----BEGIN" in data:
        loaders = (
            lambda octets: x509.load_pem_x509_certificate(octets).public_key(),
            serialization.load_pem_public_key,
        )
    for load in loaders:
        try:
            key = load(data)
        except (ValueError, TypeError, Missing):
            continue
        if isinstance(key, PublicKey):
            return key
    raise BadSignature("neither a certificate nor a public key that signs in IKEv2")


def _kinds(key: PrivateKey | PublicKey) -> tuple[str, ...]:
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return ("rsa-pss", "rsa-pkcs1")
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return ("ecdsa",)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return ("ed25519",)
    return ("ed448",)


def _curve_octets(key: PrivateKey, curve: str) -> int:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != curve:
        raise ConfigError(f"this method signs with a key on {curve} (RFC 4754 3)")
    return (key.curve.key_size + 7) // 8


def _sign(
    scheme: Scheme,
    key: PrivateKey,
    octets: bytes,
    entropy: Entropy | None,
    hash_octets: int | None = None,
) -> bytes:
    if scheme.kind not in _kinds(key):
        raise ConfigError(f"{scheme.name} does not fit a key for {' or '.join(_kinds(key))}")
    if hash_octets is not None:
        if scheme.kind != "rsa-pkcs1" or not isinstance(key, rsa.RSAPrivateKey):
            raise ConfigError(f"only rsa-pkcs1 signs a part of the hash, not {scheme.name}")
        return _sign_part(scheme, key, octets, hash_octets)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(octets)
    algorithm = _HASHES[scheme.hash]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(octets, ec.ECDSA(algorithm, deterministic_signing=True))
    if scheme.kind == "rsa-pkcs1":
        return key.sign(octets, padding.PKCS1v15(), algorithm)
    if entropy is None:
        return key.sign(octets, _pss(scheme), algorithm)
    return _sign_pss(scheme, key, octets, entropy(scheme.salt))


def _sign_pss(scheme: Scheme, key: rsa.RSAPrivateKey, octets: bytes, salt: bytes) -> bytes:
    """PSS with a given salt, which `cryptography` cannot do: the private operation is pow()."""
    digest = hashlib.new(_HASHES[scheme.hash].name, octets).digest()
    encoded = encode(_HASHES[scheme.hash].name, digest, salt, key.key_size - 1)
    return _private_operation(key, encoded)


def _sign_part(scheme: Scheme, key: rsa.RSAPrivateKey, octets: bytes, count: int) -> bytes:
    """PKCS#1 1.5 (RFC 8017 9.2) over the first octets of the hash."""
    digest = hashlib.new(_HASHES[scheme.hash].name, octets).digest()[:count]
    info = digest_info(scheme.hash, digest)
    padding_octets = (key.key_size + 7) // 8 - len(info) - 3
    return _private_operation(key, b"\0\1" + b"\xff" * padding_octets + b"\0" + info)


def _private_operation(key: rsa.RSAPrivateKey, encoded: bytes) -> bytes:
    numbers = key.private_numbers()
    message = int.from_bytes(encoded, "big")
    m1 = pow(message % numbers.p, numbers.dmp1, numbers.p)
    m2 = pow(message % numbers.q, numbers.dmq1, numbers.q)
    signature = m2 + (m1 - m2) * numbers.iqmp % numbers.p * numbers.q
    return signature.to_bytes((key.key_size + 7) // 8, "big")


def _pss(scheme: Scheme) -> padding.PSS:
    return padding.PSS(padding.MGF1(_HASHES[scheme.hash]), scheme.salt)


def _verify(schemes: list[Scheme], key: PublicKey, data: bytes, octets: bytes) -> Scheme:
    for scheme in schemes:
        if scheme.kind not in _kinds(key):
            kinds = " or ".join(_kinds(key))
            raise BadSignature(f"{scheme.name} does not fit the peer's key, one for {kinds}")
        try:
            _verify_one(scheme, key, data, octets)
        except InvalidSignature:
            continue
        except Missing as error:
            raise UnsupportedAlgorithm(f"{scheme.name}: {error}") from None
        return scheme
    raise BadSignature(f"the signature does not verify as {' or '.join(s.name for s in schemes)}")


def _verify_one(scheme: Scheme, key: PublicKey, data: bytes, octets: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(data, octets)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(data, octets, ec.ECDSA(_HASHES[scheme.hash]))
    elif scheme.kind == "rsa-pss":
        key.verify(data, octets, _pss(scheme), _HASHES[scheme.hash])
    else:
        key.verify(data, octets, padding.PKCS1v15(), _HASHES[scheme.hash])
