"""Versions, unknown payloads and lengths (RFC 7296 2.5, 3.1, 3.2)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import at, insert, unknown
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload
from ikelab.testcases.conformance.refusals import forgotten

WAIT = 0.8  # seconds of silence that stand for "no answer"
# Numbers that IANA has left unassigned. Those from 128 on are for private use, and a peer may
# understand one of them in its own way.
UNASSIGNED = [100, 120, 127]


@case("VER-01")
@rfc(7296, "2.5")
def test_drops_a_higher_major_version(peer: Tested, initiator: Initiator) -> None:
    """A message of major version 3 is dropped; what is answered, if anything, says 2."""
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=[at("header.version").set(0x30)], patience=WAIT)

    if not reply.silent:
        assert not reply.has(Payload.SA), f"version 3 was processed\n{sa}"
        reply.only(Notify.INVALID_MAJOR_VERSION)
        assert int(reply.message.message.version) >> 4 == 2
    assert forgotten(peer, sa), f"state was kept\n{sa}"
    assert initiator.probe()


@case("VER-02")
@rfc(7296, "2.5")
def test_accepts_a_higher_minor_version(peer: Tested, initiator: Initiator) -> None:
    """A message of version 2.5 is processed as one of 2.0."""
    peer.start()

    sa = initiator.init(edits=[at("header.version").set(0x25)])

    assert sa.state is State.INIT_DONE, f"version 2.5 was not accepted\n{sa}"
    assert sa.violations == []


@case("VER-05")
@rfc(7296, "2.5", "3.2")
@pytest.mark.parametrize("kind", UNASSIGNED)
def test_skips_an_unknown_payload(peer: Tested, initiator: Initiator, kind: int) -> None:
    """An unknown payload without the critical bit is skipped."""
    peer.start()

    edit = insert(after="Nonce", payload=unknown(kind, b"from the future"))
    sa = initiator.init(edits=[edit])

    assert sa.state is State.INIT_DONE, f"an unknown payload was not skipped\n{sa}"
    assert sa.violations == []


@case("VER-06")
@rfc(7296, "2.5", "3.2", "3.10.1")
@pytest.mark.parametrize("kind", UNASSIGNED)
def test_names_the_unknown_critical_payload(peer: Tested, initiator: Initiator, kind: int) -> None:
    """UNSUPPORTED_CRITICAL_PAYLOAD carries the one-octet type of the offending payload."""
    peer.start()

    edit = insert(after="Nonce", payload=unknown(kind, b"from the future", critical=True))
    sa = initiator.init(edits=[edit])

    refusal = sa.reply.only(Notify.UNSUPPORTED_CRITICAL_PAYLOAD)
    assert refusal.data == bytes([kind]), f"it names {refusal.data.hex()}, not {kind:02x}\n{sa}"
    assert initiator.probe()


@case("VER-12", "policy")
@rfc(7296, "3.1")
@pytest.mark.parametrize("delta", ["+1", "+4", "-1", "-8"])
def test_survives_a_message_of_another_length(
    peer: Tested, initiator: Initiator, delta: str
) -> None:
    """A header length that is not the datagram's does no harm; what becomes of it is recorded.

    RFC 7296 3.1 says what the field holds and not what a receiver does when it lies.
    """
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=[at("header.length").add(int(delta))], patience=WAIT)

    peer.observe(
        "processed" if reply.has(Payload.SA) else "answered" if reply.payloads else "dropped"
    )
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"
