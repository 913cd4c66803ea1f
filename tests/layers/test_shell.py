"""What one does in a Scapy shell works on these packets, also on a very long chain."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from scapy.packet import Padding, Raw, ls

from ikelab import layers
from ikelab.layers.iana import Notify
from ikelab.layers.message import IKEv2, message
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_IDi, IKEv2_KE, IKEv2_Nonce, IKEv2_VendorID
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform
from ikelab.layers.wire import Wire

INITIATOR, RESPONSE = 0x08, 0x20


def request() -> IKEv2:
    transform = IKEv2_Transform(key_length=128, transform_id="ENCR_AES_CBC")
    payloads = [
        IKEv2_SA(proposal=[IKEv2_Proposal(transform=[transform, IKEv2_Transform()])]),
        IKEv2_KE(group=14, ke=b"public"),
        IKEv2_Nonce(nonce=b"nonce"),
        IKEv2_VendorID(vendorID="FLEXVPN-SUPPORTED"),
        IKEv2_Notify(type=Notify.COOKIE, notify=b"cookie"),
    ]
    return message(payloads, init_SPI=b"initiato", flags=INITIATOR)


def test_show_says_it_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    IKEv2(bytes(request())).show()
    shown = capsys.readouterr().out
    for words in (
        "###[ IKEv2 ]###",
        "exch_type = IKE_SA_INIT",
        "flags     = Initiator",
        "version   = 2.0",
        "|  transform_id= ENCR_AES_CBC",
        "type      = KEY_LENGTH",
        "group     = MODP_2048",
        "(FLEXVPN-SUPPORTED)",
        "type      = COOKIE",
    ):
        assert words in shown, shown


def test_a_summary_is_one_line() -> None:
    assert IKEv2(bytes(request())).summary() == (
        "IKEv2 IKE_SA_INIT request id=0 / SA / KE(MODP_2048) / Nonce / "
        "V(FLEXVPN-SUPPORTED) / N(COOKIE)"
    )
    assert str(IKEv2_IDi(IDtype=2, ID="vpn.example.org")) == "IDi('vpn.example.org')"


def test_repr_command_and_show2() -> None:
    packet = request()
    assert repr(packet).count("<IKEv2") == 10 and repr(packet).endswith(">" * 6)
    assert "group=MODP_2048" in repr(packet)
    names = {name: getattr(layers, name) for name in dir(layers)}
    assert bytes(eval(packet.command(), names)) == bytes(packet)
    assert packet.show2(dump=True) == IKEv2(bytes(packet)).show(dump=True)


def test_the_slash_copies_both_sides() -> None:
    nonce = IKEv2_Nonce(nonce=b"n")
    packet = IKEv2() / nonce / IKEv2_KE(ke=b"k")
    assert packet.payload is not nonce and not nonce.payload
    assert [type(p) for p in packet.payloads] == [IKEv2_Nonce, IKEv2_KE]
    assert (IKEv2() / b"raw").payload == Raw(b"raw")
    assert bytes(IKEv2() / IKEv2_Nonce() / Raw(b"tail")).endswith(b"\0\0\0\4tail")
    assert bytes(IKEv2() / IKEv2_Nonce() / Padding(b"pad")).endswith(b"\0\0\0\4pad")


@pytest.mark.parametrize("clone", [lambda p: p.copy(), copy.deepcopy, pickle.dumps])
def test_copies_are_deep(clone: Any, decoder: ModuleType) -> None:
    for data in [*decoder.seeds(), b"short", bytes(request())]:
        for packet in (IKEv2(data), IKEv2(data)):
            decoder.visit([packet, *packet.payloads])
            other = clone(packet)
            other = pickle.loads(other) if isinstance(other, bytes) else other
            assert other == packet and bytes(other) == data
            for item in [other, *other.payloads]:
                for name, value in item.fields.items():
                    if isinstance(value, list):
                        value.clear()
                    elif isinstance(value, bytes):
                        item.setfieldval(name, value + b"changed")
            assert bytes(packet) == data


def test_a_fresh_packet_is_copied_with_what_is_to_be_computed() -> None:
    packet = request()
    for other in (packet.copy(), pickle.loads(pickle.dumps(packet))):
        assert other == packet
        assert other.length is None and other[IKEv2_SA].proposal[0].trans_nb is None
        other[IKEv2_Nonce].nonce = b"longer nonce"
        assert len(bytes(other)) == len(bytes(packet)) + 7


def test_a_copy_of_a_changed_packet_has_the_change() -> None:
    packet = IKEv2(bytes(request()))
    packet[IKEv2_Transform].transform_id = 999
    changed = bytes(packet)
    assert b"\x03\xe7" in changed
    assert bytes(packet.copy()) == bytes(pickle.loads(pickle.dumps(packet))) == changed


def test_equality_looks_at_everything() -> None:
    assert IKEv2(bytes(request())) == IKEv2(bytes(request()))
    assert IKEv2(bytes(request())) != request()  # lengths there, None here
    other = IKEv2(bytes(request()))
    other[IKEv2_Transform].key_length = 256
    assert IKEv2(bytes(request())) != other
    assert IKEv2_Nonce() != IKEv2_KE() and IKEv2_Nonce() != 1


def test_layers_are_found() -> None:
    packet = IKEv2(bytes(request()))
    assert IKEv2_KE in packet and packet.haslayer("IKEv2_Transform") and IKEv2_IDi not in packet
    assert packet[IKEv2_KE] is packet.payloads[1]
    assert packet.getlayer(IKEv2_Transform, 2).transform_id == 3
    assert packet.getlayer(IKEv2_Notify, type=Notify.COOKIE).notify == b"cookie"
    assert packet.getlayer(IKEv2_Notify, type=1) is None
    assert packet.getlayer(3) is packet[IKEv2_Nonce]
    assert packet.getlayer(99) is None
    assert packet["IKEv2_KE.group"] == 14
    assert packet.lastlayer() is packet.payloads[-1]
    assert packet.payloads[2].firstlayer() is packet
    assert packet.layers() == [IKEv2, IKEv2_SA, IKEv2_KE, IKEv2_Nonce, IKEv2_VendorID, IKEv2_Notify]
    with pytest.raises(IndexError):
        packet[IKEv2_IDi]


def test_fields_below_are_read_and_written_from_above() -> None:
    packet = IKEv2(bytes(request()))
    assert packet.nonce == b"nonce"
    packet.nonce = b"other"
    assert packet[IKEv2_Nonce].nonce == b"other" and b"other" in bytes(packet)
    assert packet.sprintf("%IKEv2.exch_type% %IKEv2_KE.group%") == "IKE_SA_INIT MODP_2048"
    with pytest.raises(AttributeError):
        _ = packet.nonsense
    packet.remark = "anything"
    assert packet.remark == "anything"


def test_layers_can_be_replaced_and_removed() -> None:
    packet = IKEv2(bytes(request()))
    packet[IKEv2_KE].payload = IKEv2_VendorID(vendorID=b"v")
    assert [p.kind for p in packet.payloads] == [33, 34, 43]
    del packet[IKEv2_VendorID]
    assert [p.kind for p in packet.payloads] == [33, 34]
    packet.remove_payload()
    assert bytes(packet) == bytes(packet.copy()) and len(bytes(packet)) == 28


def test_defaults_can_be_hidden_and_fields_deleted() -> None:
    packet = IKEv2(bytes(request()))
    packet.hide_defaults()
    assert "version" not in packet.fields
    del packet[IKEv2_KE].ke
    assert packet[IKEv2_KE].ke == b""


def test_several_values_make_several_packets() -> None:
    packets = list(IKEv2(id=[1, 2, 3]) / IKEv2_Nonce(nonce=b"n"))
    assert [p.id for p in packets] == [1, 2, 3]
    assert [bytes(p)[20:24] for p in packets] == [b"\0\0\0" + bytes([n]) for n in (1, 2, 3)]
    assert list(request()) == [request()]


def test_classes_can_be_listed(packet_class: type[Wire], capsys: Any, make: Any) -> None:
    ls(packet_class)
    ls(make(packet_class))
    assert packet_class.fields_desc[-1].name in capsys.readouterr().out


def _response(**fields: Any) -> IKEv2:
    same = {"init_SPI": b"initiato", "resp_SPI": b"responde", "flags": RESPONSE, "id": 0}
    return IKEv2(bytes(message([IKEv2_Nonce()], **{**same, **fields})))


def test_a_response_answers_its_request() -> None:
    asked = IKEv2(bytes(request()))
    assert _response().answers(asked) and _response() < asked and asked > _response()
    assert _response().hashret() == asked.hashret()
    for other in (
        {"init_SPI": b"another."},
        {"id": 1},
        {"exch_type": 35},
        {"flags": RESPONSE | INITIATOR},
        {"flags": 0},
    ):
        assert not _response(**other).answers(asked), other
    known = IKEv2(bytes(message([], init_SPI=b"i" * 8, resp_SPI=b"r" * 8, flags=INITIATOR)))
    assert not _response(init_SPI=b"i" * 8, resp_SPI=b"x" * 8).answers(known)
    assert _response(init_SPI=b"i" * 8, resp_SPI=b"r" * 8).answers(known)
    assert not asked.answers(asked) and not asked.answers(Raw(b""))


BINDING = """
from scapy.layers.inet import IP, UDP
from ikelab.layers import IKEv2, IKEv2_KE, IKEv2_Nonce
from ikelab.layers.message import bind, message

request = bytes(message([IKEv2_KE(group=19, ke=b"public"), IKEv2_Nonce(nonce=b"nonce")]))
assert IKEv2 not in IP(bytes(IP() / UDP(dport=500, sport=500) / request))
bind()
packet = IP(bytes(IP() / UDP(dport=500, sport=500) / IKEv2(request)))
assert packet[UDP].dport == 500 and packet[IKEv2].exch_type == 34
assert packet.copy() == packet and packet[IKEv2_Nonce].nonce == b"nonce"
floated = bytes(IP() / UDP(dport=4500) / (bytes(4) + request))
assert IP(floated)[IKEv2_KE].ke == b"public"
"""


def test_below_udp_by_binding() -> None:
    # In a process of its own: bindings are Scapy's, for all that runs beside, and so are others'.
    done = subprocess.run(
        [sys.executable, "-c", BINDING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_sixteen_thousand_payloads_need_no_recursion() -> None:
    data = bytes(message([IKEv2_VendorID() for _ in range(16000)]))
    packet = IKEv2(data)
    assert len(packet.payloads) == 16000
    packet.payloads[-1].vendorID = b"last"
    changed = bytes(packet)
    assert len(changed) == len(data) + 4
    for other in (packet.copy(), pickle.loads(pickle.dumps(packet))):
        assert bytes(other) == changed and other == packet
    assert packet.show(dump=True).count("Vendor ID ]###") == 16000
    assert repr(packet).count("<IKEv2_VendorID") == 16000
    assert packet.summary().count("V('')") == 15999
    assert not packet.haslayer(IKEv2_KE) and packet.getlayer(IKEv2_VendorID, 16000).vendorID
    assert len(packet.command()) > 16000
    with pytest.raises(AttributeError):
        _ = packet.nonsense
    packet.clear_cache()
    packet.recompute()
    assert len(bytes(packet)) == len(changed)


def test_a_transform_can_be_made_of_a_post_transform() -> None:
    assert bytes(IKEv2_Nonce(nonce=b"n", post_transform=lambda data: data[::-1])) == b"n\5\0\0\0"
