"""Whether a peer's certificate leads to a trust anchor (RFC 5280 6.1, RFC 4945 5.1).

Intermediates come in any order, with strangers among them. The first path that holds is enough;
when none does, the refusal is that of the first path found. The work for a hostile heap is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ikelab.harness.crypto.certs import Certificate, CertRefused, Crl, Reason, moment

LONGEST = 32
"""Certificates in a path, the anchor included."""
MOST_SIGNATURES = 200
"""Signatures that are checked to find the paths of one peer."""

_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
}
_IKE_PURPOSES = {
    ExtendedKeyUsageOID.IPSEC_IKE,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a chain beyond signatures, validity and constraints of CAs."""

    key_usage: bool = True  # RFC 4945 5.1.3.2: an end entity may sign
    extended_key_usage: bool = True  # RFC 4945 5.1.3.12: none, or ipsecIKE, or any
    anchored: bool = True  # the path ends at a trust anchor
    validity: bool = True
    path_length: bool = True
    revocation: bool = True  # what a CRL lists is refused
    crl_required: bool = False  # a certificate without a CRL in force is refused


def check(
    leaf: Certificate,
    others: Sequence[Certificate],
    anchors: Sequence[Certificate],
    now: float,
    *,
    crls: Sequence[Crl] = (),
    policy: Policy = Policy(),
) -> tuple[Certificate, ...]:
    """The path from leaf to anchor that holds at `now` (Unix time); CertRefused with the reason."""
    at = moment(now)
    first: CertRefused | None = None
    ends = anchors if policy.anchored else [*anchors, leaf]
    for path in _paths(leaf, others, ends):
        try:
            _judge(path, at, crls, policy)
        except CertRefused as refused:
            first = first or refused
        else:
            return path
    raise first or _unknown(leaf, others, anchors)


def _paths(
    leaf: Certificate, others: Sequence[Certificate], anchors: Sequence[Certificate]
) -> Iterator[tuple[Certificate, ...]]:
    """Every path from the leaf to an anchor; a leaf that is an anchor itself is a path."""
    pool = [*anchors, *(c for c in dict.fromkeys(others) if c not in anchors)]
    trusted = set(anchors)
    budget = [MOST_SIGNATURES]

    def extend(path: tuple[Certificate, ...]) -> Iterator[tuple[Certificate, ...]]:
        last = path[-1]
        if last in trusted:
            yield path
            return
        if len(path) >= LONGEST:
            return
        for candidate in pool:
            if candidate in path or candidate.x509.subject != last.x509.issuer:
                continue
            budget[0] -= 1
            if budget[0] >= 0 and last.signed_by(candidate):
                yield from extend((*path, candidate))

    yield from extend((leaf,))


def _unknown(
    leaf: Certificate, others: Sequence[Certificate], anchors: Sequence[Certificate]
) -> CertRefused:
    """Where the way to an anchor ends: at a name nobody has, or at a wrong signature."""
    pool = [*anchors, *others]
    seen = [leaf]
    while True:
        last = seen[-1]
        named = [c for c in pool if c.x509.subject == last.x509.issuer and c != last]
        issuer = next((c for c in named if c not in seen and last.signed_by(c)), None)
        if issuer is None or len(seen) > LONGEST:
            break
        seen.append(issuer)
    if named and not any(last.signed_by(c) for c in named):
        text = f"the signature of {last.name} is not of the key of {named[0].name}"
        return CertRefused(Reason.BAD_SIGNATURE, text)
    return CertRefused(Reason.UNKNOWN_CA, f"{last.name} was issued by {last.issuer}, not trusted")


def _judge(
    path: tuple[Certificate, ...], at: datetime, crls: Sequence[Crl], policy: Policy
) -> None:
    below = 0  # intermediates so far that are not self-issued (RFC 5280 6.1.4 (l))
    for depth, certificate in enumerate(path):
        if policy.validity:
            certificate.check_validity(at)
        _no_unknown_critical(certificate)
        if depth == 0:
            _may_sign(certificate, policy)
        else:
            _may_issue(certificate, below, policy)
            below += not certificate.self_issued
    if policy.revocation:
        for certificate, issuer in pairwise(path):
            _not_revoked(certificate, issuer, at, crls, policy)


def _may_sign(leaf: Certificate, policy: Policy) -> None:
    """RFC 4945 5.1.3.2 and 5.1.3.12: what the end entity's key is for."""
    usage = leaf.extension(x509.KeyUsage)
    signs = usage is None or usage.digital_signature or usage.content_commitment
    if policy.key_usage and not signs:
        text = f"the key usage of {leaf.name} has neither digitalSignature nor nonRepudiation"
        raise CertRefused(Reason.KEY_USAGE, text)
    purposes = leaf.extension(x509.ExtendedKeyUsage)
    if policy.extended_key_usage and purposes is not None and not _IKE_PURPOSES & set(purposes):
        said = ", ".join(p.dotted_string for p in purposes)
        text = f"the extended key usage of {leaf.name} is {said}: neither ipsecIKE nor any"
        raise CertRefused(Reason.EXTENDED_KEY_USAGE, text)


def _may_issue(issuer: Certificate, below: int, policy: Policy) -> None:
    """RFC 5280 6.1.4 (k) to (n): a CA, allowed to sign certificates, this deep."""
    constraints = issuer.extension(x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertRefused(Reason.NOT_A_CA, f"{issuer.name} is no CA by its basic constraints")
    usage = issuer.extension(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise CertRefused(Reason.NOT_A_CA, f"the key usage of {issuer.name} has no keyCertSign")
    allowed = constraints.path_length
    if policy.path_length and allowed is not None and below > allowed:
        text = f"{issuer.name} allows {allowed} CAs below it, the path has {below}"
        raise CertRefused(Reason.PATH_LENGTH, text)


def _no_unknown_critical(certificate: Certificate) -> None:
    """RFC 5280 4.2: a critical extension that is not processed refuses the certificate."""
    certificate.extension(x509.BasicConstraints)  # so that what is unreadable is refused first
    for extension in certificate.x509.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            text = f"{certificate.name} has the critical extension {extension.oid.dotted_string}"
            raise CertRefused(Reason.CRITICAL_EXTENSION, text)


def _not_revoked(
    certificate: Certificate,
    issuer: Certificate,
    at: datetime,
    crls: Sequence[Crl],
    policy: Policy,
) -> None:
    found = [crl for crl in crls if crl.speaks_for(issuer, at)]
    if any(crl.revokes(certificate) for crl in found):
        text = f"{certificate.name} was revoked by {issuer.name} (serial {certificate.serial:x})"
        raise CertRefused(Reason.REVOKED, text)
    if not found and policy.crl_required:
        text = f"there is no CRL of {issuer.name} in force for {certificate.name}"
        raise CertRefused(Reason.NO_CRL, text)
