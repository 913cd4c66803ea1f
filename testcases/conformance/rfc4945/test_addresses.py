"""Addresses as identities: a certificate holds them, the packets have others (RFC 4945 3.1.1)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Identity
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.testcases.conformance.refusals import refused


@case("AUT-17", "policy")
@rfc(7296, "3.5")
@rfc(4945, "3.1.1")
def test_may_refuse_an_address_that_its_packets_do_not_have(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """The certificate holds our other version's address: it proves us, and comes from elsewhere.

    RFC 7296 3.5 does not have the address match the packet's; RFC 4945 asks for a check that can
    be turned on. Either way it is an IKE SA, or a refusal as every other one.
    """
    elsewhere = Identity.parse((V4 if ":" in peer.us.address else V6)[0].address)
    peer.start(**{**certificates.theirs(), "remote_id": elsewhere})
    sa = initiator.init(**{**certificates.ours(), "local_id": elsewhere})
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"

    reply = sa.auth()

    peer.observe("taken" if sa.established else f"refused: {reply.outcome}")
    if not sa.established:
        refused(peer, sa, reply)
    sa.close()
    peer.start(**certificates.theirs())
    assert initiator.probe(**certificates.ours()), "no honest IKE SA comes up afterwards"


@case("AUT-17", "feature")
@rfc(4945, "3.1.1")
def test_takes_the_address_that_its_packets_have(
    peer: Tested, initiator: Initiator, certificates: Certificates
) -> None:
    """An address in the certificate that is the packets' own is as good a name as any."""
    ours = Identity.parse(peer.us.address)
    peer.start(**{**certificates.theirs(), "remote_id": ours})

    sa = initiator.establish(**{**certificates.ours(), "local_id": ours})

    assert sa.violations == []
    assert peer.disagreements(sa) == []
