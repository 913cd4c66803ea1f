"""What tests read of CREATE_CHILD_SA. KEYMAT is computed here once more, with nothing but hmac."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise

from crossing import Crossing, assert_agreed, pairs
from talk import events

from ikelab.harness.crypto.keys import ChildKeys
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.events import ChildUp, Refused
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.model import Datagram
from ikelab.layers.iana import Exchange, Notify, Payload

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
