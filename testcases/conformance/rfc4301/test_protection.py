"""What a child protects goes through the child, as long as it is there (RFC 4301 4.4.1, 5)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.packet import Echo, flow
from ikelab.harness.esp.ping import ping, post, request
from ikelab.harness.model import Datagram
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Payload
from ikelab.testcases.tunnels import SILENCE, observable

IDENTIFIER = 0x6C65


def in_clear(peer: Tested, number: int) -> Datagram:
    """An echo request from our address to the peer's, without protection."""
    ours, theirs = peer.us.address, peer.them.address
    packet = bytes(Echo(ours, theirs, False, IDENTIFIER, number, bytes(32)))
    it = flow(packet)
    return Datagram(packet[it.start :], (ours, 0), (theirs, 0), protocol=it.protocol)


def answered_in_clear(initiator: Initiator, sa: Session, asked: Datagram) -> bool:
    """Whether something unprotected of that protocol comes back."""
    before = len(initiator.strays)
    sa.emit(asked)
    return sa.wait(
        lambda: any(d.protocol == asked.protocol for d in initiator.strays[before:]), SILENCE
    )


@case("ESP-09")
@rfc(4303, "3.4.2")
@rfc(7296, "1.4.1")
def test_takes_nothing_for_a_child_that_is_gone(peer: Tested, initiator: Initiator) -> None:
    """After its delete a child's ESP is discarded: no answer in it, none beside it."""
    peer.start()
    sa = initiator.establish()
    tunnel = observable(sa)
    initiator.transport.listen(request_protocol(peer), peer.us.address)
    reply = sa.delete_child()
    assert not reply.silent, f"the delete is not answered\n{sa}"
    before, taken = len(initiator.strays), tunnel.arrived

    asked = request(tunnel)
    post(sa, tunnel, tunnel.send(bytes(asked)), asked, patience=SILENCE)

    assert tunnel.arrived == taken, "a packet of the deleted child was answered in it"
    strays = [d for d in initiator.strays[before:] if d.protocol != IpProtocol.UDP]
    assert not strays, f"a packet of the deleted child was answered: {strays[0].data.hex()}"
    assert not sa.inform().silent, f"the IKE SA did not survive\n{sa}"


@case("ESP-09")
@rfc(4301, "4.4.1", "5.2")
def test_answers_nothing_in_clear_that_a_child_protects(peer: Tested, initiator: Initiator) -> None:
    """Between the two ends of a transport mode child no echo is answered without protection."""
    ends = {"local_ts": peer.them.address, "remote_ts": peer.us.address}
    peer.start(mode="transport", **ends)
    sa = initiator.establish(mode="transport", tsi=peer.us.address, tsr=peer.them.address)
    assert sa.child.mode == "transport", f"the peer declined transport mode\n{sa}"
    observable(sa)

    answered = answered_in_clear(initiator, sa, in_clear(peer, 1))

    assert not answered, "what the child protects was answered in clear"
    assert ping(sa), "after a packet in clear a protected one is not taken"
    sa.delete_child()
    later = answered_in_clear(initiator, sa, in_clear(peer, 2))
    peer.observe(f"without a child echoes are {'answered' if later else 'not answered'} in clear")


def request_protocol(peer: Tested) -> int:
    """ICMP of the version that the ends speak."""
    return IpProtocol.ICMPV6 if ":" in peer.us.address else IpProtocol.ICMP


@case("ESP-08", "policy")
@rfc(7296, "3.3", "5")
def test_may_refuse_a_child_that_is_stronger_than_its_ike_sa(
    peer: Tested, initiator: Initiator
) -> None:
    """A child of 256 bits under an IKE SA of 128: taken or refused, and the IKE SA goes on."""
    ike, esp = "aes128-sha256-modp2048", "aes256-sha256"
    peer.start(ike=[ike], esp=[esp])
    sa = initiator.init(ike=[ike], esp=[esp])

    reply = sa.auth()

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    taken = reply.has(Payload.SA)
    peer.observe("taken" if taken else f"refused: {reply.outcome}")
    if taken:
        assert peer.disagreements(sa) == []
    assert sa.violations == []
    assert not sa.inform().silent, f"the IKE SA did not survive\n{sa}"
