"""OpenIKED's names of transforms, the same in its configuration and in its log.

They come from the registry rows (`layers.iana`).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import TRANSFORMS, Encr, Integ, Ke, Protocol, TransformType, name

_NONE = Transform(TransformType.INTEG, Integ.NONE)
_KEYWORDS = {
    TransformType.ENCR: "enc",
    TransformType.INTEG: "auth",
    TransformType.PRF: "prf",
    TransformType.KE: "group",
}


def word(transform: Transform) -> str:
    """The name of a transform in iked.conf; Unsupported where OpenIKED has none."""
    registry = TRANSFORMS.get(transform.type)
    row = registry._value2member_map_.get(transform.id) if registry else None
    for template in getattr(row, "words", {}).get("openiked") or ():
        if "{bits}" not in template:
            if transform.key_bits is None:
                return str(template)
        elif transform.key_bits in getattr(row, "key_bits", ()):
            return str(template.format(bits=transform.key_bits))
    kind = name(TransformType, transform.type)
    bits = f" with {transform.key_bits} bits" if transform.key_bits is not None else ""
    raise Unsupported(f"OpenIKED has no word for {kind} {transform.name}{bits}")


@cache
def _words(kind: int) -> dict[str, Transform]:
    found: dict[str, Transform] = {}
    for row in TRANSFORMS[kind]:
        for template in row.words.get("openiked", ()):
            sizes = row.key_bits if "{bits}" in template else (None,)
            for bits in sizes:
                found.setdefault(template.format(bits=bits), Transform(kind, row, bits))
    return found


def read(text: str, protocol: int) -> Suite | None:
    """A suite as the log prints it, `enc aes-128 auth hmac-sha2-512`; None for no suite."""
    kinds = {word: kind for kind, word in _KEYWORDS.items()}
    found = []
    words = text.split()
    for keyword, value in pairwise(words):
        if keyword in kinds and (transform := _words(kinds[keyword]).get(value)):
            found.append(transform)
    return Suite(tuple(sorted(found, key=lambda t: t.type)), protocol) if found else None


def proposal(suite: Suite) -> str:
    """A proposal as it stands behind `ikesa` or `childsa`; Unsupported with the reason."""
    rest = {t.type for t in suite.transforms} - set(_KEYWORDS) - {TransformType.SN}
    if rest:
        raise Unsupported("OpenIKED has no additional key exchanges (RFC 9370)")
    if suite.protocol == Protocol.AH:
        raise Unsupported("OpenIKED puts ciphers into its proposals for AH")
    aead = {getattr(Encr._value2member_map_.get(t.id), "aead", False)
            for t in suite.of(TransformType.ENCR)}  # fmt: skip
    integs = [t for t in suite.of(TransformType.INTEG) if t != _NONE]
    if len(aead) > 1 or (integs and True in aead):
        raise Unsupported("OpenIKED takes no integrity algorithm beside a combined-mode cipher")
    order = (TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE)
    words = []
    for kind in order:
        chosen = [t for t in suite.of(kind) if t != _NONE and (kind, t.id) != (4, Ke.NONE)]
        words += [f"{_KEYWORDS[kind]} {word(t)}" for t in chosen]
    numbers = {t.id for t in suite.of(TransformType.SN)}
    if numbers - {0, 1}:
        raise Unsupported("OpenIKED knows sequence numbers of 32 and of 64 bits")
    words += [w for number, w in ((1, "esn"), (0, "noesn")) if number in numbers]
    return " ".join(words)
