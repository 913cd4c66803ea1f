"""Opening SK and SKF by octets, and the judgement whether a key is the right one.

For CBC and counter mode an ICV proves SK_a only: with a wrong SK_e it still matches, and what comes
out is noise. So a key of such a cipher is believed when the plaintext speaks for it: padding within
bounds, a payload chain with clear reserved bits that ends exactly at the padding. The evidence is
counted in bits (log2 of how much likelier a right key makes it than noise) over all messages that
one key protects. Noise passes with a probability below 2^-20 for each key; where a direction has
only empty messages whose padding has no pattern it is 2^-8 for one message, 2^-16 for two.

Works on octets alone and makes no packets: a message is dissected when somebody looks at it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ikelab.harness.inspect.bulk import decrypted
from ikelab.harness.sk import HEADER
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Encr, Payload

_SK, _SKF = int(Payload.SK), int(Payload.SKF)
_KNOWN = frozenset(int(p) for p in Payload if p)

# Bits of evidence. A sender may break its own messages on purpose, so a broken chain speaks
# against a key, but one good chain outweighs any number of them.
BROKEN = -8.0
CERTAIN = 20.0
ENOUGH = 16.0
ENOUGH_WHEN_EMPTY = 8.0
_RESERVED = 7.0  # reserved bits of a generic header that are clear
_TYPE = 8 - math.log2(len(_KNOWN))  # a next payload that exists
_LAST = 8.0  # a next payload of 0 where the chain ends
_LENGTH = 16.0


class Sealed(NamedTuple):
    """Where the sealed part of a message lies: `data[start:end]` is IV, ciphertext and ICV."""

    data: bytes
    first: int  # type of the first payload inside
    start: int
    end: int
    fragment: int = 0  # 0 for SK
    fragments: int = 0


class Opened(NamedTuple):
    """What one key made of a message: the inner chain, or the reason why there is none."""

    chain: bytes | None
    refusal: str = ""


def locate(data: bytes) -> Sealed | None:
    """Find SK or SKF by walking the outer chain (RFC 7296 3.2); None where there is neither."""
    end = min(len(data), int.from_bytes(data[24:28], "big"))
    kind, at = data[16], HEADER
    while kind and at + 4 <= end:
        length = data[at + 2] << 8 | data[at + 3]
        stop = at + length
        if length < 4 or stop > end:
            return None
        if kind == _SK:
            return Sealed(data, data[at], at + 4, stop)
        if kind == _SKF:
            if length < 8:
                return None
            number, total = (
                int.from_bytes(data[at + 4 : at + 6]),
                int.from_bytes(data[at + 6 : at + 8]),
            )
            return Sealed(data, data[at], at + 8, stop, number, total)
        kind, at = data[at], stop
    return None


def open_direction(
    messages: Sequence[Sealed], rows: Sequence[IkeRow], by_initiator: bool
) -> list[Opened]:
    """Open what one side sent with the best of the rows; one result a message, in order.

    All messages under one key stand or fall together, but for those whose own ICV is wrong.
    """
    results = [Opened(None, "no key") for _ in messages]
    rest = list(range(len(messages)))
    # One row opens them all as a rule; the keys change with RFC 9370, and then others do the rest.
    while rest and rows:
        row, tried = _best([messages[n] for n in rest], rows, by_initiator)
        for number, opened in zip(rest, tried, strict=True):
            results[number] = opened
        rest = [n for n in rest if results[n].chain is None]
        if not any(opened.chain is not None for opened in tried):
            break
        rows = [other for other in rows if other is not row]
    return results


def _best(
    messages: Sequence[Sealed], rows: Sequence[IkeRow], by_initiator: bool
) -> tuple[IkeRow, list[Opened]]:
    """The row that opens most of them, and what it makes of them."""
    chosen, best, most = rows[0], list[Opened](), -1
    for row in rows:
        tried = _try(messages, row, by_initiator)
        count = sum(o.chain is not None for o in tried)
        if count >= most:
            chosen, best, most = row, tried, count
        if count == len(messages):
            break
    return chosen, best


def _try(messages: Sequence[Sealed], row: IkeRow, by_initiator: bool) -> list[Opened]:
    found = decrypted(messages, row, by_initiator)
    texts = [None if isinstance(text, str) else text for text in found]
    results = [Opened(None, text) if isinstance(text, str) else _strip(text) for text in found]
    if not (Encr(row.encr.id).aead or row.encr.id == Encr.ENCR_NULL):
        if not (_obvious(messages, texts) or convincing(_evidence(messages, texts))):
            wrong = Opened(None, "the plaintext is noise: SK_e is wrong")
            return [
                wrong if text is not None else old for text, old in zip(texts, results, strict=True)
            ]
        if row.unchecked:
            return _only_sound(messages, texts, results)
    return results


def _strip(text: bytes) -> Opened:
    """The chain without its padding (RFC 7296 3.14)."""
    end = len(text) - 1 - text[-1]
    if end < 0:
        return Opened(None, f"pad length {text[-1]} exceeds the {len(text)} octets decrypted")
    return Opened(text[:end])


def _only_sound(
    messages: Sequence[Sealed], texts: Sequence[bytes | None], results: list[Opened]
) -> list[Opened]:
    """Where no ICV was checked, each plaintext has to speak for itself."""
    broken = Opened(None, "no ICV was checked, and the payload chain is broken")
    return [
        broken
        if text is not None and sealed.fragments == 0 and not weigh(sealed.first, text)[1]
        else result
        for sealed, text, result in zip(messages, texts, results, strict=True)
    ]


def _obvious(messages: Sequence[Sealed], texts: Sequence[bytes | None]) -> bool:
    """Whether one message alone is proof enough, whatever the others say: IKE_AUTH is."""
    enough = CERTAIN + math.log2(len(messages) or 1)
    return any(
        text is not None
        and sealed.first
        and not sealed.fragments
        and weigh(sealed.first, text)[0] >= enough
        for sealed, text in zip(messages, texts, strict=True)
    )


def convincing(evidence: Sequence[tuple[float, bool]]) -> bool:
    """Whether (bits, empty) of the distinct messages under one key make it the right one."""
    if not evidence:
        return True
    total = sum(bits for bits, _ in evidence)
    best = max(bits for bits, _ in evidence)
    if all(empty for _, empty in evidence):
        return total >= ENOUGH_WHEN_EMPTY
    return best - math.log2(len(evidence)) >= CERTAIN or total >= ENOUGH


def _evidence(
    messages: Sequence[Sealed], texts: Sequence[bytes | None]
) -> list[tuple[float, bool]]:
    """Bits of evidence of each distinct message, and whether it was an empty one."""
    found: list[tuple[float, bool]] = []
    seen: set[bytes] = set()
    fragments: dict[tuple[bytes, int], dict[int, tuple[int, bytes]]] = {}
    for sealed, text in zip(messages, texts, strict=True):
        if text is None or sealed.data in seen:
            continue
        seen.add(sealed.data)
        if sealed.fragments:
            # Message ID and flags tell whose fragment it is (RFC 7383 2.6).
            key = (sealed.data[18:24], sealed.fragments)
            fragments.setdefault(key, {})[sealed.fragment] = (sealed.first, text)
        else:
            found.append((weigh(sealed.first, text)[0], sealed.first == 0))
    for (_, total), parts in fragments.items():
        if all(n in parts for n in range(1, total + 1)):
            chains = [_strip(parts[n][1]).chain for n in range(1, total + 1)]
            if None in chains:
                found.append((BROKEN, False))
                continue
            whole = b"".join(c for c in chains if c is not None)
            found.append((weigh(parts[1][0], whole + b"\0")[0], False))
        elif 1 in parts:
            found.append((max(0.0, weigh(*parts[1])[0]), False))
    return found


def weigh(first: int, text: bytes) -> tuple[float, bool]:
    """Bits of evidence that this is plaintext and not noise, and whether its chain is sound.

    `first` is the type of the first payload; it is not part of the evidence (the ICV covers it).
    """
    size = len(text)
    end = size - 1 - text[-1]
    if end < 0:
        return BROKEN, False
    bits = max(0.0, 8 - math.log2(size))
    if not first:
        # Nothing but padding: its length is one octet of evidence, a pattern is more.
        return (8.0 + _pattern(text[:-1]), True) if end == 0 else (BROKEN, False)
    kind, at = first, 0
    while kind:
        if at + 4 > end:
            return bits + BROKEN, False
        kind, length = text[at], text[at + 2] << 8 | text[at + 3]
        room = end - at
        if length < 4 or length > room or (kind and length + 4 > room):
            return bits + BROKEN, False
        if not text[at + 1] & 0x7F:
            bits += _RESERVED
        if not kind:
            break
        if kind in _KNOWN:
            bits += _TYPE
        bits += _LENGTH - math.log2(room)
        at += length
    if at + length != end:
        return bits + BROKEN, False
    return bits + _LENGTH + _LAST, True


def _pattern(padding: bytes) -> float:
    """Evidence in padding: zeros, or octets that count up, as many implementations send."""
    size = len(padding)
    counted = [bytes((n + k) & 0xFF for n in range(size)) for k in (0, 1)]
    return min(8.0 * size, 64.0) if padding in (bytes(size), *counted) else 0.0
