"""Keys out of logs and of `ip xfrm state`, used on what they belong to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.keys import load, octets
from ikelab.harness.model import Transform
from ikelab.layers.iana import Encr, Integ, TransformType
from tests.harness.inspect.test_derive import Heard

RECORDED = Path(__file__).parent.parent / "peer/recorded"
XFRM = """\
src 192.0.2.1 dst 192.0.2.2
	proto esp spi 0xc0ffee01 reqid 1 mode tunnel
	replay-window 0 flag af-unspec
	aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128
	anti-replay context: seq 0x0, oseq 0x2, bitmap 0x00000000
src 2001:db8::2 dst 2001:db8::1
	proto esp spi 0x0000abcd reqid 1 mode transport
	auth-trunc hmac(sha256) 0x{a} 128
	enc cbc(aes) 0x{e}
	encap type espinudp sport 4500 dport 4500 addr 0.0.0.0
src 192.0.2.1 dst 192.0.2.9
	proto esp spi 0x00000011 reqid 1 mode tunnel
	auth-trunc hmac(sm3) 0x{a} 128
	enc cbc(aes) 0x{e}
src 192.0.2.1 dst 192.0.2.9
	proto ah spi 0x00000012 reqid 1 mode tunnel
	auth-trunc hmac(sha1) 0x{a} 96
src 192.0.2.2 dst 192.0.2.1
	proto esp spi 0x00000013 reqid 1 mode tunnel
	auth-trunc hmac(sha1) 0x{s} 96
	enc ecb(cipher_null) ""
""".format(a="aa" * 32, e="ee" * 16, s="55" * 20)


def charon(heard: Heard, number: int = 7) -> str:
    """The lines of a log at level 4 that matter, with the keys of the SA that was heard."""
    keys, spis = heard.talk.i.keys, heard.talk.i.spis
    assert keys is not None
    lines = []
    for name in ("d", "ai", "ar", "ei", "er", "pi", "pr"):
        data = getattr(keys, f"sk_{name}")
        lines.append(f"10[IKE] <{number}> Sk_{name} secret => {len(data)} bytes @ 0x7f0000000000")
        for at in range(0, len(data), 16):
            row = " ".join(f"{octet:02X}" for octet in data[at : at + 16])
            lines.append(f"10[IKE] <{number}> {at:4d}: {row}  ................")
    tail = f"with SPIs {spis.i.hex()}_i {spis.r.hex()}_r"
    return "\n".join([*lines, f"11[MGR] <{number}> IKEv2 SA site[{number}] {tail}", ""])


def pluto(heard: Heard) -> str:
    """The lines of pluto's private debugging that matter."""
    keys, spis = heard.talk.i.keys, heard.talk.i.spis
    assert keys is not None
    ends = f"0x{spis.i.hex()} 0x{spis.r.hex()}"
    rows = (("I", keys.sk_ai, keys.sk_ei), ("R", keys.sk_ar, keys.sk_er))
    return "\n".join(
        ["| parent state #1: UNDEFINED(ignore) => PARENT_I0(ignore)"]
        + [f"| ikev2 {who} {ends} sha256:0x{a.hex()} aes128:0x{e.hex()}" for who, a, e in rows]
        + [""]
    )


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found = Heard(monkeypatch)
    found.talk.up()
    return found


@pytest.mark.parametrize("write", [charon, pluto])
def test_a_daemons_log_opens_a_capture(heard: Heard, tmp_path: Path, write) -> None:
    log = tmp_path / "some.log"
    log.write_text(write(heard))
    found = heard.inspect(load([log]))
    assert (found.decrypted, len(found.sealed), found.notes) == (2, 2, [])


@pytest.mark.parametrize("log", sorted(RECORDED.glob("charon-*.log")), ids=lambda p: p.stem)
def test_recorded_logs_are_known_by_their_looks(log: Path) -> None:
    ring = load([log])
    assert ring.loose and not ring.ike
    for keys in ring.loose.values():
        assert {"SK_d", "SK_ei", "SK_er", "SK_pi"} <= set(keys)


def test_a_log_without_spis_says_what_is_missing(heard: Heard, tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(re.sub(r"(?m)^.*with SPIs.*\n", "", charon(heard)))
    ring = load([log])
    assert "log group mgr at level 2 too" in ring.notes[0]
    assert heard.inspect(ring).decrypted == 0


def test_the_kernels_list_of_sas(tmp_path: Path) -> None:
    state = tmp_path / "xfrm.txt"
    state.write_text(XFRM)
    ring = load([state])
    gcm, cbc, null = ring.esp
    assert (gcm.src, gcm.dst, gcm.spi) == ("192.0.2.1", "192.0.2.2", "c0ffee01")
    assert gcm.encr == Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128)
    assert (gcm.key, gcm.integ) == (bytes(range(20)), None)
    assert (cbc.spi, cbc.encr.key_bits, cbc.key) == ("0000abcd", 128, b"\xee" * 16)
    assert cbc.integ == Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
    assert (null.encr.id, null.key, null.auth) == (Encr.ENCR_NULL, b"", b"\x55" * 20)
    assert len(ring.notes) == 1 and "hmac(sm3) with 128 bits" in ring.notes[0]


def test_octets_are_taken_as_people_write_them() -> None:
    assert octets("it", "0x0a0B") == octets("it", "0a:0b") == octets("it", "0a 0b") == b"\x0a\x0b"
    for text in ("", "0x", "abc", "xyz"):
        with pytest.raises(ConfigError, match=r"^it "):
            octets("it", text)
