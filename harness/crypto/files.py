"""Keys and certificates in the forms of files that other programs read: PKCS#12 and PEM.

With entropy of the library's own: what is written here is read once, by a daemon on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from ikelab.harness.crypto.certs import Certificate
from ikelab.harness.crypto.sign import load_private_key
from ikelab.harness.errors import ConfigError

_CURVES = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}


def key_kind(key: bytes) -> str:
    """What a private key is: `rsa`, `p256`, `p384`, `p521`, or the name of another one."""
    loaded = load_private_key(key)
    if isinstance(loaded, rsa.RSAPrivateKey):
        return "rsa"
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return _CURVES.get(loaded.curve.name, loaded.curve.name)
    return type(loaded).__name__.lower().removesuffix("privatekey").lstrip("_")


def bundle(key: bytes, chain: Sequence[bytes], *, name: str, password: str) -> bytes:
    """PKCS#12 with a key, its certificate and those above it; `name` is what it is called.

    Where the key is not the certificate's, as in a test of that, ConfigError.
    """
    leaf, *above = (Certificate.load(data).x509 for data in chain)
    loaded = load_private_key(key)
    try:
        return pkcs12.serialize_key_and_certificates(
            name.encode(), loaded, leaf, above, BestAvailableEncryption(password.encode())
        )
    except ValueError as error:
        raise ConfigError(f"key and certificate do not go together: {error}") from None


def pem_key(key: bytes) -> bytes:
    """A private key as PKCS#8, PEM, not encrypted."""
    return load_private_key(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pem_public(key: bytes) -> bytes:
    """The public half of a private key, PEM."""
    public = load_private_key(key).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def pem_certificate(data: bytes) -> bytes:
    """A certificate, PEM."""
    return Certificate.load(data).x509.public_bytes(Encoding.PEM)


def der_certificate(data: bytes) -> bytes:
    """A certificate, DER."""
    return Certificate.load(data).der


def crl(data: bytes, *, pem: bool = False) -> bytes:
    """A CRL as DER or PEM, whatever it was; ConfigError where it is none."""
    load = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
    try:
        found = load(data)
    except ValueError as error:
        raise ConfigError(f"not a CRL: {error}") from None
    return found.public_bytes(Encoding.PEM if pem else Encoding.DER)
