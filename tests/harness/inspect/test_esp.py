"""ESP beside IKE: joined to its child, opened, its numbers followed; from engines in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ikelab.harness.entropy import entropy
from ikelab.harness.esp import ipcomp
from ikelab.harness.esp.child import ChildPath
from ikelab.harness.esp.packet import Echo
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.features import Features
from ikelab.harness.inspect.espwatch import HALF, Track
from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.model import Datagram
from ikelab.harness.wireshark import esp_rows
from ikelab.layers.esp import IpProtocol
from tests.harness.inspect.lab import Lab

LEFT, RIGHT = "10.0.0.1", "10.0.0.2"
PING = bytes(Echo("10.1.0.1", "10.2.0.1", False, 7, 1, b"ping"))


def path(lab: Lab, child: Child | None = None) -> ChildPath:
    made = child or next(iter(lab.sa.children.values()))
    return ChildPath(made, local=LEFT, remote=RIGHT, entropy=entropy(5, "esp"))


def put(lab: Lab, packet: bytes, *, udp: bool = False) -> None:
    """One packet from the left to the right onto the wire."""
    lab.now += 0.01
    ports = (4500, 4500) if udp else (0, 0)
    src, dst = (LEFT, ports[0]), (RIGHT, ports[1])
    lab.wire.append(Datagram(packet, src, dst, lab.now, 17 if udp else 50))


def row(it: Inspection) -> dict[str, Any]:
    (found,) = it.to_json()["esp"]
    return dict(found)


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("esp", ["aes128gcm16", "aes256-sha256", "aes128-sha256-esn"])
def test_packets_are_joined_to_their_child_and_opened(udp: bool, esp: str) -> None:
    lab = Lab(both={"esp": [esp]}).up()
    there = path(lab)
    for _ in range(5):
        put(lab, there.wrap(PING), udp=udp)
    put(lab, there.dummy(), udp=udp)
    found = row(lab.inspect())
    child = next(iter(lab.sa.children.values()))
    assert found["spi"] == child.spi_out.hex()
    assert found["child"]["spi_r"] == child.spi_out.hex()
    assert found["child"]["esn"] == esp.endswith("-esn")
    assert (found["packets"], found["opened"], found["dummies"]) == (6, 6, 1)
    assert found["inner"] == [{"flow": "10.1.0.1 -> 10.2.0.1[1]", "packets": 5}]
    assert found["encapsulated"] == (6 if udp else 0)
    assert found["remarks"] == []


def test_what_is_compressed_is_told_as_what_it_was() -> None:
    lab = Lab(both={"features": Features(ipcomp=True)}).up()
    there = path(lab)
    put(lab, there.wrap(bytes(Echo("10.1.0.1", "10.2.0.1", False, 7, 1, bytes(500)))))
    put(lab, there.wrap(PING, data=ipcomp.header(4, 0x1234) + b"\xff", nh=IpProtocol.IPCOMP))
    flows = [found["flow"] for found in row(lab.inspect())["inner"]]
    assert flows[0] == "10.1.0.1 -> 10.2.0.1[1] (compressed)"
    assert flows[1].startswith("10.0.0.1 -> 10.0.0.2[108] (not decompressed: no DEFLATE")


def test_keys_of_a_table_open_a_child_with_pfs() -> None:
    lab = Lab(both={"esp": ["aes128gcm16-x25519"]}).up()
    lab.sa.rekey_child(next(iter(lab.sa.children.values())), lab.now)
    lab.run()
    child = next(iter(lab.sa.children.values()))
    put(lab, path(lab, child).wrap(PING))
    assert row(lab.inspect())["opened"] == 0, "g^ir is not in SK_d"
    ring = lab.ring()
    assert child.keys is not None
    for line in esp_rows(child.keys, child.spis, LEFT, RIGHT):
        ring.add(line)
    lab.ring = lambda *_: ring  # type: ignore[method-assign]
    assert row(lab.inspect())["opened"] == 1


def test_a_wrong_icv_is_no_content() -> None:
    lab = Lab().up()
    packet = bytearray(path(lab).wrap(PING))
    packet[-1] ^= 1
    put(lab, bytes(packet))
    found = row(lab.inspect())
    assert (found["opened"], found["not_opened"]) == (0, {"wrong ICV": 1})
    assert "not opened: 1 wrong ICV" in found["remarks"]


def test_replays_and_gaps() -> None:
    lab = Lab().up()
    there = path(lab)
    packets = [there.wrap(PING) for _ in range(6)]
    for number in (0, 1, 1, 4, 3, 5):
        put(lab, packets[number])
    found = row(lab.inspect())
    assert found["sequence"] == {
        "lowest": 1, "highest": 6, "missing": 1, "repeated": 1, "repeated_frames": [7], "late": 0,
        "reordered": 1, "wraps": 0,
    }  # fmt: skip
    assert found["remarks"] == [
        "1 sequence numbers came again (frame 7): replays",
        "1 sequence numbers between 1 and 6 missing",
    ]


def test_an_old_child_that_is_used_after_its_delete() -> None:
    lab = Lab().up()
    old = next(iter(lab.sa.children.values()))
    there = path(lab, old)
    put(lab, there.wrap(PING))
    lab.sa.rekey_child(old, lab.now)
    lab.run()
    assert row(lab.inspect())["remarks"] == []
    put(lab, there.wrap(PING))
    assert row(lab.inspect())["remarks"] == ["used after it was deleted in frame 9: until frame 10"]


def test_somebody_elses_packets_are_joined_to_nothing() -> None:
    lab = Lab().up()
    packet = path(lab).wrap(PING)
    put(lab, packet)
    lab.wire[-1] = replace(lab.wire[-1], src=("192.0.2.1", 0))
    found = row(lab.inspect())
    assert found["child"] is None and found["opened"] == 0


def follow(*numbers: int) -> Track:
    track = Track("esp", LEFT, RIGHT, b"\0\0\0\1")
    for frame, number in enumerate(numbers, 1):
        data = b"\0\0\0\1" + (number % HALF).to_bytes(4, "big")
        track.add(Packet(frame, 0.0, "esp", (LEFT, 0), (RIGHT, 0), data), False)
    return track


def test_a_wrap_is_followed_both_ways() -> None:
    track = follow(HALF - 2, HALF - 1, HALF, HALF + 2, HALF - 3, HALF + 1)
    assert (track.wraps, track.lowest, track.highest) == (1, HALF - 3, HALF + 2)
    assert (track.missing, track.repeats, track.reordered) == (0, 0, 2)


def test_a_wrap_without_esn_is_named() -> None:
    lab = Lab().up()
    there = path(lab)
    for number in (HALF - 1, HALF):
        put(lab, there.wrap(PING, number=number))
    (remark,) = row(lab.inspect())["remarks"]
    assert remark.endswith("wrapped, and ESN was not agreed on (RFC 4303 3.3.3)")


def test_far_behind_is_late_and_not_a_replay() -> None:
    track = follow(1, 5000, 2)
    assert (track.late, track.repeats) == (1, 0)
