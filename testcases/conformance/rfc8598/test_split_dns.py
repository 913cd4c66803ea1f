"""Names that are looked up through the tunnel (RFC 8598)."""

from __future__ import annotations

from ikelab.harness.edits import cp, insert
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers import typed
from ikelab.layers.iana import CfgAttr, CfgType

POOL, DNS, ANY = "10.3.0.0/24", "10.2.0.53", "0.0.0.0/0"
ADDRESS, SERVER = CfgAttr.INTERNAL_IP4_ADDRESS, CfgAttr.INTERNAL_IP4_DNS
DOMAIN, ANCHOR = CfgAttr.INTERNAL_DNS_DOMAIN, CfgAttr.INTERNAL_DNSSEC_TA
NAMES = ((int(DOMAIN), b"intern.example"), (int(DOMAIN), b"city.other.test"))


@case("CP-05", "feature")
@rfc(8598, "3.1", "3.2")
def test_gives_the_domains_of_split_dns(peer: Tested, initiator: Initiator) -> None:
    """Who asks for INTERNAL_DNS_DOMAIN gets every domain, each in an attribute of its own."""
    peer.start(pool=(POOL,), dns=(DNS,), features=Features(attributes=NAMES[:1]))

    sa = initiator.establish(request=(ADDRESS, SERVER, DOMAIN), tsi=ANY)

    given = [value for kind, value in sa.sa.configuration if kind == DOMAIN]
    assert given == [b"intern.example"], f"{given}\n{sa}"
    assert any(kind == SERVER for kind, _ in sa.sa.configuration), f"domains without a server\n{sa}"
    assert sa.violations == []


@case("CP-05", "feature")
@rfc(8598, "3.2", "4.2")
def test_gives_trust_anchors_behind_their_domains(peer: Tested, initiator: Initiator) -> None:
    """INTERNAL_DNSSEC_TA stands behind the domain that it is for, and is a DS record's parts."""
    anchor = typed.TrustAnchor(62857, 8, 2, bytes(range(32)))
    data = typed.write(typed.CONFIGURATION, ANCHOR, anchor)
    told = (*NAMES[:1], (int(ANCHOR), data), *NAMES[1:])
    peer.start(pool=(POOL,), dns=(DNS,), features=Features(attributes=told))

    sa = initiator.establish(request=(ADDRESS, SERVER, DOMAIN, ANCHOR), tsi=ANY)

    kinds = [kind for kind, _ in sa.sa.configuration if kind in (DOMAIN, ANCHOR)]
    assert kinds == [DOMAIN, ANCHOR, DOMAIN], f"{kinds}\n{sa}"
    values = [value for kind, value in sa.sa.configuration if kind == ANCHOR]
    assert typed.read(typed.CONFIGURATION, ANCHOR, values[0]) == anchor


@case("CP-05", "policy")
@rfc(8598, "3.3")
def test_survives_domains_that_an_initiator_names(peer: Tested, initiator: Initiator) -> None:
    """A request with a domain, and one in CFG_SET, leave the IKE SA alone."""
    peer.start(pool=(POOL,), dns=(DNS,))
    sa = initiator.establish(request=(ADDRESS, DOMAIN), tsi=ANY)

    pushed = cp(CfgType.CFG_SET, (int(DOMAIN), b"of.the.client"))
    reply = sa.inform(edits=[insert("SK", payload=pushed)])

    peer.observe(reply.outcome)
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
