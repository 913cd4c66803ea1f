"""What proves who we are, and what we take as the peer's proof: values, no logic of an exchange.

Keys and certificates are octets, PEM or DER. A private key never shows in a repr.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ikelab.harness.crypto.certs import Certificate, CertRefused
from ikelab.harness.crypto.chains import Policy
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.layers.iana import Hash

STRICT = Policy()
HASHES = (Hash.SHA2_256, Hash.SHA2_384, Hash.SHA2_512, Hash.IDENTITY)
"""What SIGNATURE_HASH_ALGORITHMS announces when nobody says otherwise (RFC 8247 3.2)."""


class Send(StrEnum):
    """When CERT payloads are sent (RFC 7296 3.6, RFC 4945 3.2.7)."""

    ALWAYS = "always"
    ASKED = "asked"  # only where CERTREQ came
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class PskCredential:
    """A shared key (method 2)."""

    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return "shared key"


@dataclass(frozen=True, slots=True)
class CertCredential:
    """A private key and its certificate chain, end entity first.

    `method` None takes 14 (RFC 7427) where both sides announced hashes, otherwise the method of the
    key. `scheme` is a word of `crypto.schemes.SCHEMES` and is obeyed, announced or not. With `url`
    the end entity goes as hash and URL to a peer that can look it up; with `bundle`, the octets of
    a CertificateBundle, the whole chain does. `crls`, DER, go behind the chain. Two faults:
    `hash_octets` signs that many octets of the hash only, `identifier` replaces the
    AlgorithmIdentifier.
    """

    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    method: int | None = None
    scheme: str = ""
    send: Send = Send.ALWAYS
    url: str = ""
    bundle: bytes = b""
    hash_octets: int | None = None
    identifier: bytes | None = None
    crls: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        way = f", method {self.method}" if self.method is not None else ""
        way += f", {self.scheme}" if self.scheme else ""
        return f"certificate {_names(self.chain)}{way}, sent {self.send}"


@dataclass(frozen=True, slots=True)
class NullCredential:
    """No proof at all (method 13, RFC 7619)."""

    def __str__(self) -> str:
        return "NULL authentication"


Credential = PskCredential | CertCredential | NullCredential | EapCredential


@dataclass(frozen=True, slots=True)
class Trust:
    """What is accepted as the peer's proof; nothing of it means that nobody is.

    `at` is the Unix time at which certificates are judged. `known` are certificates of peers that
    send none, `intermediates` those of CAs. `fetch` gets what lies at a URL; without it nothing is
    ever fetched. `hashes` are announced and accepted; an empty tuple announces nothing.
    """

    psk: bytes | None = field(default=None, repr=False)
    null: bool = False
    anchors: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    known: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    at: float = 0.0
    policy: Policy = STRICT
    hashes: tuple[int, ...] = HASHES
    certreq: bool = True
    fetch: Callable[[str], bytes] | None = field(default=None, repr=False)
    eap: EapTrust | None = None  # who sends no AUTH at first is asked for this

    def __str__(self) -> str:
        parts = ["shared key"] if self.psk is not None else []
        parts += ["NULL authentication"] if self.null else []
        parts += [f"certificates of {_names(self.anchors)}"] if self.anchors else []
        parts += [str(self.eap)] if self.eap else []
        return ", ".join(parts) or "nobody"


def _names(chain: tuple[bytes, ...]) -> str:
    """The subjects of certificates; what is none says so."""
    found = []
    for data in chain:
        try:
            found.append(Certificate.load(data).name)
        except CertRefused as refused:
            found.append(f"({refused})")
    return " < ".join(found)
