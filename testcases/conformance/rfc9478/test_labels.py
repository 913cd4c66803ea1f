"""Security labels among the selectors (RFC 9478)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange import child_extras
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload

LABEL = b"system_u:object_r:ipsec_spd_t:s0"
LABELLED = Features(label=LABEL)


@case("TS-14", "feature")
@rfc(9478, "2.2", "3")
def test_makes_a_child_of_its_label(peer: Tested, initiator: Initiator) -> None:
    """The label comes back in TSi and in TSr, beside the addresses."""
    peer.start(features=LABELLED)

    sa = initiator.establish(features=LABELLED)

    for kind in (Payload.TSI, Payload.TSR):
        found = child_extras.labels(sa.reply.message, kind)
        assert found == [LABEL], f"{kind.notation}: {found}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-14", "feature")
@rfc(9478, "2.2", "3")
def test_refuses_a_child_of_another_label(peer: Tested, initiator: Initiator) -> None:
    """Another label, or none, gets TS_UNACCEPTABLE where the policy has one; the IKE SA is up."""
    peer.start(features=LABELLED)
    for features in (Features(label=b"another"), Features()):
        sa = initiator.init(features=features)

        reply = sa.auth()

        reply.only(Notify.TS_UNACCEPTABLE)
        assert sa.established and sa.children == [], f"{sa}"


@case("TS-14", "policy")
@rfc(7296, "2.9", "3.13.1")
def test_survives_a_label_that_it_does_not_know(peer: Tested, initiator: Initiator) -> None:
    """A selector of another type than addresses is narrowed away, or the child is refused."""
    peer.start()
    sa = initiator.init(features=LABELLED)

    reply = sa.auth()

    peer.observe(reply.outcome)
    assert sa.established and not sa.inform().silent, f"the IKE SA is gone\n{sa}"
