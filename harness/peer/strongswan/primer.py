"""The IKE_SA_INIT request that leaves charon with one half-open SA, so that it asks for cookies.

charon's cookie_threshold of 0 means never, of 1 means: once one SA is half open. That one is made
on the peer's own loopback, where no capture sees it and no case counts it.
"""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.exchange.negotiate import sa_payload
from ikelab.harness.model import Suite
from ikelab.harness.peer.strongswan.render import PRIMER_PROPOSAL
from ikelab.layers.iana import Ke
from ikelab.layers.message import message
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce


def request(entropy: Callable[[int], bytes]) -> bytes:
    """An honest request; nobody will ever finish the exchange."""
    payloads = [
        sa_payload([Suite.parse(PRIMER_PROPOSAL)]),
        IKEv2_KE(group=Ke.CURVE25519, ke=entropy(32)),
        IKEv2_Nonce(nonce=entropy(32)),
    ]
    return bytes(message(payloads, init_SPI=entropy(8), flags=0x08))
