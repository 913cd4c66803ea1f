"""Group policies and key bags (RFC 9838 4.4, 4.5), and labels in selectors (RFC 9478)."""

from __future__ import annotations

import pytest

from ikelab.layers import group
from ikelab.layers.iana import Payload, Protocol, TsType
from ikelab.layers.message import IKEv2, message
from ikelab.layers.payloads import IKEv2_GSA, IKEv2_KD
from ikelab.layers.selectors import IKEv2_TSi, IPv4TrafficSelector, SecurityLabelSelector

PARTS = (
    group.Part(Protocol.ESP, b"\1\2\3\4", b"policy"),
    group.Part(0, b"", b"of all"),
    group.Part(Protocol.IKE, bytes(16), b""),
)


@pytest.mark.parametrize("kind", [IKEv2_GSA, IKEv2_KD])
def test_parts_are_read_and_written(kind):
    packet = IKEv2(bytes(message([kind(load=group.write(PARTS))])))

    assert packet.payloads[0].parts == PARTS
    assert bytes(packet) == bytes(message([kind(load=group.write(PARTS))]))
    assert "ESP" in packet.payloads[0].mysummary()


@pytest.mark.parametrize("octets", ["01", "01040008", "0104000701020304", "000000000000"])
def test_parts_that_do_not_add_up_stay_octets(octets):
    data = bytes.fromhex(octets)
    payload = IKEv2_GSA(load=data)

    assert payload.parts == data
    assert payload.kind == Payload.GSA
    assert payload.mysummary()


def test_a_label_stands_beside_addresses():
    label = b"system_u:object_r:ipsec_spd_t:s0"
    both = [IPv4TrafficSelector(), SecurityLabelSelector(label=label)]
    packet = IKEv2(bytes(message([IKEv2_TSi(traffic_selector=both)])))
    read = packet.payloads[0].traffic_selector

    assert [type(ts) for ts in read] == [IPv4TrafficSelector, SecurityLabelSelector]
    assert (read[1].TS_type, read[1].label, read[1].length) == (
        TsType.TS_SECLABEL,
        label,
        4 + len(label),
    )
    assert "ipsec_spd_t" in packet.payloads[0].mysummary()
