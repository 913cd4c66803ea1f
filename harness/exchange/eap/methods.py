"""The methods that are one question and one answer: MD5-Challenge, Generic Token Card, MS-CHAPv2.

An `Asker` is the authenticator's end of a method, an `Answerer` the peer's. They see type-data
alone, the octets behind the type. Neither of them knows IKE.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Protocol

from ikelab.harness.crypto import mschap
from ikelab.harness.exchange.eap.message import EapFailed

Entropy = Callable[[int], bytes]


class Asker(Protocol):
    """The authenticator's end. `msk` is there once `done`, empty where the method makes none."""

    done: bool
    msk: bytes

    def ask(self, identifier: int) -> bytes:
        """The type-data of the next request."""

    def take(self, identifier: int, data: bytes) -> None:
        """The peer's response; EapFailed where it is not the right one."""


class Answerer(Protocol):
    """The peer's end. `proof` are the octets that prove the password, once they were sent."""

    done: bool
    msk: bytes
    proof: bytes

    def answer(self, identifier: int, data: bytes) -> bytes:
        """The type-data that answers a request; EapFailed where there is no honest answer."""


def password_of(users: Mapping[bytes, bytes], name: bytes) -> bytes:
    """The password of a user; EapFailed for a stranger."""
    if name not in users:
        raise EapFailed(f"nobody is called {name!r}")
    return users[name]


# -- MD5-Challenge (RFC 3748 5.4) ------------------------------------------------------------


def _md5(identifier: int, password: bytes, challenge: bytes) -> bytes:
    text = bytes([identifier]) + password + challenge
    return hashlib.md5(text, usedforsecurity=False).digest()


def _valued(data: bytes) -> tuple[bytes, bytes]:
    """Value and name behind a Value-Size octet."""
    if not data or len(data) < 1 + data[0]:
        raise EapFailed("a value is cut short")
    return data[1 : 1 + data[0]], data[1 + data[0] :]


class Md5Asker:
    """Asks for MD5(identifier | password | challenge)."""

    msk = b""

    def __init__(self, password: bytes, entropy: Entropy, name: bytes) -> None:
        self.done = False
        self._password, self._name = password, name
        self._challenge = entropy(16)

    def ask(self, identifier: int) -> bytes:
        return bytes([len(self._challenge)]) + self._challenge + self._name

    def take(self, identifier: int, data: bytes) -> None:
        value, _ = _valued(data)
        if not hmac.compare_digest(value, _md5(identifier, self._password, self._challenge)):
            raise EapFailed("the MD5 response does not verify")
        self.done = True


class Md5Answerer:
    """Answers with it; there is no proof of the authenticator, so it is content at once."""

    msk = b""
    done = True

    def __init__(self, name: bytes, password: bytes) -> None:
        self._name, self._password = name, password
        self.proof = b""

    def answer(self, identifier: int, data: bytes) -> bytes:
        challenge, _ = _valued(data)
        self.proof = value = _md5(identifier, self._password, challenge)
        return bytes([len(value)]) + value + self._name


# -- Generic Token Card (RFC 3748 5.6) -------------------------------------------------------


class GtcAsker:
    """Asks for the password as it is."""

    msk = b""

    def __init__(self, password: bytes) -> None:
        self.done = False
        self._password = password

    def ask(self, identifier: int) -> bytes:
        return b"Password: "

    def take(self, identifier: int, data: bytes) -> None:
        if not hmac.compare_digest(data, self._password):
            raise EapFailed("the token is wrong")
        self.done = True


class GtcAnswerer:
    """Gives it."""

    msk = b""
    done = True

    def __init__(self, password: bytes) -> None:
        self._password = password
        self.proof = b""

    def answer(self, identifier: int, data: bytes) -> bytes:
        self.proof = self._password
        return self._password


# -- MS-CHAPv2 (draft-kamath-pppext-eap-mschapv2, RFC 2759) ----------------------------------

CHALLENGE, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4


def _framed(operation: int, number: int, body: bytes) -> bytes:
    return bytes([operation, number]) + (4 + len(body)).to_bytes(2, "big") + body


def _unframed(data: bytes) -> tuple[int, bytes]:
    """Operation and what follows MS-Length, which has to be the message's."""
    if len(data) < 4 or int.from_bytes(data[2:4], "big") != len(data):
        raise EapFailed("an MS-CHAPv2 message of another length than it says")
    return data[0], data[4:]


class MsChapAsker:
    """Challenge, then the proof that the authenticator knows the password too."""

    def __init__(self, users: Mapping[bytes, bytes], entropy: Entropy, name: bytes) -> None:
        self.done = False
        self.msk = b""
        self._users, self._name = users, name
        self._challenge = entropy(16)
        self._number = 0
        self._proof = b""

    def ask(self, identifier: int) -> bytes:
        if self._proof:
            return _framed(SUCCESS, self._number, self._proof + b" M=Welcome")
        self._number = identifier
        body = bytes([len(self._challenge)]) + self._challenge + self._name
        return _framed(CHALLENGE, identifier, body)

    def take(self, identifier: int, data: bytes) -> None:
        if self._proof:
            if data[:1] != bytes([SUCCESS]):
                raise EapFailed("the peer does not accept our MS-CHAPv2 proof")
            self.done = True
            return
        operation, body = _unframed(data)
        if operation != RESPONSE or len(body) < 50 or body[0] != 49:
            raise EapFailed("no MS-CHAPv2 response")
        peer, response, name = body[1:17], body[25:49], body[50:]
        password = password_of(self._users, name)
        expected = mschap.nt_response(self._challenge, peer, name, password)
        if not hmac.compare_digest(expected, response):
            raise EapFailed("the MS-CHAPv2 response does not verify")
        self._proof = mschap.authenticator_response(password, response, peer, self._challenge, name)
        self.msk = mschap.msk(password, response)


class MsChapAnswerer:
    """Proves the password, and wants it proven in turn."""

    def __init__(self, name: bytes, password: bytes, entropy: Entropy) -> None:
        self.done = False
        self.msk = b""
        self._name, self._password = name, password
        self._entropy = entropy
        self._expected = b""
        self.proof = b""

    def answer(self, identifier: int, data: bytes) -> bytes:
        operation, body = _unframed(data)
        if operation == CHALLENGE:
            return self._respond(data[1], _valued(body)[0])
        if operation == SUCCESS and self._expected:
            if not mschap.check_response(self._expected, body):
                raise EapFailed("the authenticator does not prove that it knows the password")
            self.done = True
            return bytes([SUCCESS])
        if operation == FAILURE:
            return bytes([FAILURE])
        raise EapFailed(f"MS-CHAPv2 operation {operation} out of order")

    def _respond(self, number: int, challenge: bytes) -> bytes:
        if len(challenge) != 16:
            raise EapFailed(f"an MS-CHAPv2 challenge of {len(challenge)} octets")
        peer = self._entropy(16)
        response = mschap.nt_response(challenge, peer, self._name, self._password)
        self._expected = mschap.authenticator_response(
            self._password, response, peer, challenge, self._name
        )
        self.msk, self.proof = mschap.msk(self._password, response), response
        body = bytes([49]) + peer + bytes(8) + response + b"\0" + self._name
        return _framed(RESPONSE, number, body)
