"""Real captures: nothing raises, all comes back, and tshark sees the same payload chain."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scapy.utils import RawPcapReader

from ikelab.layers.chain import IKEv2_Malformed
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2, demux
from ikelab.layers.sa import IKEv2_SA

IKE_PORTS = (500, 4500)
ETHERNET, RAW_IP, LINUX_SLL = 1, 101, 113
START_OF_IP = {ETHERNET: 14, RAW_IP: 0, 12: 0, 228: 0, LINUX_SLL: 16, 0: 4}


def captures(shared: Path) -> list[Path]:
    """Every capture among the shared data."""
    return sorted(p for p in shared.rglob("*.pcap*") if p.is_file())


def udp(packet: bytes) -> tuple[int, int, bytes] | None:
    """Ports and payload of an IP packet that carries UDP, not in fragments."""
    if packet[:1] and packet[0] >> 4 == 4 and packet[9] == 17:
        at = (packet[0] & 15) * 4
        if int.from_bytes(packet[6:8], "big") & 0x3FFF:
            return None
    elif packet[:1] and packet[0] >> 4 == 6 and packet[6] == 17:
        at = 40
    else:
        return None
    source, target, size = (int.from_bytes(packet[at + i : at + i + 2], "big") for i in (0, 2, 4))
    return source, target, packet[at + 8 : at + max(size, 8)]


def datagrams(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Frame number, IKE's port and UDP payload of every datagram from or to such a port."""
    with RawPcapReader(str(path)) as reader:
        for number, (data, meta) in enumerate(reader, 1):
            link = getattr(meta, "linktype", getattr(reader, "linktype", ETHERNET))
            at = START_OF_IP[link & 0xFFFF]  # the rest says whether there is an FCS
            if link == ETHERNET and data[12:14] == b"\x81\x00":
                at += 4
            found = udp(data[at:])
            port = next((p for p in (found or ())[:2] if p in IKE_PORTS), None)
            if found is not None and port is not None:
                yield number, port, found[2]


def messages(path: Path) -> Iterator[tuple[int, bytes]]:
    """Frame number and octets of every IKE message."""
    for number, port, data in datagrams(path):
        kind, octets = demux(data, port)
        if kind == "ike":
            yield number, octets


def test_every_message_is_read_and_comes_back(shared: Path, decoder: ModuleType) -> None:
    count: Counter[str] = Counter()
    for path in captures(shared):
        for _, data in messages(path):
            decoder.examine(data)
            decoder.inspect(data)
            count["messages"] += 1
            count["version 2"] += data[17:18] == b"\x20"
    assert count["messages"] > 180 and count["version 2"] > 150


def test_sorting_by_port_finds_all_kinds(shared: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in captures(shared):
        kinds.update(demux(data, port)[0] for _, port, data in datagrams(path))
    assert kinds["ike"] > 180 and kinds["esp"] > 0, kinds


def test_messages_of_known_peers_have_nothing_malformed(shared: Path) -> None:
    for folder in ("wireshark", "scapy", "suricata", "openswan", "ndpi"):
        for path in captures(shared / "captures" / folder):
            for number, data in messages(path):
                packet = IKEv2(data)
                if packet.version != 0x20:
                    continue
                broken = [p for p in packet.payloads if isinstance(p, IKEv2_Malformed)]
                assert not broken, (path.name, number, broken)


def ours(packet: Any) -> list[tuple[int, int]]:
    """Type and length of each payload, with what is in a proposal, in tshark's order."""
    found: list[tuple[int, int]] = []
    for payload in packet.payloads:
        if isinstance(payload, IKEv2_Malformed):
            # Its own header may be sound: an ID payload with too short a body, for one.
            if payload.kind and len(payload.load) == int.from_bytes(payload.load[2:4], "big"):
                found.append((payload.kind, len(payload.load)))
            continue
        found.append((payload.kind, payload.length))
        if isinstance(payload, IKEv2_SA):
            for proposal in payload.proposal:
                found.append((2, proposal.length))
                found += [(3, transform.length) for transform in proposal.transform]
    return found


def theirs(tshark: str, path: Path) -> dict[int, list[tuple[int, int]]]:
    """What tshark sees of every IKEv2 message, by frame number; no keys are given to it."""
    fields = ["frame.number", "isakmp.typepayload", "isakmp.payloadlength"]
    command = [tshark, "-n", "-r", str(path), "-Y", "isakmp.version == 0x20", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    seen: dict[int, list[tuple[int, int]]] = {}
    for line in lines:
        number, kinds, lengths = (*line.split("\t"), "", "")[:3]
        pairs = zip(kinds.split(","), lengths.split(","), strict=True) if kinds else ()
        seen[int(number)] = [(int(kind), int(length)) for kind, length in pairs]
    return seen


@pytest.mark.real("tshark reads the same captures")
def test_tshark_sees_the_same_chain(shared: Path, tshark: str) -> None:
    compared = 0
    for path in captures(shared):
        seen = theirs(tshark, path)
        mine = {n: IKEv2(data) for n, data in messages(path) if data[17:18] == b"\x20"}
        assert set(seen) <= set(mine), path.name
        for number, chain in seen.items():
            assert ours(mine[number]) == chain, (path.name, number)
            compared += 1
    assert compared > 150


@pytest.mark.real("tshark reads what was built here")
def test_tshark_reads_what_we_build(tmp_path: Path, tshark: str, decoder: ModuleType) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.utils import wrpcap

    # Less the message of all notifies: tshark gives up at the first whose data is not its type's.
    built = [IKEv2(data) for data in decoder.seeds() if data[16] != Payload.N]
    path = tmp_path / "built.pcap"
    wrpcap(
        str(path),
        [IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=500, dport=500) / p for p in built],
    )
    seen = theirs(tshark, path)
    for number, packet in enumerate(built, 1):
        assert seen[number] == ours(packet), packet.summary()
