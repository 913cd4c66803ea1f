"""IKE_AUTH with a shared key, and the selectors of the first child (RFC 7296 1.2, 2.9, 2.15)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.model import selectors
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload
from ikelab.testcases.conformance.refusals import refused


@case("AUT-01")
@rfc(7296, "1.2", "2.15")
def test_brings_the_sa_up_with_the_right_key(peer: Tested, initiator: Initiator) -> None:
    """The shared key that both have brings up the IKE SA and its first child."""
    peer.start(psk="the same")

    sa = initiator.establish(psk="the same")

    assert len(sa.children) == 1
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AUT-01")
@rfc(7296, "2.15", "2.21.2")
def test_refuses_a_wrong_key(peer: Tested, initiator: Initiator) -> None:
    """Nobody gets in with a wrong key, and the IKE SA is gone; what is said of it is recorded."""
    peer.start(psk="the right one")
    sa = initiator.init(psk="another one")

    reply = sa.auth()

    peer.observe(reply.outcome)
    refused(peer, sa, reply)
    assert initiator.probe(psk="the right one")


@case("TS-01")
@rfc(7296, "2.9")
def test_echoes_selectors_that_it_allows(peer: Tested, initiator: Initiator) -> None:
    """Selectors that are exactly the policy's come back unchanged."""
    config = peer.start()
    tsi, tsr = config.remote_ts, config.local_ts

    sa = initiator.establish(tsi=tsi, tsr=tsr)

    assert (sa.child.tsi, sa.child.tsr) == (tsi, tsr), f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-02")
@rfc(7296, "2.9")
def test_narrows_selectors_to_its_policy(peer: Tested, initiator: Initiator) -> None:
    """Of a wider offer the policy's part comes back, and both sides agree on it."""
    config = peer.start()
    wide = "::/0" if config.local_ts[0].version == 6 else "0.0.0.0/0"

    sa = initiator.establish(tsi=wide, tsr=wide)

    assert (sa.child.tsi, sa.child.tsr) == (config.remote_ts, config.local_ts), f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-03")
@rfc(7296, "1.2", "2.9", "3.10.1")
def test_refuses_disjoint_selectors_and_keeps_the_ike_sa(
    peer: Tested, initiator: Initiator
) -> None:
    """Selectors that share nothing with the policy get TS_UNACCEPTABLE; the IKE SA lives on."""
    config = peer.start()
    six = config.local_ts[0].version == 6
    strangers = selectors("2001:db8:ff::/64" if six else "192.0.2.0/24")
    sa = initiator.init(tsi=strangers, tsr=strangers)

    reply = sa.auth()

    reply.only(Notify.TS_UNACCEPTABLE)
    assert reply.has(Payload.AUTH), f"the refusal of the child has no AUTH\n{sa}"
    assert sa.state is State.ESTABLISHED and sa.children == []
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []
