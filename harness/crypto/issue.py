"""Making keys, certificates and CRLs, right ones and wrong ones. For test beds, not for a real CA.

With entropy given everything is repeated to the octet: RSA primes are drawn from it too.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.certs import Certificate, moment
from ikelab.harness.crypto.primes import prime
from ikelab.harness.crypto.sign import Entropy, PrivateKey, load_private_key
from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.iana import Ke

RSA_SIZES = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
_CURVES: dict[str, tuple[ec.EllipticCurve, Ke]] = {
    "p256": (ec.SECP256R1(), Ke.ECP_256),
    "p384": (ec.SECP384R1(), Ke.ECP_384),
    "p521": (ec.SECP521R1(), Ke.ECP_521),
}
KINDS = (*RSA_SIZES, *_CURVES, "ed25519", "ed448")
"""The kinds of key that a test bed is made of."""

_COMMENT = ObjectIdentifier("2.16.840.1.113730.1.13")  # nsComment: text that nobody acts on
_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate to be made. Alternative names are `dns:`, `email:`, `ip:` and a value.

    `begin` and `end` are Unix times; `usage` names key usages as RFC 5280 does; `purposes` are
    object identifiers of extended key usages; `bulk` octets of comment make it large.
    """

    common_name: str
    begin: float
    end: float
    ca: bool = False
    path_length: int | None = None
    usage: tuple[str, ...] = ("digitalSignature",)
    purposes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    organisation: str = "ikelab"
    bulk: int = 0


def new_key(kind: str, entropy: Entropy | None = None) -> bytes:
    """A private key as PKCS#8 DER; ConfigError for an unknown kind."""
    key: PrivateKey
    if kind in RSA_SIZES:
        bits = RSA_SIZES[kind]
        key = _rsa(bits, entropy) if entropy else rsa.generate_private_key(_EXPONENT, bits)
    elif kind in _CURVES:
        curve, group = _CURVES[kind]
        key = _ecdsa(curve, group, entropy) if entropy else ec.generate_private_key(curve)
    elif kind == "ed25519":
        own = ed25519.Ed25519PrivateKey
        key = own.from_private_bytes(entropy(32)) if entropy else own.generate()
    elif kind == "ed448":
        other = ed448.Ed448PrivateKey
        key = other.from_private_bytes(entropy(57)) if entropy else other.generate()
    else:
        near = nearest(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise ConfigError(f"unknown kind of key {kind!r}{near}")
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _ecdsa(curve: ec.EllipticCurve, group: Ke, entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    # The private key of a key exchange on the same curve is drawn the same way.
    private = ke.generate(group, entropy).private
    return ec.derive_private_key(int.from_bytes(private, "big"), curve)


def _rsa(bits: int, entropy: Entropy) -> rsa.RSAPrivateKey:
    p = prime(bits // 2, _EXPONENT, entropy)
    q = prime(bits // 2, _EXPONENT, entropy)
    while p == q:
        q = prime(bits // 2, _EXPONENT, entropy)
    p, q = max(p, q), min(p, q)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public
    ).private_key()


def issue(
    wanted: Wanted, key: bytes, issuer: Certificate | None = None, issuer_key: bytes = b""
) -> Certificate:
    """The certificate for a private key, signed by the issuer, or by itself without one."""
    own = load_private_key(key)
    signer = load_private_key(issuer_key) if issuer else own
    subject = subject_name(wanted.common_name, wanted.organisation)
    issued_by = issuer.x509.subject if issuer else subject
    public = own.public_key()
    authority = issuer.key if issuer else public
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    seed = f"{issued_by.rfc4514_string()}|{wanted}|{info.hex()}".encode()
    serial = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") >> 1 or 1
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issued_by)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(moment(wanted.begin))
        .not_valid_after(moment(wanted.end))
        .add_extension(x509.BasicConstraints(wanted.ca, wanted.path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
        )
    )
    if wanted.usage:
        builder = builder.add_extension(_usage(wanted.usage), critical=True)
    if wanted.purposes:
        purposes = [ObjectIdentifier(p) for p in wanted.purposes]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if wanted.names:
        names = x509.SubjectAlternativeName([_general(n) for n in wanted.names])
        builder = builder.add_extension(names, critical=False)
    if wanted.bulk:
        comment = x509.UnrecognizedExtension(_COMMENT, _comment(wanted.bulk))
        builder = builder.add_extension(comment, critical=False)
    made = builder.sign(signer, _hash(signer), ecdsa_deterministic=_deterministic(signer))
    return Certificate.load(made.public_bytes(Encoding.DER))


def revoke(
    issuer: Certificate, key: bytes, revoked: Iterable[Certificate], begin: float, end: float
) -> bytes:
    """A CRL of the issuer, DER, in force between two Unix times."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.x509.subject)
        .last_update(moment(begin))
        .next_update(moment(end))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key), critical=False
        )
    )
    for certificate in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial)
            .revocation_date(moment(begin))
            .build()
        )
    signer = load_private_key(key)
    made = builder.sign(signer, _hash(signer), ecdsa_deterministic=_deterministic(signer))
    return made.public_bytes(Encoding.DER)


def subject_name(common_name: str, organisation: str) -> x509.Name:
    """The subject of everything that is made here: O, CN."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def pem_key(key: bytes) -> bytes:
    """A private key as PEM."""
    loaded = load_private_key(key)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _hash(signer: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return None
    bits = signer.key_size if isinstance(signer, ec.EllipticCurvePrivateKey) else 256
    if bits <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if bits <= 384 else hashes.SHA512()


def _deterministic(signer: PrivateKey) -> bool | None:
    return True if isinstance(signer, ec.EllipticCurvePrivateKey) else None


_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}


def _usage(words: Sequence[str]) -> x509.KeyUsage:
    for word in words:
        if word not in _USAGES:
            raise ConfigError(f"unknown key usage {word!r}{nearest(word, _USAGES)}")
    bits = {field: word in words for word, field in _USAGES.items()}
    return x509.KeyUsage(**bits, encipher_only=False, decipher_only=False)


def _general(text: str) -> x509.GeneralName:
    kind, _, value = text.partition(":")
    match kind:
        case "dns":
            return x509.DNSName(value)
        case "email":
            return x509.RFC822Name(value)
        case "ip":
            return x509.IPAddress(ipaddress.ip_address(value))
    raise ConfigError(f"not an alternative name: {text!r}; write dns:, email: or ip: and a value")


def _comment(octets: int) -> bytes:
    """An IA5String of that many octets."""
    text = (b"ikelab " * (octets // 7 + 1))[:octets]
    size = len(text)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return b"\x16" + length + text
