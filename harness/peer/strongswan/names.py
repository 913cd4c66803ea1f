"""strongSwan's names of transforms: the words of its configuration and the names it prints.

Both come from the registry rows (`layers.iana`); only what does not follow a rule is listed here.
"""

from __future__ import annotations

import re
from functools import cache

from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import TRANSFORMS, Code, Integ, Protocol, TransformType, name

_PRINTED = {  # by the name of the registry's row: numbers of different registries are equal
    "ENCR_DES": "DES_CBC",
    "ENCR_3DES": "3DES_CBC",
    "ENCR_RC5": "RC5_CBC",
    "ENCR_IDEA": "IDEA_CBC",
    "ENCR_CAST": "CAST_CBC",
    "ENCR_BLOWFISH": "BLOWFISH_CBC",
    "ENCR_NULL_AUTH_AES_GMAC": "NULL_AES_GMAC",
    "BRAINPOOL_P224R1": "ECP_224_BP",
    "BRAINPOOL_P256R1": "ECP_256_BP",
    "BRAINPOOL_P384R1": "ECP_384_BP",
    "BRAINPOOL_P512R1": "ECP_512_BP",
    "CURVE25519": "CURVE_25519",
    "CURVE448": "CURVE_448",
}
_PREFIXES = {TransformType.ENCR: "ENCR_", TransformType.INTEG: "AUTH_"}


def printed(transform: Transform) -> str | None:
    """The name strongSwan prints for a transform, such as AES_CBC; None for an unknown number."""
    registry = TRANSFORMS.get(transform.type)
    row = registry._value2member_map_.get(transform.id) if registry else None
    if not isinstance(row, Code):
        return None
    return _PRINTED.get(row.name) or row.name.removeprefix(
        _PREFIXES.get(TransformType(transform.type), "")
    )


@cache
def _by_name(kind: int) -> dict[str, Code]:
    rows = [row for row in TRANSFORMS[kind] if isinstance(row, Code)]
    return {text: row for row in rows if (text := printed(Transform(kind, row)))}


def transform(kind: int, text: str, bits: int | None = None) -> Transform | None:
    """The transform of a printed name and key size; None for a name that is not known.

    A number that strongSwan has no name for is printed as `(1234)`.
    """
    if match := re.fullmatch(r"\(?(\d+)\)?", text):
        return Transform(kind, int(match[1]), bits)
    row = _by_name(kind).get(text)
    if row is None:
        return None
    return Transform(kind, row, bits if getattr(row, "key_attribute", False) else None)


def word(transform: Transform) -> str:
    """The keyword of a transform in a proposal; Unsupported where strongSwan has none."""
    registry = TRANSFORMS.get(transform.type)
    row = registry._value2member_map_.get(transform.id) if registry else None
    templates = getattr(row, "words", {}).get("strongswan") or ()
    for template in templates:
        if "{bits}" not in template:
            if transform.key_bits is None:
                return _numbered(transform, template)
        elif transform.key_bits in getattr(row, "key_bits", ()):
            return _numbered(transform, template.format(bits=transform.key_bits))
    kind = name(TransformType, transform.type)
    bits = f" with {transform.key_bits} bits" if transform.key_bits is not None else ""
    raise Unsupported(f"strongSwan has no word for {kind} {transform.name}{bits}")


def _numbered(transform: Transform, keyword: str) -> str:
    """Additional key exchanges are written `ke1_mlkem768` (RFC 9370)."""
    if TransformType.ADDKE1 <= transform.type <= TransformType.ADDKE7:
        return f"ke{transform.type - TransformType.ADDKE1 + 1}_{keyword}"
    return keyword


def proposal(suite: Suite) -> str:
    """A proposal in strongSwan's words, everything spelt out; Unsupported with the reason."""
    order = [TransformType.ENCR, TransformType.INTEG, TransformType.PRF, TransformType.KE]
    rest = sorted({t.type for t in suite.transforms} - set(order))
    none = Transform(TransformType.INTEG, Integ.NONE)
    if suite.protocol == Protocol.AH and suite.of(TransformType.ENCR):
        raise Unsupported("a proposal for AH cannot hold a cipher")
    words = [word(t) for kind in (*order, *rest) for t in suite.of(kind) if t != none]
    return "-".join(dict.fromkeys(words))
