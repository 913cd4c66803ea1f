"""Seal and open SK payloads (RFC 7296 3.14, RFC 5282): where packets and ciphers meet.

Opening gives a new packet and leaves the old one alone. Nothing here decides what a failure means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ikelab.harness.crypto.cipher import BadIntegrity, Cipher, cipher
from ikelab.harness.crypto.integ import icv_length, mac
from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Transform
from ikelab.layers.encrypted import IKEv2_Decrypted, IKEv2_SK
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2, build_payloads, parse_payloads
from ikelab.layers.message import message as make_message

Entropy = Callable[[int], bytes]
HEADER = 28  # octets of the IKE header (RFC 7296 3.1)


@dataclass(frozen=True, slots=True)
class SkKeys:
    """What protects one direction: SK_e (salt included) and SK_a (empty for AEAD)."""

    encr: Transform
    integ: Transform | None
    sk_e: bytes
    sk_a: bytes


class Refusal(Exception):
    """A message whose SK payload does not open; `kind` is integrity, padding, length or absent."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class Plain:
    """The plain stage: the inner payload chain, and the padding that follows it.

    `block` is what chain, padding and pad length octet have to fill together.
    """

    chain: bytes
    padding: bytes
    pad_length: int
    block: int = 1

    def pad(self) -> None:
        """Zero octets of padding, as few as it takes (RFC 7296 3.14)."""
        self.padding = bytes(-(len(self.chain) + 1) % self.block)
        self.pad_length = len(self.padding)

    def __bytes__(self) -> bytes:
        return self.chain + self.padding + bytes([self.pad_length & 0xFF])


@dataclass(slots=True)
class Sealed:
    """The sealed stage: what goes in clear before the IV, and the three protected parts."""

    clear: bytes
    iv: bytes
    ciphertext: bytes
    icv: bytes

    def __bytes__(self) -> bytes:
        return self.clear + self.iv + self.ciphertext + self.icv


PlainEdit = Callable[[Plain], None]
SealedEdit = Callable[[Sealed], None]


def decrypted(inner: list[Any]) -> IKEv2_Decrypted:
    """An SK payload whose content is still in clear, ready to be sealed."""
    return IKEv2_Decrypted(inner=inner)


def encrypted_payload(message: IKEv2) -> Any | None:
    """The SK payload of a message that holds one, sealed or in clear; None otherwise."""
    for payload in message.payloads:
        if payload.kind == Payload.SK:
            return payload
    return None


def first_inner(sk: IKEv2_Decrypted) -> int:
    """The type that SK names as its first inner payload, whether that is true or not."""
    stated = sk.next_payload
    if stated is None:
        return int(sk.inner[0].kind) if sk.inner else Payload.NONE
    return stated[-1] if isinstance(stated, bytes) else int(stated) & 0xFF


def seal(
    message: IKEv2,
    keys: SkKeys,
    entropy: Entropy,
    edit_plain: PlainEdit | None = None,
    edit_sealed: SealedEdit | None = None,
) -> bytes:
    """Build, pad, encrypt and authenticate a message whose last payload is an IKEv2_Decrypted.

    Lengths that are None are computed, literal ones are sent as they are. The two callbacks are
    the plain and the sealed stage of edits; they change their argument in place.
    """
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    payloads = message.payloads
    if not payloads or not isinstance(payloads[-1], IKEv2_Decrypted):
        raise ConfigError("only a message whose last payload is SK in clear can be sealed")
    sk = payloads[-1]
    plain = _plain(sk, 1 if box.aead else box.block)
    if edit_plain:
        edit_plain(plain)
    iv = bytes(sk.iv) or entropy(box.iv_length)
    text = bytes(plain)
    length = 4 + len(iv) + len(text) + icv_octets_of(keys)
    clear = _clear(message, payloads, sk, length)

    sealed = protect(keys, clear, iv, text)
    if sk.icv:
        sealed.icv = bytes(sk.icv)
    if edit_sealed:
        edit_sealed(sealed)
    return bytes(sealed)


def icv_octets_of(keys: SkKeys) -> int:
    """Octets of the ICV of a message."""
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    if box.aead:
        return box.icv_length
    return icv_length(keys.integ.id) if keys.integ else 0


def protect(keys: SkKeys, clear: bytes, iv: bytes, text: bytes) -> Sealed:
    """Encrypt a padded plaintext and authenticate it with what goes before it in clear."""
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    if box.aead:
        # RFC 5282 5.1: the associated data run from the IKE header to the SK payload's header.
        body = box.encrypt(iv, text, clear)
        cut = len(body) - box.icv_length
        return Sealed(clear, iv, body[:cut], body[cut:])
    try:
        body = box.encrypt(iv, text)
    except ValueError:
        raise ConfigError(
            f"{len(text)} octets are not whole cipher blocks: change them at the sealed stage"
        ) from None
    icv = mac(keys.integ.id, keys.sk_a, clear + iv + body) if keys.integ else b""
    return Sealed(clear, iv, body, icv)


def _plain(sk: IKEv2_Decrypted, block: int) -> Plain:
    """The inner chain, padded so that the pad length octet ends a cipher block (3.14)."""
    plain = Plain(build_payloads(sk.inner), b"", 0, block)
    plain.pad()
    if sk.padding is not None:
        plain.padding = bytes(sk.padding)
        plain.pad_length = len(plain.padding)
    if sk.pad_length is not None:
        plain.pad_length = sk.pad_length
    return plain


def _clear(message: IKEv2, payloads: list[Any], sk: IKEv2_Decrypted, length: int) -> bytes:
    """Header, payloads before SK, and SK's generic header, with `length` for the SK payload."""
    stated = length if sk.length is None else sk.length
    flags = sk.getfieldval("flags")
    head = IKEv2_SK(next_payload=first_inner(sk), flags=flags, length=stated)
    outer = build_payloads([*payloads[:-1], head])
    # What SK holds is not built yet: the header counts it all the same.
    total = len(outer) - _SK_HEADER + length
    return message.self_build(total, payloads[0].kind) + outer


_SK_HEADER = len(build_payloads([IKEv2_SK()]))


def open(message: IKEv2, keys: SkKeys, raw: bytes | None = None) -> IKEv2:
    """Return a new message in which SK is an IKEv2_Decrypted; `raw` is its wire form if known.

    Raises Refusal: integrity (ICV wrong), padding (pad length beyond the data), length (too short
    or not whole blocks), absent (no SK payload). Padding octets may be arbitrary (3.14).
    """
    return unseal(message, keys, raw)[0]


def unseal(
    message: IKEv2, keys: SkKeys, raw: bytes | None = None, *, verify: bool = True
) -> tuple[IKEv2, bytes]:
    """As `open`, with the octets of the inner chain; `verify` False does not look at the ICV."""
    sk = encrypted_payload(message)
    if sk is None or isinstance(sk, IKEv2_Decrypted):
        raise Refusal("absent", "the message has no SK payload")
    data = bytes(message) if raw is None else raw
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    body = bytes(sk.load)
    start = data.rfind(body) if body else len(data)
    # SK is the last payload, so its body ends the message: no search is needed when it does.
    if data.endswith(body):
        start = len(data) - len(body)
    clear = data[:start]
    iv, text, icv = _open_body(box, keys, clear, body, verify)
    if not text:
        raise Refusal("length", "nothing is left for the pad length octet")
    pad_length = text[-1]
    if pad_length + 1 > len(text):
        raise Refusal(
            "padding", f"pad length {pad_length} exceeds the {len(text)} octets decrypted"
        )
    end = len(text) - 1 - pad_length
    inner = parse_payloads(sk.next_payload, text[:end])
    opened = IKEv2_Decrypted(
        next_payload=sk.next_payload,
        flags=sk.getfieldval("flags"),
        length=sk.length,
        iv=iv,
        inner=inner,
        padding=text[end:-1],
        pad_length=pad_length,
        icv=icv,
    )
    # Linking moves packets, so what stands before SK is dissected anew: `message` stays as it was.
    before = [p for p in IKEv2(data).payloads if p.kind != Payload.SK] if start > HEADER + 4 else []
    return rebuild(message, [*before, opened]), text[:end]


def _open_body(
    box: Cipher, keys: SkKeys, clear: bytes, body: bytes, verify: bool
) -> tuple[bytes, bytes, bytes]:
    """Check and decrypt the body of SK: (IV, plaintext with padding, ICV)."""
    icv_octets = icv_octets_of(keys)
    if len(body) < box.iv_length + icv_octets:
        raise Refusal("length", f"{len(body)} octets cannot hold an IV and an ICV")
    iv = body[: box.iv_length]
    cut = len(body) - icv_octets
    icv = body[cut:]
    if box.aead:
        try:
            return iv, box.decrypt(iv, body[box.iv_length :], clear), icv
        except BadIntegrity:
            raise Refusal("integrity", "the ICV does not match") from None
    if verify and keys.integ and mac(keys.integ.id, keys.sk_a, clear + body[:cut]) != icv:
        raise Refusal("integrity", "the ICV does not match")
    cipher_text = body[box.iv_length : cut]
    if len(cipher_text) % box.block or not cipher_text:
        raise Refusal("length", f"{len(cipher_text)} octets are not whole cipher blocks")
    return iv, box.decrypt(iv, cipher_text), icv


def unseal_fragment(message: IKEv2, keys: SkKeys, raw: bytes, *, verify: bool = True) -> bytes:
    """The part of the inner chain that an SKF payload holds (RFC 7383 2.5); raises Refusal."""
    skf = message.payloads[-1]
    # The fragment's numbers stand before its IV, so they are authenticated with the header.
    return open_chain(raw, len(raw) - len(bytes(skf.load)), keys, verify=verify)


def open_chain(raw: bytes, start: int, keys: SkKeys, *, verify: bool = True) -> bytes:
    """The chain inside what is protected from the IV at `start` to the end; raises Refusal."""
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    _, text, _ = _open_body(box, keys, raw[:start], raw[start:], verify)
    if not text or text[-1] + 1 > len(text):
        raise Refusal("padding", "the pad length exceeds the octets decrypted")
    return text[: len(text) - 1 - text[-1]]


def rebuild(message: IKEv2, payloads: list[Any]) -> IKEv2:
    """The same header over other payloads; the header's fields stay literal."""
    names = (
        "init_SPI",
        "resp_SPI",
        "next_payload",
        "version",
        "exch_type",
        "flags",
        "id",
        "length",
    )
    return make_message(payloads, **{name: message.getfieldval(name) for name in names})
