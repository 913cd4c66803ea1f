"""The Encrypted payload: ICV, padding, IV (RFC 7296 3.14, RFC 5282)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, plain, sealed, wire
from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step

CBC, GCM = "aes128-sha256-modp2048", "aes256gcm16-prfsha256-ecp256"
SUITES = pytest.mark.parametrize("suite", [CBC, GCM], ids=["aes-cbc", "aes-gcm"])
CHECKS = 20  # liveness checks whose IVs are compared


def established(peer: Tested, initiator: Initiator, suite: str) -> Session:
    """An IKE SA with this suite."""
    peer.start(ike=[suite])
    return initiator.establish(ike=[suite])


def iv_of(step: Step, suite: str) -> bytes:
    """The IV of a protected message: behind the header and SK's own."""
    return step.data[32 : 32 + (16 if suite == CBC else 8)]


@case("INF-12")
@rfc(7296, "2.21.3", "3.10.1", "3.14")
@SUITES
@pytest.mark.parametrize(
    "edit",
    [sealed.flip("icv", 0), sealed.flip("ciphertext", 0), wire.flip(19, 0)],
    ids=["ICV", "ciphertext", "header flag"],
)
def test_drops_what_does_not_verify(
    peer: Tested, initiator: Initiator, suite: str, edit: Edit
) -> None:
    """A message whose checksum is wrong gets no answer, and the IKE SA stays as it is."""
    sa = established(peer, initiator, suite)

    came = sa.send_as(sa.sa.window.next_request, edits=[edit])

    assert came == [], f"it was answered\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


PADDINGS = {
    "arbitrary octets": plain.padding(bytes(range(100, 131))),
    "255 octets": plain.pad(255),
}


@case("INF-13")
@rfc(7296, "3.14")
@SUITES
@pytest.mark.parametrize("edit", PADDINGS.values(), ids=PADDINGS)
def test_takes_any_padding(peer: Tested, initiator: Initiator, suite: str, edit: Edit) -> None:
    """Padding of any value is accepted, and of any length that ends a cipher block."""
    sa = established(peer, initiator, suite)

    reply = sa.inform(edits=[edit])

    assert not reply.silent and reply.errors == [], f"{reply.outcome}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("INF-13", "policy")
@rfc(7296, "3.14")
@SUITES
def test_survives_a_pad_length_beyond_the_message(
    peer: Tested, initiator: Initiator, suite: str
) -> None:
    """A pad length that exceeds what was decrypted does no harm; its fate is recorded."""
    sa = established(peer, initiator, suite)

    came = sa.send_as(sa.sa.window.next_request, edits=[plain.pad_length(200)])

    peer.observe(came[0].text() if came else "silence")
    assert initiator.probe(ike=[suite]), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INF-14")
@rfc(7296, "3.14")
@SUITES
def test_takes_any_iv(peer: Tested, initiator: Initiator, suite: str) -> None:
    """Recipients accept any IV, one that came before as well: it is the sender's to choose."""
    sa = established(peer, initiator, suite)
    octets = 16 if suite == CBC else 8

    replies = [sa.inform(edits=[at("SK.iv").set(b"\x07" * octets)]) for _ in range(2)]

    assert not any(r.silent for r in replies), f"a repeated IV was not accepted\n{sa}"
    assert peer.disagreements(sa) == []


@case("INF-14")
@rfc(7296, "3.14")
@rfc(5282, "3.1")
@SUITES
def test_never_repeats_an_iv(peer: Tested, initiator: Initiator, suite: str) -> None:
    """Each message has an IV of its own: unpredictable with CBC, never repeated with GCM."""
    sa = established(peer, initiator, suite)
    for _ in range(CHECKS):
        assert not sa.inform().silent, f"no answer\n{sa}"

    # What is sent again is the same octets (RFC 7296 2.1), its IV among them.
    messages = {s.data: s for s in sa.received() if s.encrypted}.values()
    ivs = [iv_of(s, suite) for s in messages]
    assert len(set(ivs)) == len(ivs), f"of {len(ivs)} IVs {len(ivs) - len(set(ivs))} came again"
