"""Combinations of algorithms: every one at least once, or every pair of them.

An IKE suite has five parameters (cipher, PRF, integrity, group, and the ESP suite of its child); a
covering array of strength 2 holds every pair of values that can go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, cycle, islice, product

from ikelab.harness.model import Suite, Transform, is_aead
from ikelab.layers.iana import TRANSFORMS, Encr, Integ, Ke, Protocol, Sn, TransformType

Knows = Callable[[Transform, int], bool]
"""(transform, protocol) -> whether both sides can do it."""

QUICK = (Ke.CURVE25519, Ke.ECP_256)
Row = tuple[Suite, Suite]
"""An IKE suite and the ESP suite of its child."""
Values = list[list[Transform | Suite]]


def transforms(kind: int) -> list[Transform]:
    """Every transform of a type that IANA knows, in its usual key lengths; NONE left out.

    Blowfish takes any multiple of 8 bits: the lengths of AES and its own default stand for it.
    """
    found: list[Transform] = []
    for row in TRANSFORMS[kind]:
        if kind == TransformType.ENCR and isinstance(row, Encr):
            usual = {128, 192, 256, row.default_key_bits}
            lengths = [b for b in row.key_bits if len(row.key_bits) <= 3 or b in usual]
            sizes: Iterable[int | None] = lengths if row.key_attribute else [None]
            found += [Transform(kind, row, bits) for bits in sizes]
        elif int(row) or kind == TransformType.PRF:
            found.append(Transform(kind, row))
    return found


def known(kind: int, knows: Knows, protocol: int = Protocol.IKE) -> list[Transform]:
    """Those of a type that both sides can do."""
    return [t for t in transforms(kind) if knows(t, protocol)]


def esp_suites(knows: Knows) -> list[Suite]:
    """An ESP suite for each cipher and for each integrity algorithm that both sides can do."""
    ciphers = known(TransformType.ENCR, knows, Protocol.ESP)
    macs = known(TransformType.INTEG, knows, Protocol.ESP)
    tail = (Transform(TransformType.SN, Sn.NO_ESN),)
    found = []
    for position, cipher in enumerate(ciphers):
        mac = () if is_aead(cipher.id) or not macs else (macs[position % len(macs)],)
        found.append(Suite((cipher, *mac, *tail), Protocol.ESP))
    used = {s.integ for s in found}
    plain = next((c for c in ciphers if not is_aead(c.id)), None)
    if plain is not None:
        found += [Suite((plain, m, *tail), Protocol.ESP) for m in macs if m not in used]
    return found


def rows(knows: Knows, strength: int = 1) -> list[Row]:
    """The suites to try: each value once (1), or each pair of values that go together (2)."""
    none = Transform(TransformType.INTEG, Integ.NONE)
    values: Values = [
        [*known(TransformType.ENCR, knows)],
        [*known(TransformType.PRF, knows)],
        [*known(TransformType.INTEG, knows), none],
        [*known(TransformType.KE, knows)],
        [*esp_suites(knows)],
    ]
    if not all(values):
        return []
    chosen = _pairs(values) if strength == 2 else _singles(values)
    return [_suites(row) for row in chosen]


def _fits(row: Sequence[Transform | Suite]) -> bool:
    """A combined-mode cipher goes without integrity, any other with it (RFC 7296 3.3)."""
    if len(row) < 3:
        return True
    cipher, mac = row[0], row[2]
    assert isinstance(cipher, Transform) and isinstance(mac, Transform)
    return is_aead(cipher.id) == (mac.id == Integ.NONE)


def _pairs(values: Values) -> Values:
    from allpairspy import AllPairs

    found = [list(row) for row in AllPairs(values, filter_func=_fits)]
    return found + list(_left_out(values, found))


def _left_out(values: Values, found: Values) -> Iterator[list[Transform | Suite]]:
    """Rows with the pairs that the array lacks: AllPairs gives up on some where a filter is set."""
    places = list(combinations(range(len(values)), 2))
    have = {(a, b, row[a], row[b]) for row in found for a, b in places}
    number = 0
    for a, b in places:
        for pair in product(values[a], values[b]):
            if (a, b, *pair) in have:
                continue
            number += 1
            row = _completed(values, {a: pair[0], b: pair[1]}, number)
            if row is not None:
                have |= {(c, d, row[c], row[d]) for c, d in places}
                yield row


def _completed(
    values: Values, given: dict[int, Transform | Suite], number: int
) -> list[Transform | Suite] | None:
    """A row with these values, the others taken in turn; None where nothing goes with them."""
    columns = [
        [given[i]] if i in given else column[number % len(column) :] + column
        for i, column in enumerate(values)
    ]
    for cipher, mac in product(columns[0], columns[2]):
        row = [cipher, columns[1][0], mac, columns[3][0], columns[4][0]]
        if _fits(row):
            return row
    return None


def _singles(values: Values) -> Values:
    """Rows in which every value stands at least once."""
    count = max(len(v) for v in values)
    columns = [list(islice(cycle(v), count)) for v in values]
    # A group costs up to a thousand times what another costs: each once, then a quick one.
    quick = next((g for g in values[3] if isinstance(g, Transform) and g.id in QUICK), values[3][0])
    columns[3] = [*values[3], *[quick] * (count - len(values[3]))]
    none = values[2][-1]
    macs = cycle(values[2][:-1] or [none])
    found = []
    for cipher, prf, _, group, esp in zip(*columns, strict=True):
        assert isinstance(cipher, Transform)
        found.append([cipher, prf, none if is_aead(cipher.id) else next(macs), group, esp])
    missing = [m for m in values[2][:-1] if not any(row[2] == m for row in found)]
    plain = next((c for c in values[0] if isinstance(c, Transform) and not is_aead(c.id)), None)
    if plain is not None:
        found += [[plain, values[1][0], mac, values[3][0], values[4][0]] for mac in missing]
    return found


def _suites(row: Sequence[Transform | Suite]) -> Row:
    cipher, prf, mac, group, esp = row
    assert isinstance(esp, Suite)
    picked = [t for t in (cipher, prf, mac, group) if isinstance(t, Transform)]
    return Suite(tuple(picked)).keyed(), esp
