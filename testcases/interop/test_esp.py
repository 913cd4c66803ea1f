"""Packets through a child: ikelab's own ESP and AH against the peer's, in every form they have."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.ping import ping
from ikelab.harness.model import Suite
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Protocol
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE, behind_nat

AH = Suite.parse("sha256", Protocol.AH)
SUITES: dict[str, Any] = {
    "aes-gcm": "aes256gcm16",
    "aes-cbc": "aes128-sha256",
    "chacha20": "chacha20poly1305",
    "3des": "3des-sha1",
    "null": "null-sha256",
    "esn": "aes128gcm16-esn",
    "esn-cbc": "aes128-sha256-esn",
}
SIZES = (0, 1, 2, 3, 4, 1000)


@case("KEY-03")
@rfc(7296, "2.17")
@rfc(4303, "3.3", "3.4")
@pytest.mark.parametrize("suite", SUITES)
def test_echoes_cross_the_tunnel(peer: Tested, initiator: Initiator, suite: str) -> None:
    """Echoes of all alignments come back, sealed with the other direction's keys."""
    peer.start(esp=[SUITES[suite]])

    sa = initiator.establish(esp=[SUITES[suite]])

    assert ping(sa, attempts=ATTEMPTS, patience=SILENCE), f"no echo was answered\n{sa}"
    for size in SIZES:
        assert ping(sa, size=size), f"an echo of {size} octets was not answered\n{sa}"
    assert sa.tunnel().refused == []


@case("KEY-03")
@rfc(7296, "2.17")
@rfc(4302, "3.3", "3.4")
def test_echoes_cross_a_tunnel_of_ah(peer: Tested, initiator: Initiator) -> None:
    """With AH the outer header is protected too, and nothing is secret."""
    peer.start(esp=[AH])

    sa = initiator.establish(esp=[AH])

    assert ping(sa, attempts=ATTEMPTS, patience=SILENCE), f"no echo was answered\n{sa}"
    for size in SIZES:
        assert ping(sa, size=size), f"an echo of {size} octets was not answered\n{sa}"
    assert sa.tunnel().refused == []


REQUIRED = ["aes256gcm16", "aes128gcm16", "aes256-sha256", "aes128-sha256", "null-sha256"]


@case("KEY-03", "feature")
@rfc(8221, "5", "6")
@pytest.mark.parametrize("suite", REQUIRED)
def test_has_what_esp_must_have(peer: Tested, initiator: Initiator, suite: str) -> None:
    """A child comes up with each cipher and MAC that is a MUST; its keys are the peer's."""
    peer.start(esp=[suite])

    sa = initiator.establish(esp=[suite])

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("KEY-03")
@rfc(7296, "2.17")
@rfc(4303, "3.3", "3.4")
def test_echoes_cross_a_tunnel_that_the_peer_asked_for(peer: Tested, responder: Responder) -> None:
    """With the roles exchanged each side has the other half of the key material."""
    peer.start()
    responder.listen()
    peer.initiate()

    sa = responder.accept()

    assert ping(sa, attempts=ATTEMPTS, patience=SILENCE), f"no echo was answered\n{sa}"


@case("NAT-02")
@rfc(3948, "2.1", "3.4")
def test_echoes_cross_inside_udp(peer: Tested, initiator: Initiator) -> None:
    """With a NAT in between, ESP shares port 4500 with IKE."""
    peer.start()

    sa = behind_nat(initiator)

    pong = ping(sa, attempts=ATTEMPTS, patience=SILENCE)
    assert pong, f"no echo was answered\n{sa}"
    assert pong.datagram.src[1] == 4500


@case("ESP-01")
@rfc(7296, "1.3.1")
@rfc(4303, "3.1.1")
@pytest.mark.parametrize("suite", ["aes-gcm", "aes-cbc"])
def test_echoes_cross_in_transport_mode(peer: Tested, initiator: Initiator, suite: str) -> None:
    """Between the two ends themselves only the payload of the IP packet is sealed."""
    cross_in_transport_mode(peer, initiator, SUITES[suite])


@case("ESP-01")
@rfc(7296, "1.3.1")
@rfc(4302, "3.1.1")
def test_echoes_cross_in_transport_mode_of_ah(peer: Tested, initiator: Initiator) -> None:
    """Between the two ends themselves AH stands behind the one IP header."""
    cross_in_transport_mode(peer, initiator, AH)


def cross_in_transport_mode(peer: Tested, initiator: Initiator, suite: str | Suite) -> None:
    ends = {"local_ts": f"{peer.them.address}", "remote_ts": f"{peer.us.address}"}
    peer.start(esp=[suite], mode="transport", **ends)

    sa = initiator.establish(
        esp=[suite], mode="transport", tsi=peer.us.address, tsr=peer.them.address
    )

    assert sa.child.mode == "transport", f"the peer declined transport mode\n{sa}"
    pong = ping(sa, attempts=ATTEMPTS, patience=SILENCE)
    assert pong, f"no echo was answered\n{sa}"
    assert (pong.echo.src, pong.echo.dst) == (peer.them.address, peer.us.address)
