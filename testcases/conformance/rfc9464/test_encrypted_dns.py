"""Resolvers that are asked by TLS, QUIC or HTTPS (RFC 9464)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers import typed
from ikelab.layers.iana import CfgAttr, Hash

POOL, DNS, ANY = "10.3.0.0/24", "10.2.0.53", "0.0.0.0/0"
ADDRESS = CfgAttr.INTERNAL_IP4_ADDRESS
DOT = bytes.fromhex("00010004") + b"\x03dot"
WANTED = {
    CfgAttr.ENCDNS_IP4: typed.EncryptedDns(1, ("10.2.0.54",), "dot.intern.example", DOT),
    CfgAttr.ENCDNS_IP6: typed.EncryptedDns(1, ("2001:db8:2::54",), "dot.intern.example", DOT),
    CfgAttr.ENCDNS_DIGEST_INFO: typed.DigestInfo(
        "dot.intern.example", (Hash.SHA2_256,), bytes(range(32))
    ),
}


@case("CP-05", "feature")
@rfc(9464, "3.1", "3.2", "4")
@pytest.mark.parametrize("kind", WANTED, ids=lambda k: k.name)
def test_gives_what_encrypted_dns_needs(peer: Tested, initiator: Initiator, kind: CfgAttr) -> None:
    """Who asks for a resolver, or its certificate's digest, gets what was configured."""
    data = typed.write(typed.CONFIGURATION, kind, WANTED[kind])
    peer.start(pool=(POOL,), dns=(DNS,), features=Features(attributes=((int(kind), data),)))

    sa = initiator.establish(request=(ADDRESS, kind), tsi=ANY)

    given = [value for found, value in sa.sa.configuration if found == kind]
    assert len(given) == 1, f"{kind.name} is not given\n{sa}"
    assert typed.read(typed.CONFIGURATION, kind, given[0]) == WANTED[kind], (
        f"{given[0].hex()}\n{sa}"
    )
    assert sa.violations == []


@case("CP-05", "policy")
@rfc(9464, "4")
def test_takes_a_request_for_encrypted_dns(peer: Tested, initiator: Initiator) -> None:
    """Asked for resolvers that it does not have, it gives the address all the same."""
    peer.start(pool=(POOL,), dns=(DNS,))

    sa = initiator.establish(request=(ADDRESS, *WANTED), tsi=ANY)

    given = [CfgAttr(kind).name for kind, _ in sa.sa.configuration if kind in WANTED]
    peer.observe(", ".join(given) or "none is given")
    assert any(kind == ADDRESS for kind, _ in sa.sa.configuration), f"no address\n{sa}"
