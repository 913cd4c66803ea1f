"""Ciphers without integrity: CBC (RFC 2451, 3602, 5529), counter mode (RFC 3686, 5529) and NULL.

The weak ones come from `cryptography`'s decrepit module, in this file and in no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.hazmat.decrepit.ciphers.algorithms import (
    CAST5,
    IDEA,
    Blowfish,
    Camellia,
    TripleDES,
)
from cryptography.hazmat.primitives.ciphers import (
    BlockCipherAlgorithm,
    Cipher,
    CipherAlgorithm,
    algorithms,
    modes,
)

from ikelab.harness.crypto.errors import BadIntegrity
from ikelab.layers.iana import Encr


class _Transform:
    """The facts of a cipher without an ICV, as its row says them."""

    aead = False
    icv_length = 0

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        self.iv_length = row.iv
        self.block = row.block
        self.name = row.iana

    def _check(self, iv: bytes) -> None:
        if len(iv) != self.iv_length:
            raise ValueError(f"{self.name} has an IV of {self.iv_length} octets, not {len(iv)}")


class Cbc(_Transform):
    """Cipher block chaining."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._algorithm = _ALGORITHMS[row.primitive or ""](key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv)
        if len(plaintext) % self.block:
            raise ValueError(f"{self.name} encrypts whole blocks of {self.block} octets")
        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(plaintext)

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != self.iv_length or len(ciphertext) % self.block:
            raise BadIntegrity(f"{self.name}: {len(ciphertext)} octets are no whole blocks")
        return Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(ciphertext)

    def decrypt_all(self, runs: Sequence[bytes]) -> list[bytes]:
        """The plaintexts of ciphertexts that each stand behind their IV, in whole blocks.

        CBC needs the block before and nothing else: over all of them in a row one pass does, and
        what it makes of an IV is left out.
        """
        size = self.iv_length
        whole = self.decrypt(bytes(size), b"".join(runs))
        texts, at = [], 0
        for run in runs:
            texts.append(whole[at + size : at + len(run)])
            at += len(run)
        return texts


class _Counter(_Transform):
    """Counter block: salt | IV | 32-bit counter from 1 (RFC 3686 4)."""

    def __init__(self, row: Encr, key: bytes, salt: bytes) -> None:
        super().__init__(row, key, salt)
        self._salt = salt
        self._keystream = keystream(row.primitive or "", key)

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        self._check(iv)
        return self._keystream(self._salt + iv + b"\0\0\0\1", plaintext)

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        if len(iv) != self.iv_length:
            raise BadIntegrity(f"{self.name} has an IV of {self.iv_length} octets, not {len(iv)}")
        return self._keystream(self._salt + iv + b"\0\0\0\1", ciphertext)


class _Null(_Transform):
    """RFC 2410: the text itself."""

    def encrypt(self, iv: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        return plaintext

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
        return ciphertext


def keystream(primitive: str, key: bytes) -> Callable[[bytes, bytes], bytes]:
    """A function (first counter block, data) -> data XOR key stream."""
    if primitive.startswith("aes"):
        aes = algorithms.AES(key)
        return lambda counter, data: Cipher(aes, modes.CTR(counter)).encryptor().update(data)
    # OpenSSL has Camellia's counter mode, cryptography does not: counter blocks through ECB.
    codebook = Cipher(Camellia(key), modes.ECB())

    def camellia(counter: bytes, data: bytes) -> bytes:
        first = int.from_bytes(counter, "big")
        count = -(-len(data) // 16)
        counters = b"".join((first + n).to_bytes(16, "big") for n in range(count))
        stream = codebook.encryptor().update(counters)[: len(data)]
        mixed = int.from_bytes(stream, "big") ^ int.from_bytes(data, "big")
        return mixed.to_bytes(len(data), "big")

    return camellia


def _des(key: bytes) -> CipherAlgorithm:
    return TripleDES(key * 3)  # three equal keys: encrypt, decrypt, encrypt is one DES


_ALGORITHMS: dict[str, Callable[[bytes], BlockCipherAlgorithm | CipherAlgorithm]] = {
    "aes-cbc": algorithms.AES,
    "3des": TripleDES,
    "des": _des,
    "blowfish": Blowfish,
    "cast5": CAST5,
    "idea": IDEA,
    "camellia-cbc": Camellia,
}

# RFC 2451 2.2 and RFC 5996 3.3.5: what a missing Key Length attribute means; AES has no such rule.
DEFAULT_BITS = {"blowfish": 128, "cast5": 128}

BUILDERS: dict[str, Callable[[Encr, bytes, bytes], Cbc | _Counter | _Null]] = {
    **dict.fromkeys(_ALGORITHMS, Cbc),
    "aes-ctr": _Counter,
    "camellia-ctr": _Counter,
    "null": _Null,
}


def des_block(key: bytes, data: bytes) -> bytes:
    """One block of eight octets under single DES: what MS-CHAP is made of (RFC 2759 8.6)."""
    return Cipher(_des(key), modes.ECB()).encryptor().update(data)
