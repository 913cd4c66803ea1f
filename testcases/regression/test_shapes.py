"""Lengths, numbers and names that nobody sends who means it: they do no harm."""

from __future__ import annotations

import struct

import pytest

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator
from ikelab.harness.model import Identity
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, IdType, Payload
from ikelab.testcases.conformance.refusals import refused

WAIT = 0.8  # seconds of silence that stand for "no answer"
SPI = bytes.fromhex("1be1ab0000000001")
LENGTHS = (0, 4, 27, 28, 0xFFFFFFFF)
GROUPS = {
    "1025 of nothing": (1025, b""),
    "1025 of noise": (1025, bytes(range(256))),
    "0 of nothing": (0, b""),
    "65535 of zeros": (65535, bytes(32)),
}


@case("REG-03", "policy")
@rfc(7296, "1.2", "3.4")
@pytest.mark.parametrize("name", GROUPS)
def test_survives_ke_of_odd_groups(peer: Tested, initiator: Initiator, name: str) -> None:
    """KE of a group that was not offered, or that no suite has, does no harm; all is told."""
    peer.start()
    group, value = GROUPS[name]
    sa = initiator.session()

    reply = sa.init(edits=[at("KE.group").set(group), at("KE.ke").set(value)], patience=WAIT)

    peer.observe(reply.outcome)
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("REG-04", "policy")
@rfc(7296, "2.5", "3.1")
@pytest.mark.parametrize("version", [0x00, 0x0F, 0x20, 0x30, 0xF0], ids=hex)
def test_survives_headers_of_odd_versions_and_lengths(
    peer: Tested, initiator: Initiator, version: int
) -> None:
    """A header alone that lies about its length, of versions that there are and that are not."""
    peer.start()
    sa = initiator.session()

    came = [data for length in LENGTHS for data in sa.throw(header(version, length), patience=0.2)]

    peer.observe(f"{len(came)} of {len(LENGTHS)} answered")
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


def header(version: int, length: int) -> bytes:
    """A header that begins an IKE_SA_INIT, with nothing behind it."""
    return struct.pack(
        "!8s8sBBBBII", SPI, bytes(8), Payload.SA, version, Exchange.IKE_SA_INIT, 0x08, 0, length
    )


NAMES = {
    "nothing": b"",
    "an empty sequence": bytes.fromhex("3000"),
    "a length beyond the name": bytes.fromhex("307f310b300906035504061302"),
    "a length of four octets": bytes.fromhex("3084ffffffff"),
    "no end of the length": bytes.fromhex("30ff"),
    "an attribute without a value": bytes.fromhex("3009310730050603550406"),
    "an empty set": bytes.fromhex("30023100"),
    "sets in sets": bytes.fromhex("3030312e") + bytes.fromhex("3100") * 23,
}


@case("REG-05", "policy")
@rfc(7296, "2.21.2", "3.5")
@pytest.mark.parametrize("name", NAMES)
def test_survives_distinguished_names_that_are_none(
    peer: Tested, initiator: Initiator, name: str
) -> None:
    """ID_DER_ASN1_DN whose DER does not add up is refused or dropped, and the next one served."""
    peer.start()
    sa = initiator.init(local_id=Identity(IdType.ID_DER_ASN1_DN, NAMES[name]))

    reply = sa.auth()

    refused(peer, sa, reply)
    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"
