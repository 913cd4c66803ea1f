"""Messages sorted into SAs and exchanges, and what is said of them, from made-up conversations."""

from __future__ import annotations

import io
import json
import random
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.exchange.negotiate import sa_payload
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.model import Spis, Suite
from ikelab.harness.sk import SkKeys, decrypted, seal
from ikelab.harness.wireshark import IkeRow
from ikelab.layers.encrypted import IKEv2_SKF
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.message import build_payloads, message
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import (
    IKEv2_AUTH,
    IKEv2_Delete,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_VendorID,
)
from ikelab.layers.selectors import IKEv2_TSi, IKEv2_TSr, IPv4TrafficSelector

LEFT, RIGHT = ("10.0.0.1", 500), ("10.0.0.2", 500)
GCM = Suite.parse("aes128gcm16-prfsha256-x25519")
CBC = Suite.parse("aes128-sha256-x25519")
ESP = Suite.parse("aes128gcm16", Protocol.ESP)


@dataclass
class Scene:
    """A conversation being written: frames on a wire, and the keys of its SA."""

    suite: Suite = CBC
    spis: Spis = field(default_factory=lambda: Spis(b"initiate", b"response"))
    frames: list[bytes] = field(default_factory=list)
    noise: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def row(self) -> IkeRow:
        assert self.suite.encr is not None
        octets = 20 if self.suite.aead else 16
        macs = (b"", b"") if self.suite.aead else (b"a" * 32, b"b" * 32)
        keys = (b"e" * octets, b"f" * octets, *macs)
        return IkeRow(self.spis, self.suite.encr, self.suite.integ, *keys)

    def send(
        self,
        exchange: int,
        number: int,
        *payloads: object,
        response: bool = False,
        initiator: bool | None = None,
        ends: tuple[tuple[str, int], tuple[str, int]] | None = None,
        flag: bool | None = None,
    ) -> bytes:
        """A message from either end; sealed unless it is IKE_SA_INIT. The frame is its octets."""
        by_initiator = not response if initiator is None else initiator
        header = {
            "init_SPI": self.spis.i,
            "resp_SPI": self.spis.r,
            "exch_type": exchange,
            "id": number,
            "flags": 8 * (by_initiator if flag is None else flag) | 32 * response,
        }
        if exchange == Exchange.IKE_SA_INIT:
            if not response:
                header["resp_SPI"] = bytes(8)
            data = bytes(message(payloads, **header))
        else:
            packet = message([decrypted(list(payloads))], **header)
            data = seal(packet, self.keys(by_initiator), self.noise.randbytes)
        self.put(data, *(ends or ((LEFT, RIGHT) if by_initiator else (RIGHT, LEFT))))
        return data

    def keys(self, by_initiator: bool) -> SkKeys:
        row = self.row
        e, a = (row.sk_ei, row.sk_ai) if by_initiator else (row.sk_er, row.sk_ar)
        return SkKeys(row.encr, row.integ, e, a)

    def put(self, data: bytes, src: tuple[str, int] = LEFT, dst: tuple[str, int] = RIGHT) -> None:
        """One UDP datagram onto the wire."""
        marker = bytes(4) if 4500 in (src[1], dst[1]) else b""
        udp = struct.pack("!HHHH", src[1], dst[1], 8 + len(marker + data), 0) + marker + data
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        self.frames.append(head + ip_address(src[0]).packed + ip_address(dst[0]).packed + udp)

    def inspect(self, *rows: IkeRow) -> Inspection:
        """What the inspection makes of it, with the right keys if none are given."""
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for number, frame in enumerate(self.frames):
            file += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
        ring = KeyRing()
        for row in rows or (self.row,):
            ring.add(row)
        return inspect_capture(Capture(io.BytesIO(file)), ring)

    def init(self, *extra: object) -> None:
        """IKE_SA_INIT, both messages."""
        for response in (False, True):
            payloads = (sa_payload([self.suite]), IKEv2_KE(group=31, ke=bytes(32)))
            nonce = IKEv2_Nonce(nonce=self.noise.randbytes(32))
            self.send(Exchange.IKE_SA_INIT, 0, *payloads, nonce, *extra, response=response)

    def auth(self) -> None:
        """IKE_AUTH with a first child, both messages."""
        ts = IPv4TrafficSelector(starting_address="10.1.0.0", ending_address="10.1.0.255")
        selectors = (IKEv2_TSi(traffic_selector=[ts]), IKEv2_TSr(traffic_selector=[ts]))
        for response in (False, True):
            who = (IKEv2_IDr if response else IKEv2_IDi)(IDtype=2, ID=b"right" if response else b"")
            spi = b"\0\0\0\2" if response else b"\0\0\0\1"
            proof = IKEv2_AUTH(auth_type=2, load=bytes(32))
            child = sa_payload([ESP], spi)
            self.send(Exchange.IKE_AUTH, 1, who, proof, child, *selectors, response=response)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def shape(result: Inspection) -> list[tuple[str, int, str, bool, bool]]:
    """(exchange, message ID, who began it, request seen, response seen) of the only SA."""
    (sa,) = result.to_json()["ike_sas"]
    return [
        (e["type"], e["message_id"], e["by"], bool(e["request"]), bool(e["response"]))
        for e in sa["exchanges"]
    ]


def test_a_conversation_from_beginning_to_end(scene: Scene) -> None:
    scene.init(IKEv2_VendorID(vendorID=b"FLEXVPN-SUPPORTED"))
    scene.auth()
    scene.send(Exchange.INFORMATIONAL, 0, IKEv2_Delete(proto=3, SPI=[b"\0\0\0\2"]), initiator=False)
    scene.send(Exchange.INFORMATIONAL, 0, response=True, initiator=True)
    result = scene.inspect()
    assert shape(result) == [
        ("IKE_SA_INIT", 0, "initiator", True, True),
        ("IKE_AUTH", 1, "initiator", True, True),
        ("INFORMATIONAL", 0, "responder", True, True),
    ]
    (sa,) = result.to_json()["ike_sas"]
    assert sa["chosen"]["encr"] == {"id": 12, "name": "ENCR_AES_CBC", "key_bits": 128}
    assert sa["chosen"]["integ"]["name"] == "AUTH_HMAC_SHA2_256_128"
    assert sa["chosen"]["ke"]["id"] == 31
    assert sa["chosen"]["addke"] == []
    assert sa["auth"]["responder"]["id"] == "right"
    assert sa["children"][0]["spi_i"] == "00000001"
    assert sa["children"][0]["tsi"] == ["10.1.0.0-10.1.0.255[0/0-65535]"]
    assert {v["name"] for v in sa["vendor_ids"]} == {"FLEXVPN-SUPPORTED"}
    assert (result.decrypted, len(result.sealed)) == (4, 4)
    assert result.violations == []
    json.dumps(result.to_json())


def test_an_aead_suite_has_no_integ(scene: Scene) -> None:
    scene.suite = GCM
    scene.init()
    scene.auth()
    result = scene.inspect()
    assert result.decrypted == 2
    assert result.to_json()["ike_sas"][0]["chosen"]["integ"] is None


def test_retries_after_a_cookie_are_exchanges_of_their_own(scene: Scene) -> None:
    offer = (sa_payload([CBC]), IKEv2_KE(group=31, ke=bytes(32)), IKEv2_Nonce(nonce=bytes(32)))
    cookie = IKEv2_Notify(type=Notify.COOKIE, notify=b"cookie")
    right = scene.spis
    scene.send(Exchange.IKE_SA_INIT, 0, *offer)
    scene.spis = Spis(right.i, bytes(8))
    scene.send(Exchange.IKE_SA_INIT, 0, cookie, response=True)
    scene.spis = right
    scene.send(Exchange.IKE_SA_INIT, 0, cookie, *offer)
    scene.send(Exchange.IKE_SA_INIT, 0, *offer, response=True)
    scene.auth()
    result = scene.inspect()
    assert [s[:2] for s in shape(result)] == [("IKE_SA_INIT", 0)] * 2 + [("IKE_AUTH", 1)]
    assert result.sessions[0].spis == right
    assert result.decrypted == 2


def test_retransmissions_are_counted_and_not_taken_for_new(scene: Scene) -> None:
    scene.init()
    scene.frames += scene.frames[:1] * 2
    scene.auth()
    scene.frames.append(scene.frames[-1])
    result = scene.inspect()
    assert len(shape(result)) == 2
    exchanges = result.to_json()["ike_sas"][0]["exchanges"]
    assert exchanges[0]["request"]["retransmissions"] == 2
    assert exchanges[0]["request"]["frames"] == [1, 3, 4]
    assert exchanges[1]["response"]["retransmissions"] == 1
    assert result.decrypted == 3
    assert "repeated     3 messages" in result.summary()


def test_lost_messages_leave_a_gap(scene: Scene) -> None:
    scene.init()
    scene.auth()
    del scene.frames[1:3]
    result = scene.inspect()
    assert shape(result) == [
        ("IKE_SA_INIT", 0, "initiator", True, False),
        ("IKE_AUTH", 1, "initiator", False, True),
    ]
    assert result.sessions[0].spis == scene.spis
    text = result.summary()
    assert "no response to the request IKE_SA_INIT #0" in text
    assert "no request for IKE_AUTH #1" in text


def test_without_keys_nothing_is_decrypted_and_nobody_accused(scene: Scene) -> None:
    scene.init()
    scene.auth()
    other = IkeRow(Spis(b"somebody", b"else's.."), scene.row.encr, scene.row.integ, b"", b"")
    result = scene.inspect(other)
    assert (result.decrypted, result.refusals) == (0, {"no key": 2})
    assert result.violations == []
    assert "2 messages: no key" in result.summary()


def test_a_changed_message_fails_alone(scene: Scene) -> None:
    scene.init()
    scene.auth()
    scene.send(Exchange.INFORMATIONAL, 2)
    spoilt = bytearray(scene.frames[-1])
    spoilt[-1] ^= 1
    scene.frames[-1] = bytes(spoilt)
    result = scene.inspect()
    assert (result.decrypted, dict(result.refusals)) == (2, {"the ICV does not match": 1})


def test_an_initiator_flag_that_lies_is_seen_through_and_reported(scene: Scene) -> None:
    scene.init()
    scene.auth()
    scene.send(Exchange.INFORMATIONAL, 2, IKEv2_Notify(type=1), flag=False)
    result = scene.inspect()
    assert result.decrypted == 3
    assert [v.rule for v in result.violations] == ["initiator-flag-names-the-original-initiator"]
    assert result.violations[0].frame == 5


def test_what_cannot_be_read_inside_is_counted_and_shown(scene: Scene) -> None:
    scene.init()
    scene.auth()
    scene.send(Exchange.INFORMATIONAL, 2, IKEv2_Notify(type=1, length=200))
    result = scene.inspect()
    assert (result.decrypted, result.malformed) == (3, 1)
    assert "malformed" in result.transcript()


def test_fragments_are_opened_and_put_together(scene: Scene) -> None:
    """RFC 7383 2.5: every fragment has its own IV, padding and ICV."""
    scene.suite = GCM
    scene.init()
    chain = build_payloads([IKEv2_IDi(IDtype=2, ID=b"left"), IKEv2_Nonce(nonce=bytes(range(200)))])
    pieces = [chain[n : n + 80] for n in range(0, len(chain), 80)]
    for number in (2, 1, 3):
        scene.put(_fragment(scene, pieces[number - 1], number, len(pieces)))
    result = scene.inspect()
    assert (result.decrypted, len(result.sealed)) == (3, 3)
    request = result.to_json()["ike_sas"][0]["exchanges"][1]["request"]
    assert [p["name"] for p in request["inner"]] == ["IDi", "Nonce"]
    assert request["frames"] == [3, 4, 5]
    assert result.to_json()["ike_sas"][0]["auth"]["initiator"]["id"] == "left"


def _fragment(scene: Scene, piece: bytes, number: int, total: int) -> bytes:
    from ikelab.harness.crypto.cipher import cipher

    row = scene.row
    box = cipher(row.encr.id, row.encr.key_bits, row.sk_ei)
    first = Payload.IDI if number == 1 else 0
    body = len(piece) + 1 + box.iv_length + box.icv_length
    skf = IKEv2_SKF(
        next_payload=first, length=8 + body, frag_number=number, frag_total=total, load=bytes(body)
    )
    header = {"init_SPI": scene.spis.i, "resp_SPI": scene.spis.r, "id": 1, "flags": 8}
    clear = bytes(message([skf], exch_type=Exchange.IKE_AUTH, **header))[:-body]
    iv = scene.noise.randbytes(box.iv_length)
    return clear + iv + box.encrypt(iv, piece + b"\0", clear)


@pytest.mark.parametrize(
    ("believed", "verdict"),
    [
        ((LEFT, RIGHT), (False, False)),
        ((("192.168.0.9", 500), RIGHT), (True, False)),
        ((("10.0.0.1", 1024), RIGHT), (True, False)),
        ((LEFT, ("192.0.2.1", 500)), (False, True)),
    ],
)
def test_nat_is_found_by_computing_the_hashes_again(
    scene: Scene, believed: tuple[tuple[str, int], tuple[str, int]], verdict: tuple[bool, bool]
) -> None:
    """RFC 7296 2.23; the request's own header has no responder SPI."""
    kinds = (Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP)
    hashes = [
        IKEv2_Notify(type=kind, notify=nat_detection(scene.spis.i, bytes(8), *end))
        for kind, end in zip(kinds, believed, strict=True)
    ]
    scene.send(Exchange.IKE_SA_INIT, 0, sa_payload([CBC]), *hashes)
    (sa,) = scene.inspect().to_json()["ike_sas"]
    assert (sa["nat"]["initiator"], sa["nat"]["responder"]) == verdict


def test_a_translation_behind_the_place_of_capture_shows_in_the_answer(scene: Scene) -> None:
    """Captured before the NAT, only the responder's hash of the destination tells."""
    scene.send(Exchange.IKE_SA_INIT, 0, sa_payload([CBC]))
    seen = nat_detection(scene.spis.i, scene.spis.r, "203.0.113.7", 4000)
    notify = IKEv2_Notify(type=Notify.NAT_DETECTION_DESTINATION_IP, notify=seen)
    scene.send(Exchange.IKE_SA_INIT, 0, sa_payload([CBC]), notify, response=True)
    (sa,) = scene.inspect().to_json()["ike_sas"]
    assert sa["nat"] == {"initiator": True, "responder": None}


def test_a_move_to_port_4500_stays_in_the_same_sa(scene: Scene) -> None:
    scene.init()
    moved = ((LEFT[0], 4500), (RIGHT[0], 4500))
    scene.send(Exchange.IKE_AUTH, 1, IKEv2_IDi(IDtype=2, ID=b"left"), ends=moved)
    result = scene.inspect()
    assert (len(result.sessions), result.decrypted) == (1, 1)


def test_children_that_replace_others(scene: Scene) -> None:
    scene.init()
    scene.auth()
    rekey = IKEv2_Notify(proto=3, type=Notify.REKEY_SA, SPI=b"\0\0\0\1")
    transport = IKEv2_Notify(type=Notify.USE_TRANSPORT_MODE)
    for response in (False, True):
        spi = b"\0\0\0\4" if response else b"\0\0\0\3"
        extra = () if response else (rekey,)
        payloads = (*extra, transport, sa_payload([ESP], spi), IKEv2_Nonce(nonce=bytes(32)))
        scene.send(Exchange.CREATE_CHILD_SA, 2, *payloads, response=response)
    children = scene.inspect().to_json()["ike_sas"][0]["children"]
    assert [c["spi_i"] for c in children] == ["00000001", "00000003"]
    assert [c["replaces"] for c in children] == [None, "00000001"]
    assert [c["mode"] for c in children] == ["tunnel", "transport"]


def test_a_rekeyed_ike_sa_knows_where_it_came_from(scene: Scene) -> None:
    scene.init()
    for response in (False, True):
        spi = b"rekeyed2" if response else b"rekeyed1"
        payloads = (sa_payload([GCM], spi), IKEv2_Nonce(nonce=bytes(32)))
        scene.send(Exchange.CREATE_CHILD_SA, 2, *payloads, response=response)
    old = scene.row
    scene.spis, scene.suite = Spis(b"rekeyed1", b"rekeyed2"), GCM
    scene.send(Exchange.INFORMATIONAL, 0)
    result = scene.inspect(old, scene.row)
    assert result.decrypted == 3
    rekeyed = result.to_json()["ike_sas"][1]
    assert rekeyed["rekeyed_from"] == {"spi_i": old.spis.i.hex(), "spi_r": old.spis.r.hex()}
    assert rekeyed["chosen"]["encr"]["name"] == "ENCR_AES_GCM_16"
    assert "rekeyed from" in result.summary()


def test_two_initiators_with_the_same_spi_are_two_sas(scene: Scene) -> None:
    scene.send(Exchange.IKE_SA_INIT, 0, sa_payload([CBC]))
    other = (("10.9.9.9", 500), RIGHT)
    scene.send(Exchange.IKE_SA_INIT, 0, sa_payload([GCM]), ends=other)
    assert len(scene.inspect().sessions) == 2


def test_stubs_and_other_versions_are_shown_not_sorted(scene: Scene) -> None:
    scene.put(b"\1\2\3")
    scene.put(bytes(range(60)))
    scene.put(bytes(17) + b"\x30" + bytes(30))
    result = scene.inspect()
    assert result.kinds == {"ike": 1, "unknown": 2}
    assert len(result.stubs) == 1
    assert "2 other datagrams" in result.summary()
    assert "frame 1: 3 octets, an IKE header has 28" in result.transcript()


def test_no_octets_make_it_fail(scene: Scene) -> None:
    """Every view of a conversation with any octet of any message changed, cut or added."""
    scene.init()
    scene.auth()
    noise, frames = random.Random(9), list(scene.frames)
    for _ in range(300):
        scene.frames = []
        for frame in frames:
            spoilt = bytearray(frame)
            for _ in range(noise.randrange(4)):
                spoilt[noise.randrange(28, len(spoilt))] = noise.randrange(256)
            scene.frames.append(bytes(spoilt[: noise.choice([None, noise.randrange(28, 200)])]))
        result = scene.inspect()
        json.dumps(result.to_json())
        assert result.summary()
        assert result.transcript() is not None
