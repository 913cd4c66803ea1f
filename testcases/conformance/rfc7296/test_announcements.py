"""Announcements of extensions that a peer need not know (RFC 7296 3.10.1)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import insert, notify
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested

FIRST = [
    "REDIRECT_SUPPORTED",
    "CHILDLESS_IKEV2_SUPPORTED",
    "MULTIPLE_AUTH_SUPPORTED",
    "INTERMEDIATE_EXCHANGE_SUPPORTED",
    "CLONE_IKE_SA_SUPPORTED",
    "SECURE_PASSWORD_METHODS",
    "IP4_ALLOWED",
    "ERX_SUPPORTED",
]
SECOND = [
    "MOBIKE_SUPPORTED",
    "TICKET_REQUEST",
    "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
    "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED",
    "CLONE_IKE_SA_SUPPORTED",
    "PSK_PERSIST",
    "IFOM_CAPABILITY",
    "SUPPORTED_AUTH_METHODS",
    "USE_AGGFRAG",
]
DATA = {"SECURE_PASSWORD_METHODS": b"\0\1\0\2", "USE_AGGFRAG": b"\0"}


@case("RED-ERR")
@rfc(7296, "3.10.1")
@pytest.mark.parametrize("name", FIRST)
def test_ignores_announcements_in_ike_sa_init(
    peer: Tested, initiator: Initiator, name: str
) -> None:
    """A status notify of an extension, known or not, does not keep an IKE SA from coming up."""
    peer.start()
    payload = notify(name, DATA.get(name, b""))

    sa = initiator.init(edits=[insert("", before="Nonce", payload=payload)])

    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.auth()
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert sa.violations == []


@case("RED-ERR")
@rfc(7296, "3.10.1")
@pytest.mark.parametrize("name", SECOND)
def test_ignores_announcements_in_ike_auth(peer: Tested, initiator: Initiator, name: str) -> None:
    """The same inside of IKE_AUTH."""
    peer.start()
    sa = initiator.init()

    sa.auth(edits=[insert("SK", payload=notify(name, DATA.get(name, b"")))])

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert sa.violations == []
