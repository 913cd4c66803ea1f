"""One end of a TLS connection in memory, for EAP-TLS (RFC 5216, RFC 9190).

pyOpenSSL and not the standard library's `ssl`, which cannot export keys. The handshake takes its
randomness from OpenSSL, not from an argument: TLS is what a seed does not repeat.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
)
from OpenSSL import SSL, crypto

from ikelab.harness.crypto.tls_identity import TlsFailed, TlsIdentity
from ikelab.harness.errors import ConfigError

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_Private = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey
_ENOUGH = 1 << 20
_OP_LEGACY_SERVER_CONNECT = 4


class Tls:
    """One end of a handshake. Records go in with `take` and come out with `give`."""

    def __init__(self, identity: TlsIdentity, *, server: bool) -> None:
        self.version = identity.version
        self._connection = SSL.Connection(_context(identity), None)
        if server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
        self.done = False

    def take(self, records: bytes) -> None:
        """Give it the peer's records and go on; TlsFailed where the handshake cannot succeed."""
        if records:
            self._connection.bio_write(records)
        if self.done:
            return
        try:
            self._connection.do_handshake()
            self.done = True
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise TlsFailed(_words(error)) from None

    def give(self) -> bytes:
        """The records that have to be sent, alerts included; empty where there is nothing."""
        try:
            return self._connection.bio_read(_ENOUGH)
        except SSL.WantReadError:
            return b""

    def write(self, data: bytes) -> None:
        """Protect application data."""
        self._connection.send(data)

    def read(self) -> bytes:
        """Application data that came; empty where there is none."""
        with contextlib.suppress(SSL.WantReadError, SSL.ZeroReturnError):
            return self._connection.recv(_ENOUGH)
        return b""

    def export(self, label: bytes, octets: int, context: bytes | None = None) -> bytes:
        """Keying material (RFC 5705)."""
        return bytes(self._connection.export_keying_material(label, octets, context))


def _private(data: bytes) -> _Private:
    load = load_pem_private_key if data.startswith(b"-----") else load_der_private_key
    key = load(data, None)
    if not isinstance(key, _Private):
        raise ConfigError(f"TLS takes a key for RSA, ECDSA or EdDSA, not a {type(key).__name__}")
    return key


def _context(identity: TlsIdentity) -> SSL.Context:
    if identity.version not in VERSIONS:
        raise ConfigError(f"TLS {identity.version} is not spoken; there are {', '.join(VERSIONS)}")
    made = SSL.Context(SSL.TLS_METHOD)
    made.set_min_proto_version(VERSIONS[identity.version])
    made.set_max_proto_version(VERSIONS[identity.version])
    # charon's TLS does not speak of RFC 5746, which a client of OpenSSL 3 insists on.
    made.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | _OP_LEGACY_SERVER_CONNECT)
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    for data in identity.chain[:1]:
        made.use_certificate(_certificate(data))
    for data in identity.chain[1:]:
        made.add_extra_chain_cert(_certificate(data))
    made.use_privatekey(_private(identity.key))
    store = made.get_cert_store()
    assert store is not None
    for data in identity.anchors:
        store.add_cert(crypto.X509.from_cryptography(_certificate(data)))
    if identity.at:
        store.set_time(datetime.fromtimestamp(identity.at, UTC))
    # RFC 5216 2.2: both sides prove themselves with certificates.
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return made


def _certificate(data: bytes) -> x509.Certificate:
    if data.startswith(b"-----"):
        return x509.load_pem_x509_certificate(data)
    return x509.load_der_x509_certificate(data)


def _words(error: SSL.Error) -> str:
    rows = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(row[-1] for row in rows) or str(error) or "TLS failed"
