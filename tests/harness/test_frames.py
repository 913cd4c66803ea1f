"""What our two ends say to each other, as tshark sees it: written by us, opened by it."""

from __future__ import annotations

import ipaddress
import json
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness import frames, wireshark
from ikelab.harness.esp.packet import checksum
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import Step
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.iana import Payload
from tests.harness.talk import Talk

CIPHERS = ["3des", "aes128", "aes192", "aes256"]
MACS = ["sha1", "sha256", "sha384", "sha512"]
SUITES = [f"{c}-{m}-x25519" for c in CIPHERS for m in MACS]
SUITES += [f"aes{bits}gcm16-prfsha{prf}-x25519" for bits in (128, 192, 256) for prf in (1, 512)]
SUITES += ["aes128-sha1-modp1024", "aes128-sha256-ecp384"]
SUBSTRUCTURES = {"2", "3"}  # tshark lists proposals and transforms as payloads
FIELDS = ["isakmp.ispi", "isakmp.messageid", "isakmp.length", "isakmp.typepayload",
          "isakmp.payloadlength", "_ws.malformed",
          "_ws.expert.message", "ip.checksum.status", "udp.checksum.status"]  # fmt: skip


def conversation(number: int, suite: str, **options: Any) -> tuple[Talk, list[Datagram]]:
    """A whole life of an IKE SA, and its datagrams with addresses and times of their own."""
    passed: list[Datagram] = []

    def tap(datagram: Datagram) -> Datagram:
        passed.append(replace(datagram, now=number + len(passed) / 1000))
        return datagram

    talk = Talk(seed=number, ike=[suite], out=tap, back=tap, **options).up()
    assert talk.i.state is State.ESTABLISHED, suite
    talk.i.inform([], talk.now)
    talk.carry()
    talk.i.create_child(talk.now)
    talk.carry()
    talk.i.close(talk.now)
    talk.carry()
    return talk, passed


V6 = {"local": ("2001:db8::1", 500), "remote": ("2001:db8::2", 500)}
NATT = {"local": ("10.0.0.1", 4500), "remote": ("10.0.0.2", 4500)}


@pytest.fixture(scope="module")
def said() -> list[tuple[Talk, list[Datagram]]]:
    found = [conversation(n, suite) for n, suite in enumerate(SUITES, 1)]
    found.append(conversation(90, "aes128-sha256-x25519", **V6))
    found.append(conversation(91, "aes256gcm16-prfsha256-x25519", **NATT))
    return found


@pytest.fixture(scope="module")
def ask(said: Any, tshark: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What tshark says of all that was said, with the keys that we wrote."""
    folder = tmp_path_factory.mktemp("frames")
    capture = folder / "said.pcapng"
    frames.write(capture, [d for _, passed in said for d in passed], 1_700_000_000.0)
    rows = [IkeRow.of(talk.i.spis, talk.i.keys) for talk, _ in said]
    wireshark.write_profile(folder / "keys", rows, [])
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder / "keys")}

    def run(*options: str) -> str:
        command = [tshark, "-r", str(capture), *options]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture(scope="module")
def seen(ask: Callable[..., str]) -> list[list[str]]:
    """One row of fields for each datagram."""
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    wanted = [word for name in FIELDS for word in ("-e", name)]
    shown = ask("-T", "fields", "-E", "separator=;", *checks, *wanted)
    return [line.split(";") for line in shown.splitlines()]


def plaintexts(tree: Any) -> Iterator[str]:
    """The decrypted octets of one frame in hex."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if key == "isakmp.enc.decrypted_raw":
            yield value[0]
        elif isinstance(value, dict | list):
            yield from plaintexts(value)


def pairs(said: Any, seen: list[list[str]]) -> Iterator[tuple[Step, dict[str, str]]]:
    """(the step as the initiator has it, the row of tshark)."""
    steps = [s for talk, _ in said for s in talk.i.transcript]
    assert len(steps) == len(seen)
    for step, row in zip(steps, seen, strict=True):
        yield step, dict(zip(FIELDS, row, strict=True))


def test_tshark_sees_every_message_whole(said: Any, seen: list[list[str]]) -> None:
    for step, row in pairs(said, seen):
        assert row["isakmp.ispi"] == bytes(step.message.init_SPI).hex()
        assert int(row["isakmp.messageid"], 16) == step.message.id
        assert int(row["isakmp.length"].split(",")[0]) == len(step.data)
        assert not row["_ws.malformed"], step.text()
        assert "incorrect" not in row["_ws.expert.message"], step.text()
        assert row["udp.checksum.status"] == "1"
        assert row["ip.checksum.status"] in ("1", "")  # IPv6 has none


def test_tshark_agrees_on_the_payload_chain_and_its_lengths(
    said: Any, seen: list[list[str]]
) -> None:
    for step, row in pairs(said, seen):
        kinds = row["isakmp.typepayload"].split(",")
        lengths = row["isakmp.payloadlength"].split(",")
        theirs = [
            (int(kind), int(length))
            for kind, length in zip(kinds, lengths, strict=True)
            if kind not in SUBSTRUCTURES
        ]
        shown = step.to_json(0)
        ours = [(p["type"], p["length"]) for p in [*shown["payloads"], *(shown["inner"] or [])]]
        assert theirs == ours, step.text()


def test_tshark_decrypts_to_the_same_plaintext(said: Any, ask: Callable[..., str]) -> None:
    shown = json.loads(ask("-T", "jsonraw", "-J", "isakmp"))
    steps = [s for talk, _ in said for s in talk.i.transcript]
    opened = 0
    for step, frame in zip(steps, shown, strict=True):
        found = list(plaintexts(frame))
        if not step.encrypted:
            assert found == []
            continue
        text = bytes.fromhex(found[0])
        assert step.plain is not None and text.startswith(step.plain)
        padding = text[len(step.plain) :]
        assert padding[-1] == len(padding) - 1
        opened += 1
    assert opened == 8 * len(said)


def test_our_inner_chain_ends_where_the_plaintext_ends(said: Any) -> None:
    for talk, _ in said:
        for step in talk.i.transcript:
            for payload in step.inner() or []:
                assert Payload(payload.kind) and not hasattr(payload, "reason")


@pytest.mark.parametrize("data", [b"", b"\xff", bytes(range(256)) * 5])
@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")])
def test_a_frame_is_a_packet_with_right_lengths_and_checksums(
    data: bytes, ends: tuple[str, str]
) -> None:
    src, dst = (ipaddress.ip_address(end) for end in ends)
    packet = frames.packet(Datagram(data, (ends[0], 500), (ends[1], 4500)))
    header = 20 if src.version == 4 else 40
    ports = struct.unpack("!HHH", packet[header : header + 6])

    assert ports == (500, 4500, 8 + len(data))
    assert packet[header + 8 :] == data
    if src.version == 4:
        assert checksum(packet[:20]) == 0
        assert int.from_bytes(packet[2:4], "big") == len(packet)
    pseudo = src.packed + dst.packed + struct.pack("!IHBB", 8 + len(data), 0, 0, 17)
    assert checksum(pseudo + packet[header:]) == 0


def test_times_are_those_of_the_datagrams(tmp_path: Path, tshark: str) -> None:
    path = tmp_path / "times.pcapng"
    one = Datagram(b"\xff", ("10.0.0.1", 4500), ("10.0.0.2", 4500), 0.25)
    frames.write(path, [one, replace(one, now=1.5)], 1_700_000_000.0)
    command = [tshark, "-r", str(path), "-T", "fields", "-e", "frame.time_epoch"]
    times = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert [float(t) for t in times] == [1_700_000_000.25, 1_700_000_001.5]
