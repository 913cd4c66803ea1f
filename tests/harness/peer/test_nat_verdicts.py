"""NAT verdicts of captures on every link of every network with a NAT, and of one that pretends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.inspect.inspection import Inspection, inspect_file
from ikelab.harness.inspect.natview import Where, view
from ikelab.harness.rig import Settings, open_rig

TRANSLATED = {
    "direct": (False, False),
    "nat-initiator": (True, False),
    "nat-responder": (False, True),
    "nat-both": (True, True),
}
VERDICT = {True: Where.TRANSLATED, False: Where.DIRECT}


def _captured(peer: str, topology: str, folder: Path, options: dict[str, str]) -> None:
    """One handshake, captured on every link."""
    folder.mkdir()
    rig = open_rig(peer, Settings(topology=topology))
    try:
        rig.begin(topology, folder)
        rig.peer.start(**({"options": options} if options else {}))
        session = rig.initiator().init()
        assert session.chosen is not None, session
        rig.end()
    finally:
        rig.close()


def _verdicts(it: Inspection) -> tuple[Where, Where]:
    found = view(it.sessions[0], thorough=True)
    return found.initiator.where, found.responder.where


@pytest.mark.long
@pytest.mark.parametrize("topology", TRANSLATED)
def test_a_capture_on_any_link_tells_who_is_translated(
    in_world: Any, tmp_path: Path, topology: str
) -> None:
    in_world(_captured, "reference", topology, tmp_path / topology, {})
    captures = sorted((tmp_path / topology).glob("*.pcapng"))
    assert len(captures) == {"direct": 1, "nat-both": 3}.get(topology, 2)
    for capture in captures:
        it = inspect_file(capture)
        wanted = tuple(VERDICT[side] for side in TRANSLATED[topology])
        assert _verdicts(it) == wanted, capture
        (row,) = it.to_json()["ike_sas"]
        assert tuple(row["nat"].values()) == TRANSLATED[topology], capture


@pytest.mark.long
def test_encapsulation_that_is_forced_is_told_from_a_nat(
    needed: Any, in_world: Any, tmp_path: Path
) -> None:
    """charon's `encap = yes` hashes an address that is nobody's."""
    peer = needed("strongswan@trixie").manifest.peer
    in_world(_captured, peer, "direct", tmp_path / "forced", {"encap": "yes"})
    it = inspect_file(tmp_path / "forced/capture.pcapng")
    assert _verdicts(it) == (Where.DIRECT, Where.FORCED)
    it.patient = True
    (row,) = it.to_json()["ike_sas"]
    assert row["nat"] == {"initiator": False, "responder": False}
