"""Both ends of an EAP conversation: who asks (the responder of IKE) and who answers (RFC 3748 4).

Messages in, messages out. Who carries them, and what becomes of the MSK, is `rounds`' business.
"""

from __future__ import annotations

from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.exchange.eap.message import EapFailed, EapMessage
from ikelab.harness.exchange.eap.methods import (
    Answerer,
    Asker,
    Entropy,
    GtcAnswerer,
    GtcAsker,
    Md5Answerer,
    Md5Asker,
    MsChapAnswerer,
    MsChapAsker,
    password_of,
)
from ikelab.layers.eap import EapCode, EapType

MOST_ROUNDS = 60  # requests and answers before somebody is taken for broken
SERVER = b"ikelab"


class Authenticator:
    """Asks until it is content or not. `over` is None while it goes on, then whether it succeeded.

    `failure` says why it did not.
    """

    def __init__(self, trust: EapTrust, entropy: Entropy, name: bytes) -> None:
        self.trust = trust
        self.name = b"" if trust.ask_name else name
        self.over: bool | None = None
        self.failure = ""
        self.kind: int = EapType.IDENTITY
        self.asker: Asker | None = None
        self._entropy = entropy
        self._identifier = entropy(1)[0]
        self._rounds = 0

    @property
    def msk(self) -> bytes:
        """The key that the method made; empty where it makes none."""
        return self.asker.msk if self.asker else b""

    def start(self) -> EapMessage:
        """The first request."""
        if self.trust.ask_name:
            return self._request(EapType.IDENTITY, b"")
        return self._begin(self.trust.methods[0])

    def take(self, message: EapMessage) -> EapMessage | None:
        """The peer's response; the next request, Success or Failure. None: it is discarded."""
        if message.code != EapCode.RESPONSE or message.identifier != self._identifier:
            return None  # RFC 3748 4.1: what answers nothing is discarded
        self._rounds += 1
        try:
            if self._rounds > MOST_ROUNDS:
                raise EapFailed(f"no end after {MOST_ROUNDS} rounds of EAP")
            return self._next(message)
        except EapFailed as failed:
            self.over, self.failure = False, str(failed)
            return EapMessage(EapCode.FAILURE, self._identifier)

    def _next(self, message: EapMessage) -> EapMessage:
        if self.kind == EapType.IDENTITY and message.type == EapType.IDENTITY:
            self.name = message.data
            return self._begin(self.trust.methods[0])
        if message.type == EapType.NAK and self.kind != EapType.IDENTITY:
            return self._other(message.data)
        if message.type != self.kind or self.asker is None:
            raise EapFailed(f"a response of type {message.type} to a request of type {self.kind}")
        self.asker.take(self._identifier, message.data)
        if self.asker.done:
            self.over = True
            return EapMessage(EapCode.SUCCESS, self._identifier)
        return self._ask()

    def _other(self, wanted: bytes) -> EapMessage:
        """RFC 3748 5.3.1: the peer names the methods that it would rather have."""
        tried = self.trust.methods.index(self.kind)
        for kind in self.trust.methods[tried + 1 :]:
            if kind in wanted:
                return self._begin(kind)
        raise EapFailed("no method is common to both")

    def _begin(self, kind: int) -> EapMessage:
        self.kind = kind
        self.asker = self._asker(kind)
        return self._ask()

    def _asker(self, kind: int) -> Asker:
        users = self.trust.users
        if kind == EapType.MSCHAPV2:
            return MsChapAsker(users, self._entropy, SERVER)
        if kind == EapType.MD5_CHALLENGE:
            return Md5Asker(password_of(users, self.name), self._entropy, SERVER)
        if kind == EapType.GTC:
            return GtcAsker(password_of(users, self.name))
        if kind == EapType.TLS and self.trust.tls is not None:
            from ikelab.harness.exchange.eap.tls import TlsAsker

            return TlsAsker(self.trust.tls)
        raise ConfigError(f"EAP type {kind} cannot be asked for with what is configured")

    def _ask(self) -> EapMessage:
        self._identifier = (self._identifier + 1) & 0xFF
        assert self.asker is not None
        return EapMessage(
            EapCode.REQUEST, self._identifier, self.kind, self.asker.ask(self._identifier)
        )

    def _request(self, kind: int, data: bytes) -> EapMessage:
        return EapMessage(EapCode.REQUEST, self._identifier, kind, data)


class Supplicant:
    """Answers. `over` is None while it goes on, then whether it ended in success."""

    def __init__(self, own: EapCredential, entropy: Entropy, *, patient: bool = True) -> None:
        self.own = own
        self._patient = patient  # False is a fault: a success is taken whenever it comes
        self.over: bool | None = None
        self.answerer: Answerer | None = None
        self._kind = 0
        self._entropy = entropy
        self._rounds = 0

    @property
    def msk(self) -> bytes:
        """The key that the method made; empty where it makes none."""
        return self.answerer.msk if self.answerer else b""

    def take(self, message: EapMessage) -> EapMessage | None:
        """The answer to a request; None after Success and Failure. EapFailed where we give up."""
        if message.over:
            content = not self._patient or (self.answerer is not None and self.answerer.done)
            self.over = message.code == EapCode.SUCCESS and content
            if message.code == EapCode.SUCCESS and not content:
                # RFC 3748 4.2: a success out of nowhere is none.
                raise EapFailed("EAP succeeded before the method came to its end")
            return None
        self._rounds += 1
        if message.code != EapCode.REQUEST or message.type is None or self._rounds > MOST_ROUNDS:
            raise EapFailed(f"EAP code {message.code} in round {self._rounds}")
        if message.type == EapType.IDENTITY:
            return self._response(message, EapType.IDENTITY, self.own.name)
        if message.type == EapType.NOTIFICATION:
            return self._response(message, EapType.NOTIFICATION, b"")
        if message.type not in self.own.methods:
            if self.answerer is not None:
                raise EapFailed(f"a request of type {message.type} inside of another method")
            wanted = bytes(self.own.methods) or b"\0"
            return self._response(message, EapType.NAK, wanted)
        if self.answerer is None or message.type != self._kind:
            self._kind, self.answerer = message.type, self._answerer(message.type)
        data = self.answerer.answer(message.identifier, message.data)
        return self._response(message, message.type, data)

    @staticmethod
    def _response(message: EapMessage, kind: int, data: bytes) -> EapMessage:
        return EapMessage(EapCode.RESPONSE, message.identifier, kind, data)

    def _answerer(self, kind: int) -> Answerer:
        own = self.own
        if kind == EapType.MSCHAPV2:
            return MsChapAnswerer(own.name, own.password, self._entropy)
        if kind == EapType.MD5_CHALLENGE:
            return Md5Answerer(own.name, own.password)
        if kind == EapType.GTC:
            return GtcAnswerer(own.password)
        if own.tls is None:
            raise EapFailed("EAP-TLS was asked for, and we have no certificate for it")
        from ikelab.harness.exchange.eap.tls import TlsAnswerer

        return TlsAnswerer(own.tls)
