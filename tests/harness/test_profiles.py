"""Our routers' IKE_SA_INIT against that of real ones: equal but for what is random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.inspection import Inspection, inspect_file
from ikelab.harness.profiles import IOS_NONCE, PROFILES, ios, replay
from ikelab.harness.rig import Settings, rig
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2

SUITE = "aes128-sha1-modp1024"


@pytest.fixture(scope="module")
def real(shared: Path) -> Inspection:
    """Four messages between two IOS routers."""
    return inspect_file(shared / "cisco" / "wire-cisco-ikev2-pycrate.pcap")


def masked(data: bytes) -> str:
    """The message in hex, with `..` for SPIs, public value, nonce and hashes."""
    octets = [f"{octet:02x}" for octet in data]
    for at in range(16):
        octets[at] = ".."
    message: Any = IKEv2(data)
    at, skipped = 28, {Payload.KE: 8, Payload.NONCE: 4, Payload.N: 8}
    for payload in message.payloads:
        for place in range(at + skipped.get(payload.kind, payload.length), at + payload.length):
            octets[place] = ".."
        at += payload.length
    assert at == len(data)
    return "".join(octets)


def test_the_real_packets_decode_and_the_three_vendor_ids_have_names(real: Inspection) -> None:
    [sa] = real.to_json()["ike_sas"]
    assert real.malformed == 0 and len(real.messages) == 4
    assert sa["chosen"]["text"] == SUITE
    for side in ("initiator", "responder"):
        named = [v["name"] for v in sa["vendor_ids"] if v["from"] == side]
        assert named == ["CISCO-DELETE-REASON", "CISCO(COPYRIGHT)", "CISCO-GRE-MODE",
                         "FRAGMENTATION"]  # fmt: skip
    for message in real.messages:
        assert bytes(IKEv2(message.data)) == message.data


def test_our_ike_sa_init_equals_a_router_s_on_both_sides(real: Inspection) -> None:
    with rig("reference", Settings(seed=1)) as made:
        made.begin("profile", None)
        plans = ios(initiator=True) + ios(initiator=False)
        made.peer.start(ike=[SUITE], options={"plan": str(plans), "nonce_length": str(IOS_NONCE)})
        session = made.initiator().session(
            ike=[SUITE], plan=ios(initiator=True), nonce_length=IOS_NONCE
        )
        session.init()
    request, response = (step.data for step in session.transcript)
    theirs = [m.data for m in real.messages[:2]]
    assert masked(request) == masked(theirs[0])
    assert masked(response) == masked(theirs[1])
    assert len(request) == 457 and masked(request).count("..") == 16 + 128 + 64 + 40


def test_profiles_by_name() -> None:
    assert set(PROFILES) == {"ios", "ios-seed"}
    assert replay("ios-seed") == "test_seed"
    assert replay("ios-seed", "second") == "test_seed and (second)"
    with pytest.raises(ConfigError, match="did you mean 'ios-seed'"):
        replay("ios-sed")
