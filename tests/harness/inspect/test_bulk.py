"""Messages opened together are those that are opened one by one."""

from __future__ import annotations

import random

import pytest

from ikelab.harness.crypto.block import Cbc
from ikelab.harness.crypto.cipher import cipher, key_material_length
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.inspect import bulk, unseal
from ikelab.harness.inspect.unseal import Sealed, locate
from ikelab.harness.model import Spis, Transform
from ikelab.harness.sk import SkKeys, decrypted, seal
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Encr, Integ, TransformType
from ikelab.layers.message import message
from ikelab.layers.payloads import IKEv2_Nonce

NOISE = random.Random(8)


def _kinds() -> list[tuple[Encr, int | None]]:
    """Every transform of IKE that can be computed here, with its longest key."""
    found: list[tuple[Encr, int | None]] = []
    for row in Encr:
        if row.aead and not row.iv:
            continue  # RFC 8750: the IV is ESP's sequence number
        bits = row.key_bits[-1] if row.key_attribute and row.key_bits else None
        try:
            cipher(row, bits, bytes(key_material_length(row, bits)))
        except (UnsupportedAlgorithm, ValueError):
            continue
        found.append((row, bits))
    return found


def _row(encr: Encr, bits: int | None) -> IkeRow:
    keys = [NOISE.randbytes(key_material_length(encr, bits)) for _ in range(2)]
    integ = None if encr.aead else Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
    macs = [b"" if encr.aead else NOISE.randbytes(32) for _ in range(2)]
    spis = Spis(NOISE.randbytes(8), NOISE.randbytes(8))
    return IkeRow(spis, Transform(TransformType.ENCR, encr, bits), integ, *keys, *macs)


def _sealed(row: IkeRow, size: int) -> Sealed:
    inner = [IKEv2_Nonce(nonce=NOISE.randbytes(size))]
    packet = message([decrypted(inner)], init_SPI=row.spis.i, resp_SPI=row.spis.r, flags=8)
    keys = SkKeys(row.encr, row.integ, row.sk_ei, row.sk_ai)
    found = locate(seal(packet, keys, NOISE.randbytes))
    assert found is not None
    return found


def _damaged(sealed: Sealed) -> Sealed:
    data = bytearray(sealed.data)
    data[NOISE.randrange(sealed.start, sealed.end)] ^= 1 << NOISE.randrange(8)
    return sealed._replace(data=bytes(data))


@pytest.mark.parametrize("kind", _kinds(), ids=lambda k: k[0].name)
def test_all_at_once_is_one_after_the_other(kind: tuple[Encr, int | None]) -> None:
    row = _row(*kind)
    messages = [_sealed(row, NOISE.randrange(0, 90)) for _ in range(30)]
    messages += [_damaged(messages[n]) for n in range(8)]
    messages += [s._replace(end=s.end - NOISE.randrange(1, 40)) for s in messages[:8]]
    messages += [s._replace(end=s.start + n) for n, s in enumerate(messages[:20])]
    NOISE.shuffle(messages)
    together = bulk.decrypted(messages, row, True)
    assert together == [bulk.decrypted([sealed], row, True)[0] for sealed in messages]
    assert sum(isinstance(text, bytes) for text in together) == 30
    assert all(isinstance(text, str) for text in bulk.decrypted(messages, row, False))


def test_cbc_over_several_runs_is_cbc_over_each() -> None:
    for encr, bits in _kinds():
        box = cipher(encr, bits, NOISE.randbytes(key_material_length(encr, bits)))
        if not isinstance(box, Cbc):
            continue
        size = box.iv_length
        assert size == box.block
        runs = [NOISE.randbytes(size * NOISE.randrange(1, 9)) for _ in range(20)]
        assert box.decrypt_all(runs) == [box.decrypt(r[:size], r[size:]) for r in runs]
        assert box.decrypt_all([]) == []


def test_what_is_obvious_convinces_when_all_is_weighed() -> None:
    kind = Encr.ENCR_AES_CBC, 128
    hits = 0
    for _ in range(60):
        row, wrong = _row(*kind), _row(*kind)
        messages = [_sealed(row, NOISE.randrange(0, 60)) for _ in range(NOISE.randrange(1, 12))]
        texts = [t for t in bulk.decrypted(messages, row, True) if isinstance(t, bytes)]
        box = cipher(*kind, wrong.sk_ei)
        noise = [box.decrypt(s.data[s.start : s.start + 16], s.data[s.start + 16 : s.end - 16])
                 for s in messages]  # fmt: skip
        mixed = [NOISE.choice(pair) for pair in zip(texts, noise, strict=True)]
        for found in (texts, noise, mixed):
            if unseal._obvious(messages, found):
                hits += 1
                assert unseal.convincing(unseal._evidence(messages, found))
        assert not unseal._obvious(messages, noise)
    assert hits > 60
