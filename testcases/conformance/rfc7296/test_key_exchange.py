"""Public values and nonces of IKE_SA_INIT (RFC 7296 2.10, 2.12, 3.4, 3.9, RFC 6989, RFC 8031)."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.bad_public import bad_public
from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload

MODP, ECP, X25519 = "aes128-sha256-modp2048", "aes128-sha256-ecp256", "aes128-sha256-x25519"
GROUPS = {MODP: 14, ECP: 19, X25519: 31}
RUNS = 40  # IKE SAs whose nonces and public values are compared
WAIT = 0.8  # seconds of silence that stand for "no answer"


@case("INIT-21")
@rfc(7296, "2.10", "3.9")
@pytest.mark.parametrize("octets", [16, 256])
def test_takes_nonces_of_every_allowed_length(
    peer: Tested, initiator: Initiator, octets: int
) -> None:
    """Nonces have 16 to 256 octets; the shortest and the longest are as good as any."""
    peer.start()

    sa = initiator.establish(nonce_length=octets)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("INIT-21", "policy")
@rfc(7296, "2.10", "3.9")
@pytest.mark.parametrize("octets", [0, 15, 257])
def test_survives_nonces_of_other_lengths(peer: Tested, initiator: Initiator, octets: int) -> None:
    """A nonce that is too short or too long does no harm; what becomes of it is recorded.

    RFC 7296 3.9 binds the sender; it does not tell a responder to count the octets.
    """
    peer.start()
    sa = initiator.session(nonce_length=octets)

    reply = sa.init(patience=WAIT)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-22")
@rfc(7296, "2.10", "3.9")
def test_never_repeats_a_nonce(peer: Tested, initiator: Initiator) -> None:
    """Nonces are random and never used again, and at least half as long as the PRF's key."""
    peer.start(ike=[X25519])
    nonces = []
    for _ in range(RUNS):
        sa = initiator.init(ike=[X25519])
        assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
        assert sa.violations == []
        nonces.append(bytes(sa.reply.one(Payload.NONCE).nonce))

    assert len(set(nonces)) == RUNS, f"of {RUNS} nonces {RUNS - len(set(nonces))} came again"


@case("INIT-26", "policy")
@rfc(7296, "2.12")
def test_may_repeat_its_public_value(peer: Tested, initiator: Initiator) -> None:
    """Whether public values come again is the peer's own decision: it is recorded.

    Who reuses them has to test what it receives (RFC 6989 2); INIT-24 shows whether it does.
    """
    peer.start(ike=[ECP])
    values = []
    for _ in range(8):
        sa = initiator.init(ike=[ECP])
        assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
        values.append(bytes(sa.reply.one(Payload.KE).ke))

    fresh = len(set(values))
    peer.observe("a fresh public value each time" if fresh == 8 else f"{8 - fresh} of 8 repeated")


@case("INIT-23", "policy")
@rfc(7296, "3.4")
@pytest.mark.parametrize("suite", [MODP, ECP, X25519])
@pytest.mark.parametrize("length", ["empty", "short", "long"])
def test_survives_a_public_value_of_another_length(
    peer: Tested, initiator: Initiator, suite: str, length: str
) -> None:
    """A public value that is too short or too long does no harm; its fate is recorded.

    RFC 7296 3.4 prescribes the length to the sender and no test to the receiver.
    """
    peer.start(ike=[suite])
    sa = initiator.session(ike=[suite])

    value = bad_public(GROUPS[suite], length)
    reply = sa.init(edits=[at("KE.ke").set(value)], patience=WAIT)

    peer.observe(reply.outcome)
    assert initiator.probe(ike=[suite]), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-24", "SHOULD")
@rfc(6989, "2.1", "2.3", "2.5")
@pytest.mark.parametrize(
    ("suite", "value"),
    [
        (MODP, "zero"),
        (MODP, "one"),
        (MODP, "p-1"),
        (MODP, "p"),
        (ECP, "off-curve"),
        (ECP, "off-by-one"),
        (ECP, "order-2"),
        (ECP, "p"),
    ],
)
def test_uses_no_public_value_outside_its_group(
    peer: Tested, initiator: Initiator, suite: str, value: str
) -> None:
    """A message with a public value that is not in the group makes no IKE SA.

    RFC 6989 2 recommends the test to all and demands it of those that reuse their private keys.
    """
    peer.start(ike=[suite])
    sa = initiator.session(ike=[suite])

    edit = at("KE.ke").set(bad_public(GROUPS[suite], value))
    reply = sa.init(edits=[edit], patience=WAIT)

    if reply.has(Payload.SA):
        # Who computes the shared secret only when IKE_AUTH comes drops the IKE SA then.
        peer.needs("view")
        sa.auth(patience=WAIT)
        gone = sa.wait(lambda: peer.sa(sa) is None, 4.0)
        assert gone, f"the value {value} was used\n{sa}"
    peer.observe(reply.outcome)  # RFC 6989 2.5: INVALID_SYNTAX or silence, and no word of others
    assert initiator.probe(ike=[suite]), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-25", "policy")
@rfc(8031, "3.2")
@pytest.mark.parametrize("value", ["zero", "one", "order-8-1"])
def test_survives_points_of_small_order(peer: Tested, initiator: Initiator, value: str) -> None:
    """A point of Curve25519 whose shared secret is zero does no harm; its fate is recorded.

    RFC 7748 6.1 allows the test for a shared secret of zero and does not demand it.
    """
    peer.start(ike=[X25519])
    sa = initiator.session(ike=[X25519])

    reply = sa.init(edits=[at("KE.ke").set(bad_public(31, value))], patience=WAIT)

    peer.observe(reply.outcome)
    assert initiator.probe(ike=[X25519]), f"no honest IKE SA comes up afterwards\n{sa}"
