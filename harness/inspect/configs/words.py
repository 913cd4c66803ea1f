"""Algorithms and keys in the words of each daemon's configuration, out of the registry rows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from functools import cache

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import TS, Suite, Transform
from ikelab.layers.iana import TRANSFORMS, Sn, TransformType

Words = dict[str, list[Transform]]


@cache
def words(daemon: str, kind: int) -> Words:
    """Every word of a daemon for one transform type; a word without a size means several sizes."""
    found: Words = {}
    for row in TRANSFORMS[kind]:
        for template in getattr(row, "words", {}).get(daemon, ()):
            sized = getattr(row, "key_attribute", False)
            if "{bits}" in template:
                for bits in row.key_bits:
                    found[template.format(bits=bits)] = [Transform(kind, row, bits)]
            elif sized:
                sizes = [b for b in (256, 192, 128) if b in row.key_bits]
                found.setdefault(template, [Transform(kind, row, bits) for bits in sizes])
            else:
                found.setdefault(template, [Transform(kind, row)])
    return found


def of(daemon: str, kind: int, texts: Iterable[str]) -> list[Transform] | None:
    """The transforms of several words; None where one of them is not known."""
    table, found = words(daemon, kind), []
    for text in texts:
        if text.lower() not in table:
            return None
        found += table[text.lower()]
    return found


def suite(protocol: int, *parts: Iterable[Transform]) -> Suite:
    """A suite of all these, by type."""
    found = dict.fromkeys(t for part in parts for t in part)
    return Suite(tuple(sorted(found, key=lambda t: t.type)), protocol)


def prf_of(integ: Transform) -> list[Transform]:
    """The PRF that goes with an integrity word where no PRF is named; none where there is none."""
    implied = Suite.parse(f"aes128-{integ.word}").prf
    return [implied] if implied is not None else []


EITHER = (
    Transform(TransformType.SN, Sn.NO_ESN),
    Transform(TransformType.SN, Sn.ESN),
)
"""What a file stands for that says nothing of sequence numbers, where the daemon takes both."""


def selectors(texts: Iterable[str]) -> tuple[TS, ...]:
    """Networks as written; none at all where one of them is no address (`dynamic`, a name)."""
    found = []
    for text in texts:
        try:
            found.append(TS.parse(text))
        except ConfigError:
            return ()
    return tuple(found)


def key(text: str) -> bytes:
    """A shared key: plain, in quotes, 0x and hexadecimal, 0s and Base64."""
    words_ = text.strip()
    quoted = len(words_) > 1 and words_[0] in "\"'" and words_[-1] == words_[0]
    if quoted:
        words_ = words_[1:-1]
    octets = coded(words_)
    return words_.encode() if octets is None else octets


def coded(text: str) -> bytes | None:
    """The octets of a key in hexadecimal (0x) or Base64 (0s); None where it is neither."""
    try:
        if text[:2].lower() == "0x":
            return bytes.fromhex(text[2:].replace("_", ""))
        if text[:2].lower() == "0s":
            return base64.b64decode(text[2:], validate=True)
    except (ValueError, binascii.Error):
        pass
    return None
