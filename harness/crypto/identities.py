"""Whether a certificate speaks for an ID payload (RFC 4945 3.1, RFC 7296 3.5).

The subject's common name never answers for a name or an address: only subjectAltName does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from cryptography import x509

from ikelab.harness.crypto.certs import Certificate, CertRefused, Reason, der_element
from ikelab.layers.iana import IdType, name


def check(certificate: Certificate, kind: int, data: bytes) -> None:
    """CertRefused unless the certificate holds this identity."""
    matcher = _MATCHERS.get(kind)
    if matcher is None:
        text = f"no field of a certificate answers for {name(IdType, kind)}"
        raise CertRefused(Reason.IDENTITY, text)
    if not any(matcher(certificate, data)):
        held = ", ".join(names(certificate))
        said = f"{name(IdType, kind)} {_words(kind, data)}"
        raise CertRefused(Reason.IDENTITY, f"{said} is not in the certificate, which has {held}")


def names(certificate: Certificate) -> list[str]:
    """Everything that the certificate is called: its subject, then its alternative names."""
    return [certificate.name, *(f"{type(n).__name__} {n.value}" for n in _alternative(certificate))]


def general_name(found: x509.GeneralName) -> bytes | None:
    """A GeneralName as DER (RFC 5280 4.2.1.6), as ID_DER_ASN1_GN has it; None for odd kinds."""
    if isinstance(found, x509.RFC822Name):
        return der_element(0x81, found.value.encode())
    if isinstance(found, x509.DNSName):
        return der_element(0x82, found.value.encode())
    if isinstance(found, x509.UniformResourceIdentifier):
        return der_element(0x86, found.value.encode())
    if isinstance(found, x509.IPAddress) and isinstance(
        found.value, ipaddress.IPv4Address | ipaddress.IPv6Address
    ):
        return der_element(0x87, found.value.packed)
    if isinstance(found, x509.DirectoryName):
        return der_element(0xA4, found.value.public_bytes())
    return None


def _alternative(certificate: Certificate) -> list[x509.GeneralName]:
    found = certificate.extension(x509.SubjectAlternativeName)
    return list(found) if found is not None else []


def _address(certificate: Certificate, data: bytes) -> Iterator[bool]:
    for found in _alternative(certificate):
        if isinstance(found, x509.IPAddress):
            yield getattr(found.value, "packed", b"") == data


def _fqdn(certificate: Certificate, data: bytes) -> Iterator[bool]:
    """As DNS compares: letters of either case; a wildcard is no name of a host."""
    for found in _alternative(certificate):
        if isinstance(found, x509.DNSName):
            yield found.value.encode().lower() == data.lower()


def _mail(certificate: Certificate, data: bytes) -> Iterator[bool]:
    """The host in either case, what stands before it to the letter (RFC 5280 4.2.1.6)."""
    local, _, host = data.rpartition(b"@")
    for found in _alternative(certificate):
        if isinstance(found, x509.RFC822Name):
            own, _, domain = found.value.encode().rpartition(b"@")
            yield (own, domain.lower()) == (local, host.lower())


def _subject(certificate: Certificate, data: bytes) -> Iterator[bool]:
    yield certificate.subject == data
    for found in _alternative(certificate):
        if isinstance(found, x509.DirectoryName):
            yield found.value.public_bytes() == data


def _general(certificate: Certificate, data: bytes) -> Iterator[bool]:
    for found in _alternative(certificate):
        yield general_name(found) == data


def _key_id(certificate: Certificate, data: bytes) -> Iterator[bool]:
    """Opaque octets mean the subject key identifier here: RFC 4945 3.1.7 leaves it to us."""
    found = certificate.extension(x509.SubjectKeyIdentifier)
    yield found is not None and found.digest == data


_MATCHERS: dict[int, Callable[[Certificate, bytes], Iterator[bool]]] = {
    IdType.ID_IPV4_ADDR: _address,
    IdType.ID_IPV6_ADDR: _address,
    IdType.ID_FQDN: _fqdn,
    IdType.ID_RFC822_ADDR: _mail,
    IdType.ID_DER_ASN1_DN: _subject,
    IdType.ID_DER_ASN1_GN: _general,
    IdType.ID_KEY_ID: _key_id,
}


def _words(kind: int, data: bytes) -> str:
    if kind in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR) and len(data) in (4, 16):
        return str(ipaddress.ip_address(data))
    if kind in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR) and data.isascii():
        return repr(data[:80].decode("ascii"))
    return data[:40].hex() or "(empty)"
