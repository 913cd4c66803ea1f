"""Set-ups that a real strongSwan refuses, captured and explained with its own configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.inspect.configs.read import load
from ikelab.harness.inspect.inspection import inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.keys import load as load_keys
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.rig import Settings, open_rig
from ikelab.harness.wireshark import IkeRow, own_line

IKE = "aes128-sha256-x25519"
# What the peer has, what the initiator has instead, and the words of the first sentence.
BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "sound": ({}, {}, "works", "The IKE SA came up"),
    "key": ({"psk": "another"}, {}, "psk", "The shared keys differ"),
    "identity": (
        {"remote_id": "someone@example.org"}, {}, "identity",
        "calls itself 10.0.0.1 (ID_IPV4_ADDR), but the responder",
    ),
    "proposal": (
        {"ike": "aes256-sha256-x25519"}, {"ike": IKE}, "proposal",
        "in ENCR only: aes128 offered, aes256 wanted",
    ),
    "group": (
        {"ike": "aes128-sha256-modp2048"}, {"ike": IKE}, "group",
        "in KE only: x25519 offered, modp2048 wanted",
    ),
    "child": (
        {"esp": "aes256gcm16"}, {"esp": "aes128-sha256"}, "child-proposal",
        "in ENCR only: aes128 offered, aes256gcm16 wanted",
    ),
    "selectors": (
        {}, {"tsr": "10.9.0.0/24"}, "selectors",
        "TSr offers 10.9.0.0/24, the other end has 10.2.0.0/24 as its local network",
    ),
}  # fmt: skip


def _captured(peer: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Each set-up once, with its capture and the daemon's configuration in the folder."""
    keys: dict[str, Any] = {}
    rig = open_rig(peer, Settings())
    try:
        for name, (theirs, ours, _, _) in BROKEN.items():
            place = folder / name
            place.mkdir()
            rig.begin(name, place)
            rig.peer.start(**theirs)
            (place / "swanctl.conf").write_text(rig.peer.driver.config_text())
            session = rig.initiator().init(**ours)
            if session.sa.keys is not None:
                session.auth()
            keys[name] = [
                own_line(IkeRow.of(s.spis, s.sa.keys)) for s in rig.sessions() if s.sa.keys
            ]
            rig.end()
    finally:
        rig.close()
    return keys


@pytest.mark.long
def test_each_refusal_is_explained_in_its_first_sentence(
    strongswan: Any, tunnels: None, in_world: Any, tmp_path: Path
) -> None:
    keys = in_world(_captured, strongswan.manifest.peer, tmp_path)
    wrong = {}
    for name, (_, _, cause, words) in BROKEN.items():
        ring = KeyRing()
        if keys[name]:
            (tmp_path / name / "keys.jsonl").write_text("\n".join(keys[name]))
            ring = load_keys([tmp_path / name / "keys.jsonl"])
        with (tmp_path / name / "capture.pcapng").open("rb") as stream:
            it = inspect_capture(Capture(stream), ring)
        it.configs = load([tmp_path / name / "swanctl.conf"])
        found = it.explanations[0][1]
        if found.cause != cause or words not in found.sentence:
            wrong[name] = str(found)
    assert wrong == {}
