"""The kernel's SAs and policies: recorded answers of one with ESP, and a kernel that is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.model import TS
from ikelab.netns import nl, world, xfrm

RECORDED = json.loads((Path(__file__).parent / "recorded_xfrm.json").read_text())
OURS, THEIRS = TS.parse("10.1.0.0/24"), TS.parse("10.2.0.0/24")
ENDS = ("10.0.0.1", "10.0.0.2")


@pytest.fixture
def kernel(monkeypatch):
    """Has a recording answer for the kernel."""

    def call(name):
        said = {0x12: RECORDED[name]["sa"], 0x15: RECORDED[name]["policy"]}
        monkeypatch.setattr(
            xfrm, "dump", lambda _family, kind: [bytes.fromhex(body) for body in said[kind]]
        )
        return xfrm.read()

    return call


@pytest.mark.parametrize(
    ("name", "encr", "integ", "keys", "encap", "esn", "windows"),
    [
        ("libreswan@trixie", "rfc4106(gcm(aes))", "", (20, 0), None, True, {128}),
        ("strongswan@trixie", "cbc(aes)", "hmac(sha256)", (16, 32), (4500, 4500), False, {0, 32}),
        ("openiked@trixie", "cbc(aes)", "hmac(sha512)", (32, 64), None, False, {32}),
    ],
)
def test_reads_what_three_daemons_had_installed(
    kernel, name, encr, integ, keys, encap, esn, windows
):
    found = kernel(name)

    assert {(sa.src, sa.dst) for sa in found.sas} == {ENDS, ENDS[::-1]}
    for sa in found.sas:
        assert (sa.protocol, sa.mode, sa.encr, sa.integ) == ("ESP", "tunnel", encr, integ)
        assert (len(sa.encr_key), len(sa.integ_key)) == keys
        assert any(sa.encr_key) and len(sa.spi) == 4 and any(sa.spi)
        assert (sa.encap, sa.esn) == (encap, esn)
        assert found.sa(sa.spi, sa.dst) == sa
    assert {sa.window for sa in found.sas} == windows
    assert {(p.way, p.src, p.dst, p.ends) for p in found.policies} == {
        ("out", OURS, THEIRS, ENDS),
        ("in", THEIRS, OURS, ENDS[::-1]),
        ("fwd", THEIRS, OURS, ENDS[::-1]),
    }
    assert {(p.protocol, p.mode) for p in found.policies} == {("ESP", "tunnel")}


def test_reads_the_sa_that_a_kernel_is_tried_with(monkeypatch):
    body = xfrm.new_sa("rfc4106(gcm(aes))", 20, 128)
    monkeypatch.setattr(xfrm, "dump", lambda _family, kind: [body] if kind == 0x12 else [])

    [sa] = xfrm.read().sas

    assert (sa.encr, sa.encr_key, sa.integ) == ("rfc4106(gcm(aes))", bytes(20), "")
    assert (sa.spi, sa.src, sa.dst) == (bytes.fromhex("00001000"), "127.0.0.1", "127.0.0.1")


def test_a_new_namespace_holds_nothing_or_the_kernel_says_why_not(in_world):
    def asked():
        try:
            return xfrm.read()
        except OSError as error:
            return error.strerror

    assert in_world(asked) in (xfrm.Database(), "Protocol not supported")


def test_no_kernel_has_a_cipher_of_that_name(in_world):
    assert in_world(xfrm.accepts, "cbc(rot13)", 16) is False


def test_an_error_of_the_kernel_is_an_oserror(in_world):
    def asked():
        with pytest.raises(OSError):
            nl.dump(6, 0xFFF)
        return True

    assert world.inside() or in_world(asked)
