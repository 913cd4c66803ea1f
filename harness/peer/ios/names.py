"""Cisco's words for transforms: proposals, transform sets, the ASA's proposals, and show outputs.

For IKE they come from the registry rows (`layers.iana`); a transform set glues cipher and size.
"""

from __future__ import annotations

import re

from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import (
    TRANSFORMS,
    Encr,
    Integ,
    Ke,
    Prf,
    Protocol,
    Sn,
    TransformType,
    name,
)

_ESP: dict[int, str] = {
    Encr.ENCR_DES: "esp-des", Encr.ENCR_3DES: "esp-3des", Encr.ENCR_NULL: "esp-null",
    Encr.ENCR_AES_CBC: "esp-aes", Encr.ENCR_AES_GCM_16: "esp-gcm",
    Encr.ENCR_NULL_AUTH_AES_GMAC: "esp-gmac",
}  # fmt: skip
_HMACS: dict[int, str] = {
    Integ.AUTH_HMAC_MD5_96: "md5", Integ.AUTH_HMAC_SHA1_96: "sha",
    Integ.AUTH_HMAC_SHA2_256_128: "sha256", Integ.AUTH_HMAC_SHA2_384_192: "sha384",
    Integ.AUTH_HMAC_SHA2_512_256: "sha512",
}  # fmt: skip
_ASA_IKE: dict[int, str] = {
    Encr.ENCR_DES: "des", Encr.ENCR_3DES: "3des", Encr.ENCR_AES_CBC: "aes",
    Encr.ENCR_AES_GCM_16: "aes-gcm", Encr.ENCR_NULL: "null",
    Encr.ENCR_NULL_AUTH_AES_GMAC: "aes-gmac",
}  # fmt: skip
_ASA_ESP_HMACS: dict[int, str] = {
    Integ.AUTH_HMAC_MD5_96: "md5", Integ.AUTH_HMAC_SHA1_96: "sha-1",
    Integ.AUTH_HMAC_SHA2_256_128: "sha-256", Integ.AUTH_HMAC_SHA2_384_192: "sha-384",
    Integ.AUTH_HMAC_SHA2_512_256: "sha-512",
}  # fmt: skip
_PRFS: dict[int, str] = {
    Prf.PRF_HMAC_MD5: "md5", Prf.PRF_HMAC_SHA1: "sha", Prf.PRF_HMAC_SHA2_256: "sha256",
    Prf.PRF_HMAC_SHA2_384: "sha384", Prf.PRF_HMAC_SHA2_512: "sha512",
}  # fmt: skip


def _said(words: dict[int, str], transform: Transform) -> str:
    found = words.get(transform.id)
    if found is None:
        kind = name(TransformType, transform.type)
        raise Unsupported(f"there is no word for {kind} {transform.name} here")
    return found


def ike_word(transform: Transform) -> str:
    """`aes-cbc-128`, `sha256`, `14`: the word in `crypto ikev2 proposal`."""
    registry = TRANSFORMS.get(transform.type)
    row = registry._value2member_map_.get(transform.id) if registry else None
    for template in getattr(row, "words", {}).get("ios") or ():
        return str(template.format(bits=transform.key_bits))
    raise Unsupported(f"IOS has no word for {name(TransformType, transform.type)} {transform.name}")


def kem_word(transform: Transform) -> str:
    """`mlkem768`, behind `pqc`."""
    return f"mlkem{Ke(transform.id).bits}"


def esp_words(suite: Suite, cipher: Transform | None, integ: Transform | None) -> str:
    """One transform set's words: `esp-aes 256 esp-sha256-hmac`, `ah-sha-hmac`."""
    words = []
    if suite.protocol == Protocol.AH:
        assert integ is not None
        return f"ah-{_said(_HMACS, integ)}-hmac"
    if cipher is not None:
        words.append(_said(_ESP, cipher))
        sized = {Encr.ENCR_AES_CBC, Encr.ENCR_AES_GCM_16, Encr.ENCR_NULL_AUTH_AES_GMAC}
        if cipher.id in sized and cipher.key_bits != 128:
            words.append(str(cipher.key_bits))
    if integ is not None and integ.id != Integ.NONE:
        words.append(f"esp-{_said(_HMACS, integ)}-hmac")
    return " ".join(words)


def asa_cipher(transform: Transform) -> str:
    """`aes-256`, `aes-gcm`, in the ASA's policy and proposal."""
    word = _said(_ASA_IKE, transform)
    return f"{word}-{transform.key_bits}" if (transform.key_bits or 128) != 128 else word


def asa_hash(transform: Transform, *, esp: bool = False) -> str:
    """`sha256` in a policy, `sha-256` in a proposal, `null` beside AES-GCM."""
    if transform.type == TransformType.PRF:
        return _said(_PRFS, transform)
    if transform.id == Integ.NONE:
        return "null"
    return _said(_ASA_ESP_HMACS if esp else _HMACS, transform)


# -- the words of show outputs -------------------------------------------------------------

_SHOWN_CIPHERS = {
    "DES": Encr.ENCR_DES, "3DES": Encr.ENCR_3DES, "AES-CBC": Encr.ENCR_AES_CBC,
    "AES-GCM": Encr.ENCR_AES_GCM_16, "NULL": Encr.ENCR_NULL,
}  # fmt: skip
_SHOWN_PRFS = {
    "MD5": Prf.PRF_HMAC_MD5, "SHA1": Prf.PRF_HMAC_SHA1, "SHA256": Prf.PRF_HMAC_SHA2_256,
    "SHA384": Prf.PRF_HMAC_SHA2_384, "SHA512": Prf.PRF_HMAC_SHA2_512,
}  # fmt: skip
_SHOWN_HASHES = {
    "NONE": Integ.NONE, "MD596": Integ.AUTH_HMAC_MD5_96, "SHA96": Integ.AUTH_HMAC_SHA1_96,
    "SHA1": Integ.AUTH_HMAC_SHA1_96, "SHA256": Integ.AUTH_HMAC_SHA2_256_128,
    "SHA384": Integ.AUTH_HMAC_SHA2_384_192, "SHA512": Integ.AUTH_HMAC_SHA2_512_256,
}  # fmt: skip
_SHOWN_KEMS = {512: Ke.ML_KEM_512, 768: Ke.ML_KEM_768, 1024: Ke.ML_KEM_1024}
_ESP_READ = {word: number for number, word in _ESP.items()}
_HMACS_READ = {word: number for number, word in _HMACS.items()}


def ike_suite(
    cipher: str, bits: int | None, prf: str, integ: str, group: str, kem: str = ""
) -> Suite | None:
    """The suite that `show crypto ikev2 sa` prints; None where its cipher is unknown."""
    encr = _SHOWN_CIPHERS.get(cipher.upper())
    if encr is None:
        return None
    found = [Transform(TransformType.ENCR, encr, bits)]
    if (number := _SHOWN_PRFS.get(prf.upper())) is not None:
        found.append(Transform(TransformType.PRF, number))
    if (hashed := _SHOWN_HASHES.get(integ.upper())) not in (None, Integ.NONE):
        found.append(Transform(TransformType.INTEG, int(hashed or 0)))
    if group.isdecimal():
        found.append(Transform(TransformType.KE, int(group)))
    if match := re.search(r"(512|768|1024)", kem):
        found.append(Transform(TransformType.ADDKE1, _SHOWN_KEMS[int(match[1])]))
    return Suite(tuple(found))


def child_suite(
    protocol: int, cipher: str, bits: int | None, integ: str, *, esn: bool = False
) -> Suite:
    """The suite of a child as `session detailed` prints it (`AES-CBC`, 256, `SHA256`)."""
    found = []
    if (encr := _SHOWN_CIPHERS.get(cipher.upper())) is not None:
        found.append(Transform(TransformType.ENCR, encr, bits))
    if (hashed := _SHOWN_HASHES.get(integ.upper())) not in (None, Integ.NONE):
        found.append(Transform(TransformType.INTEG, int(hashed or 0)))
    found.append(Transform(TransformType.SN, Sn.ESN if esn else Sn.NO_ESN))
    return Suite(tuple(found), protocol)


def transform_suite(text: str, *, esn: bool = False) -> Suite:
    """The suite of `esp-256-aes esp-sha256-hmac`, `esp-gcm 256`, `ah-sha-hmac`."""
    protocol = Protocol.ESP
    found: dict[int, Transform] = {}
    words = text.replace(",", " ").split()
    for index, word in enumerate(words):
        if match := re.fullmatch(r"(esp|ah)-(md5|sha|sha256|sha384|sha512)-hmac", word):
            protocol = Protocol.AH if match[1] == "ah" else protocol
            number = _HMACS_READ[match[2]]
            found[TransformType.INTEG] = Transform(TransformType.INTEG, number)
        elif match := re.fullmatch(r"esp-(?:(\d+)-)?([a-z0-9]+?)(?:-(\d+))?", word):
            encr = _ESP_READ.get(f"esp-{match[2]}")
            if encr is None:
                continue
            after = words[index + 1] if index + 1 < len(words) else ""
            bits = int(match[1] or match[3] or (after if after.isdecimal() else 0)) or None
            sized = getattr(Encr(encr), "key_attribute", False)
            found[TransformType.ENCR] = Transform(
                TransformType.ENCR, encr, (bits or 128) if sized else None
            )
    found[TransformType.SN] = Transform(TransformType.SN, Sn.ESN if esn else Sn.NO_ESN)
    return Suite(tuple(found[k] for k in sorted(found)), protocol)
