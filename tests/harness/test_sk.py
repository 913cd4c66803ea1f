"""SK payloads sealed and opened, in every suite (RFC 7296 3.14, RFC 5282)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikelab.harness import sk
from ikelab.harness.crypto import integ as macs
from ikelab.harness.crypto.auth import psk_auth, signed_octets
from ikelab.harness.crypto.cipher import cipher, key_material_length
from ikelab.harness.crypto.keys import derive_ike
from ikelab.harness.entropy import entropy
from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Suite
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Notify, Payload, Prf
from ikelab.layers.message import PAYLOADS, IKEv2, build_payloads, message, unknown

CIPHERS = ["3des", "aes128", "aes192", "aes256"]
MACS = ["md5", "sha1", "sha256", "sha384", "sha512"]
AEADS = ["aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128ccm12", "chacha20poly1305"]
SUITES = [f"{c}-{m}" for c in CIPHERS for m in MACS] + AEADS
PLAIN = [s for s in SUITES if s not in AEADS]


def keys_of(suite: str) -> sk.SkKeys:
    """Any keys of the right lengths."""
    parsed = Suite.parse(suite)
    encr, integ = parsed.encr, parsed.integ
    assert encr is not None
    draw = entropy(3, suite)
    return sk.SkKeys(
        encr,
        integ,
        draw(key_material_length(encr.id, encr.key_bits)),
        draw(macs.key_length(integ.id)) if integ else b"",
    )


def tree(inner: list[Any] | None = None, before: list[Any] | None = None, **fields: Any) -> IKEv2:
    """A message with these payloads inside SK."""
    if inner is None:
        inner = [
            PAYLOADS[Payload.N](type=Notify.REKEY_SA, proto=3, SPI=b"abcd", notify=b"data"),
            unknown(200, b"odd"),
        ]
    head = {"init_SPI": b"initiate", "resp_SPI": b"responds", "exch_type": 37, "id": 5}
    return message([*(before or []), IKEv2_Decrypted(inner=inner, **fields)], **head)


def sealed(suite: str, packet: IKEv2 | None = None, **stages: Any) -> bytes:
    return sk.seal(packet or tree(), keys_of(suite), entropy(4, suite), **stages)


def refusal(suite: str, data: bytes) -> str:
    """Why these octets do not open."""
    with pytest.raises(sk.Refusal) as caught:
        sk.open(IKEv2(data), keys_of(suite), data)
    return caught.value.kind


def inner_of(packet: IKEv2) -> IKEv2_Decrypted:
    last = packet.payloads[-1]
    assert isinstance(last, IKEv2_Decrypted)
    return last


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_sealed_opens_to_the_same_payloads(suite: str) -> None:
    data = sealed(suite)
    opened = sk.open(IKEv2(data), keys_of(suite), data)

    assert IKEv2(data).length == len(data) == IKEv2(data).payloads[-1].length + 28
    assert build_payloads(inner_of(opened).inner) == build_payloads(inner_of(tree()).inner)
    assert b"data" not in data


@pytest.mark.parametrize("suite", SUITES)
def test_padding_ends_a_block_and_is_as_short_as_can_be(suite: str) -> None:
    keys = keys_of(suite)
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    block = 1 if box.aead else box.block
    for octets in range(20):
        data = sealed(suite, tree([unknown(200, bytes(octets))]))
        opened = inner_of(sk.open(IKEv2(data), keys, data))
        assert len(opened.padding) == opened.pad_length < block
        assert (4 + octets + opened.pad_length + 1) % block == 0


@pytest.mark.parametrize("suite", SUITES)
def test_every_bit_before_the_icv_is_covered_by_it(suite: str) -> None:
    data = sealed(suite, tree([], [unknown(201, b"before")]))
    fixed = {17, 24, 25, 26, 27}  # version is free to change; the rest would move the frame
    frame = {*range(28, 32), *range(38, 42), 16}
    for at in set(range(len(data))) - fixed - frame:
        bent = bytearray(data)
        bent[at] ^= 1 << at % 8
        assert refusal(suite, bytes(bent)) == "integrity", at


@pytest.mark.parametrize("suite", SUITES)
def test_other_keys_do_not_open_it(suite: str) -> None:
    data, keys = sealed(suite), keys_of(suite)
    others = [keys.sk_a[:-1] + b"\0"] if keys.sk_a else [b""]
    if not keys.sk_a:
        keys = sk.SkKeys(keys.encr, None, keys.sk_e[:-1] + bytes([keys.sk_e[-1] ^ 1]), b"")
    for other in others:
        with pytest.raises(sk.Refusal, match="ICV"):
            sk.open(IKEv2(data), sk.SkKeys(keys.encr, keys.integ, keys.sk_e, other), data)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("left", [0, 1, 7, 11, 19])
def test_what_is_too_short_for_iv_and_icv_is_refused(suite: str, left: int) -> None:
    head = bytes(IKEv2(init_SPI=b"initiate", next_payload=46, length=32 + left, exch_type=37))
    data = head + bytes([0, 0]) + (4 + left).to_bytes(2, "big") + bytes(left)

    assert refusal(suite, data) in ("length", "integrity")


@pytest.mark.parametrize("suite", PLAIN)
def test_a_length_that_is_no_whole_block_is_refused(suite: str) -> None:
    keys = keys_of(suite)
    assert keys.integ is not None
    data = sealed(suite)
    cut = len(data) - macs.icv_length(keys.integ.id)
    body = data[32:cut] + b"x"
    size = 4 + len(body) + len(data) - cut
    clear = data[:24] + (28 + size).to_bytes(4, "big") + data[28:30] + size.to_bytes(2, "big")
    data = clear + body + macs.mac(keys.integ.id, keys.sk_a, clear + body)

    assert refusal(suite, data) == "length"


@pytest.mark.parametrize("suite", SUITES)
def test_a_pad_length_beyond_the_data_is_refused(suite: str) -> None:
    def overlong(plain: sk.Plain) -> None:
        plain.pad_length = 255

    assert refusal(suite, sealed(suite, edit_plain=overlong)) == "padding"


@pytest.mark.parametrize("suite", ["3des-md5", "aes128-sha1", "aes256-sha512", *AEADS])
@settings(max_examples=25)
@given(data=st.data())
def test_any_padding_of_the_right_length_is_accepted(suite: str, data: st.DataObject) -> None:
    """3.14: the sender may pad as it likes, and the recipient accepts any content."""
    keys = keys_of(suite)
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    block = 1 if box.aead else box.block
    chain = len(build_payloads(inner_of(tree()).inner))
    lengths = [n for n in range(256) if (chain + n + 1) % block == 0]
    octets = data.draw(st.sampled_from(lengths))
    padding = data.draw(st.binary(min_size=octets, max_size=octets))
    message = sealed(suite, tree(padding=padding))

    opened = inner_of(sk.open(IKEv2(message), keys, message))

    assert opened.padding == padding and opened.pad_length == len(padding)
    assert len(opened.inner) == 2


@pytest.mark.parametrize("packet", [
    message([PAYLOADS[Payload.NONCE](nonce=b"n" * 16)], init_SPI=b"initiate"),
    tree(),
    message([], init_SPI=b"initiate"),
])  # fmt: skip
def test_a_message_without_a_closed_sk_is_absent(packet: IKEv2) -> None:
    with pytest.raises(sk.Refusal) as caught:
        sk.open(packet, keys_of("aes128-sha1"))

    assert caught.value.kind == "absent"


@pytest.mark.parametrize("suite", SUITES)
def test_opening_leaves_the_message_alone(suite: str) -> None:
    data = sealed(suite, tree(before=[unknown(201, b"before"), unknown(202, b"")]))
    closed = IKEv2(data)
    digest, shown = hashlib.sha256(bytes(closed)).digest(), closed.show(dump=True)

    opened = sk.open(closed, keys_of(suite), data)

    assert hashlib.sha256(bytes(closed)).digest() == digest
    assert closed.show(dump=True) == shown
    assert [p.kind for p in closed.payloads] == [201, 202, 46]
    assert [p.kind for p in opened.payloads] == [201, 202, 46]
    assert opened.payloads[0] is not closed.payloads[0]


@pytest.mark.parametrize("suite", SUITES)
def test_what_was_opened_seals_back_to_the_same_octets(suite: str) -> None:
    """IV and padding come along as literals, so nothing is left to chance."""
    data = sealed(suite, tree(before=[unknown(201, b"before")]))
    opened = sk.open(IKEv2(data), keys_of(suite), data)

    assert sk.seal(opened, keys_of(suite), bytes) == data


def test_an_empty_chain_is_sealed_and_opened() -> None:
    data = sealed("aes128-sha1", tree([]))
    opened = inner_of(sk.open(IKEv2(data), keys_of("aes128-sha1"), data))

    assert opened.inner == [] and opened.next_payload == 0
    assert IKEv2(data).payloads[-1].next_payload == 0


def test_without_looking_at_the_icv_the_plaintext_still_comes() -> None:
    data = sealed("aes128-sha1")
    bent = data[:-1] + bytes([data[-1] ^ 1])
    _, chain = sk.unseal(IKEv2(bent), keys_of("aes128-sha1"), bent, verify=False)

    assert chain == build_payloads(inner_of(tree()).inner)


def test_lengths_are_computed_or_literal() -> None:
    computed = sealed("aes128-sha1")
    literal = tree(length=4000)
    literal.length = 77
    literal.next_payload = 33
    data = sealed("aes128-sha1", literal)

    assert len(data) == len(computed)
    assert (IKEv2(data).length, data[16], int.from_bytes(data[30:32], "big")) == (77, 33, 4000)


def test_raw_octets_stand_as_they_are_in_the_header_too() -> None:
    packet = tree(flags=b"\x80")
    packet.version, packet.id = b"\x25", b"\0\0\0\x63"
    data = sealed("aes128-sha1", packet)

    assert data[17] == 0x25 and data[20:24] == b"\0\0\0c" and data[29] == 0x80
    assert inner_of(sk.open(IKEv2(data), keys_of("aes128-sha1"), data)).inner


def test_a_literal_iv_and_icv_are_sent() -> None:
    data = sealed("aes128-sha1", tree(iv=b"i" * 16, icv=b"c" * 12))

    assert data[32:48] == b"i" * 16 and data.endswith(b"c" * 12)
    assert refusal("aes128-sha1", data) == "integrity"


def test_only_a_message_that_ends_with_an_open_sk_can_be_sealed() -> None:
    behind = message([IKEv2_Decrypted(), unknown(200)], init_SPI=b"initiate")
    for packet in (behind, message([unknown(200)])):
        with pytest.raises(ConfigError, match="last payload is SK"):
            sk.seal(packet, keys_of("aes128-sha1"), bytes)


def test_padding_that_fills_no_block_cannot_be_sealed() -> None:
    with pytest.raises(ConfigError, match="whole cipher blocks"):
        sealed("aes128-sha1", tree(padding=b""))


# -- published vectors -----------------------------------------------------------------------


@pytest.fixture
def vectors(shared: Path) -> dict[str, Any]:
    return dict(json.loads((shared / "vectors" / "ikev2_vectors.json").read_text()))


def test_opens_the_published_ike_auth_from_its_shared_secret_to_auth(vectors: Any) -> None:
    vector = vectors["aosp_psk_end_to_end"]

    def octets(name: str) -> bytes:
        return bytes.fromhex(vector[name])

    suite = Suite.parse("aes128-sha1-modp1024")
    nr = octets("IKE_NONCE_RESP_HEX_STRING")
    secret = octets("IKE_SHARED_DH_KEY_HEX_STRING")
    spis = (octets("spi_i"), octets("spi_r"))
    keys = derive_ike(suite, secret, octets("IKE_NONCE_INIT_HEX_STRING"), nr, *spis)
    assert suite.encr is not None
    one_way = sk.SkKeys(suite.encr, suite.integ, keys.sk_ei, keys.sk_ai)
    data = octets("ike_auth_request")

    opened, chain = sk.unseal(IKEv2(data), one_way, data)

    assert chain == octets("ike_auth_request_plaintext_no_padding")
    assert sk.seal(opened, one_way, bytes) == data
    found = {int(p.kind): p for p in inner_of(opened).inner}
    identity = bytes(found[Payload.IDI].self_build())[4:]
    assert identity == octets("idi_payload_body")
    signed = signed_octets(
        Prf.PRF_HMAC_SHA1, octets("ike_sa_init_request"), nr, identity, keys.sk_pi
    )
    assert psk_auth(Prf.PRF_HMAC_SHA1, octets("psk"), signed) == found[Payload.AUTH].load


def test_opens_the_published_chacha_message(vectors: Any) -> None:
    vector = vectors["rfc7634_appendix_b_ikev2"]
    encr = Suite.parse("chacha20poly1305-prfsha256").encr
    assert encr is not None
    keys = sk.SkKeys(encr, None, bytes.fromhex(vector["sk_e_with_salt"]), b"")
    data = bytes.fromhex(vector["message"])

    opened = sk.open(IKEv2(data), keys, data)

    [notify] = inner_of(opened).inner
    assert (opened.id, notify.type, notify.notify) == (9, Notify.SET_WINDOW_SIZE, b"\0\0\0\n")
    assert sk.seal(opened, keys, bytes) == data
