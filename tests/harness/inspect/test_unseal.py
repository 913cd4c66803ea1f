"""Wrong keys are refused: by the ICV where it covers them, by the plaintext where it does not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.keys import KeyRing, load
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.inspect.unseal import Sealed, convincing, locate, open_direction, weigh
from ikelab.harness.model import Spis, Transform
from ikelab.harness.sk import SkKeys, decrypted, seal
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Encr, Exchange, Integ, Payload, TransformType
from ikelab.layers.message import IKEv2_Payload, message, unknown
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete, IKEv2_Nonce

KEYS = {"sk_ei": True, "sk_er": False, "sk_ai": True, "sk_ar": False}


def captures(shared: Path, folder: Path) -> Iterator[tuple[Path, IkeRow]]:
    """Every capture that decrypts, with its row."""
    wireshark = shared / "captures/wireshark"
    ring = load([wireshark / "ikev2_decryption_table"])
    for path in sorted(wireshark.glob("ikev2-decrypt-*")):
        (session,) = inspect(path, ring).sessions
        yield path, ring.ike[session.spis][0]
    openswan = shared / "captures/openswan"
    for entry in json.loads((openswan / "keys.json").read_text()):
        table = folder / "row"
        table.write_text(entry["wireshark_ikev2_decryption_table_row"])
        ((row,),) = load([table]).ike.values()
        yield openswan / entry["file"], row


def inspect(path: Path, *rings: KeyRing | IkeRow) -> Inspection:
    ring = KeyRing()
    for given in rings:
        if isinstance(given, KeyRing):
            ring = given
        else:
            ring.add(given)
    return inspect_capture(Capture(path), ring)


def changed(key: bytes, nibble: int, by: int) -> bytes:
    """The key with one hexadecimal digit changed."""
    digits = list(key.hex())
    digits[nibble] = f"{int(digits[nibble], 16) ^ by:x}"
    return bytes.fromhex("".join(digits))


def test_one_nibble_changed_in_any_key_refuses_what_it_protects(
    shared: Path, tmp_path: Path
) -> None:
    """Every nibble of SK_ei, SK_er, SK_ai and SK_ar, in all 21 captures."""
    tried = 0
    for path, row in captures(shared, tmp_path):
        right = inspect(path, row)
        assert right.decrypted == len(right.sealed), path
        for name, by_initiator in KEYS.items():
            key: bytes = getattr(row, name)
            for nibble in range(2 * len(key)):
                # The lowest bit of each octet of a DES key is parity and no part of the key.
                wrong = replace(row, **{name: changed(key, nibble, 0x4)})
                result = inspect(path, wrong)
                under = [m for m in result.sealed if m.initiator is by_initiator]
                assert not any(m.opened for m in under), (path, name, nibble)
                assert all(m.opened for m in result.sealed if m not in under)
                assert sum(result.refusals.values()) == len(under)
                assert result.to_json()["undecrypted"] == len(under)
                tried += len(under)
    assert tried > 2000


def test_a_parity_bit_of_3des_is_no_part_of_the_key(shared: Path) -> None:
    folder = shared / "captures/wireshark"
    path = folder / "ikev2-decrypt-3des-sha1_160.pcap"
    ring = load([folder / "ikev2_decryption_table"])
    row = ring.ike[inspect(path, ring).sessions[0].spis][0]
    assert inspect(path, replace(row, sk_ei=changed(row.sk_ei, 1, 1))).decrypted == 4


def test_the_right_row_wins_over_wrong_ones(shared: Path, tmp_path: Path) -> None:
    for path, row in captures(shared, tmp_path):
        wrong = replace(row, sk_ei=changed(row.sk_ei, 0, 4), sk_er=changed(row.sk_er, 0, 4))
        result = inspect(path, wrong, row, replace(row, sk_er=changed(row.sk_er, 3, 4)))
        assert result.decrypted == len(result.sealed)


def suite(encr: Encr, bits: int | None) -> tuple[Transform, Transform]:
    integ = Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
    return Transform(TransformType.ENCR, encr, bits), integ


CIPHERS = [(Encr.ENCR_AES_CBC, 128, 16), (Encr.ENCR_3DES, None, 24), (Encr.ENCR_AES_CTR, 128, 20)]


def row_of(encr: Encr, bits: int | None, octets: int, noise: random.Random) -> IkeRow:
    cipher, integ = suite(encr, bits)
    spis = Spis(noise.randbytes(8), noise.randbytes(8))
    keys = [noise.randbytes(octets), noise.randbytes(octets), b"a" * 32, b"r" * 32]
    return IkeRow(spis, cipher, integ, *keys)


def sealed(row: IkeRow, noise: random.Random, *inner: IKEv2_Payload, pad: int = -1) -> Sealed:
    """A message from the initiator, padded by strongSwan's habit (random octets)."""
    packet = message(
        [decrypted(list(inner))],
        init_SPI=row.spis.i,
        resp_SPI=row.spis.r,
        exch_type=Exchange.INFORMATIONAL,
        flags=8,
        id=noise.randrange(1 << 30),
    )

    def padding(plain: object) -> None:
        count = len(plain.padding) if pad < 0 else pad  # type: ignore[attr-defined]
        plain.padding, plain.pad_length = noise.randbytes(count), count  # type: ignore[attr-defined]

    keys = SkKeys(row.encr, row.integ, row.sk_ei, row.sk_ai)
    found = locate(seal(packet, keys, noise.randbytes, edit_plain=padding))
    assert found is not None
    return found


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda c: c[0].name)
def test_every_payload_with_random_padding_speaks_for_the_right_key(
    cipher: tuple[Encr, int | None, int],
) -> None:
    noise = random.Random(3)
    row = row_of(*cipher, noise)
    for inner in (
        [IKEv2_Delete(proto=1)],
        [IKEv2_Notify(type=16384)],
        [unknown(200, b"body", critical=True)],
        [IKEv2_Nonce(nonce=bytes(32)), IKEv2_Notify(type=1)],
        [],
    ):
        one = sealed(row, noise, *inner)
        (opened,) = open_direction([one], [row], True)
        assert opened.chain is not None, inner


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda c: c[0].name)
def test_a_broken_chain_is_still_decrypted_beside_a_good_one(
    cipher: tuple[Encr, int | None, int],
) -> None:
    """A sender that breaks its messages on purpose does not make its key wrong."""
    noise = random.Random(4)
    row = row_of(*cipher, noise)
    good = sealed(row, noise, IKEv2_Nonce(nonce=bytes(16)), IKEv2_Notify(type=1))
    bad = [sealed(row, noise, unknown(33, b"", False), IKEv2_Nonce(length=9999)) for _ in range(30)]
    opened = open_direction([*bad, good], [row], True)
    assert all(o.chain is not None for o in opened)


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda c: c[0].name)
def test_noise_never_passes_for_payloads(cipher: tuple[Encr, int | None, int]) -> None:
    noise = random.Random(5)
    row = row_of(*cipher, noise)
    messages = [
        sealed(row, noise, IKEv2_Nonce(nonce=bytes(n)), IKEv2_Notify(type=1)) for n in range(16, 80)
    ]
    for _ in range(300):
        wrong = replace(row, sk_ei=noise.randbytes(len(row.sk_ei)))
        results = open_direction(messages[: noise.randrange(1, 64)], [wrong], True)
        assert not any(o.chain is not None for o in results)


def test_noise_passes_for_an_empty_message_as_rarely_as_an_octet_allows() -> None:
    """One empty message with random padding is 8 bits of evidence; more make it as much surer."""
    noise = random.Random(6)
    row = row_of(Encr.ENCR_AES_CBC, 128, 16, noise)
    empty = [sealed(row, noise) for _ in range(4)]
    tries = 3000
    passed = {1: 0, 2: 0, 4: 0}
    for _ in range(tries):
        wrong = replace(row, sk_ei=noise.randbytes(16))
        for count in passed:
            passed[count] += open_direction(empty[:count], [wrong], True)[0].chain is not None
    assert passed[1] < tries / 256 * 2.5
    assert passed[2] <= 1
    assert passed[4] == 0


def test_an_empty_message_is_no_evidence_where_others_speak_against_the_key() -> None:
    assert convincing([(8.0, True)])
    assert not convincing([(8.0, True), (-8.0, False)])
    assert convincing([(70.0, False), *[(-8.0, False)] * 50])
    assert not convincing([(9.0, False)])
    assert convincing([])


def test_noise_weighs_no_more_than_its_probability_allows() -> None:
    """At most a share of 2^-n of random texts may reach n bits (Markov's inequality)."""
    noise = random.Random(7)
    tries = 40_000
    bits = [weigh(int(Payload.IDI), noise.randbytes(64))[0] for _ in range(tries)]
    for level in (4, 8, 12):
        assert sum(b >= level for b in bits) <= tries * math.pow(2, -level) * 2 + 1


def test_an_icv_that_nobody_checks_leaves_it_to_the_plaintext(shared: Path) -> None:
    """Wireshark's `ANY 128-bits of Authentication [No Checking]`."""
    folder = shared / "captures/wireshark"
    path = folder / "ikev2-decrypt-aes256cbc.pcapng"
    ring = load([folder / "ikev2_decryption_table"])
    row = ring.ike[inspect(path, ring).sessions[0].spis][0]
    blind = replace(row, integ=None, unchecked=16, sk_ai=b"", sk_ar=b"")
    assert inspect(path, blind).decrypted == 2
    wrong = replace(blind, sk_er=changed(row.sk_er, 5, 2))
    assert [m.opened for m in inspect(path, wrong).sealed] == [True, False]


def test_locate_needs_no_honest_octets() -> None:
    noise = random.Random(8)
    seed = sealed(row_of(Encr.ENCR_AES_CBC, 128, 16, noise), noise).data
    for size in range(28, len(seed)):
        assert locate(seed[:size]) is None
    for _ in range(5000):
        spoilt = bytearray(seed)
        for _ in range(3):
            spoilt[noise.randrange(16, len(spoilt))] = noise.randrange(256)
        found = locate(bytes(spoilt))
        assert found is None or 28 < found.start <= found.end <= len(spoilt)
