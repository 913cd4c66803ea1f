"""Record what real daemons say, for the tests of the parsers: `python record.py RELEASE...`.

Two charons of one release bring up SAs between two hosts of a private world; their list-sas
answers and one log (keys of a throw-away SA) are written to recorded/. Run it for a new release.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ikelab.harness.model import suites
from ikelab.harness.peer import registry
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.strongswan.control import StrongSwan
from ikelab.layers.iana import Protocol
from ikelab.netns import world
from ikelab.netns.lab import Lab

sys.path.insert(0, str(Path(__file__).parent))
from daemon_pair import config, established

RECORDED = Path(__file__).parent / "recorded"


def cases() -> dict[str, dict[str, Any]]:
    """Name -> what differs from the plain pair."""
    esp = Protocol.ESP
    return {
        "plain": {},
        "seed": {"ike": suites(["3des-aes128-sha1-modp1024"]), "esp": suites(["3des-sha1"], esp)},
        "ipv6": {"sides": V6},
        "pfs": {"esp": suites(["aes256-sha256-modp2048"], esp)},
        "ports": {"ts": ("10.1.0.0/24[17/500]", "10.2.0.0/24[17/1000-2000]")},
        "opaque": {"ts": ("10.1.0.0/24[17/65535-0]", "10.2.0.0/24[17]")},
        "range": {"ts": ("10.1.0.1-10.1.0.9", "10.2.0.1-10.2.0.8")},
        "encap": {"options": {"encap": "yes"}},
    }


def record(release: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Lab("direct") as lab:
        name = f"strongswan@{release}"
        near = registry.open_peer(name, lab.host("initiator"), Path(folder, "near"))
        far = registry.open_peer(name, lab.host("responder"), Path(folder, "far"))
        assert isinstance(near, StrongSwan) and isinstance(far, StrongSwan)
        said: dict[str, Any] = {"version": near.version}
        for case, differs in cases().items():
            sides = differs.pop("sides", V4)
            far.start(config(sides[1], sides[0], swap=True, **differs))
            near.start(config(sides[0], sides[1], **differs))
            near.initiate()
            established(near)
            said[case] = {"initiator": near.listed(), "responder": far.listed()}
            if case == "seed":
                (RECORDED / f"charon-{near.version}.log").write_text(far.log())
        (RECORDED / f"list-sas-{near.version}.json").write_text(json.dumps(said, indent=1) + "\n")
        near.stop()
        far.stop()


if __name__ == "__main__":
    world.enter()
    RECORDED.mkdir(exist_ok=True)
    for wanted in sys.argv[1:]:
        record(wanted)
