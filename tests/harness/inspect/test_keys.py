"""Key tables: read, refused with file and line, written, and taken by Wireshark's own tshark."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.crypto import cipher, integ
from ikelab.harness.crypto.keys import ChildKeys, IkeKeys
from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.keys import load
from ikelab.harness.model import Spis, Suite, Transform
from ikelab.harness.wireshark import (
    ESP_ENCR,
    ESP_INTEG,
    IKE_ENCR,
    IKE_INTEG,
    IkeRow,
    esp_rows,
    write_profile,
)
from ikelab.layers.iana import Encr, Integ, Protocol, TransformType

SPIS = Spis(bytes(range(8)), bytes(range(8, 16)))
GOOD = (
    "0001020304050607,08090a0b0c0d0e0f,00112233445566778899aabbccddeeff,"
    'ffeeddccbbaa99887766554433221100,"AES-CBC-128 [RFC3602]",'
    f'{"01" * 32},{"02" * 32},"HMAC_SHA2_256_128 [RFC4868]"'
)


def table(folder: Path, *lines: str, name: str = "ikev2_decryption_table") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_row_becomes_numbers_and_octets(tmp_path: Path) -> None:
    ring = load([table(tmp_path, "# comment", "", GOOD)])
    (row,) = ring.ike[SPIS]
    assert row.encr == Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128)
    assert row.integ == Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
    assert (row.sk_ei[:2], row.sk_ar) == (b"\x00\x11", b"\x02" * 32)
    assert row.source == f"{tmp_path}/ikev2_decryption_table:3"
    assert ring.notes == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"AES-CBC-128 [RFC3602]"', '"AES-CBC-129"', "unknown encryption algorithm 'AES-CBC-129'"),
        ('"HMAC_SHA2_256_128 [RFC4868]"', "SHA2", "unknown integrity algorithm 'SHA2'"),
        ("0001020304050607,", "00010203040506,", "SPIi has 7 octets instead of 8"),
        ("0001020304050607,", "000102030405060x,", "SPIi is not hexadecimal"),
        ("0001020304050607,", "", "7 columns instead of 8"),
        (
            "00112233445566778899aabbccddeeff",
            "012",
            "SK_ei has an odd number of hexadecimal digits",
        ),
        ("00112233445566778899aabbccddeeff", "0011", "SK_ei has 2 octets and SK_er 16"),
        ("ffeeddccbbaa99887766554433221100", "f" * 48, "SK_ei has 16 octets and SK_er 24"),
        ("01" * 32, "01" * 31, "SK_ai has 31 octets"),
        ("02" * 32, "", "SK_ar has 0 octets"),
        ('"HMAC_SHA2_256_128 [RFC4868]"', '"NONE [RFC4306]"', "needs an integrity algorithm"),
        ('"AES-CBC-128 [RFC3602]"', '"AES-CBC-128 [RFC3602]', "closed quotes"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    assert old in GOOD
    path = table(tmp_path, GOOD, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load([path])
    assert str(caught.value).startswith(f"{path}:2: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_algorithm_is_answered_with_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is it 'AES-CBC-128 \[RFC3602\]' or "):
        load([table(tmp_path, GOOD.replace("AES-CBC-128 [RFC3602]", "AES-CBC-128"))])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('"IPv4","*","*","0xzz","NULL","","NULL",""', "the SPI '0xzz'"),
        ('"IPv4","*","*","0x1","AES-CBC [RFC3602]","0x00","NULL",""', "has 1 octets"),
        ('"IPv4","*","*","0x1","AES [RFC3602]","0x00","NULL",""', "unknown encryption"),
        ('"IPv4","*","*"', "3 columns instead of 8"),
    ],
)
def test_wrong_esp_rows_too(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="esp_sa:1") as caught:
        load([table(tmp_path, row, name="esp_sa")])
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not a row of keys.jsonl"),
        ("{}", "the field 'encr' is missing"),
        ('{"encr": 12, "key_bits": 128, "integ": null, "sa": "esp"}', "the field 'key' is missing"),
        ('{"encr": 999, "key_bits": 128, "integ": null, "sa": "esp"}', "no number that IANA"),
        ('{"encr": 1, "key_bits": null, "integ": null, "sa": "esp"}', "no document specifies"),
    ],
)
def test_wrong_rows_of_our_own_too(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"keys\.jsonl:1") as caught:
        load([table(tmp_path, row, name="keys.jsonl")])
    assert reason in str(caught.value)


def test_no_keys_where_keys_were_promised(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or folder of keys"):
        load([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match="no keys in"):
        load([tmp_path])
    binary = tmp_path / "capture.pcap"
    binary.write_bytes(b"\xd4\xc3\xb2\xa1")
    with pytest.raises(ConfigError, match="not text"):
        load([binary])


def _suites() -> list[Suite]:
    """A suite for every cipher and every MAC that can be computed here."""
    encrs = [
        Transform(TransformType.ENCR, row, bits)
        for row in Encr
        for bits in (row.key_bits if row.key_attribute and len(row.key_bits) < 4 else (None,))
        if cipher.why_not(row, bits) is None
    ]
    integs = [
        Transform(TransformType.INTEG, row)
        for row in Integ
        if row != Integ.NONE and integ.why_not(row) is None
    ]
    aead = [Suite((e,)) for e in encrs if Encr(e.id).aead]
    return aead + [Suite((e, i)) for e in encrs if not Encr(e.id).aead for i in integs]


def _keys(suite: Suite) -> IkeKeys:
    assert suite.encr is not None
    sk_e = cipher.key_material_length(suite.encr.id, suite.encr.key_bits)
    sk_a = integ.key_length(suite.integ.id) if suite.integ else 0
    return IkeKeys(
        suite, b"d" * 32, b"a" * sk_a, b"b" * sk_a, b"e" * sk_e, b"f" * sk_e, b"p" * 32, b"q" * 32
    )


def test_every_suite_comes_back_from_a_written_profile(tmp_path: Path) -> None:
    rows = [
        IkeRow.of(Spis(n.to_bytes(8, "big"), bytes(8)), _keys(suite))
        for n, suite in enumerate(_suites())
    ]
    write_profile(tmp_path / "keys", rows, [])
    ring = load([tmp_path / "keys"])
    for row in rows:
        assert row in ring.ike[row.spis]
    assert len(rows) > 100


def test_the_profile_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "keys"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "esp_sa").touch(mode=0o644)
    write_profile(folder, [IkeRow.of(SPIS, _keys(_suites()[0]))], [])
    assert folder.stat().st_mode & 0o777 == 0o700
    names = ("ikev2_decryption_table", "esp_sa", "keys.jsonl", "preferences")
    modes = {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir()}
    assert modes == dict.fromkeys(names, 0o600)


def test_a_run_folder_gives_the_keys_of_all_its_tests(tmp_path: Path) -> None:
    for n in range(3):
        row = IkeRow.of(Spis(bytes([n] * 8), bytes(8)), _keys(_suites()[n]))
        write_profile(tmp_path / "cases" / f"case-{n}" / "keys", [row], [])
    assert len(load([tmp_path]).ike) == 3


def test_children_are_written_with_the_receivers_spi(tmp_path: Path) -> None:
    suite = Suite.parse("aes256-sha256", Protocol.ESP)
    keys = ChildKeys(suite, b"i" * 32, b"I" * 32, b"r" * 32, b"R" * 32)
    spis = Spis(b"\0\0\0\x01", b"\0\0\0\x02")
    write_profile(tmp_path / "k", [], esp_rows(keys, spis, "10.0.0.1", "10.0.0.2"))
    first, second = (tmp_path / "k" / "esp_sa").read_text().splitlines()
    assert first == (
        '"IPv4","10.0.0.1","10.0.0.2","0x00000002","AES-CBC [RFC3602]",'
        f'"0x{"69" * 32}","HMAC-SHA-256-128 [RFC4868]","0x{"49" * 32}"'
    )
    assert second.startswith('"IPv4","10.0.0.2","10.0.0.1","0x00000001"')
    ring = load([tmp_path / "k" / "esp_sa"])
    assert [r.key[:1] for r in ring.esp] == [b"i", b"r"]


def test_odd_key_lengths_of_real_tables_are_taken_with_a_note(shared: Path, tmp_path: Path) -> None:
    """Openswan's row says AES-CBC-128 and HMAC_SHA1_96 with keys of 24 and 16 octets."""
    rows = json.loads((shared / "captures/openswan/keys.json").read_text())
    odd = next(r for r in rows if "lp205" in r["file"])
    path = table(tmp_path, odd["wireshark_ikev2_decryption_table_row"])
    ring = load([path])
    assert any("taken as aes192, not as the row's aes128" in note for note in ring.notes)
    assert inspect_file(shared / "captures/openswan" / odd["file"], [path]).decrypted == 1


def test_the_tables_in_the_shared_data_are_read(shared: Path) -> None:
    ring = load([shared / "captures/wireshark/ikev2_decryption_table"])
    ring = load([shared / "captures/wireshark/esp_sa.tmpl", *[]])
    assert [r.spi for r in ring.esp] == ["070883c2", "c254fe64"]


def test_tshark_takes_every_name_we_write(tmp_path: Path, tshark: str, shared: Path) -> None:
    """A table with one unknown name is refused as a whole, so all of them are tried."""
    rows = [
        IkeRow.of(Spis(n.to_bytes(8, "big"), bytes(8)), _keys(suite))
        for n, suite in enumerate(_suites())
    ]
    esp = []
    for n, suite in enumerate(_suites()):
        keys = _keys(suite)
        child = ChildKeys(suite, keys.sk_ei, keys.sk_ai, keys.sk_er, keys.sk_ar)
        spi = n.to_bytes(4, "big")
        esp += esp_rows(child, Spis(spi, spi), "2001:db8::1", "2001:db8::2")
    write_profile(tmp_path, rows, esp)
    words = (tmp_path / "ikev2_decryption_table").read_text()
    assert all(f'"{name}"' in words for name in {*IKE_ENCR, *IKE_INTEG})
    words = (tmp_path / "esp_sa").read_text()
    aliases = {"AES-GCM [RFC4106]"}
    assert all(f'"{name}"' in words for name in {*ESP_ENCR, *ESP_INTEG} - aliases)

    capture = shared / "captures/wireshark/ikev2-decrypt-aes256cbc.pcapng"
    ran = subprocess.run(
        [tshark, "-r", str(capture)],
        env={**os.environ, "WIRESHARK_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Error" not in ran.stderr and "ikev2_decryption_table" not in ran.stderr
    assert "esp_sa" not in ran.stderr


@pytest.mark.parametrize(
    "name",
    [
        "ikev2-decrypt-3des-sha1_160.pcap",
        "ikev2-decrypt-aes128ccm12.pcap",
        "ikev2-decrypt-aes256cbc.pcapng",
        "ikev2-decrypt-aes256gcm16.pcap",
    ],
)
def test_tshark_decrypts_with_the_profile_we_write(
    tmp_path: Path, ask_tshark: Callable[..., Any], shared: Path, name: str
) -> None:
    folder = shared / "captures/wireshark"
    ring = load([folder / "ikev2_decryption_table"])
    write_profile(tmp_path, [row for rows in ring.ike.values() for row in rows], [])
    theirs = [
        bytes.fromhex(value[0])
        for frame in ask_tshark(folder / name, tmp_path, "-x")
        for key, value in frame
        if key == "isakmp.enc.decrypted_raw"
    ]
    ours = [m for m in inspect_file(folder / name, [tmp_path]).messages if m.opened]
    assert len(ours) == len(theirs) >= 2
    for message, text in zip(ours, theirs, strict=True):
        assert message.plain == text[: len(text) - 1 - text[-1]]
