"""Combined-mode ciphers: GCM (RFC 4106, 5282), CCM (RFC 4309, 5529), ChaCha20-Poly1305 (RFC 7634).

Also their forms with an IV taken from the sequence number (RFC 8750): `iv_length` is then 0, the
octets on the wire, and callers pass the eight octets that stand for the IV. And GMAC (RFC 4543).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from ikelab.harness.crypto.block import keystream
from ikelab.harness.crypto.errors import BadIntegrity
from ikelab.layers.iana import Encr

_IV = 8


class _Transform:
    """The facts of a combined-mode cipher, as its row says them; the nonce is salt | IV."""

    aead = True

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        self.iv_length = row.iv
        self.block = row.block
        self.icv_length = row.icv
        self.name = row.iana
        self._salt = salt

    def _check(self, iv: bytes, sealed: bytes) -> None:
        if len(iv) != _IV:
            raise BadIntegrity(f"{self.name} has an IV of {_IV} octets, not {len(iv)}")
        if len(sealed) < self.icv_length:
            raise BadIntegrity(f"{self.name}: {len(sealed)} octets do not hold the ICV")


class _Whole(_Transform):
    """What `cryptography` does in one call: GCM with 16 octets, CCM, ChaCha20-Poly1305."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._aead: AESGCM | AESCCM | ChaCha20Poly1305
        if row.primitive == "aes-ccm":
            self._aead = AESCCM(key, tag_length=row.icv)
        elif row.primitive == "aes-gcm":
            self._aead = AESGCM(key)
        else:
            self._aead = ChaCha20Poly1305(key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != _IV:
            raise ValueError(f"{self.name} has an IV of {_IV} octets, not {len(iv)}")
        return self._aead.encrypt(self._salt + iv, plaintext, aad)

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv, ciphertext)
        try:
            return self._aead.decrypt(self._salt + iv, ciphertext, aad)
        except InvalidTag:
            raise BadIntegrity(f"{self.name}: the ICV does not match") from None


class _ShortGcm(_Transform):
    """GCM with an ICV of 8 or 12 octets, the first ones of the tag (RFC 4106 6)."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._aes = algorithms.AES(key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != _IV:
            raise ValueError(f"{self.name} has an IV of {_IV} octets, not {len(iv)}")
        gcm = Cipher(self._aes, modes.GCM(self._salt + iv)).encryptor()
        gcm.authenticate_additional_data(aad)
        text = gcm.update(plaintext) + gcm.finalize()
        return text + gcm.tag[: self.icv_length]

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv, ciphertext)
        split = len(ciphertext) - self.icv_length
        mode = modes.GCM(self._salt + iv, ciphertext[split:], self.icv_length)
        gcm = Cipher(self._aes, mode).decryptor()
        gcm.authenticate_additional_data(aad)
        try:
            return gcm.update(ciphertext[:split]) + gcm.finalize()
        except InvalidTag:
            raise BadIntegrity(f"{self.name}: the ICV does not match") from None


class _Gmac(_Transform):
    """Authentication alone: the text goes in clear and is authenticated data (RFC 4543 3)."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._gcm = AESGCM(key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != _IV:
            raise ValueError(f"{self.name} has an IV of {_IV} octets, not {len(iv)}")
        return plaintext + self._gcm.encrypt(self._salt + iv, b"", aad + iv + plaintext)

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv, ciphertext)
        text, icv = ciphertext[: -self.icv_length], ciphertext[-self.icv_length :]
        try:
            self._gcm.decrypt(self._salt + iv, icv, aad + iv + text)
        except InvalidTag:
            raise BadIntegrity(f"{self.name}: the ICV does not match") from None
        return text


class _CamelliaCcm(_Transform):
    """CCM over Camellia (RFC 5529 2.3): RFC 3610, here with a nonce of 11 octets."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._mac = Cipher(Camellia(key), modes.CBC(bytes(16)))
        self._xor = keystream(row.primitive or "", key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != _IV:
            raise ValueError(f"{self.name} has an IV of {_IV} octets, not {len(iv)}")
        nonce = self._salt + iv
        tag = self._tag(nonce, plaintext, aad)
        mixed = self._xor(_counter(nonce), tag.ljust(16, b"\0") + plaintext)
        return mixed[16:] + mixed[: self.icv_length]

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv, ciphertext)
        nonce, split = self._salt + iv, len(ciphertext) - self.icv_length
        tag = ciphertext[split:].ljust(16, b"\0")
        mixed = self._xor(_counter(nonce), tag + ciphertext[:split])
        plaintext = mixed[16:]
        if not hmac.compare_digest(mixed[: self.icv_length], self._tag(nonce, plaintext, aad)):
            raise BadIntegrity(f"{self.name}: the ICV does not match")
        return plaintext

    def _tag(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        size = 15 - len(nonce)
        flags = (0x40 if aad else 0) | (self.icv_length - 2) // 2 << 3 | size - 1
        text = bytes([flags]) + nonce + len(plaintext).to_bytes(size, "big")
        if aad:
            text += _padded(_length(aad) + aad)
        text += _padded(plaintext)
        return self._mac.encryptor().update(text)[-16:][: self.icv_length]


def _counter(nonce: bytes) -> bytes:
    """RFC 3610 2.3: the block A_0, whose last octets count."""
    return bytes([14 - len(nonce)]) + nonce + bytes(15 - len(nonce))


def _length(aad: bytes) -> bytes:
    """RFC 3610 2.2: how long the authenticated data is."""
    if len(aad) < 0xFF00:
        return len(aad).to_bytes(2, "big")
    return b"\xff\xfe" + len(aad).to_bytes(4, "big")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def _gcm(row: Encr, key: bytes, salt: bytes) -> _Whole | _ShortGcm:
    return _Whole(row, key, salt) if row.icv == 16 else _ShortGcm(row, key, salt)


Builder = Callable[[Encr, bytes, bytes], _Whole | _ShortGcm | _Gmac | _CamelliaCcm]

BUILDERS: dict[str, Builder] = {
    "aes-gcm": _gcm,
    "aes-ccm": _Whole,
    "chacha20-poly1305": _Whole,
    "aes-gmac": _Gmac,
    "camellia-ccm": _CamelliaCcm,
}
