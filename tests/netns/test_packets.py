"""Packets as the router sees them: what it changes is whole again, what it cuts comes together."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.netns.impair import HELD, Line
from ikelab.netns.nat import Plan, Translator
from ikelab.netns.packets import Reassembly, checksum, fragments, hopped, parse, rewritten
from ikelab.netns.topology import Impairment, Nat

NAT = Nat("eth1", ("203.0.113.1", "203.0.113.9"), clients=("192.168.1.2", "192.168.3.2"))
FORWARD = Nat("eth1", ("198.51.100.1",), forward="192.168.2.2")
REMOTE = ("203.0.113.2", 500)


def udp(src, dst, payload=b"hello", number=1):
    """An IPv4 packet with UDP in it, its checksums right."""

    def octets(address):
        return bytes(map(int, address.split(".")))

    size = 8 + len(payload)
    pseudo = octets(src[0]) + octets(dst[0]) + struct.pack(">HH", 17, size)
    body = struct.pack(">HHHH", src[1], dst[1], size, 0) + payload
    body = body[:6] + struct.pack(">H", checksum(pseudo + body)) + body[8:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, number, 0, 64, 17, 0)
    head += octets(src[0]) + octets(dst[0])
    return parse(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body)


def sound(packet):
    """Whether both checksums hold."""
    data = packet.data
    pseudo = data[12:20] + struct.pack(">HH", 17, len(data) - 20)
    return not checksum(data[:20]) and not checksum(pseudo + data[20:])


@given(st.binary(max_size=40), st.integers(0, 65535), st.integers(1, 65535))
def test_a_rewritten_packet_has_right_checksums(payload, port, other):
    packet = udp(("10.0.0.1", port), ("10.9.8.7", other), payload)

    changed = rewritten(packet, src=("203.0.113.1", 40000), dst=("1.2.3.4", 9))

    assert sound(packet)
    assert sound(changed)
    assert (changed.src, changed.dst) == (("203.0.113.1", 40000), ("1.2.3.4", 9))
    assert changed.payload == payload


def test_a_udp_checksum_of_zero_stays():
    data = bytearray(udp(("10.0.0.1", 1), REMOTE).data)
    data[26:28] = b"\0\0"

    changed = rewritten(parse(bytes(data)), src=("203.0.113.1", 40000))

    assert changed.data[26:28] == b"\0\0"


@given(st.binary(min_size=1, max_size=4000), st.integers(68, 1500), st.randoms())
def test_fragments_come_together_in_any_order(payload, mtu, random):
    packet = udp(("10.0.0.1", 500), REMOTE, payload)
    pieces = list(fragments(packet.data, mtu))
    assert all(len(piece) <= mtu and not checksum(piece[:20]) for piece in pieces)
    random.shuffle(pieces)

    reassembly = Reassembly()
    found = [whole for piece in pieces if (whole := reassembly.take(parse(piece)))]

    assert [whole.payload for whole in found] == [payload]


@given(st.binary(max_size=120))
def test_nothing_that_comes_breaks_the_parser(data):
    packet = parse(data)

    assert packet is None or len(packet.data) <= len(data)
    if packet:
        Reassembly().take(packet)
        hopped(packet)


def test_the_last_hop_is_the_last():
    data = bytearray(udp(("10.0.0.1", 1), REMOTE).data)
    data[8] = 1

    assert hopped(parse(bytes(data))) is None


def test_a_nat_maps_what_goes_out_and_back():
    nat = Translator(NAT)

    out = nat.outward(udp(("192.168.1.2", 500), REMOTE))
    second = nat.outward(udp(("192.168.3.2", 500), REMOTE))
    back = nat.inward(udp(REMOTE, out.src))

    assert (out.src, out.dst) == (("203.0.113.1", 40500), REMOTE)
    assert second.src == ("203.0.113.1", 40501)
    assert back.dst == ("192.168.1.2", 500)
    assert sound(out) and sound(back)


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [(("203.0.113.2", 501), ("203.0.113.1", 40500)), (REMOTE, ("203.0.113.1", 40600))],
)
def test_what_has_no_mapping_does_not_come_in(sender, receiver):
    nat = Translator(NAT)
    nat.outward(udp(("192.168.1.2", 500), REMOTE))

    assert nat.inward(udp(sender, receiver)) is None


def test_a_rebound_nat_has_forgotten():
    nat = Translator(NAT)
    old = nat.outward(udp(("192.168.1.2", 4500), REMOTE))

    nat.change(nat.plan.later(NAT, 45000, "203.0.113.9"))

    assert nat.inward(udp(REMOTE, old.src)) is None
    assert nat.outward(udp(("192.168.1.2", 4500), REMOTE)).src == ("203.0.113.9", 45000)
    assert nat.inward(udp(REMOTE, ("203.0.113.9", 45000))).dst == ("192.168.1.2", 4500)


def test_forwarded_ports_lead_inside_and_no_others():
    nat = Translator(FORWARD)

    inside = nat.inward(udp(REMOTE, ("198.51.100.1", 4500)))

    assert inside.dst == ("192.168.2.2", 4500)
    assert nat.outward(udp(inside.dst, REMOTE)).src == ("198.51.100.1", 4500)
    assert nat.inward(udp(REMOTE, ("198.51.100.1", 22))) is None


def test_a_nat_puts_fragments_together_first():
    nat = Translator(NAT)
    pieces = list(fragments(udp(("192.168.1.2", 500), REMOTE, bytes(3000)).data, 1500))

    found = [nat.outward(parse(piece)) for piece in pieces]

    assert found[:-1] == [None] * (len(pieces) - 1)
    assert found[-1].payload == bytes(3000)
    assert sound(found[-1])


def test_other_ports_follow_when_a_mapping_expires():
    first = Plan("203.0.113.1")
    assert first.later(NAT).ports(NAT)["192.168.1.2", 4500] != first.natt


def test_a_nat_that_loses_its_mappings_for_ever_stays_in_range() -> None:
    plan = Plan("203.0.113.1")
    for _ in range(5000):
        after = plan.later(NAT)
        used = list(after.ports(NAT).values())
        assert after.natt != plan.natt
        assert after.ike != plan.ike
        assert len(set(used)) == len(used)
        assert 1024 <= after.ike < 44500 <= after.natt <= 65000
        plan = after

    assert plan.later(NAT, 65000).later(NAT).natt == 44500


# -- bad lines -----------------------------------------------------------------------------------


def carried(impairment, count=300, gap=0.001, seed=1):
    """What comes out of a line, as (time, number)."""
    line, found, now = Line(impairment, seed), [], 0.0
    packets = [udp(("10.0.0.1", 1), REMOTE, b"%d" % n, n).data for n in range(count)]
    for data in packets:
        line.take(data, now)
        found += [(now, data) for data in line.due(now)]
        now += gap
    while (due := line.next) is not None:
        found += [(due, data) for data in line.due(due)]
    return packets, found


def test_a_good_line_changes_nothing():
    packets, found = carried(Impairment())
    assert [data for _, data in found] == packets


def test_loss_is_about_the_share_and_never_twice_in_a_row():
    packets, found = carried(Impairment(loss=0.2))
    there = [data in {data for _, data in found} for data in packets]

    assert 0.1 < there.count(False) / len(there) < 0.25
    assert (False, False) not in set(pairwise(there))


def test_the_same_seed_has_the_same_fate():
    wrong = Impairment(loss=0.2, duplicate=0.3, reorder=0.3, corrupt=0.2)
    assert carried(wrong) == carried(wrong)
    assert carried(wrong) != carried(wrong, seed=2)


def test_delay_is_that_long():
    _, found = carried(Impairment(delay=0.1), count=3)
    assert [time for time, _ in found] == pytest.approx([0.1, 0.101, 0.102])


def test_duplicates_come_twice_and_nothing_is_missing():
    packets, found = carried(Impairment(duplicate=0.33))
    got = [data for _, data in found]

    assert {got.count(data) for data in packets} == {1, 2}


def test_reordered_packets_are_overtaken_and_not_lost():
    packets, found = carried(Impairment(reorder=0.33))
    got = [data for _, data in found]

    assert got != packets
    assert sorted(got) == sorted(packets)


def test_a_packet_that_nothing_overtakes_leaves_all_the_same():
    _, found = carried(Impairment(reorder=1.0), count=1)
    [(time, _)] = found
    assert time == pytest.approx(HELD)


def test_corruption_flips_one_bit_behind_the_header():
    packets, found = carried(Impairment(corrupt=0.2))
    bits = [
        sum((a ^ b).bit_count() for a, b in zip(sent, got, strict=True))
        for sent, (_, got) in zip(packets, found, strict=True)
    ]

    assert set(bits) == {0, 1}
    assert all(got[:20] == sent[:20] for sent, (_, got) in zip(packets, found, strict=True))


def test_fragments_are_dropped_and_whole_packets_are_not():
    line = Line(Impairment(drop_fragments=True), 1)
    packet = udp(("10.0.0.1", 500), REMOTE, bytes(2000)).data
    for data in (*fragments(packet, 1500), packet):
        line.take(data, 0.0)

    assert line.due(0.0) == [packet]
