"""Certificates as peers send them: reading, names, CA key hashes, hash-and-URL, CRLs.

What is wrong with a peer's certificate is a `CertRefused` with a typed reason, never another error.
Whether a chain holds is in `chains`, whether it speaks for an ID payload in `identities`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as Missing
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ikelab.harness.crypto.sign import PublicKey

Extension = TypeVar("Extension", bound=x509.ExtensionType)
KEY_HASH = 20
"""Octets of SHA-1: a CA in CERTREQ (RFC 7296 3.7), what a URL leads to (3.6)."""


class Reason(StrEnum):
    """Why a certificate does not authenticate its sender."""

    MALFORMED = "malformed"
    UNKNOWN_CA = "unknown CA"
    BAD_SIGNATURE = "bad signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    NOT_A_CA = "not a CA"
    PATH_LENGTH = "path length"
    KEY_USAGE = "key usage"
    EXTENDED_KEY_USAGE = "extended key usage"
    CRITICAL_EXTENSION = "critical extension"
    REVOKED = "revoked"
    NO_CRL = "no valid CRL"
    IDENTITY = "identity"
    NOT_FETCHED = "not fetched"


class CertRefused(ValueError):
    """A certificate that is not accepted: `reason`, and a sentence with the evidence."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Certificate:
    """One X.509 certificate; equal when its octets are."""

    der: bytes
    x509: x509.Certificate = field(repr=False, compare=False)

    @classmethod
    def load(cls, data: bytes) -> Certificate:
        """Read DER or PEM (the first one of a file); CertRefused where it is no certificate."""
        try:
            parsed = (
                x509.load_pem_x509_certificate(data)
                if data.lstrip().startswith(b"-----BEGIN")
                else x509.load_der_x509_certificate(data)
            )
            # Read lazily, these: what is wrong in them shows here and nowhere later.
            _ = (parsed.subject, parsed.issuer, parsed.not_valid_before_utc, parsed.version)
            return cls(parsed.public_bytes(Encoding.DER), parsed)
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise CertRefused(Reason.MALFORMED, f"not a certificate: {_words(error)}") from None

    @property
    def name(self) -> str:
        """The subject in one line, such as `CN=gw.example.org,O=Example`."""
        return _name(self.x509.subject)

    @property
    def issuer(self) -> str:
        """The issuer in one line."""
        return _name(self.x509.issuer)

    @property
    def subject(self) -> bytes:
        """The subject as DER: what an ID payload of type ID_DER_ASN1_DN carries."""
        return self.x509.subject.public_bytes()

    @property
    def key(self) -> PublicKey:
        """The public key; CertRefused where it is none that signs in IKEv2."""
        try:
            key = self.x509.public_key()
        except (ValueError, TypeError, Missing) as error:
            text = f"the key of {self.name} cannot be read: {_words(error)}"
            raise CertRefused(Reason.MALFORMED, text) from None
        if not isinstance(key, PublicKey):
            text = f"the key of {self.name} is a {type(key).__name__}"
            raise CertRefused(Reason.MALFORMED, text)
        return key

    @property
    def key_hash(self) -> bytes:
        """SHA-1 of SubjectPublicKeyInfo: what CERTREQ names a CA by (RFC 7296 3.7)."""
        info = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha1(info, usedforsecurity=False).digest()

    @property
    def self_issued(self) -> bool:
        return self.x509.subject == self.x509.issuer

    @property
    def serial(self) -> int:
        return self.x509.serial_number

    def extension(self, kind: type[Extension]) -> Extension | None:
        """The value of an extension, None where it is absent; CertRefused when unreadable."""
        try:
            return self.x509.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None
        except (ValueError, TypeError, x509.DuplicateExtension) as error:
            text = f"the extensions of {self.name} cannot be read: {_words(error)}"
            raise CertRefused(Reason.MALFORMED, text) from None

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether the issuer has that name and its key made the signature."""
        try:
            self.x509.verify_directly_issued_by(issuer.x509)
        except (ValueError, TypeError, InvalidSignature, Missing):
            return False
        return True

    def check_validity(self, at: datetime) -> None:
        """CertRefused before notBefore and after notAfter."""
        if at < self.x509.not_valid_before_utc:
            text = f"{self.name} is not valid before {_day(self.x509.not_valid_before_utc)}"
            raise CertRefused(Reason.NOT_YET_VALID, text)
        if at > self.x509.not_valid_after_utc:
            text = f"{self.name} expired on {_day(self.x509.not_valid_after_utc)}"
            raise CertRefused(Reason.EXPIRED, text)


@dataclass(frozen=True, slots=True)
class Crl:
    """One certificate revocation list."""

    der: bytes
    x509: x509.CertificateRevocationList = field(repr=False, compare=False)

    @classmethod
    def load(cls, data: bytes) -> Crl:
        """Read DER or PEM; CertRefused where it is no CRL."""
        try:
            parsed = (
                x509.load_pem_x509_crl(data)
                if data.lstrip().startswith(b"-----BEGIN")
                else x509.load_der_x509_crl(data)
            )
            return cls(parsed.public_bytes(Encoding.DER), parsed)
        except (ValueError, TypeError) as error:
            raise CertRefused(Reason.MALFORMED, f"not a CRL: {_words(error)}") from None

    def speaks_for(self, issuer: Certificate, at: datetime) -> bool:
        """Whether this CA issued it, and it is in force at that time (RFC 5280 6.3.3)."""
        if self.x509.issuer != issuer.x509.subject:
            return False
        usage = issuer.extension(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return False
        until = self.x509.next_update_utc
        if at < self.x509.last_update_utc or (until is not None and at > until):
            return False
        try:
            return self.x509.is_signature_valid(issuer.key)
        except (ValueError, TypeError, Missing):
            return False

    def revokes(self, certificate: Certificate) -> bool:
        """Whether the certificate's serial number is listed."""
        found = self.x509.get_revoked_certificate_by_serial_number(certificate.serial)
        return found is not None


def moment(seconds: float) -> datetime:
    """A Unix time as certificates compare it; CertRefused where the calendar has no such day."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise CertRefused(Reason.MALFORMED, f"there is no time {seconds}") from None


# -- CERTREQ (RFC 7296 3.7) --------------------------------------------------------------------


def request(anchors: Iterable[Certificate]) -> bytes:
    """The Certification Authority field of CERTREQ: one key hash after the other."""
    return b"".join(dict.fromkeys(anchor.key_hash for anchor in anchors))


def requested(data: bytes) -> tuple[bytes, ...]:
    """The key hashes of a CERTREQ; a rest shorter than a hash is left out."""
    whole = len(data) - len(data) % KEY_HASH
    return tuple(data[i : i + KEY_HASH] for i in range(0, whole, KEY_HASH))


# -- hash and URL (RFC 7296 3.6) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HashAndUrl:
    """A certificate (or bundle) that lies somewhere else; nothing here ever fetches it."""

    hash: bytes
    url: str

    @classmethod
    def parse(cls, data: bytes) -> HashAndUrl:
        """Read SHA-1 and URL; CertRefused where there is no URL."""
        url = data[KEY_HASH:].decode("ascii", "backslashreplace")
        if not url:
            raise CertRefused(Reason.MALFORMED, f"hash and URL of {len(data)} octets has no URL")
        return cls(data[:KEY_HASH], url)

    @classmethod
    def of(cls, der: bytes, url: str) -> HashAndUrl:
        """The reference to these octets at that URL."""
        return cls(hashlib.sha1(der, usedforsecurity=False).digest(), url)

    def __bytes__(self) -> bytes:
        return self.hash + self.url.encode()

    def matches(self, data: bytes) -> bool:
        """Whether what was fetched is what the peer hashed."""
        return hashlib.sha1(data, usedforsecurity=False).digest() == self.hash


def bundle(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """(certificates, CRLs) of a CertificateBundle: explicitly tagged [0] and [1] (3.6)."""
    certificates: list[bytes] = []
    crls: list[bytes] = []
    for tag, content in _elements(_only(data)):
        if tag not in (0xA0, 0xA1):
            raise CertRefused(Reason.MALFORMED, f"tag {tag:#04x} in a certificate bundle")
        (certificates if tag == 0xA0 else crls).append(content)
    return certificates, crls


def bundled(certificates: Iterable[bytes], crls: Iterable[bytes] = ()) -> bytes:
    """A CertificateBundle of DER certificates and CRLs: what `bundle` reads."""
    parts = [der_element(0xA0, c) for c in certificates] + [der_element(0xA1, c) for c in crls]
    return der_element(0x30, b"".join(parts))


def der_element(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _only(data: bytes) -> bytes:
    found = _elements(data)
    if len(found) != 1 or found[0][0] != 0x30:
        raise CertRefused(Reason.MALFORMED, "a certificate bundle is one DER sequence")
    return found[0][1]


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """The DER elements of some octets."""
    found = []
    while data:
        size, start = (data[1], 2) if len(data) > 1 else (0, 3)
        if size > 127:
            start += size & 127
            size = int.from_bytes(data[2:start], "big")
        if start > len(data) or start + size > len(data):
            raise CertRefused(Reason.MALFORMED, "a certificate bundle that is not DER")
        found.append((data[0], data[start : start + size]))
        data = data[start + size :]
    return found


def _name(found: x509.Name) -> str:
    return found.rfc4514_string() or "(no name)"


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _words(error: BaseException) -> str:
    """The first line of a library's error."""
    return (str(error).splitlines() or [type(error).__name__])[0]
