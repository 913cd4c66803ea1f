"""The peer's certificate out of its CERT payloads: found, completed, judged (RFC 7296 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from ikelab.harness.crypto import chains, identities
from ikelab.harness.crypto.certs import Certificate, CertRefused, Crl, HashAndUrl, Reason, bundle
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.credentials import Trust
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import Violation
from ikelab.layers.iana import CertEncoding, Payload

Loaded = TypeVar("Loaded")
MOST_CERTIFICATES = 64
"""Of one peer; what comes behind them is not looked at."""


class AuthFailure(StrEnum):
    """Why a peer has not proven who it is, beside the `Reason`s of its certificate."""

    STRANGER = "stranger"  # an identity that is not the configured one
    KEY = "key"  # the MAC of a shared key (or of none) is another
    METHOD = "method"
    SIGNATURE = "signature"
    HASH = "hash"  # signed with a hash that was not announced
    NO_CERTIFICATE = "no certificate"
    EAP = "eap"


class NotProven(Exception):
    """The peer (or we ourselves) cannot be authenticated: a typed reason, words, what it broke."""

    def __init__(
        self, reason: AuthFailure | Reason, text: str, violation: Violation | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.violation = violation


@dataclass(slots=True)
class _Sent:
    """What the CERT payloads hold, in order."""

    certificates: list[Certificate] = field(default_factory=list)
    crls: list[Crl] = field(default_factory=list)


def accepted(it: Inbound, identity: Any, trust: Trust, conduct: Conduct) -> Certificate:
    """The peer's end entity, judged: its chain, then its names. NotProven with the reason."""
    try:
        sent = _sent(it, trust if conduct.look_up else replace(trust, fetch=None))
        leaf = _leaf(sent, identity, trust)
        chains.check(
            leaf,
            [*sent.certificates, *map(anchor, trust.intermediates)],
            [anchor(a) for a in (*trust.anchors, *trust.known)],
            trust.at,
            crls=[*sent.crls, *(_own(crl, Crl.load) for crl in trust.crls)],
            policy=_policy(trust, conduct),
        )
        if conduct.match_identity:
            identities.check(leaf, int(identity.IDtype), bytes(identity.ID))
    except CertRefused as refused:
        raise NotProven(refused.reason, str(refused)) from None
    return leaf


def anchor(data: bytes) -> Certificate:
    """A certificate of ours; ConfigError where it is none."""
    return _own(data, Certificate.load)


def _own(data: bytes, load: Callable[[bytes], Loaded]) -> Loaded:
    try:
        return load(data)
    except CertRefused as refused:
        raise ConfigError(str(refused)) from None


def _policy(trust: Trust, conduct: Conduct) -> chains.Policy:
    """What is asked of a chain, less what a planted fault leaves out."""
    asked = trust.policy
    return replace(
        asked,
        validity=asked.validity and conduct.check_validity,
        path_length=asked.path_length and conduct.check_path_length,
        extended_key_usage=asked.extended_key_usage and conduct.check_purpose,
        revocation=asked.revocation and conduct.check_revocation,
        anchored=asked.anchored and conduct.check_anchor,
    )


def _leaf(sent: _Sent, identity: Any, trust: Trust) -> Certificate:
    """The first certificate sent (3.6), or one that we hold for this identity."""
    if sent.certificates:
        return sent.certificates[0]
    for known in map(anchor, trust.known):
        try:
            identities.check(known, int(identity.IDtype), bytes(identity.ID))
        except CertRefused:
            continue
        return known
    raise NotProven(AuthFailure.NO_CERTIFICATE, "the peer sent no certificate, and we hold none")


def _sent(it: Inbound, trust: Trust) -> _Sent:
    found = _Sent()
    for payload in it.all(Payload.CERT)[:MOST_CERTIFICATES]:
        data = bytes(payload.cert_data)
        match int(payload.cert_encoding):
            case CertEncoding.X_509_CERTIFICATE_SIGNATURE:
                found.certificates.append(Certificate.load(data))
            case CertEncoding.CERTIFICATE_REVOCATION_LIST_CRL:
                found.crls.append(Crl.load(data))
            case CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE:
                found.certificates.append(Certificate.load(_fetched(data, trust)))
            case CertEncoding.HASH_AND_URL_OF_X_509_BUNDLE:
                certificates, crls = bundle(_fetched(data, trust))
                found.certificates += [Certificate.load(c) for c in certificates]
                found.crls += [Crl.load(c) for c in crls]
    return found


def _fetched(data: bytes, trust: Trust) -> bytes:
    """What lies at the URL, where fetching was asked for and the hash is right."""
    reference = HashAndUrl.parse(data)
    if trust.fetch is None:
        text = f"the certificate lies at {reference.url!r}, and nothing is fetched here"
        raise CertRefused(Reason.NOT_FETCHED, text)
    try:
        content = trust.fetch(reference.url)
    except OSError as error:
        text = f"{reference.url!r} cannot be fetched: {error}"
        raise CertRefused(Reason.NOT_FETCHED, text) from None
    if not reference.matches(content):
        text = f"what lies at {reference.url!r} has another hash than the peer says"
        raise CertRefused(Reason.NOT_FETCHED, text)
    return content
