"""Captures for the benches of `ikelab inspect`: real handshakes of the engine with itself.

`conversations` is 42,000 messages of 200 IKE SAs, no two alike, two thirds of them encrypted, with
a key table for all. Per IKE SA: cookies demanded again and again (RFC 7296 2.6), the handshake,
then liveness checks and rekeyed children. `haystack` is what the name says: some IKE in a file of
other traffic. What was made is kept in a folder and used again.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.frames import packet
from ikelab.harness.model import Datagram, Identity, selectors, suites
from ikelab.harness.wireshark import EspRow, IkeRow, esp_rows, write_profile
from ikelab.layers.iana import Notify, Protocol
from ikelab.layers.message import IKEv2, message
from ikelab.layers.notify import IKEv2_Notify

SAS, CLEAR, ENCRYPTED = 200, 70, 140
"""How many IKE SAs, and of each the messages in clear and under SK."""
VERSION = 3
"""Changes with what is made here, so that an old file is not taken for a new one."""
OFFERS = [
    "aes256gcm16-prfsha384-x25519",
    "aes128gcm16-prfsha256-x25519",
    "aes256-sha256-x25519",
    "aes128-sha256-x25519",
]
PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)


def conversations(folder: Path, sas: int = SAS) -> tuple[Path, Path]:
    """(capture, profile folder with the keys); made when it is not there yet."""
    capture, profile = folder / f"ike-{VERSION}-{sas}.pcap", folder / f"keys-{VERSION}-{sas}"
    if not capture.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ike: list[IkeRow] = []
        esp: list[EspRow] = []
        lanes = [_lane(number, ike, esp) for number in range(sas)]
        fresh = capture.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(PCAP)
            clock = 1_700_000_000.0
            # One message of each IKE SA after the other, as a busy gateway has them.
            while lanes:
                for lane in list(lanes):
                    datagram = next(lane, None)
                    if datagram is None:
                        lanes.remove(lane)
                        continue
                    clock += 0.002
                    _write(file, clock, packet(datagram))
        write_profile(profile, ike, esp)
        fresh.replace(capture)
    return capture, profile


def _write(file: BinaryIO, time: float, data: bytes) -> None:
    seconds = int(time)
    file.write(struct.pack("<IIII", seconds, int((time - seconds) * 1e6), len(data), len(data)))
    file.write(data)


def _config(number: int) -> IkeConfig:
    suite = suites([OFFERS[(number + n) % 4] for n in range(4)])
    return IkeConfig(
        local=(f"10.{number >> 8}.{number & 255}.1", 500),
        remote=("192.0.2.1", 500),
        local_id=Identity.parse(f"site{number}@example.org"),
        remote_id=Identity.parse("gateway.example.org"),
        psk=b"a secret",
        ike=suite,
        esp=suites(["aes128gcm16", "aes128-sha256"], Protocol.ESP),
        local_ts=selectors(f"172.16.{number & 255}.0/24"),
        remote_ts=selectors("10.255.0.0/16"),
    )


class _Pair:
    """Both ends of one IKE SA; `carry` gives back what went over the wire."""

    def __init__(self, number: int) -> None:
        config = _config(number)
        mirror = replace(
            config,
            local=config.remote,
            remote=config.local,
            local_id=config.remote_id or config.local_id,
            remote_id=config.local_id,
            local_ts=config.remote_ts,
            remote_ts=config.local_ts,
        )
        self.i = IkeSa(config, initiator=True, entropy=entropy(number, "initiator"))
        self.listener = Listener(mirror, entropy(number, "responder"))
        self.now = 0.0

    def carry(self) -> Iterator[Datagram]:
        """Everything both have to say, until they fall silent."""
        while True:
            there, here = self.i.datagrams(self.now), self.listener.datagrams(self.now)
            if not there and not here:
                return
            for datagram in there:
                self.now += 0.001
                self.listener.receive(datagram, self.now)
            for datagram in here:
                self.now += 0.001
                self.i.receive(datagram, self.now)
            yield from (*there, *here)


def _lane(number: int, ike: list[IkeRow], esp: list[EspRow]) -> Iterator[Datagram]:
    """The datagrams of one IKE SA, in order."""
    pair = _Pair(number)
    pair.i.start_init(pair.now)
    init = list(pair.carry())
    yield from _cookies(init[0], random.Random(number))
    yield from init
    pair.i.start_auth(pair.now)
    yield from pair.carry()
    assert pair.i.keys is not None and pair.i.child is not None
    ike.append(IkeRow.of(pair.i.spis, pair.i.keys))
    count, turn = 2, 0
    while count < ENCRYPTED:
        ends = (pair.i, pair.listener.sas[-1])
        if turn % 4 == 2 and ENCRYPTED - count >= 4:
            pair.i.rekey_child(pair.i.child, pair.now)
        else:
            ends[turn & 1].inform([], pair.now)
        said = list(pair.carry())
        yield from said
        count, turn = count + len(said), turn + 1
    assert count == ENCRYPTED
    child = pair.i.child
    esp += esp_rows(child.keys, child.spis, pair.i.config.local[0], pair.i.config.remote[0])


def _cookies(first: Datagram, noise: random.Random) -> Iterator[Datagram]:
    """Requests that come back with the cookie that is no longer the right one."""
    spi = first.data[:8]
    for _ in range((CLEAR - 2) // 2):
        stale, fresh = (
            IKEv2_Notify(type=Notify.COOKIE, notify=noise.randbytes(24)) for _ in range(2)
        )
        request = message([stale, *IKEv2(first.data).payloads], init_SPI=spi, flags=8)
        yield replace(first, data=bytes(request))
        answer = message([fresh], init_SPI=spi, flags=0x20)
        yield replace(first, data=bytes(answer), src=first.dst, dst=first.src)


def haystack(folder: Path, size: int) -> tuple[Path, Path]:
    """(capture, profile folder): other traffic of so many octets with `conversations` spread in it.

    TCP segments and UDP datagrams of 60 to 1,500 octets between a few thousand hosts, in Ethernet.
    """
    source, profile = conversations(folder)
    capture = folder / f"haystack-{VERSION}-{size}.pcap"
    if not capture.exists():
        noise = random.Random(9)
        others = [_other(noise) for _ in range(512)]
        records = list(_records(source))
        gap = size / len(records)
        fresh = capture.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(PCAP[:20] + struct.pack("<I", 1))
            written = 0.0
            for number, (head, data) in enumerate(records):
                while written < number * gap:
                    other = others[noise.randrange(512)]
                    file.write(head[:8] + struct.pack("<II", len(other), len(other)) + other)
                    written += len(other) + 16
                frame = bytes(12) + b"\x08\0" + data
                file.write(head[:8] + struct.pack("<II", len(frame), len(frame)) + frame)
                written += len(frame) + 16
        fresh.replace(capture)
    return capture, profile


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Record header and frame of a pcap file of our own."""
    with path.open("rb") as file:
        file.read(24)
        while head := file.read(16):
            yield head, file.read(int.from_bytes(head[8:12], "little"))


def _other(noise: random.Random) -> bytes:
    """An Ethernet frame that is no business of ours."""
    size = noise.choice((60, 120, 400, 1200, 1500, 1500, 1500))
    protocol = noise.choice((6, 6, 6, 17))
    ports = struct.pack("!HH", noise.choice((443, 80, 8443, 53)), noise.randrange(1024, 65536))
    if protocol == 17:
        body = ports + struct.pack("!HH", size - 34, 0) + noise.randbytes(size - 42)
    else:
        body = ports + noise.randbytes(8) + b"\x50\x10" + noise.randbytes(size - 48)
    hosts = b"\x0a" + noise.randbytes(3) + b"\x0a" + noise.randbytes(3)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + hosts
    return noise.randbytes(12) + b"\x08\0" + ip + body
