"""ML-KEM against published hashes of many rounds, and against `cryptography` where that has it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mlkem as library

from ikelab.harness.crypto import ke, mlkem
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.entropy import entropy
from ikelab.layers.iana import Ke

# SHAKE-128 over a hundred key pairs, encapsulations and refused ciphertexts of a SHAKE-128 stream:
# the accumulated vectors of C2SP's CCTV, as Go's crypto/mlkem has them for 768.
ACCUMULATED = {
    512: "86b1b4703b8ffef6f7f3290c6dbce4ad954498a0673ded401a94828e8c519a59",
    768: "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415",
    1024: "800018fec3e2723f73f1d657fe239b4d5d8782efaade297e8cd448e54cc2ac00",
}
ROWS = {512: Ke.ML_KEM_512, 768: Ke.ML_KEM_768, 1024: Ke.ML_KEM_1024}
LIBRARY: dict[int, Any] = {768: library.MLKEM768PrivateKey, 1024: library.MLKEM1024PrivateKey}


@pytest.mark.long
@pytest.mark.parametrize("bits", ACCUMULATED)
def test_accumulated_vectors(bits: int) -> None:
    size, rounds = mlkem.PARAMETERS[bits].ciphertext, 100
    stream = hashlib.shake_128().digest((mlkem.SEED + mlkem.MESSAGE + size) * rounds)
    found, at = hashlib.shake_128(), 0

    def draw(octets: int) -> bytes:
        nonlocal at
        at += octets
        return stream[at - octets : at]

    for _ in range(rounds):
        key = mlkem.from_seed(bits, draw(mlkem.SEED))
        shared, ciphertext = mlkem.encapsulate(bits, key.encapsulation_key, draw(mlkem.MESSAGE))
        assert key.decapsulate(ciphertext) == shared
        for part in (key.encapsulation_key, ciphertext, shared, key.decapsulate(draw(size))):
            found.update(part)
    assert found.hexdigest(32) == ACCUMULATED[bits]


@pytest.mark.parametrize("bits", LIBRARY)
def test_agrees_with_the_library_both_ways(bits: int) -> None:
    draw = entropy(7, f"ml-kem {bits}")
    seed = draw(mlkem.SEED)
    ours, theirs = mlkem.from_seed(bits, seed), LIBRARY[bits].from_seed_bytes(seed)
    assert theirs.public_key().public_bytes_raw() == ours.encapsulation_key
    shared, ciphertext = theirs.public_key().encapsulate()
    assert ours.decapsulate(ciphertext) == shared
    shared, ciphertext = mlkem.encapsulate(bits, ours.encapsulation_key, draw(mlkem.MESSAGE))
    assert theirs.decapsulate(ciphertext) == shared
    flipped = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    assert ours.decapsulate(flipped) == theirs.decapsulate(flipped) != shared


@pytest.mark.parametrize("bits", ROWS)
def test_as_a_key_exchange(bits: int) -> None:
    """Lengths of the registry; a ciphertext of another length is refused, a changed one is not."""
    row, draw = ROWS[bits], entropy(9, f"ke {bits}")
    pair = ke.generate(row, draw)
    answer = ke.respond(row, draw, pair.public)
    assert (len(pair.public), len(answer.public)) == (row.public, row.ciphertext)
    shared = pair.shared(answer.public)
    assert shared == answer.shared(pair.public) and len(shared) == 32
    flipped = answer.public[:-1] + bytes([answer.public[-1] ^ 1])
    assert pair.shared(flipped) != shared
    for wrong in (answer.public[:-1], answer.public + b"\0", b""):
        with pytest.raises(BadPublicValue, match=row.iana):
            pair.shared(wrong)


def test_other_groups_answer_as_ever() -> None:
    one = ke.generate(Ke.CURVE25519, entropy(1, "a"))
    other = ke.respond(Ke.CURVE25519, entropy(1, "b"), one.public)
    assert one.shared(other.public) == other.shared(one.public)
