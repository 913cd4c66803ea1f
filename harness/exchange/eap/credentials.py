"""What an EAP peer has, and what an authenticator knows of its users: values, no logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ikelab.harness.crypto.tls_identity import TlsIdentity
from ikelab.harness.exchange.eap.message import METHODS


@dataclass(frozen=True, slots=True)
class EapCredential:
    """What proves us inside EAP: a name, its password, a certificate for TLS.

    `methods` are those that we agree to, the first one is what a Nak asks for. With `only` the
    responder may prove itself by EAP alone (RFC 5998). `key` is a fault: what AUTH is made of in
    place of the MSK.
    """

    name: bytes
    password: bytes = field(default=b"", repr=False)
    methods: tuple[int, ...] = METHODS
    tls: TlsIdentity | None = None
    only: bool = False
    key: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"EAP as {self.name.decode(errors='backslashreplace')}"


@dataclass(frozen=True, slots=True)
class EapTrust:
    """Whom a responder lets in by EAP: names with their passwords, holders of certificates.

    `methods` are asked for in this order; a Nak may choose among them. Without `ask_name` the
    IKE identity stands for the EAP identity (RFC 7296 3.16). With `only` no AUTH of our own goes
    before EAP where the initiator can do without (RFC 5998).
    """

    users: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    methods: tuple[int, ...] = METHODS[:1]
    tls: TlsIdentity | None = None
    ask_name: bool = True
    only: bool = False

    def __str__(self) -> str:
        return "EAP"
