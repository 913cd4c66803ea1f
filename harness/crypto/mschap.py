"""MS-CHAPv2 and the keys that come of it (RFC 2759, RFC 3079): octets in, octets out.

Knows no packet and no EAP. MD4 is written out here, because OpenSSL 3 has put it away.
"""

from __future__ import annotations

import hashlib
import hmac

from ikelab.harness.crypto.block import des_block

_SIGN_SERVER = b"Magic server to client signing constant"
_PAD_OUT = b"Pad to make it do more than one iteration"
_MPPE = b"This is the MPPE Master Key"
# RFC 3079 3.4: the peer's send key is the authenticator's receive key.
_PEER_SENDS = (
    b"On the client side, this is the send key; on the server side, it is the receive key."
)
_PEER_RECEIVES = (
    b"On the client side, this is the receive key; on the server side, it is the send key."
)


def challenge_hash(peer: bytes, authenticator: bytes, name: bytes) -> bytes:
    """Eight octets from both challenges and the name, without its domain (RFC 2759 8.2)."""
    name = name.rpartition(b"\\")[2]
    return hashlib.sha1(peer + authenticator + name, usedforsecurity=False).digest()[:8]


def nt_hash(password: bytes) -> bytes:
    """MD4 of a UTF-8 password in UTF-16LE (RFC 2759 8.3)."""
    return md4(password.decode("utf-8").encode("utf-16-le"))


def nt_response(authenticator: bytes, peer: bytes, name: bytes, password: bytes) -> bytes:
    """The 24 octets that prove the password (RFC 2759 8.1, 8.5)."""
    challenge = challenge_hash(peer, authenticator, name)
    keys = nt_hash(password).ljust(21, b"\0")
    return b"".join(des_block(_parity(keys[i : i + 7]), challenge) for i in (0, 7, 14))


def authenticator_response(
    password: bytes, response: bytes, peer: bytes, authenticator: bytes, name: bytes
) -> bytes:
    """What proves the authenticator: `S=` and forty hexadecimal digits (RFC 2759 8.7)."""
    first = _sha1(md4(nt_hash(password)) + response + _SIGN_SERVER)
    challenge = challenge_hash(peer, authenticator, name)
    return b"S=" + _sha1(first + challenge + _PAD_OUT).hex().upper().encode()


def check_response(expected: bytes, message: bytes) -> bool:
    """Whether a success message begins with the authenticator's proof (RFC 2759 5)."""
    return hmac.compare_digest(expected, message[: len(expected)].upper())


def master_key(password: bytes, response: bytes) -> bytes:
    """The MPPE master key, 16 octets (RFC 3079 3.4)."""
    return _sha1(md4(nt_hash(password)) + response + _MPPE)[:16]


def start_key(master: bytes, octets: int, *, peer_sends: bool) -> bytes:
    """The key of one direction (RFC 3079 3.4)."""
    magic = _PEER_SENDS if peer_sends else _PEER_RECEIVES
    return _sha1(master + bytes(40) + magic + b"\xf2" * 40)[:octets]


def msk(password: bytes, response: bytes) -> bytes:
    """EAP-MSCHAPv2's MSK: the authenticator's receive key, its send key, zeros; 64 octets."""
    master = master_key(password, response)
    both = start_key(master, 16, peer_sends=True) + start_key(master, 16, peer_sends=False)
    return both.ljust(64, b"\0")


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _parity(key: bytes) -> bytes:
    """Seven octets spread over eight; DES ignores the lowest bit of each."""
    bits = int.from_bytes(key, "big")
    return bytes((bits >> (49 - 7 * i) & 0x7F) << 1 for i in range(8))


# -- MD4 (RFC 1320) --------------------------------------------------------------------------

_MASK = 0xFFFFFFFF
_ROUNDS = (
    (0, tuple(range(16)), (3, 7, 11, 19)),
    (0x5A827999, tuple(4 * (i % 4) + i // 4 for i in range(16)), (3, 5, 9, 13)),
    (
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
    ),
)


def md4(data: bytes) -> bytes:
    """The digest of RFC 1320, 16 octets."""
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + (8 * len(data)).to_bytes(8, "little")
    for start in range(0, len(padded), 64):
        state = _block(state, padded[start : start + 64])
    return b"".join(word.to_bytes(4, "little") for word in state)


def _block(state: tuple[int, int, int, int], block: bytes) -> tuple[int, int, int, int]:
    words = [int.from_bytes(block[i : i + 4], "little") for i in range(0, 64, 4)]
    a, b, c, d = state
    for number, (constant, order, shifts) in enumerate(_ROUNDS):
        for step, index in enumerate(order):
            if number == 0:
                mixed = b & c | ~b & d
            elif number == 1:
                mixed = b & c | b & d | c & d
            else:
                mixed = b ^ c ^ d
            total = (a + mixed + words[index] + constant) & _MASK
            shift = shifts[step % 4]
            a, b, c, d = d, (total << shift | total >> (32 - shift)) & _MASK, b, c
    first, second, third, fourth = state
    return (first + a) & _MASK, (second + b) & _MASK, (third + c) & _MASK, (fourth + d) & _MASK
