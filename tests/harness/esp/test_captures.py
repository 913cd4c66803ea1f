"""Other people's ESP, opened with their keys; and ours, opened by tshark: each a witness."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ikelab.harness import frames, wireshark
from ikelab.harness.esp import seal
from ikelab.harness.esp.child import ChildPath
from ikelab.harness.esp.packet import Echo, echo, flow
from ikelab.harness.esp.seal import Kind, Refused, SaKeys
from ikelab.harness.esp.tunnel import Tunnel
from ikelab.harness.inspect import keys as key_files
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.model import Datagram, Transform
from ikelab.layers.iana import Encr, Integ, TransformType

Pair = Callable[..., tuple[ChildPath, ChildPath]]
ETHERNET = 14
FIELDS = ("ip.src", "icmp.type", "icmp.seq", "icmp.checksum.status", "esp.icv_good", "data.data")


def packets(path: Path) -> Iterator[bytes]:
    """The IP packets of a capture of Ethernet frames."""
    data = path.read_bytes()
    plain = gzip.decompress(data) if path.suffix == ".gz" else data
    for record in Capture(io.BytesIO(plain)):
        yield record.data[ETHERNET:]


def transform(kind: TransformType, number: int, bits: int | None = None) -> Transform:
    return Transform(kind, number, bits)


# Keys: tcpdump's tests/esp-secrets.txt of its day, and the KLIPS tests that made the captures.
SUNRISE = {
    "02-sunrise-sunset-esp.pcap": SaKeys(
        transform(TransformType.ENCR, Encr.ENCR_3DES),
        transform(TransformType.INTEG, Integ.AUTH_HMAC_MD5_96),
        bytes.fromhex("4043434545464649494a4a4c4c4f4f515152525454575758"),
        bytes.fromhex("8765" * 8),
    ),
    "08-sunrise-sunset-aes.pcap": SaKeys(
        transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 256),
        transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA1_96),
        bytes.fromhex("aaaabbbbccccdddd4043434545464649494a4a4c4c4f4f515152525454575758"),
        bytes.fromhex("8765" * 10),
    ),
}


@pytest.mark.parametrize("name", SUNRISE)
def test_tcpdumps_captures_open_to_echo_replies(shared: Path, name: str) -> None:
    """Eight replies with consecutive numbers; their padding and both checksums are right."""
    sequences = []
    for number, packet in enumerate(packets(shared / "captures/tcpdump" / name), 1):
        outer = flow(packet)
        opened = seal.open(packet[outer.start : outer.end], SUNRISE[name])
        assert opened.seq == number
        assert opened.padding == seal.monotonic(opened.pad_length)
        said = echo(opened.data)
        assert said is not None
        assert (said.src, said.dst) == ("192.0.2.1", "192.0.1.1")
        sequences.append(said.sequence)
    assert len(sequences) == 8


@pytest.mark.parametrize("name", SUNRISE)
def test_a_wrong_key_is_told_from_the_right_one(shared: Path, name: str) -> None:
    packet = next(packets(shared / "captures/tcpdump" / name))
    keys = SUNRISE[name]
    data = packet[flow(packet).start :]
    wrong = SaKeys(keys.encr, keys.integ, keys.key, bytes(len(keys.auth)))
    with pytest.raises(Refused) as refused:
        seal.open(data, wrong)
    assert refused.value.kind is Kind.INTEGRITY


def test_wiresharks_capture_opens_with_its_table(shared: Path) -> None:
    """Three echoes and their replies in transport or tunnel mode, all ICVs good."""
    folder = shared / "captures/wireshark"
    rows = {row.spi: row for row in key_files.load([folder / "esp_sa.tmpl"]).esp}
    seen = []
    for packet in packets(folder / "esp-bug-12671.pcapng.gz"):
        outer = flow(packet)
        data = packet[outer.start : outer.end]
        row = rows[data[:4].hex()]
        opened = seal.open(data, SaKeys(row.encr, row.integ, row.key, row.auth))
        assert opened.padding == seal.monotonic(opened.pad_length)
        said = echo(opened.data)
        assert said is not None
        seen.append((said.reply, said.sequence))
    requests = [sequence for reply, sequence in seen if not reply]
    assert seen == [(reply, sequence) for sequence in requests for reply in (False, True)]


def run_tshark(tshark: str, profile: Path, capture: Path) -> list[list[str]]:
    """One row of FIELDS for each packet, decrypted with a profile's keys."""
    command = [tshark, "-r", str(capture), "-T", "fields", "-E", "occurrence=l"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(profile)},
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def known_to_wireshark() -> list[str]:
    """Proposals of which Wireshark's table has both words."""
    with_integ = ["null", "3des", "des", "cast128", "blowfish128", "aes128", "aes256", "aes192ctr"]
    words = [f"{encr}-sha256" for encr in with_integ]
    words += [f"aes128-{integ}" for integ in ("md5", "sha1", "sha384", "sha512")]
    return words + [f"aes{bits}gcm{icv}" for bits in (128, 192, 256) for icv in (8, 12, 16)]


@pytest.mark.parametrize("encap", [False, True], ids=["raw", "udp"])
@pytest.mark.parametrize("suite", known_to_wireshark())
def test_tshark_opens_what_we_seal(
    child: Pair, tshark: str, tmp_path: Path, suite: str, encap: bool
) -> None:
    """With the row that our profile has: the ICV is good, and the echo inside is whole."""
    ours, theirs = child(suite)
    asked = [Echo("10.1.0.1", "10.2.0.1", False, 7, n, bytes([n]) * (8 + n)) for n in range(1, 5)]
    sent: list[Datagram] = []
    for it in asked:
        sent.append(Tunnel(ours, encap=encap).send(bytes(it)))
        sent.append(Tunnel(theirs, encap=encap).send(bytes(it.answer())))
    assert ours.child.keys is not None
    rows = wireshark.esp_rows(ours.child.keys, ours.child.spis, ours.local, ours.remote)
    wireshark.write_profile(tmp_path / "profile", [], rows)
    frames.write(tmp_path / "esp.pcapng", sent, 0.0)

    seen = run_tshark(tshark, tmp_path / "profile", tmp_path / "esp.pcapng")

    expected = []
    for it in asked:
        for one in (it, it.answer()):
            kind = "0" if one.reply else "8"
            expected.append([one.src, kind, str(one.sequence), "1", "1", one.data.hex()])
    assert seen == expected
