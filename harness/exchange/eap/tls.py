"""EAP-TLS (RFC 5216; RFC 9190 for TLS 1.3): records in fragments, and the MSK from the exporter."""

from __future__ import annotations

from ikelab.harness.crypto.tls import Tls
from ikelab.harness.crypto.tls_identity import TlsFailed, TlsIdentity
from ikelab.harness.exchange.eap.message import EapFailed
from ikelab.layers.eap import EapType

LENGTH, MORE, START = 0x80, 0x40, 0x20
FRAGMENT = 1000  # octets of TLS data in one EAP message
LONGEST = 1 << 17  # octets of one flight: more is nobody's certificate chain
_COMMITMENT = b"\0"  # RFC 9190 2.1.1: no more handshake messages will follow


class _Records:
    """What has to be sent and what came, cut as RFC 5216 2.1.5 says."""

    def __init__(self, identity: TlsIdentity, *, server: bool) -> None:
        self.tls = Tls(identity, server=server)
        self._out = b""
        self._total: int | None = None
        self._in = b""

    def send(self, records: bytes) -> None:
        self._out += records
        self._total = len(self._out)

    @property
    def sending(self) -> bool:
        return bool(self._out)

    def piece(self) -> bytes:
        """The next fragment; an empty one acknowledges."""
        data, self._out = self._out[:FRAGMENT], self._out[FRAGMENT:]
        flags = MORE if self._out else 0
        head = b""
        if self._total is not None and data:
            flags, head = flags | LENGTH, self._total.to_bytes(4, "big")
        self._total = None
        return bytes([flags]) + head + data

    def take(self, data: bytes) -> bytes | None:
        """The flight that is complete with this fragment, None where more follows."""
        if not data:
            raise EapFailed("an EAP-TLS message without flags")
        body = data[5:] if data[0] & LENGTH else data[1:]
        self._in += body
        if len(self._in) > LONGEST:
            raise EapFailed("a flight of TLS without end")
        if data[0] & MORE:
            return None
        flight, self._in = self._in, b""
        return flight

    def feed(self, flight: bytes) -> None:
        """Give the flight to TLS, and take what it says in turn."""
        try:
            self.tls.take(flight)
        finally:
            self.send(self.tls.give())

    def msk(self) -> bytes:
        """RFC 5216 2.3, RFC 9190 2.3: the first 64 octets of the key material."""
        if self.tls.version == "1.3":
            kind = bytes([EapType.TLS])
            return self.tls.export(b"EXPORTER_EAP_TLS_Key_Material", 128, kind)[:64]
        return self.tls.export(b"client EAP encryption", 128)[:64]


class TlsAsker:
    """The authenticator, which is the TLS server."""

    def __init__(self, identity: TlsIdentity) -> None:
        self.done = False
        self.msk = b""
        self._records = _Records(identity, server=True)
        self._started = False
        self._failure = ""

    def ask(self, identifier: int) -> bytes:
        if not self._started:
            self._started = True
            return bytes([START])
        return self._records.piece()

    def take(self, identifier: int, data: bytes) -> None:
        if self._failure and not self._records.sending:
            raise EapFailed(self._failure)
        if self._records.sending:
            return  # the peer acknowledges a fragment
        flight = self._records.take(data)
        if flight is None:
            return
        tls = self._records.tls
        if tls.done:
            if flight:
                raise EapFailed("the peer has more to say after the handshake")
            self.done, self.msk = True, self._records.msk()
            return
        try:
            self._records.feed(flight)
        except TlsFailed as failed:
            # RFC 5216 2.1.3: the alert is sent, and the peer acknowledges it.
            self._failure = str(failed)
            if not self._records.sending:
                raise EapFailed(self._failure) from None
            return
        if tls.done:
            self._finish(tls)

    def _finish(self, tls: Tls) -> None:
        if tls.version == "1.3":
            tls.write(_COMMITMENT)
            self._records.send(tls.give())
        if not self._records.sending:
            self.done, self.msk = True, self._records.msk()


class TlsAnswerer:
    """The peer, which is the TLS client."""

    proof = b""  # its certificate is no secret that could be looked for

    def __init__(self, identity: TlsIdentity) -> None:
        self.done = False
        self.msk = b""
        self._records = _Records(identity, server=False)
        self._failure = ""

    def answer(self, identifier: int, data: bytes) -> bytes:
        if self._records.sending:
            return self._records.piece()
        if self._failure:
            raise EapFailed(self._failure)
        if data[:1] and data[0] & START:
            self._records.feed(b"")
            return self._records.piece()
        flight = self._records.take(data)
        if flight is None:
            return self._records.piece()
        tls = self._records.tls
        try:
            self._records.feed(flight)
        except TlsFailed as failed:
            # RFC 5216 2.1.3: our alert goes out, theirs is acknowledged; then comes a Failure.
            self._failure = str(failed)
            return self._records.piece()
        if tls.done and (tls.version != "1.3" or tls.read() == _COMMITMENT):
            self.done, self.msk = True, self._records.msk()
        return self._records.piece()
