"""Additional key exchanges and ML-KEM with a real strongSwan that has them, in both roles."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.rig import Settings, rig
from ikelab.layers.iana import Exchange
from ikelab.netns import world
from tests.conftest import provisioned

PEER = "strongswan@sid"  # Debian's 6.0 in trixie has no ML-KEM
HYBRID = "aes256gcm16-prfsha384-x25519-ke1_mlkem768"
TWO = "aes128-sha256-x25519-ke1_mlkem512-ke2_mlkem1024"
CHILD = "aes128gcm16-x25519-ke1_mlkem768"


def as_initiator(ike: str, fragment: int | None) -> tuple[list[str], list[int]]:
    """Up, both SAs rekeyed, the child again: disagreements and violations; our exchanges."""
    with rig(PEER, Settings()) as made:
        made.begin("key exchanges", None)
        told: dict[str, Any] = {"ike": ike, "esp": CHILD, "fragment": fragment}
        made.peer.start(**told)
        sa = made.initiator().establish(**told)
        found = [*made.peer.disagreements(sa)]
        sa.rekey_child()
        found += made.peer.disagreements(sa)
        following = sa.rekey()
        assert following is not None, str(sa)
        following.rekey_child()
        found += made.peer.disagreements(following)
        found += [str(v) for v in (*sa.violations, *following.violations)]
        sent = [int(s.message.exch_type) for s in (*sa.sent(), *following.sent())]
        made.end()
        return found, sent


def as_responder(ike: str, fragment: int | None) -> list[str]:
    """strongSwan begins."""
    with rig(PEER, Settings()) as made:
        made.begin("key exchanges", None)
        told: dict[str, Any] = {"ike": ike, "esp": CHILD, "fragment": fragment}
        made.peer.start(**told)
        responder = made.responder()
        responder.listen(**told)
        made.peer.initiate()
        sa = responder.accept()
        found = [*made.peer.disagreements(sa), *map(str, sa.violations)]
        made.end()
        return found


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    provisioned(PEER)


@pytest.mark.long
@pytest.mark.parametrize("fragment", [None, 1280])
@pytest.mark.parametrize("ike", [HYBRID, TWO, "aes128-sha256-mlkem768"])
def test_both_roles_agree_with_it(ike: str, fragment: int | None) -> None:
    found, sent = world.run(as_initiator, ike, fragment, timeout=60)

    assert found == []
    assert set(sent) >= {Exchange.CREATE_CHILD_SA, Exchange.IKE_FOLLOWUP_KE}
    assert (Exchange.IKE_INTERMEDIATE in sent) == ("-ke1_" in ike)
    assert world.run(as_responder, ike, fragment, timeout=60) == []
