"""The exchange that ikelab grew from: two IOS routers, a shared key, four messages, one CHILD_SA.

Our side speaks as the routers of Cisco's walk-through do, to the octet; the peer under test is the
other router. What only a router can send (its own extra payloads) is asserted where the reference
peer stands in for it.
"""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Nat, Suite, selectors
from ikelab.harness.profiles import ios_seed
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Protocol

IKE = "3des-aes128-sha1-modp1024"
CHOSEN = "aes128-sha1-modp1024"
ESP = "3des-sha1"
ALL = "0.0.0.0-255.255.255.255"
KEY = "cisco"
# The routers' addresses are their identities, also where the lab's links are IPv6.
OURS, THEIRS = "10.0.0.1", "10.0.0.2"

INIT_REQUEST = [("SA", 56), ("KE", 136), ("Nonce", 24), ("V", 23), ("V", 21), ("N", 28), ("N", 28)]
INIT_RESPONSE = [
    ("SA", 48), ("KE", 136), ("Nonce", 24), ("V", 23), ("V", 21), ("N", 28), ("N", 28),
    ("CERTREQ", 105), ("N", 8),
]  # fmt: skip
AUTH_REQUEST = [
    ("V", 20), ("IDi", 12), ("AUTH", 28), ("CP", 309), ("SA", 40), ("TSi", 24), ("TSr", 24),
    ("N", 8), ("N", 12), ("N", 8), ("N", 8),
]  # fmt: skip
AUTH_RESPONSE = [
    ("V", 20), ("IDr", 12), ("AUTH", 28), ("SA", 40), ("TSi", 24), ("TSr", 24),
    ("N", 12), ("N", 8), ("N", 8),
]  # fmt: skip
SPOKEN = {
    "nonce_length": 20,
    "send_idr": False,
    "psk": KEY,
    "local_id": OURS,
    "remote_id": THEIRS,
    "ike": [IKE],
    "esp": [ESP],
    "local_ts": ALL,
    "remote_ts": ALL,
}


def start(peer: Tested, **options: object) -> None:
    """The peer as the other router; the reference peer adds a router's extra payloads too."""
    if "plan" in peer.capabilities:
        plans = ios_seed(initiator=True) + ios_seed(initiator=False)
        options["options"] = {"plan": str(plans), "nonce_length": "20", "send_idr": "no"}
    identities = {"local_id": THEIRS, "remote_id": OURS}
    peer.start(psk=KEY, esp=[ESP], local_ts=ALL, remote_ts=ALL, **identities, **options)


def messages(session: Session) -> list[Step]:
    """Each message once: on a slow machine one comes again, the same octets."""
    return list({step.data: step for step in session.transcript}.values())


def shape(session: Session, number: int) -> tuple[int, list[tuple[str, int]]]:
    """(length, payloads with lengths) of a message, those inside SK where it has one."""
    step = messages(session)[number].to_json(number)
    payloads = step["payloads"] if step["inner"] is None else step["inner"]
    return step["length"], [(p["name"], p["length"]) for p in payloads]


def sealed(session: Session, number: int) -> list[tuple[str, int]]:
    """The payloads of a message outside SK."""
    payloads = messages(session)[number].to_json(number)["payloads"]
    return [(p["name"], p["length"]) for p in payloads]


def offered_in(session: Session) -> list[str]:
    """The transforms of the first message's only proposal."""
    [proposal] = messages(session)[0].to_json(0)["payloads"][0]["proposals"]
    return [t["name"] for t in proposal["transforms"]]


def assert_outcome(peer: Tested, sa: Session) -> None:
    """What both routers end up with: suite, no NAT, selectors, SPIs, one child."""
    assert sa.state is State.ESTABLISHED
    assert str(sa.chosen) == CHOSEN
    if "nat-d-honest" in peer.capabilities:
        assert sa.nat == Nat(initiator=False, responder=False)
        assert {s.src[1] for s in sa.transcript} == {500}
    assert len(sa.children) == 1
    assert sa.child.suite.keyed() == Suite.parse(ESP, Protocol.ESP).keyed()
    assert (sa.child.tsi, sa.child.tsr) == (selectors(ALL), selectors(ALL))
    assert len(sa.child.spis.i) == len(sa.child.spis.r) == 4
    assert sa.spis.i != sa.spis.r and any(sa.spis.r)
    assert [s.message.id for s in messages(sa)] == [0, 0, 1, 1]
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("SEED-01", "feature")
@rfc(7296, "1.2")
def test_the_walk_through_with_the_peer_as_second_router(
    peer: Tested, initiator: Initiator
) -> None:
    """Our 344 and 556 octets bring up the IKE SA and the CHILD_SA of the walk-through."""
    start(peer, ike=[CHOSEN])

    sa = initiator.establish(**SPOKEN, plan=ios_seed(initiator=True))

    assert shape(sa, 0) == (344, INIT_REQUEST)
    assert shape(sa, 2) == (556, AUTH_REQUEST)
    assert sealed(sa, 2) == [("SK", 528)]
    assert offered_in(sa) == [
        "ENCR_3DES", "ENCR_AES_CBC", "PRF_HMAC_SHA1", "AUTH_HMAC_SHA1_96", "1024-bit MODP Group"
    ]  # fmt: skip
    if "plan" in peer.capabilities:
        assert shape(sa, 1) == (449, INIT_RESPONSE)
        assert shape(sa, 3) == (252, AUTH_RESPONSE)
        assert sealed(sa, 3) == [("SK", 224)]
        assert "CP" not in [name for name, _ in shape(sa, 3)[1]]
    assert_outcome(peer, sa)


@case("SEED-02", "feature")
@rfc(7296, "1.2")
def test_the_walk_through_with_the_peer_as_first_router(peer: Tested, responder: Responder) -> None:
    """Our 449 and 252 octets answer the peer's request for the same SAs."""
    start(peer, ike=[IKE])
    own = {**SPOKEN, "ike": [CHOSEN], "plan": ios_seed(initiator=False)}
    responder.listen(**own, lenient=True)  # a refusal has not the payloads that are changed

    peer.initiate()
    sa = responder.accept()

    assert shape(sa, 1) == (449, INIT_RESPONSE)
    assert shape(sa, 3) == (252, AUTH_RESPONSE)
    assert sealed(sa, 3) == [("SK", 224)]
    if "plan" in peer.capabilities:
        assert shape(sa, 0) == (344, INIT_REQUEST)
        assert shape(sa, 2) == (556, AUTH_REQUEST)
        assert ("CP", 309) in shape(sa, 2)[1]
    assert_outcome(peer, sa)
