"""What the cases with EAP have in common: users, methods, and the options of both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ikelab.harness.crypto.tls_identity import TlsIdentity
from ikelab.harness.exchange.credentials import Trust
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.pki import Certificates, Member
from ikelab.layers.eap import EapType

NAME, PASSWORD = b"carol", b"Ar3etTnp"
METHODS = (EapType.MSCHAPV2, EapType.MD5_CHALLENGE, EapType.GTC, EapType.TLS)


def word(kind: int) -> str:
    """The id of a case with this method."""
    return EapType(kind).name


def _tls(certificates: Certificates, member: Member, version: str) -> TlsIdentity:
    return TlsIdentity(member.chain, member.key, (certificates.pki.root,), version)


def user(
    certificates: Certificates, kind: int, version: str = "1.2", **options: Any
) -> EapCredential:
    """The initiator as a user; in TLS its name is its certificate's."""
    if kind != EapType.TLS:
        return EapCredential(NAME, PASSWORD, (kind,), **options)
    member = certificates.pki.member("initiator")
    tls = _tls(certificates, member, version)
    return EapCredential(member.identity.data, b"", (kind,), tls, **options)


def gate(certificates: Certificates, kind: int, version: str = "1.2", **options: Any) -> Trust:
    """The responder asks for this method, after its own signature."""
    tls = None
    if kind == EapType.TLS:
        tls = _tls(certificates, certificates.pki.member("responder"), version)
    return Trust(eap=EapTrust({NAME: PASSWORD}, (kind,), tls, **options))


def initiating(side: Callable[[], dict[str, Any]], own: EapCredential) -> dict[str, Any]:
    """The options of one side as an initiator with EAP."""
    return {**side(), "own": own}


def responding(side: Callable[[], dict[str, Any]], trust: Trust) -> dict[str, Any]:
    """The options of one side as a responder that signs, and asks for EAP."""
    options = side()
    return {**options, "trust": replace(trust, hashes=options["trust"].hashes)}
