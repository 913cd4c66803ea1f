"""CREATE_CHILD_SA for children: their keys, refusals, modes, extended sequence numbers.

RFC 7296 1.3.1, 1.3.3, 2.8, 2.9.2, 2.17. KEYMAT is computed here once more, with nothing but hmac.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from itertools import pairwise
from typing import Any

import pytest
from crossing import Crossing, assert_agreed, deleted, pairs
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from talk import Talk, events

from ikelab.harness.crypto.keys import ChildKeys
from ikelab.harness.edits import at, drop, insert, notify
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.events import ChildUp, Ignored, Refused
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, Datagram, selectors, suites
from ikelab.layers.iana import Exchange, Ke, Notify, Payload, Protocol, Sn

Flight = list[Datagram]


def prf_plus(key: bytes, seed: bytes, octets: int) -> bytes:
    """RFC 7296 2.13 with PRF_HMAC_SHA2_256."""
    stream, block, n = b"", b"", 1
    while len(stream) < octets:
        block = hmac.digest(key, block + seed + bytes([n]), hashlib.sha256)
        stream, n = stream + block, n + 1
    return stream[:octets]


def keymat(sk_d: bytes, seed: bytes, encr: int, integ: int) -> tuple[bytes, ...]:
    """2.17: the initiator's keys first, and of each direction encryption before integrity."""
    stream = prf_plus(sk_d, seed, 2 * (encr + integ))
    cuts = [0, encr, encr + integ, 2 * encr + integ, 2 * (encr + integ)]
    return tuple(stream[i:j] for i, j in pairwise(cuts))


def keys_of(child: Child | None) -> tuple[bytes, ...]:
    """(encr_i, integ_i, encr_r, integ_r) of a child."""
    assert child is not None and child.keys is not None
    keys: ChildKeys = child.keys
    return keys.encr_i, keys.integ_i, keys.encr_r, keys.integ_r


def nonce(it: Inbound) -> bytes:
    """The nonce of a message."""
    return bytes(it.one(Payload.NONCE).nonce)


def notified(it: Inbound) -> list[int]:
    """The types of a message's notifies."""
    return [int(n.type) for n in it.all(Payload.N)]


def new(sa: IkeSa, before: dict[bytes, Child]) -> Child:
    """The only child that was not there before."""
    [child] = [c for spi, c in sa.children.items() if spi not in before]
    return child


# -- keys ------------------------------------------------------------------------------------

# ESP suite, octets of an encryption key with its salt, octets of an integrity key.
SUITES = [
    ("aes128-sha256", 16, 32),
    ("aes256-sha1", 32, 20),
    ("3des-md5", 24, 16),
    ("aes192-sha512", 24, 64),
    ("aes128gcm16", 20, 0),
    ("aes256gcm16", 36, 0),
    ("chacha20poly1305", 36, 0),
    ("null-sha256", 0, 32),
]


@pytest.mark.parametrize(("esp", "encr", "integ"), SUITES)
@pytest.mark.parametrize("asker", ["a", "b"])
def test_keys_of_a_new_child(esp: str, encr: int, integ: int, asker: str) -> None:
    """2.17: KEYMAT = prf+(SK_d, Ni | Nr); the initiator is who began this exchange."""
    x = Crossing(esp=[esp])
    assert x.a.keys
    first = prf_plus_of_first(x)
    assert keys_of(x.a.child) == keys_of(x.b.child) == keymat(x.a.keys.sk_d, first, encr, integ)

    one, other = (x.a, x.b) if asker == "a" else (x.b, x.a)
    before = dict(one.children), dict(other.children)
    request = x.begin(one.create_child)
    response = x.deliver(request)
    x.settle(response)
    seed = nonce(x.opened(request)) + nonce(x.opened(response))
    made = new(one, before[0]), new(other, before[1])
    assert keys_of(made[0]) == keys_of(made[1]) == keymat(x.a.keys.sk_d, seed, encr, integ)
    assert (made[0].made_by_us, made[1].made_by_us) == (True, False)
    assert_agreed(x.a, x.b)


def prf_plus_of_first(x: Crossing) -> bytes:
    """What KEYMAT of the first child is made of: Ni | Nr of IKE_SA_INIT (2.17)."""
    request, response = [Inbound(s.message) for s in list(x.a.transcript)[:2]]
    return nonce(request) + nonce(response)


@pytest.mark.parametrize("what", ["create_child", "rekey_child"])
@pytest.mark.parametrize("asker", ["a", "b"])
def test_keys_with_forward_secrecy(what: str, asker: str) -> None:
    """2.17: with KE payloads KEYMAT = prf+(SK_d, g^ir (new) | Ni | Nr)."""
    x = Crossing(esp=["aes128gcm16-x25519"])
    assert x.a.keys
    one, other = (x.a, x.b) if asker == "a" else (x.b, x.a)
    wanted = [one.child] if what == "rekey_child" else []
    before = dict(one.children), dict(other.children)
    request = x.begin(getattr(one, what), *wanted)
    waiting = one.window.outstanding
    assert waiting is not None
    private = X25519PrivateKey.from_private_bytes(waiting.context.pair.private)
    assert private.public_key().public_bytes_raw() == bytes(x.opened(request).one(Payload.KE).ke)
    response = x.deliver(request)
    x.settle(response)

    theirs = X25519PublicKey.from_public_bytes(bytes(x.opened(response).one(Payload.KE).ke))
    seed = private.exchange(theirs) + nonce(x.opened(request)) + nonce(x.opened(response))
    made = new(one, before[0]), new(other, before[1])
    assert keys_of(made[0]) == keys_of(made[1]) == keymat(x.a.keys.sk_d, seed, 20, 0)
    assert made[0].suite.ke is not None and made[0].suite.ke.id == Ke.CURVE25519
    assert_agreed(x.a, x.b)


def test_children_of_a_rekeyed_ike_sa_have_keys_of_its_sk_d() -> None:
    """2.18: what is made later comes from the new SK_d; what was inherited keeps its keys."""
    x = Crossing()
    old = keys_of(x.a.child)
    x.settle(x.begin(x.b.rekey))
    [a], [b] = x.live("a"), x.live("b")
    assert keys_of(a.child) == keys_of(b.child) == old
    before = dict(a.children)
    request = x.begin(a.create_child)
    response = x.deliver(request)
    x.settle(response)

    seed = nonce(x.opened(request)) + nonce(x.opened(response))
    assert a.keys and x.a.keys and a.keys.sk_d != x.a.keys.sk_d
    assert keys_of(new(a, before)) == keymat(a.keys.sk_d, seed, 16, 32)
    assert_agreed(a, b)


# -- what is sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("asker", ["a", "b"])
def test_what_a_rekey_says(asker: str) -> None:
    """1.3.3: REKEY_SA names the SPI that the sender expects in inbound ESP, and comes first."""
    x = Crossing(esp=["aes128-sha256-x25519"])
    one, other = (x.a, x.b) if asker == "a" else (x.b, x.a)
    old = one.child
    assert old
    request = x.opened(x.begin(one.rekey_child, old))
    named = request.payloads[0]

    assert (named.type, named.proto, bytes(named.SPI)) == (Notify.REKEY_SA, 3, old.spi_in)
    assert bytes(named.notify) == b"" and old.spi_in == (other.child and other.child.spi_out)
    assert [p.kind for p in request.payloads] == [
        Payload.N, Payload.SA, Payload.NONCE, Payload.KE, Payload.TSI, Payload.TSR,
    ]  # fmt: skip
    assert [len(o.spi) for o in request.offers()] == [4]
    assert request.selectors(Payload.TSI) == old.local_ts
    assert request.selectors(Payload.TSR) == old.remote_ts


def test_a_new_child_has_no_rekey_notify() -> None:
    x = Crossing()
    request = x.begin(x.a.create_child)
    response = x.deliver(request)
    assert [p.kind for p in x.opened(request).payloads] == [
        Payload.SA, Payload.NONCE, Payload.TSI, Payload.TSR,
    ]  # fmt: skip
    assert [p.kind for p in x.opened(response).payloads] == [
        Payload.SA, Payload.NONCE, Payload.TSI, Payload.TSR,
    ]  # fmt: skip
    x.settle(response)
    assert_agreed(x.a, x.b)


def test_a_rekey_asks_for_the_selectors_that_the_child_has() -> None:
    """2.9.2: what was narrowed stays narrowed, in both directions."""
    x = Crossing(b={"remote_ts": ["10.1.7.0/24"], "local_ts": ["10.2.0.0/17"]})
    narrowed = (selectors("10.1.7.0/24"), selectors("10.2.0.0/17"))
    assert x.a.child and (x.a.child.local_ts, x.a.child.remote_ts) == narrowed
    for sa in (x.a, x.b):
        old = sa.child
        x.settle(x.begin(sa.rekey_child, old))
        assert x.a.child and (x.a.child.local_ts, x.a.child.remote_ts) == narrowed
        assert old and sa.child and sa.child.replaces == old.spi_in
        assert_agreed(x.a, x.b)


def test_a_rekey_keeps_algorithms_that_are_not_in_the_policy_any_more() -> None:
    """2.8: the new child should not have other algorithms than the old one."""
    other = suites(["aes256gcm16"], Protocol.ESP)
    x = Crossing(b={"esp": ["aes128-sha256", "aes256gcm16"]})
    before = dict(x.a.children)
    x.settle(x.begin(x.a.create_child, esp=other))
    odd = new(x.a, before)
    assert odd.suite.aead
    x.settle(x.begin(x.a.rekey_child, odd))

    successor = next(c for c in x.a.children.values() if c.replaces == odd.spi_in)
    assert successor.suite == odd.suite
    assert_agreed(x.a, x.b)


def test_spis_are_neither_reserved_nor_taken() -> None:
    """RFC 4303 2.1: 0 to 255 are not for use; an SPI names one inbound SA."""

    class Scripted:
        def __init__(self, inner: Any, spis: list[bytes]) -> None:
            self.inner, self.spis = inner, deque(spis)

        def __call__(self, octets: int) -> bytes:
            return self.spis.popleft() if octets == 4 and self.spis else self.inner(octets)

    x = Crossing()
    taken, free = next(iter(x.a.children)), b"\x00\x00\x01\x00"
    x.a.entropy = Scripted(x.a.entropy, [bytes(4), b"\0\0\0\xff", taken, free])
    at_b = next(iter(x.b.children))
    x.b.entropy = Scripted(x.b.entropy, [b"\0\0\0\1", at_b, b"\x00\x01\x00\x00"])
    x.settle(x.begin(x.a.create_child))

    assert set(x.a.children) == {taken, free}
    assert set(x.b.children) == {at_b, b"\x00\x01\x00\x00"}
    assert_agreed(x.a, x.b)


# -- refusals --------------------------------------------------------------------------------


def refused(x: Crossing, flight: Flight, error: Notify) -> Inbound:
    """Deliver a request that is refused with this one notify; both IKE SAs and children live on."""
    before = pairs(x.a.children.values()), pairs(x.b.children.values())
    asker = x.a if x.opened(flight).from_initiator else x.b
    events(asker)
    answer = x.deliver(flight)
    it = x.opened(answer)
    assert notified(it) == [error] and [p.kind for p in it.payloads] == [Payload.N]
    assert x.deliver(answer) == []
    heard = events(asker)
    assert Refused(Exchange.CREATE_CHILD_SA, it.message_id, error) in heard
    assert not any(isinstance(e, ChildUp) for e in heard)
    assert (pairs(x.a.children.values()), pairs(x.b.children.values())) == before
    assert_agreed(x.a, x.b)
    return it


def test_no_proposal_chosen() -> None:
    """1.3.1 and 2.21.3: an unacceptable offer costs the child, not the IKE SA."""
    x = Crossing()
    other = suites(["aes256gcm16"], Protocol.ESP)
    refused(x, x.begin(x.a.create_child, esp=other), Notify.NO_PROPOSAL_CHOSEN)


def test_ts_unacceptable() -> None:
    """2.9: nothing of what is asked for is allowed."""
    x = Crossing()
    elsewhere = selectors("192.0.2.0/24")
    refused(x, x.begin(x.a.create_child, tsi=elsewhere), Notify.TS_UNACCEPTABLE)
    refused(x, x.begin(x.b.create_child, tsr=elsewhere), Notify.TS_UNACCEPTABLE)


def test_narrowed_to_what_both_allow() -> None:
    """2.9: a subset comes back, and both ends have it."""
    x = Crossing()
    before = dict(x.a.children)
    wide = selectors(["10.1.255.0-10.3.0.0", "2001:db8::/32"])
    x.settle(x.begin(x.a.create_child, tsi=wide, tsr=selectors("10.2.3.4[17/53]")))
    made = new(x.a, before)
    assert made.local_ts == (TS.parse("10.1.255.0/24"),)
    assert made.remote_ts == (TS.parse("10.2.3.4[17/53]"),)
    assert_agreed(x.a, x.b)


def test_no_additional_sas() -> None:
    """1.3: no more children; a rekey adds none and is allowed, and so is one for one that went."""
    x = Crossing(b={"most_children": 2})
    x.settle(x.begin(x.a.create_child))
    refused(x, x.begin(x.a.create_child), Notify.NO_ADDITIONAL_SAS)
    x.settle(x.begin(x.a.rekey_child, x.a.child))
    assert len(x.a.children) == 2
    x.settle(x.begin(x.a.delete_child, x.a.child))
    x.settle(x.begin(x.a.create_child))
    assert len(x.a.children) == 2
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("what", ["rekey_child", "rekey"])
def test_who_rekeys_nothing_refuses_it_with_no_additional_sas(what: str) -> None:
    """4: a minimal implementation may refuse every rekey; the SAs go on."""
    conduct = Talk().i.conduct.but("allow_rekeys")
    x = Crossing(b={"conduct": conduct})
    wanted = [x.a.child] if what == "rekey_child" else []
    refused(x, x.begin(getattr(x.a, what), *wanted), Notify.NO_ADDITIONAL_SAS)
    assert len(x.live("b")) == 1


@pytest.mark.parametrize(
    "edit",
    [
        drop("SK.Nonce"),
        drop("SK.SA"),
        at("SK.Nonce.nonce").truncate(15),
        at("SK.Nonce.nonce").append(bytes(240)),
        at("SK.KE.ke").set(bytes(32)),
        at("SK.KE.ke").truncate(31),
    ],
    ids=str,
)
def test_what_is_no_request_for_a_child_ends_the_ike_sa(edit: Any) -> None:
    """2.21.3: INVALID_SYNTAX is fatal in both peers; 2.10: nonces have 16 to 256 octets."""
    x = Crossing(esp=["aes128-sha256-x25519"])
    answer = x.deliver(x.begin(x.a.create_child, edits=[edit]))
    assert notified(x.opened(answer)) == [Notify.INVALID_SYNTAX]
    x.settle(answer)
    assert x.a.over and x.b.over and not x.a.children and not x.b.children


@pytest.mark.parametrize("octets", [16, 256])
def test_nonces_at_their_bounds(octets: int) -> None:
    x = Crossing(a={"nonce_length": octets})
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey))
    [a], [b] = x.live("a"), x.live("b")
    assert len(a.children) == 2
    assert_agreed(a, b)


@pytest.mark.parametrize(
    "plan",
    [
        "drop('SK.Nonce')",
        "drop('SK.KE')",
        "SK.KE.group = 19",
        "SK.KE.ke = b'short'",
        f"SK.KE.ke = {bytes(32)!r}",
        "SK.SA.proposal[0].transform[2].transform_id = 19",
    ],
)
def test_a_response_that_makes_no_child_makes_none(plan: str) -> None:
    """Nothing is installed with keys that the peer cannot have; the IKE SA goes on."""
    x = Crossing(esp=["aes128-sha256-x25519"], b={"plan": f"CREATE_CHILD_SA/response: {plan}"})
    before = dict(x.a.children)
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey_child, x.a.child))

    assert x.a.children == before and x.a.state is State.ESTABLISHED
    assert len([e for e in events(x.a) if isinstance(e, Ignored)]) == 2
    assert not x.a.collisions.theirs
    x.settle(x.begin(x.a.inform, []))
    assert not x.a.window.waiting


def test_an_answer_without_a_group_is_one_without_ke() -> None:
    """1.3.1: KE is optional; who has no group for children chooses the proposal without."""
    x = Crossing(a={"esp": ["aes128-sha256-x25519", "aes128-sha256"]}, b={"esp": ["aes128-sha256"]})
    before = dict(x.a.children)
    request = x.begin(x.a.create_child)
    response = x.deliver(request)
    assert x.opened(request).has(Payload.KE) and not x.opened(response).has(Payload.KE)
    x.settle(response)

    assert x.a.keys
    seed = nonce(x.opened(request)) + nonce(x.opened(response))
    assert keys_of(new(x.a, before)) == keymat(x.a.keys.sk_d, seed, 16, 32)
    assert_agreed(x.a, x.b)


# -- INVALID_KE_PAYLOAD ----------------------------------------------------------------------


@pytest.mark.parametrize("what", ["create_child", "rekey_child"])
def test_follows_the_group_that_is_asked_for(what: str) -> None:
    """1.3.1: INVALID_KE_PAYLOAD names the group; the request is made again, under the next ID."""
    x = Crossing(esp=["aes128-sha256-x25519-ecp256"], b={"esp": ["aes128-sha256-ecp256"]})
    old = x.a.child
    wanted = [old] if what == "rekey_child" else []
    first = x.begin(getattr(x.a, what), *wanted)
    refusal = x.deliver(first)
    invalid = x.opened(refusal).notify(Notify.INVALID_KE_PAYLOAD)
    assert bytes(invalid.notify) == Ke.ECP_256.to_bytes(2, "big")
    second = x.deliver(refusal)
    one, other = x.opened(first), x.opened(second)

    assert (one.one(Payload.KE).group, other.one(Payload.KE).group) == (31, 19)
    assert other.message_id == one.message_id + 1
    assert [o.suite for o in one.offers()] == [o.suite for o in other.offers()]
    for kind in (Payload.TSI, Payload.TSR):
        assert one.selectors(kind) == other.selectors(kind)
    assert notified(one) == notified(other)
    x.settle(second)
    assert len(x.a.children) == (1 if wanted else 2)
    assert (old is not None and old.spi_in in x.a.children) is not bool(wanted)
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("data", [b"\x00\x02", b"\x00\x00", b"\x13", b""])
def test_does_not_follow_a_group_that_was_not_offered(data: bytes) -> None:
    """1.2, 1.3.1: no downgrade by a group that the initiator never wanted."""
    edit = f"CREATE_CHILD_SA/response: SK.N(INVALID_KE_PAYLOAD).notify = {data!r}"
    x = Crossing(
        esp=["aes128-sha256-x25519-ecp256"],
        b={"esp": ["aes128-sha256-ecp256"], "plan": edit},
    )
    refusal = x.deliver(x.begin(x.a.create_child))
    assert x.deliver(refusal) == []
    assert Refused(Exchange.CREATE_CHILD_SA, 2, Notify.INVALID_KE_PAYLOAD) in events(x.a)
    assert len(x.a.children) == 1 and not x.a.window.waiting


def test_asks_once_more_and_not_for_ever() -> None:
    """Whoever asks for a group over and over gets one other try."""
    edit = "CREATE_CHILD_SA/response: SK.N(INVALID_KE_PAYLOAD).notify = b'\\x00\\x1f'"
    x = Crossing(
        esp=["aes128-sha256-x25519-ecp256"],
        b={"esp": ["aes128-sha256-ecp256"], "plan": edit},
    )
    second = x.deliver(x.deliver(x.begin(x.a.create_child)))
    assert second
    assert x.deliver(x.deliver(second)) == []
    assert len(x.a.children) == 1 and not x.a.window.waiting


def test_a_collision_goes_on_through_a_retry() -> None:
    """2.8.1 counts the nonces of exchanges that made SAs: the retry's, not the refused one's."""
    x = Crossing(esp=["aes128-sha256-x25519-ecp256"], b={"esp": ["aes128-sha256-ecp256"]})
    x.entropy["a"].lead.extend([b"\x01", b"\x80", b"\x90"])  # refused Ni1, Nr1, Ni1 again
    x.entropy["b"].lead.extend([b"\x70", b"\xa0"])  # Ni2, Nr2: B's SA has the lowest
    req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    resp2, refusal = x.deliver(req2), x.deliver(req1)
    again = x.deliver(refusal)
    resp1 = x.deliver(again)
    x.settle(resp1, resp2)

    assert len(x.a.children) == 1 and x.a.child and x.a.child.made_by_us
    assert_agreed(x.a, x.b)


# -- transport mode --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "mode"),
    [
        ("transport", "transport", "transport"),
        ("transport", "tunnel", "tunnel"),
        ("tunnel", "transport", "tunnel"),
        ("tunnel", "tunnel", "tunnel"),
    ],
)
def test_transport_mode_is_asked_for_and_granted(a: str, b: str, mode: str) -> None:
    """1.3.1: the response repeats USE_TRANSPORT_MODE, or the child is in tunnel mode."""
    x = Crossing(a={"mode": a}, b={"mode": b})
    request, response = [Inbound(s.message, s.inner()) for s in list(x.a.transcript)[2:4]]
    assert (Notify.USE_TRANSPORT_MODE in notified(request)) is (a == "transport")
    assert (Notify.USE_TRANSPORT_MODE in notified(response)) is (mode == "transport")
    assert x.a.child and x.a.child.mode == mode

    x.settle(x.begin(x.a.create_child))
    assert [c.mode for c in x.a.children.values()] == [mode, mode]
    assert_agreed(x.a, x.b)


def test_transport_mode_that_nobody_asked_for_is_none() -> None:
    """1.3.1: the notify of the response grants what the request asked for."""
    edit = insert("SK", payload=notify(Notify.USE_TRANSPORT_MODE))
    plan = f"IKE_AUTH/response: {edit}\nCREATE_CHILD_SA/response: {edit}"
    x = Crossing(b={"plan": plan})
    x.settle(x.begin(x.a.create_child))
    assert [c.mode for c in x.a.children.values()] == ["tunnel", "tunnel"]
    assert [c.mode for c in x.b.children.values()] == ["tunnel", "tunnel"]


@pytest.mark.parametrize("asker", ["a", "b"])
@pytest.mark.parametrize(("b", "mode"), [("transport", "transport"), ("tunnel", "tunnel")])
def test_a_rekey_keeps_the_mode(asker: str, b: str, mode: str) -> None:
    """1.3.3: usually the same notifications as in the original exchange."""
    x = Crossing(a={"mode": "transport"}, b={"mode": b})
    sa = x.a if asker == "a" else x.b
    request = x.begin(sa.rekey_child, sa.child)
    assert (Notify.USE_TRANSPORT_MODE in notified(x.opened(request))) is (mode == "transport")
    x.settle(request)
    assert x.a.child and x.b.child and x.a.child.mode == x.b.child.mode == mode
    assert_agreed(x.a, x.b)


# -- extended sequence numbers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "chosen"),
    [
        ("esn", "esn", Sn.ESN),
        ("noesn", "noesn", Sn.NO_ESN),
        ("esn-noesn", "noesn", Sn.NO_ESN),
        ("esn-noesn", "esn", Sn.ESN),
        ("noesn-esn", "esn-noesn", Sn.NO_ESN),
        ("esn-noesn", "noesn-esn", Sn.ESN),
        ("esn", "esn-noesn", Sn.ESN),
        ("esn", "noesn", None),
        ("noesn", "esn", None),
    ],
)
def test_extended_sequence_numbers(a: str, b: str, chosen: Sn | None) -> None:
    """3.3.2, 3.3.3: always negotiated; of two that both allow, the initiator's first one."""
    x = Crossing(a={"esp": [f"aes128-sha256-{a}"]}, b={"esp": [f"aes128-sha256-{b}"]})
    if chosen is None:
        assert not x.a.children and not x.b.children  # 1.2: the IKE SA is there all the same
        refused(x, x.begin(x.a.create_child), Notify.NO_PROPOSAL_CHOSEN)
        return
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey_child, x.a.child))
    assert len(x.a.children) == 2
    for child in (*x.a.children.values(), *x.b.children.values()):
        assert child.suite.sn is not None and child.suite.sn.id == chosen
    assert_agreed(x.a, x.b)


def test_each_child_goes_on_its_own() -> None:
    """Deleting one of several leaves the others as they are."""
    x = Crossing()
    for _ in range(3):
        x.settle(x.begin(x.a.create_child))
    doomed = list(x.a.children.values())[1]
    request = x.begin(x.a.delete_child, doomed)
    answer = x.deliver(request)
    assert deleted(x.opened(request)) == [doomed.spi_in]
    assert deleted(x.opened(answer)) == [doomed.spi_out]
    x.settle(answer)
    assert len(x.a.children) == 3 and doomed.spi_in not in x.a.children
    assert_agreed(x.a, x.b)
