"""Keys out of texts that are no tables: logs of charon and pluto, `ip xfrm state`.

A log tells an IKE SA's keys and not always its algorithms; those come from the capture, so what is
found here waits as loose secrets until the IKE SA is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ikelab.harness.model import Spis, Transform
from ikelab.harness.wireshark import EspRow
from ikelab.layers.iana import Encr, Integ, TransformType

_CHARON = re.compile(r"\bSk_(?:d|ai|ei|pi) secret => |\bencryption initiator key => ")
_PLUTO = re.compile(r"^.*\| ikev2 [IR] 0x[0-9a-f]{16} ", re.MULTILINE)
_XFRM = re.compile(r"^\s*proto (?:esp|ah) spi 0x", re.MULTILINE)
_ENDS = re.compile(r"^src (\S+) dst (\S+)")
_SPI = re.compile(r"proto (esp|ah) spi 0x([0-9a-f]{1,8})")
_WORDS = re.compile(r"^\s*(aead|enc|auth|auth-trunc) (\S+) (0x[0-9a-f]*|\"\")(?: (\d+))?")

# Linux' names of ciphers with a check of their own, by octets of ICV; the rest by name alone.
_AEAD: dict[tuple[str, int], Encr] = {
    ("rfc4106(gcm(aes))", 64): Encr.ENCR_AES_GCM_8,
    ("rfc4106(gcm(aes))", 96): Encr.ENCR_AES_GCM_12,
    ("rfc4106(gcm(aes))", 128): Encr.ENCR_AES_GCM_16,
    ("rfc4309(ccm(aes))", 64): Encr.ENCR_AES_CCM_8,
    ("rfc4309(ccm(aes))", 96): Encr.ENCR_AES_CCM_12,
    ("rfc4309(ccm(aes))", 128): Encr.ENCR_AES_CCM_16,
    ("rfc4543(gcm(aes))", 128): Encr.ENCR_NULL_AUTH_AES_GMAC,
    ("rfc7539esp(chacha20,poly1305)", 128): Encr.ENCR_CHACHA20_POLY1305,
}
_ENC: dict[str, Encr] = {
    "cbc(aes)": Encr.ENCR_AES_CBC,
    "rfc3686(ctr(aes))": Encr.ENCR_AES_CTR,
    "cbc(des3_ede)": Encr.ENCR_3DES,
    "cbc(des)": Encr.ENCR_DES,
    "cbc(camellia)": Encr.ENCR_CAMELLIA_CBC,
    "cbc(cast5)": Encr.ENCR_CAST,
    "cbc(blowfish)": Encr.ENCR_BLOWFISH,
    "ecb(cipher_null)": Encr.ENCR_NULL,
}
_AUTH: dict[tuple[str, int], Integ] = {
    ("hmac(md5)", 96): Integ.AUTH_HMAC_MD5_96,
    ("hmac(sha1)", 96): Integ.AUTH_HMAC_SHA1_96,
    ("hmac(sha256)", 128): Integ.AUTH_HMAC_SHA2_256_128,
    ("hmac(sha384)", 192): Integ.AUTH_HMAC_SHA2_384_192,
    ("hmac(sha512)", 256): Integ.AUTH_HMAC_SHA2_512_256,
    ("xcbc(aes)", 96): Integ.AUTH_AES_XCBC_96,
    ("cmac(aes)", 96): Integ.AUTH_AES_CMAC_96,
}
_USUAL = {"hmac(md5)": 96, "hmac(sha1)": 96, "hmac(sha256)": 96}  # what `auth` without a length is


@dataclass(slots=True)
class Found:
    """What one text told: loose secrets of IKE SAs by SPIs, rows of ESP SAs, and remarks."""

    loose: dict[Spis, dict[str, bytes]] = field(default_factory=dict)
    esp: list[EspRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(text: str, place: str) -> Found | None:
    """The keys of a log or of `ip xfrm state`; None for a text that is neither."""
    if _XFRM.search(text):
        return _xfrm(text, place)
    if _CHARON.search(text):
        from ikelab.harness.peer.strongswan import logs as charon

        found = Found(loose=charon.ike_secrets(text))
        if not found.loose:
            found.notes.append(f"{place}: keys, but no SPIs to them: log group mgr at level 2 too")
        return found
    if _PLUTO.search(text):
        from ikelab.harness.peer.libreswan import logs as pluto

        return Found(loose=pluto.ike_secrets(text))
    return None


def _xfrm(text: str, place: str) -> Found:
    found = Found()
    for number, block in _blocks(text):
        try:
            row = _state(block, f"{place}:{number}")
        except _Unknown as error:
            found.notes.append(f"{place}:{number}: {error}")
            continue
        if row is not None:
            found.esp.append(row)
    return found


class _Unknown(ValueError):
    """An SA whose algorithm has no name here."""


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of each SA, from its `src` line on, with the number of that line."""
    start, lines = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if _ENDS.match(line):
            if lines:
                yield start, lines
            start, lines = number, [line]
        elif lines:
            lines.append(line)
    if lines:
        yield start, lines


def _state(block: list[str], source: str) -> EspRow | None:
    ends, named = _ENDS.match(block[0]), _SPI.search(" ".join(block))
    if ends is None or named is None or named[1] != "esp":
        return None
    encr: Transform | None = None
    integ: Transform | None = None
    key = auth = b""
    for line in block:
        if not (words := _WORDS.match(line)):
            continue
        kind, name, digits, bits = words.groups()
        octets = bytes.fromhex(digits.strip('"').removeprefix("0x"))
        if kind == "aead":
            encr, key = _cipher(_AEAD.get((name, int(bits or 0))), name, octets), octets
        elif kind == "enc":
            encr, key = _cipher(_ENC.get(name), name, octets), octets
        elif name != "digest_null":
            size = int(bits) if bits else _USUAL.get(name, 0)
            number = _AUTH.get((name, size))
            if number is None:
                raise _Unknown(f"no name for the integrity algorithm {name} with {size} bits")
            integ, auth = Transform(TransformType.INTEG, number), octets
    if encr is None:
        return None
    return EspRow(ends[1], ends[2], named[2].zfill(8), encr, integ, key, auth, source=source)


def _cipher(number: Encr | None, name: str, key: bytes) -> Transform:
    """The transform by the kernel's name; the key's length, less the salt, is its size."""
    if number is None:
        raise _Unknown(f"no name for the cipher {name}")
    bits = (len(key) - number.salt) * 8
    sized = number.key_attribute or number in (Encr.ENCR_CAST, Encr.ENCR_BLOWFISH)
    return Transform(TransformType.ENCR, number, bits if sized else None)
