"""ESP inside UDP and outside it, and keepalives (RFC 7296 2.23, RFC 3948)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.model import Datagram, Nat
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange
from ikelab.layers.message import INITIATOR, RESPONSE
from ikelab.testcases.each_once import each_once
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE, behind_nat, observable

KEEPALIVE = b"\xff"


def keepalive(sa: Session) -> Datagram:
    """RFC 3948 2.3: one octet, 0xFF."""
    return Datagram(KEEPALIVE, sa.sa.local, sa.sa.remote)


@case("NAT-11")
@rfc(7296, "2.23")
def test_takes_encapsulated_esp_where_no_nat_was_found(peer: Tested, initiator: Initiator) -> None:
    """Either side may put ESP into UDP; the other one takes it, and answers as it likes."""
    peer.needs("nat-d-honest")
    peer.start()
    sa = initiator.establish()
    assert sa.nat == Nat(initiator=False, responder=False), f"{sa.nat}\n{sa}"
    tunnel = observable(sa)
    tunnel.encap = True

    pong = ping(sa)

    assert pong, "ESP inside UDP was not taken"


@case("NAT-11")
@rfc(7296, "2.23")
@rfc(3948, "3.4")
def test_carries_esp_inside_udp_where_a_nat_was_found(peer: Tested, initiator: Initiator) -> None:
    """Behind a NAT both directions are encapsulated, on the ports that IKE uses."""
    peer.start()
    sa = behind_nat(initiator)

    pong = ping(sa, attempts=ATTEMPTS, patience=SILENCE)

    assert pong, "ESP inside UDP was not taken"
    assert (pong.datagram.src[1], pong.datagram.dst[1]) == (4500, 4500), f"{pong.datagram}"


@case("NAT-08", "SHOULD")
@rfc(3948, "2.3")
def test_does_not_answer_a_keepalive(peer: Tested, initiator: Initiator) -> None:
    """A keepalive is dropped: it holds a mapping open and says nothing."""
    peer.needs("nat-d-honest")
    peer.start()
    sa = behind_nat(initiator)
    strays, said = len(initiator.strays), each_once(sa.received())

    for _ in range(3):
        sa.emit(keepalive(sa))
    sa.wait(lambda: False, SILENCE)

    assert sa.sa.keepalives == 0, "a keepalive was answered with a keepalive"
    assert not initiator.strays[strays:], f"answered: {initiator.strays[strays].data.hex()}"
    more = each_once(sa.received())[len(said) :]
    assert not more, f"answered: {more[0].text()}"
    assert not sa.inform().silent, f"the IKE SA did not survive\n{sa}"


@case("NAT-08", "SHOULD")
@rfc(3948, "2.3")
@rfc(7296, "2.4")
def test_takes_no_keepalive_for_a_sign_of_life(peer: Tested, initiator: Initiator) -> None:
    """However many keepalives come, a peer that checks liveness goes on to ask."""
    peer.start(dpd_delay=1.0)
    sa = behind_nat(initiator)

    def asked() -> bool:
        flags = [
            int(step.message.flags)
            for step in sa.received()
            if step.message.exch_type == Exchange.INFORMATIONAL
        ]
        return any(not value & (RESPONSE | INITIATOR) for value in flags)

    for _ in range(32):
        sa.emit(keepalive(sa))
        if sa.wait(asked, 0.25):
            break

    assert asked(), f"no liveness check in eight seconds of keepalives\n{sa}"
