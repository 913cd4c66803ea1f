"""CREATE_CHILD_SA for children: their keys, and what is said (RFC 7296 1.3.1, 1.3.3, 2.17)."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from crossing import Crossing, assert_agreed
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import selectors, suites
from ikelab.layers.iana import Ke, Notify, Payload, Protocol
from tests.harness.exchange.children import keymat, keys_of, new, nonce

# -- keys --------------------------------------------------------------------------------------

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


# -- what is sent ------------------------------------------------------------------------------


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
