"""Traffic flow confidentiality: padding behind the inner packet, dummies (RFC 4303 2.6, 2.7)."""

from __future__ import annotations

from ikelab.harness.edits import insert, notify
from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify
from ikelab.testcases.tunnels import SILENCE, observable


@case("ESP-06", "feature")
@rfc(4303, "2.7")
@rfc(7296, "1.3.1")
def test_cuts_padding_off_behind_the_inner_packet(peer: Tested, initiator: Initiator) -> None:
    """A peer that does not say that it cannot takes packets with TFC padding."""
    peer.start()
    sa = initiator.establish()
    observable(sa)
    if sa.reply.notify(Notify.ESP_TFC_PADDING_NOT_SUPPORTED):
        raise Unsupported("the peer says ESP_TFC_PADDING_NOT_SUPPORTED")

    pong = ping(sa, tfc=100)

    assert pong, "an echo with 100 octets of TFC padding was not answered"
    assert len(pong.echo.data) == 32, f"the answer holds {len(pong.echo.data)} octets of data"


@case("ESP-06", "feature")
@rfc(4303, "2.7")
@rfc(7296, "1.3.1")
def test_does_not_pad_for_who_asked_it_not_to(peer: Tested, initiator: Initiator) -> None:
    """After ESP_TFC_PADDING_NOT_SUPPORTED nothing stands between inner packet and padding."""
    peer.start()
    sa = initiator.init()
    sa.auth(edits=[insert("SK", payload=notify("ESP_TFC_PADDING_NOT_SUPPORTED"))])
    assert sa.state is State.ESTABLISHED, f"IKE_AUTH did not succeed\n{sa}"
    observable(sa)

    pongs = [ping(sa, size=size) for size in (0, 100, 1000)]

    for pong in pongs:
        assert pong, "an echo was not answered"
        assert not pong.opened.tfc, f"{len(pong.opened.tfc)} octets of TFC padding"


@case("ESP-06", "MUST")
@rfc(4303, "2.6")
def test_discards_dummy_packets(peer: Tested, initiator: Initiator) -> None:
    """Next header 59 is dropped without prejudice: what comes after it is taken."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    before = tunnel.arrived

    for _ in range(3):
        sa.emit(tunnel.carry(tunnel.path.dummy()))
    sa.wait(lambda: tunnel.arrived > before, SILENCE)

    assert tunnel.arrived == before, "a dummy packet was answered"
    assert ping(sa), "after dummy packets an honest one is not taken"
