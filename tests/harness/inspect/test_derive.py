"""Keys that follow from others, proved by opening what only they open."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import pytest

from ikelab.harness.crypto import ke
from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.frames import packet
from ikelab.harness.inspect.authcheck import proofs
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.model import Datagram
from ikelab.harness.wireshark import IkeRow, esp_rows
from tests.harness.talk import Talk


class Heard:
    """A conversation with a tap on the wire, and the private values that were drawn for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wire: list[Datagram] = []
        self.pairs: list[ke.KeyPair] = []
        made = ke.generate

        def generate(group: int, entropy: ke.Entropy) -> ke.KeyPair:
            self.pairs.append(made(group, entropy))
            return self.pairs[-1]

        monkeypatch.setattr(ke, "generate", generate)
        self.talk = Talk(out=self.tap, back=self.tap)

    def tap(self, datagram: Datagram) -> Datagram:
        self.wire.append(datagram)
        return datagram

    def inspect(self, ring: KeyRing) -> Inspection:
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for number, datagram in enumerate(self.wire):
            data = packet(datagram)
            file += struct.pack("<IIII", number, 0, len(data), len(data)) + data
        return inspect_capture(Capture(io.BytesIO(file)), ring)

    def esp(self, spi: bytes) -> None:
        """An ESP packet, so that somebody wants the keys of its SA."""
        data = spi + bytes(60)
        self.wire.append(Datagram(data, ("10.0.0.1", 0), ("10.0.0.2", 0), 0.0, 50))

    def secret(self, number: int = 0) -> bytes:
        """g^ir of the exchange that drew pairs `2 n` and `2 n + 1`."""
        return self.pairs[2 * number].shared(self.pairs[2 * number + 1].public)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(monkeypatch)


@pytest.mark.parametrize("side", [0, 1])
def test_a_private_value_of_either_end_opens_the_ike_sa(heard: Heard, side: int) -> None:
    heard.talk.up()
    found = heard.inspect(KeyRing(privates=[b"\x01" * 32, heard.pairs[side].private]))
    assert (found.decrypted, len(found.sealed)) == (2, 2)
    (session,) = found.sessions
    assert [p.verified for p in proofs(session, [b"a secret"])] == [True, True]
    assert [p.verified for p in proofs(session, [b"another one"])] == [False, False]


def test_a_shared_secret_opens_it_and_a_wrong_one_does_not(heard: Heard) -> None:
    heard.talk.up()
    assert heard.inspect(KeyRing(shared=[heard.secret()])).decrypted == 2
    wrong = heard.inspect(KeyRing(shared=[bytes(32)]))
    assert (wrong.decrypted, len(wrong.sealed)) == (0, 2)
    both = heard.inspect(KeyRing(shared=[bytes(32), heard.secret()]))
    assert both.decrypted == 2
    # The wrong candidate is no key of this SA: nobody is accused of an AUTH that does not verify.
    assert [p.verified for p in proofs(both.sessions[0], [b"a secret"])] == [True, True]


def test_sk_d_and_a_secret_open_what_an_ike_sa_is_rekeyed_to(heard: Heard) -> None:
    talk = heard.talk.up()
    first = IkeRow.of(talk.i.spis, talk.i.keys)
    talk.i.rekey(talk.now)
    talk.carry()
    successor = talk.i.successor
    assert successor is not None
    successor.inform([], talk.now)
    for datagram in map(heard.tap, successor.datagrams(talk.now)):
        talk.listener.receive(datagram, talk.now)
    ring = KeyRing(shared=[heard.secret(1)])
    ring.add(first)
    found = heard.inspect(ring)
    assert [(s.spis, all(m.opened for m in s.messages if m.sealed)) for s in found.sessions] == [
        (talk.i.spis, True),
        (successor.spis, True),
    ]
    ring.shared.clear()
    assert heard.inspect(ring).refusals == {"no key": 1}


def test_sk_d_gives_the_keys_of_children(heard: Heard) -> None:
    talk = heard.talk.up()
    first = talk.i.child
    assert first is not None
    talk.i.rekey_child(first, talk.now)
    talk.carry()
    second = talk.i.child
    assert second is not None and second.spis != first.spis
    for child in (first, second):
        heard.esp(child.spi_in)
    ring = KeyRing()
    ring.add(IkeRow.of(talk.i.spis, talk.i.keys))
    heard.inspect(ring)
    for child in (first, second):
        assert child.keys is not None
        for row in esp_rows(child.keys, child.spis, "10.0.0.1", "10.0.0.2"):
            assert row in ring.esp
    blind = KeyRing()
    blind.add(replace(IkeRow.of(talk.i.spis, talk.i.keys), sk_d=b""))
    heard.inspect(blind)
    assert blind.esp == []


def test_a_child_with_forward_secrecy_keeps_its_keys(heard: Heard) -> None:
    """PFS: SK_d alone is not enough, and nothing wrong is derived from it."""
    talk = heard.talk
    talk = Talk(out=heard.tap, back=heard.tap, esp=["aes128-sha256-x25519"]).up()
    heard.talk = talk
    child = talk.i.child
    assert child is not None
    talk.i.rekey_child(child, talk.now)
    talk.carry()
    second = talk.i.child
    assert second is not None
    heard.esp(second.spi_in)
    row = IkeRow.of(talk.i.spis, talk.i.keys)
    ring = KeyRing()
    ring.add(row)
    heard.inspect(ring)
    assert ring.esp == []
    helped = KeyRing(privates=[heard.pairs[-1].private])
    helped.add(row)
    heard.inspect(helped)
    assert second.keys is not None
    assert set(esp_rows(second.keys, second.spis, "10.0.0.1", "10.0.0.2")) == set(helped.esp)


def test_the_rows_of_a_key_generation_open_their_own_messages(heard: Heard) -> None:
    """Two keys for one pair of SPIs, as after an IKE_INTERMEDIATE with a key exchange."""
    talk = heard.talk.up()
    right = IkeRow.of(talk.i.spis, talk.i.keys)
    other = replace(right, sk_ei=bytes(16), sk_ai=bytes(32))
    for rows in ([right, other], [other, right]):
        ring = KeyRing()
        for row in rows:
            ring.add(row)
        found = heard.inspect(ring)
        assert found.decrypted == 2


PPK = Ppk(b"ours", bytes(range(32)))


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("ike", ["aes128-sha256-x25519", "aes128-sha256-x25519-ke1_ecp256"])
def test_a_preshared_key_is_mixed_in_where_it_is_used(heard: Heard, early: bool, ike: str) -> None:
    """RFC 8784: AUTH and the children are under it. RFC 9867: all of IKE_AUTH is."""
    told = {"features": Features(ppks=(PPK,), ppk_early=early)}
    talk = heard.talk = Talk(out=heard.tap, back=heard.tap, ike=[ike], i=told, r=told).up()
    child = talk.i.child
    assert child is not None and child.keys is not None
    heard.esp(child.spi_in)
    ring = KeyRing(privates=[p.private for p in heard.pairs], ppks={PPK.id: PPK.key})

    found = heard.inspect(ring)

    assert (found.decrypted, len(found.sealed)) == (len(found.sealed), len(found.sealed))
    assert set(esp_rows(child.keys, child.spis, "10.0.0.1", "10.0.0.2")) <= set(ring.esp)
    if ike.endswith("x25519") and not early:  # RFC 9242: of the others AUTH is not checked
        proven = proofs(found.sessions[0], [b"a secret"])
        assert [p.verified for p in proven] == [True, True]


@pytest.mark.parametrize("ppks", [{}, {b"another": PPK.key}])
def test_without_it_nothing_wrong_is_told_of_the_children(
    heard: Heard, ppks: dict[bytes, bytes]
) -> None:
    told = {"features": Features(ppks=(PPK,))}
    talk = heard.talk = Talk(out=heard.tap, back=heard.tap, i=told, r=told).up()
    child = talk.i.child
    assert child is not None and child.keys is not None
    heard.esp(child.spi_in)
    ring = KeyRing(privates=[p.private for p in heard.pairs], ppks=ppks)

    found = heard.inspect(ring)

    assert found.decrypted == 2
    assert ring.esp == []
    assert [p.verified for p in proofs(found.sessions[0], [b"a secret"])] == [None, None]
