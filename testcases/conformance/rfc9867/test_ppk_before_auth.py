"""Post-quantum preshared keys that are named in IKE_INTERMEDIATE, before IKE_AUTH (RFC 9867)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.features import Ppk
from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.conformance.ppk import (
    KEY,
    UNKNOWN,
    WRONG,
    early,
    same_keys,
    told,
    turned_away,
)

PLAIN = "aes128-sha256-x25519"
HYBRID = f"{PLAIN}-ke1_mlkem768"


def taken(sa: Session) -> list[bytes]:
    """The PPK_IDENTITY that the peer's responses of IKE_INTERMEDIATE hold."""
    came = [s for s in sa.received() if s.message.exch_type == Exchange.IKE_INTERMEDIATE]
    inner = [p for s in came if int(s.message.flags) & RESPONSE for p in s.inner() or []]
    return [bytes(p.notify) for p in inner if p.kind == Payload.N and p.type == Notify.PPK_IDENTITY]


@case("PQ-16", "feature")
@rfc(9867, "3.1")
@pytest.mark.parametrize("ike", [PLAIN, HYBRID])
def test_mixes_the_key_in_before_authentication(
    peer: Tested, initiator: Initiator, ike: str
) -> None:
    """The last IKE_INTERMEDIATE names the key, and IKE_AUTH is under it."""
    peer.start(ike=[ike], features=told(KEY, must=True, early=True))

    sa = initiator.establish(ike=[ike], features=early(peer, KEY, must=True))

    assert taken(sa) == [bytes([KEY.kind]) + KEY.id], f"the key is not named\n{sa}"
    same_keys(peer, sa)


@case("PQ-16", "feature")
@rfc(9867, "3.1")
def test_takes_the_key_that_it_has(peer: Tested, initiator: Initiator) -> None:
    """Of several names the one that both sides have is taken."""
    peer.start(features=told(KEY, early=True))

    sa = initiator.establish(features=early(peer, UNKNOWN, KEY))

    assert taken(sa) == [bytes([KEY.kind]) + KEY.id], f"{sa}"
    same_keys(peer, sa)


@case("PQ-16", "feature")
@rfc(9867, "3.1")
@pytest.mark.parametrize("key", [UNKNOWN, WRONG], ids=["unknown", "another of that name"])
def test_goes_on_without_a_key_that_does_not_fit(
    peer: Tested, initiator: Initiator, key: Ppk
) -> None:
    """A name that is unknown, or whose confirmation is another's: no key, and the IKE SA is up."""
    peer.start(features=told(KEY, early=True))

    sa = initiator.establish(features=early(peer, key))

    assert taken(sa) == [], f"it takes a key that it does not have\n{sa}"
    same_keys(peer, sa)


@case("PQ-16", "feature")
@rfc(9867, "3.1")
def test_insists_on_its_key_before_authentication(peer: Tested, initiator: Initiator) -> None:
    """Who insists on a key lets nobody in who does not have it."""
    peer.start(features=told(KEY, must=True, early=True))

    sa = initiator.init(features=early(peer, WRONG))

    turned_away(peer, sa)


@case("PQ-16", "feature")
@rfc(9867, "3.1")
def test_names_its_key_before_authentication(peer: Tested, responder: Responder) -> None:
    """As initiator it names its key in IKE_INTERMEDIATE, and IKE_AUTH is under it."""
    peer.start(features=told(KEY, must=True, early=True))
    responder.listen(features=early(peer, KEY, must=True))

    peer.initiate()
    sa = responder.accept()

    assert sa.sa.mixing.used == KEY and sa.sa.mixing.early, f"the key is not in use\n{sa}"
    same_keys(peer, sa)
