"""Rekeying the IKE SA: its keys, its counters, what it inherits, what is refused.

RFC 7296 1.3.2, 2.8, 2.18. The keys are computed here once more, with nothing but hmac.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from crossing import Crossing, assert_agreed, deleted
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from talk import events

from ikelab.harness.crypto.keys import IkeKeys
from ikelab.harness.edits import at, drop
from ikelab.harness.exchange.events import Closed, Ignored, Refused, Rekeyed
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite, suites
from ikelab.layers.iana import Exchange, Ke, Notify, Payload, Protocol

SHA256, SHA512 = "aes128-sha256-x25519", "aes256-sha512-x25519"
GCM384 = "aes256gcm16-prfsha384-x25519"
# Suite: hash of its PRF, octets of SK_a, octets of SK_e with the salt.
LENGTHS = {
    SHA256: ("sha256", 32, 16),
    SHA512: ("sha512", 64, 32),
    GCM384: ("sha384", 0, 36),
}


def derived(
    old: str, new: str, sk_d: bytes, shared: bytes, nonces: bytes, spis: bytes
) -> list[bytes]:
    """2.18: SKEYSEED by the old PRF, the seven keys by the new one, in the order of 2.14."""
    seed = hmac.digest(sk_d, shared + nonces, LENGTHS[old][0])
    name, integ, encr = LENGTHS[new]
    own = hashlib.new(name).digest_size
    lengths = [own, integ, integ, encr, encr, own, own]
    stream, block, n = b"", b"", 1
    while len(stream) < sum(lengths):
        block = hmac.digest(seed, block + nonces + spis + bytes([n]), name)
        stream, n = stream + block, n + 1
    keys = []
    for length in lengths:
        keys.append(stream[:length])
        stream = stream[length:]
    return keys


def seven(keys: IkeKeys | None) -> list[bytes]:
    """The keys in the order of 2.14."""
    assert keys is not None
    return [keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr]


def ends(x: Crossing) -> tuple[IkeSa, IkeSa]:
    """The only IKE SA that is alive, at both ends, in agreement."""
    [a], [b] = x.live("a"), x.live("b")
    assert_agreed(a, b)
    return a, b


@pytest.mark.parametrize("asker", ["a", "b"])
@pytest.mark.parametrize("old", LENGTHS)
@pytest.mark.parametrize("new", LENGTHS)
def test_keys_of_a_rekeyed_ike_sa(asker: str, old: str, new: str) -> None:
    """2.18: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the PRF of the old IKE SA."""
    x = Crossing(ike=[old])
    for sa in (x.a, x.b):
        sa.config = replace(sa.config, ike=suites([new]))
    one = x.a if asker == "a" else x.b
    assert one.keys
    request = x.begin(one.rekey)
    waiting = one.window.outstanding
    assert waiting
    private = X25519PrivateKey.from_private_bytes(waiting.context.pair.private)
    response = x.deliver(request)
    x.settle(response)
    a, b = ends(x)

    asked, answered = x.opened(request), x.opened(response)
    public = X25519PublicKey.from_public_bytes(bytes(answered.one(Payload.KE).ke))
    nonces = b"".join(bytes(m.one(Payload.NONCE).nonce) for m in (asked, answered))
    spis = asked.offers()[0].spi + answered.offers()[0].spi
    expected = derived(old, new, one.keys.sk_d, private.exchange(public), nonces, spis)
    assert seven(a.keys) == seven(b.keys) == expected
    assert a.spi_i + a.spi_r == spis
    assert a.chosen == Suite.parse(new)


@pytest.mark.parametrize("asker", ["a", "b"])
def test_what_a_rekey_says(asker: str) -> None:
    """1.3.2: SA with an SPI of eight octets, Ni, KEi, and no selectors; the same in the answer."""
    x = Crossing()
    one = x.a if asker == "a" else x.b
    request = x.begin(one.rekey)
    response = x.deliver(request)
    for flight in (request, response):
        it = x.opened(flight)
        assert [p.kind for p in it.payloads] == [Payload.SA, Payload.NONCE, Payload.KE]
        assert [len(o.spi) for o in it.offers()] == [8] and any(it.offers()[0].spi)
        assert it.offers()[0].suite.protocol == Protocol.IKE
        assert bytes(it.message.init_SPI) == x.a.spi_i  # the header is the old SA's
    assert x.opened(request).from_initiator is (asker == "a")
    x.settle(response)
    ends(x)


@pytest.mark.parametrize("asker", ["a", "b"])
def test_who_rekeys_is_the_original_initiator_of_the_new_sa(asker: str) -> None:
    """1.3.2: roles and flags follow the rekey exchange, message IDs begin at 0."""
    x = Crossing()
    old = x.a if asker == "a" else x.b
    x.settle(x.begin(x.a.inform, []), x.begin(x.b.inform, []))
    before = old.window.next_request
    request = x.begin(old.rekey)
    delete = x.deliver(x.deliver(request))
    assert x.opened(request).message_id == before
    assert x.opened(delete).message_id == before + 1  # the old SA keeps its numbering
    assert bytes(x.opened(delete).message.init_SPI) == x.a.spi_i
    x.settle(delete)

    a, b = ends(x)
    one, other = (a, b) if asker == "a" else (b, a)
    assert one.initiator and not other.initiator
    for sa, flag in ((one, True), (other, False)):
        ask = x.begin(sa.inform, [])
        answer = x.deliver(ask)
        assert x.opened(ask).message_id == x.opened(answer).message_id == 0
        assert x.opened(ask).from_initiator is flag
        assert x.opened(answer).from_initiator is not flag
        x.settle(answer)
    assert one.window.next_request == other.window.next_request == 1


def test_children_are_inherited_as_they_are() -> None:
    """2.8: the new IKE SA has all children, with their SPIs and keys, and can delete them."""
    x = Crossing()
    for _ in range(2):
        x.settle(x.begin(x.b.create_child))
    children = dict(x.a.children), dict(x.b.children)
    x.settle(x.begin(x.a.rekey))
    a, b = ends(x)
    assert (a.children, b.children) == children
    assert not x.a.children and not x.b.children

    doomed = next(iter(b.children.values()))
    answer = x.deliver(x.begin(b.delete_child, doomed))
    assert deleted(x.opened(answer)) == [doomed.spi_out]
    x.settle(answer)
    x.settle(x.begin(a.rekey_child, a.child))
    a, b = ends(x)
    assert len(a.children) == 2


def test_the_end_of_the_old_sa_takes_nothing_with_it() -> None:
    """1.4.1 deletes the children of a closed IKE SA: those that moved are not its any more."""
    x = Crossing()
    x.settle(x.begin(x.a.rekey))
    assert x.a.over and x.b.over and x.a.state is x.b.state is State.CLOSED
    assert Closed("deleted by us") in events(x.a) and Closed("deleted by the peer") in events(x.b)
    a, _ = ends(x)
    assert len(a.children) == 1


def test_generations() -> None:
    """Rekeyed by turns: every SPI and key is new, the peer stays who it is."""
    x = Crossing()
    a, b = x.a, x.b
    seen = {a.spi_i, a.spi_r}
    keys = set(seven(a.keys))
    for n in range(6):
        x.settle(x.begin((a if n % 2 else b).rekey))
        a, b = ends(x)
        assert seen.isdisjoint({a.spi_i, a.spi_r}) and keys.isdisjoint(seven(a.keys))
        seen |= {a.spi_i, a.spi_r}
        keys |= set(seven(a.keys))
        assert a.peer_id == x.a.peer_id and b.peer_id == x.b.peer_id
    assert len(seen) == 14


def test_the_owner_hears_of_the_successor() -> None:
    x = Crossing()
    x.settle(x.begin(x.a.rekey))
    a, b = ends(x)
    for old, new in ((x.a, a), (x.b, b)):
        assert old.successor is new
        assert Rekeyed(new.spi_i, new.spi_r) in events(old)


def test_invalid_ke_payload_is_followed() -> None:
    """1.3.2, 1.2: the group that is asked for, if it was offered, in a new request."""
    x = Crossing(
        ike=["aes128-sha256-x25519-ecp256"],
        b={"ike": ["aes128-sha256-x25519-ecp256"]},
    )
    x.b.config = replace(x.b.config, ike=suites(["aes128-sha256-ecp256"]))
    refusal = x.deliver(x.begin(x.a.rekey))
    invalid = x.opened(refusal).notify(Notify.INVALID_KE_PAYLOAD)
    assert bytes(invalid.notify) == Ke.ECP_256.to_bytes(2, "big")
    assert len(x.live("b")) == 1
    again = x.deliver(refusal)
    it = x.opened(again)
    assert it.one(Payload.KE).group == Ke.ECP_256 and it.message_id == 3
    x.settle(again)
    a, _ = ends(x)
    assert a.chosen and a.chosen.ke and a.chosen.ke.id == Ke.ECP_256 and len(a.children) == 1

    x.settle(x.begin(a.rekey))  # the group in use is the one to begin with
    a, _ = ends(x)
    assert a.chosen and a.chosen.ke and a.chosen.ke.id == Ke.ECP_256


def test_no_proposal_chosen_leaves_the_old_sa() -> None:
    x = Crossing()
    x.b.config = replace(x.b.config, ike=suites([GCM384]))
    x.settle(x.begin(x.a.rekey))
    assert Refused(Exchange.CREATE_CHILD_SA, 2, Notify.NO_PROPOSAL_CHOSEN) in events(x.a)
    a, _ = ends(x)
    assert a is x.a and len(a.children) == 1


@pytest.mark.parametrize(
    "edit",
    [
        at("SK.KE.ke").set(bytes(32)),
        at("SK.KE.ke").truncate(31),
        at("SK.SA.proposal[0].SPI").set(bytes(8)),
        at("SK.SA.proposal[0].SPI").set(b"four"),
        drop("SK.Nonce"),
        at("SK.Nonce.nonce").truncate(15),
    ],
    ids=str,
)
def test_a_broken_rekey_ends_the_ike_sa(edit: Any) -> None:
    """2.21.3: INVALID_SYNTAX, and that is the end of it on both sides."""
    x = Crossing()
    answer = x.deliver(x.begin(x.a.rekey, edits=[edit]))
    assert x.opened(answer).errors() == [Notify.INVALID_SYNTAX]
    x.settle(answer)
    assert x.live("a") == x.live("b") == []


def test_a_rekey_without_ke_is_asked_for_one() -> None:
    """1.3.2: KEi is a must; who leaves it out is told the group."""
    x = Crossing()
    answer = x.deliver(x.begin(x.a.rekey, edits=[drop("SK.KE")]))
    assert x.opened(answer).errors() == [Notify.INVALID_KE_PAYLOAD]
    assert len(x.live("b")) == 1
    x.settle(answer)
    a, _ = ends(x)
    assert len(a.children) == 1


@pytest.mark.parametrize(
    "edit",
    [
        "drop('SK.Nonce')",
        "drop('SK.KE')",
        "SK.KE.ke = b'short'",
        f"SK.KE.ke = {bytes(32)!r}",
        "SK.SA.proposal[0].SPI = b'four'",
        "SK.SA.proposal[0].transform[0].transform_id = 250",
        "SK.SA.proposal[0].transform[0].transform_type = 2",
        "SK.SA.proposal[0].transform[2].transform_id = 250",
        "SK.SA.proposal[0].transform[3].transform_id = 250",
        "SK.SA.proposal[0].transform = []",
        "SK.SA.proposal = []",
    ],
)
def test_a_response_that_makes_no_ike_sa_makes_none(edit: str) -> None:
    """Whatever comes, nothing is raised, and the old SA goes on with its children."""
    x = Crossing(b={"plan": f"CREATE_CHILD_SA/response: {edit}"})
    x.settle(x.begin(x.a.rekey))
    assert len(x.live("a")) == 1 and not x.a.over
    assert len(x.a.children) == 1 and x.a.successor is None
    assert [e for e in events(x.a) if isinstance(e, Ignored | Refused)]
    x.settle(x.begin(x.a.inform, []))
    assert not x.a.window.waiting


def test_a_nat_and_its_keepalives_go_over() -> None:
    """2.23: the successor lives on the same ports and keeps the same mapping; the old one rests."""
    x = Crossing(local=("10.0.0.1", 4500), remote=("10.0.0.2", 4500))
    x.a.keepalive_due = x.now + 20.0
    delete = x.deliver(x.deliver(x.begin(x.a.rekey)))
    assert not x.a.over and x.a.keepalive_due is None
    x.settle(delete)
    a, b = ends(x)
    assert (a.local, a.remote, a.nat) == (x.a.local, x.a.remote, x.a.nat)
    assert (b.local, b.remote) == (x.b.local, x.b.remote)
    assert a.keepalive_due is not None
    x.settle(x.begin(a.inform, []))
    assert not a.window.waiting
