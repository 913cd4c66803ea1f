"""Libreswan's names of transforms: the words of its configuration and the names it logs.

Both come from the registry rows (`layers.iana`); only what does not follow a rule is listed here.
"""

from __future__ import annotations

import re

from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import (
    TRANSFORMS,
    Code,
    Encr,
    Integ,
    Ke,
    Prf,
    Protocol,
    Sn,
    TransformType,
    name,
)

_PREFIXES = {TransformType.ENCR: "ENCR_", TransformType.INTEG: "AUTH_", TransformType.PRF: "PRF_"}
_LOGGED = {
    (TransformType.ENCR, "3DES_CBC"): Encr.ENCR_3DES,
    (TransformType.PRF, "AES_XCBC"): Prf.PRF_AES128_XCBC,
    (TransformType.PRF, "AES128_XCBC"): Prf.PRF_AES128_XCBC,
}
_LETTERS = {"A": "8", "B": "12", "C": "16"}
_NONE = Transform(TransformType.INTEG, Integ.NONE)
_NOTHING = ("NONE", "n/a", "")


def transform(kind: int, text: str) -> Transform | None:
    """The transform of a logged name such as `AES_GCM_16_256`; None for what is not known."""
    if text in _NOTHING:
        return None
    if kind == TransformType.KE:
        return _group(text)
    bits: int | None = None
    if kind == TransformType.ENCR and (sized := re.fullmatch(r"(.+)_(\d{3})", text)):
        text, bits = sized[1], int(sized[2])
    # Older releases write AES_GCM_C where newer ones write AES_GCM_16.
    text = re.sub(r"(?<=CM_)([ABC])$", lambda m: _LETTERS[m[1]], text)
    row: Code | None = _LOGGED.get((TransformType(kind), text))
    if row is None:
        registry = TRANSFORMS[kind].__members__
        row = registry.get(_PREFIXES.get(TransformType(kind), "") + text)
    if row is None:
        return None
    return Transform(kind, row, bits if getattr(row, "key_attribute", False) else None)


def _group(text: str) -> Transform | None:
    if match := re.fullmatch(r"DH(\d+)", text):
        return Transform(TransformType.KE, int(match[1]))
    row = Ke.__members__.get(re.sub(r"^MODP(?=\d)", "MODP_", text))
    return None if row is None else Transform(TransformType.KE, row)


def word(transform: Transform) -> str:
    """The keyword of a transform in a proposal; Unsupported where Libreswan has none."""
    registry = TRANSFORMS.get(transform.type)
    row = registry._value2member_map_.get(transform.id) if registry else None
    for template in getattr(row, "words", {}).get("libreswan") or ():
        if "{bits}" not in template:
            if transform.key_bits is None and not getattr(row, "key_attribute", False):
                return str(template)
        elif transform.key_bits in getattr(row, "key_bits", ()):
            return str(template.format(bits=transform.key_bits))
    kind = name(TransformType, transform.type)
    bits = f" with {transform.key_bits} bits" if transform.key_bits is not None else ""
    raise Unsupported(f"Libreswan has no word for {kind} {transform.name}{bits}")


def ike(suite: Suite) -> str:
    """An IKE proposal: ciphers, hashes and groups; one list of hashes is PRF and integrity both."""
    _no_additional(suite)
    prfs = [word(t) for t in suite.of(TransformType.PRF)]
    integs = [word(t) for t in suite.of(TransformType.INTEG) if t != _NONE]
    _one_kind(suite, bool(integs))
    if integs and integs != prfs:
        raise Unsupported(
            "Libreswan's proposals name one hash for both PRF and integrity: "
            f"{'+'.join(prfs)} with {'+'.join(integs)} cannot be said"
        )
    groups = [word(t) for t in suite.of(TransformType.KE)]
    ciphers = [word(t) for t in suite.of(TransformType.ENCR)]
    return _joined(ciphers, prfs, groups)


def child(suite: Suite) -> str:
    """A proposal for ESP or AH less its sequence numbers, which the connection says once."""
    _no_additional(suite)
    groups = [word(t) for t in suite.of(TransformType.KE) if t.id != Ke.NONE]
    integs = [word(t) for t in suite.of(TransformType.INTEG) if t != _NONE]
    if suite.protocol == Protocol.AH:
        return _joined(integs, groups)
    _one_kind(suite, bool(integs))
    if groups and not integs:
        integs = ["none"]  # the place between cipher and group is not left out
    return _joined([word(t) for t in suite.of(TransformType.ENCR)], integs, groups)


def sequence_numbers(suites: tuple[Suite, ...]) -> str:
    """What `esn=` says for these suites; Unsupported where they differ."""
    wanted = {frozenset(t.id for t in suite.of(TransformType.SN)) for suite in suites}
    if len(wanted) > 1:
        raise Unsupported("Libreswan's connection has one esn= for all of its proposals")
    [ids] = wanted
    if ids - {Sn.NO_ESN, Sn.ESN}:
        raise Unsupported("Libreswan's esn= knows sequence numbers of 32 and of 64 bits")
    if len(ids) > 1:
        return "either"
    return "yes" if ids == {Sn.ESN} else "no"


def _joined(*parts: list[str]) -> str:
    return "-".join("+".join(words) for words in parts if words)


def _one_kind(suite: Suite, integrity: bool) -> None:
    """Combined-mode ciphers stand without an integrity algorithm, the others with one."""
    aead = {getattr(Encr._value2member_map_.get(t.id), "aead", False)
            for t in suite.of(TransformType.ENCR)}  # fmt: skip
    if len(aead) > 1 or (integrity and True in aead):
        raise Unsupported("Libreswan takes no integrity algorithm beside a combined-mode cipher")


def _no_additional(suite: Suite) -> None:
    kinds = {t.type for t in suite.transforms}
    if kinds & set(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1)):
        raise Unsupported("Libreswan 4.3 to 5.2 has no additional key exchanges (RFC 9370)")
