"""Rekeys that the peer begins, as initiator and as responder of the IKE SA (RFC 7296 1.3, 2.8)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.testcases.rekeys import agreed, child_rekeyed, ike_rekeyed, led_to, requests

PFS = "aes128gcm16-ecp256"


@case("CHD-07")
@rfc(7296, "1.3.3", "2.8", "2.17")
@pytest.mark.parametrize("esp", ["aes128gcm16", PFS])
def test_begins_a_rekey_of_its_child(peer: Tested, initiator: Initiator, esp: str) -> None:
    """REKEY_SA names the SPI that the peer receives on; it deletes the old child by itself."""
    peer.start(esp=[esp])
    sa = initiator.establish(esp=[esp])

    child_rekeyed(peer, sa)


@case("CHD-07")
@rfc(7296, "1.3.3", "2.8", "2.17")
def test_begins_a_rekey_of_the_child_that_it_asked_for(peer: Tested, responder: Responder) -> None:
    """The same by the original initiator."""
    peer.start()
    responder.listen()
    peer.initiate()
    sa = responder.accept()

    child_rekeyed(peer, sa)


@case("CHD-10")
@rfc(7296, "1.3.2", "2.8", "2.18")
def test_begins_a_rekey_of_the_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """The new one has the children, and the old one is deleted; the original responder may, too."""
    peer.start()
    sa = initiator.establish()

    following = ike_rekeyed(peer, sa)

    assert not following.sa.initiator, f"who began it is the initiator of the new one\n{sa}"


@case("CHD-10")
@rfc(7296, "1.3.2", "2.8", "2.18")
def test_begins_a_rekey_of_the_ike_sa_that_it_made(peer: Tested, responder: Responder) -> None:
    """The same by the original initiator."""
    peer.start()
    responder.listen()
    peer.initiate()
    sa = responder.accept()

    following = ike_rekeyed(peer, sa)

    assert not following.inform().silent, f"the new IKE SA does not work\n{following}"


@case("CHD-12")
@rfc(7296, "2.25")
@pytest.mark.parametrize("what", ["child", "IKE SA"])
def test_outlives_a_rekey_that_is_put_off(peer: Tested, initiator: Initiator, what: str) -> None:
    """After TEMPORARY_FAILURE it does not ask again at once, and nothing has changed."""
    peer.start()
    sa = initiator.establish(conduct=Conduct().but("rekey_now"))
    if what == "child":
        peer.needs("child")

    led_to(peer, sa, peer.rekey_child if what == "child" else peer.rekey_ike)

    assert not sa.inform().silent, f"the IKE SA is gone\n{sa}"
    assert requests(sa) == 1, f"it asks again at once\n{sa}"
    lacks = "child" not in peer.capabilities
    assert lacks or len(sa.children) == 1, f"the child is gone\n{sa}"
    assert sa.violations == []
    agreed(peer, sa)
