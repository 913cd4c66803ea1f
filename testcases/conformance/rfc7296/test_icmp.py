"""ICMP errors say nothing of an IKE SA: anybody can send them (RFC 7296 2.4)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.errors import ConfigError
from ikelab.harness.esp.packet import checksum, ip_packet
from ikelab.harness.model import Datagram
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.esp import IpProtocol
from ikelab.testcases.rekeys import agreed

UNREACHABLE = {"host": 1, "protocol": 2, "port": 3, "prohibited": 13}
"""Destination Unreachable by its code (RFC 792, RFC 1812 5.2.7.1)."""
V6 = {"host": 3, "protocol": 4, "port": 4, "prohibited": 1}
"""And of ICMPv6 (RFC 4443 3.1), which has no code for a protocol."""
QUOTED = 8  # octets behind the IP header of what is complained of


def unreachable(sa: Session, why: str) -> Datagram:
    """Our host's complaint about a packet of the peer's, which is the last one that came."""
    came = sa.received()[-1]
    ours, theirs = came.dst, came.src
    ports = theirs[1].to_bytes(2, "big") + ours[1].to_bytes(2, "big")
    udp = ports + (len(came.data) + 8).to_bytes(2, "big") + bytes(2) + came.data
    packet = ip_packet(theirs[0], ours[0], IpProtocol.UDP, udp)
    six = ":" in ours[0]
    head = bytes([1, V6[why]] if six else [3, UNREACHABLE[why]])
    rest = bytes(4) + packet[: len(packet) - len(udp) + QUOTED]
    # The kernel sums ICMPv6 up, whose pseudo-header it makes.
    check = bytes(2) if six else checksum(head + bytes(2) + rest).to_bytes(2, "big")
    protocol = IpProtocol.ICMPV6 if six else IpProtocol.ICMP
    return Datagram(head + check + rest, (ours[0], 0), (theirs[0], 0), protocol=protocol)


@case("LIV-03")
@rfc(7296, "2.4")
@pytest.mark.parametrize("why", UNREACHABLE)
def test_is_not_told_of_our_end_by_icmp(peer: Tested, initiator: Initiator, why: str) -> None:
    """Destination Unreachable for what it sent may have it ask whether we live, and no more."""
    peer.start()
    sa = initiator.establish()

    try:
        for _ in range(3):
            sa.emit(unreachable(sa, why))
    except ConfigError as error:
        raise Unsupported(f"no ICMP from here: {error}") from None
    reply = sa.inform()

    assert not reply.silent, f"the IKE SA is gone\n{sa}"
    agreed(peer, sa)
    assert sa.violations == []
