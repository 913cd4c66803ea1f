"""What an end of TLS is told, and how it fails: values that cost no import of OpenSSL."""

from __future__ import annotations

from dataclasses import dataclass, field


class TlsFailed(Exception):
    """The handshake failed; the text says why in OpenSSL's words."""


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Who we are inside TLS and whom we trust: DER or PEM, end entity first.

    `version` is the only one that is spoken. `at` is the Unix time at which certificates are
    judged, 0 for now.
    """

    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    anchors: tuple[bytes, ...] = ()
    version: str = "1.2"
    at: float = 0.0

    def __str__(self) -> str:
        return f"TLS {self.version}"
