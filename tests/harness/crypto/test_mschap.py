"""MS-CHAPv2 and its keys held against RFC 1320, RFC 2759 and RFC 3079."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import mschap

NAME, PASSWORD = b"User", b"clientPass"
AUTHENTICATOR = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("message digest", "d9130a8164549fe818874806e1c7014b"),
        ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "043f8582f241db351ce627e153e7f0e4",
        ),
        ("1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_of_rfc1320(text: str, digest: str) -> None:
    assert mschap.md4(text.encode()).hex() == digest


def test_the_response_of_rfc2759_section_9_2() -> None:
    assert mschap.challenge_hash(PEER, AUTHENTICATOR, NAME).hex().upper() == "D02E4386BCE91226"
    assert mschap.nt_hash(PASSWORD).hex().upper() == "44EBBA8D5312B8D611474411F56989AE"
    assert mschap.nt_response(AUTHENTICATOR, PEER, NAME, PASSWORD) == RESPONSE
    proof = mschap.authenticator_response(PASSWORD, RESPONSE, PEER, AUTHENTICATOR, NAME)
    assert proof == b"S=407A5589115FD0D6209F510FE9C04566932CDA56"


def test_the_domain_is_no_part_of_the_name() -> None:
    plain = mschap.nt_response(AUTHENTICATOR, PEER, NAME, PASSWORD)

    assert mschap.nt_response(AUTHENTICATOR, PEER, b"BIGCO\\User", PASSWORD) == plain


def test_the_keys_of_rfc3079_section_3_5_3() -> None:
    master = mschap.master_key(PASSWORD, RESPONSE)
    assert master.hex().upper() == "FDECE3717A8C838CB388E527AE3CDD31"
    sends = mschap.start_key(master, 16, peer_sends=False)
    assert sends.hex().upper() == "8B7CDC149B993A1BA118CB153F56DCCB"
    assert mschap.start_key(master, 16, peer_sends=True) + sends + bytes(32) == mschap.msk(
        PASSWORD, RESPONSE
    )
