"""Record what Libreswan and OpenIKED say, for the tests of the parsers: `record_guest.py PEER...`.

Two daemons of one release bring up SAs between two hosts of a private world, in the guest kernel
where the host's has no ESP. What their tools list and what of their logs the parsers read (keys of
throw-away SAs) is written to recorded/. Run it for a new release.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from ikelab.harness.model import suites
from ikelab.harness.peer import kernel as guest_kernel
from ikelab.harness.peer import registry
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import Protocol
from ikelab.netns import guest, world
from ikelab.netns import kernel as abilities
from ikelab.netns.lab import Lab

sys.path.insert(0, str(Path(__file__).parent))
from daemon_pair import config, established, until

RECORDED = Path(__file__).parent / "recorded"
CHILD = "aes128-sha512"
# Of a log of debugging: the lines that a parser reads, and the dumps below them.
KEPT = {
    "libreswan": re.compile(
        r'^"|^ERROR|\| sending|\| State DB: found|(?:parent|child) state #'
        r"|NAT_TRAVERSAL (?:this|that)|duplicating|install_\w*ipsec_sa\(\) for"
        r"|setup_half_\w+\(\) (?:in|out)bound|key:$|ikev2 [IR] 0x|(?:our|remote) spi",
        re.IGNORECASE,
    ),
    "openiked": re.compile(
        r"^spi=|header ispi|ikev2_sa_keys|key material|prfplus: Tn|NAT_DETECTION|loaded|rekeyed"
    ),
}
ROW = re.compile(r"^\|   [0-9a-f]{2}(?: |$)|^(?:[0-9a-f]{8} ?|[0-9a-f]{2,6}$)+$")


def cases() -> dict[str, dict[str, Any]]:
    """Name -> what differs from the plain pair."""
    esp = Protocol.ESP
    return {
        "plain": {},
        "cbc": {"ike": suites(["aes256-sha512-modp2048"]), "esp": suites(["aes256-sha1"], esp)},
        "ipv6": {"sides": V6},
        "3des": {"ike": suites(["3des-sha1-modp2048"]), "esp": suites(["3des-sha1"], esp)},
        "esn": {"esp": suites(["aes128-sha512-esn"], esp)},
        "ports": {"ts": ("10.1.0.0/24[17/500]", "10.2.0.0/24[17/1000]")},
        "protocol": {"ts": ("10.1.0.0/24[6]", "10.2.0.0/24[6]")},
        "transport": {"mode": "transport", "ts": ("10.0.0.1", "10.0.0.2")},
        "encap": {"options": {"encapsulation": "yes"}},
    }


def essence(log: str, kept: re.Pattern[str]) -> str:
    """The lines that a parser may read, with their dumps; of messages the first row."""
    lines: list[str] = []
    keep = 0
    for line in log.splitlines():
        bare = re.sub(r"^[A-Z][a-z]{2} +\d+ [\d:.]+: ", "", line)
        if ROW.match(bare):
            if keep:
                lines.append(line)
                keep -= 1
            continue
        keep = (1 if "sending" in bare else 99) if kept.search(bare) else 0
        if keep:
            lines.append(line)
    return "\n".join(lines) + "\n"


def record(name: str) -> None:
    said: dict[str, Any] = {}
    kept = KEPT[name.partition("@")[0]]
    with tempfile.TemporaryDirectory() as folder, Lab("direct") as lab:
        near: Any = registry.open_peer(name, lab.host("initiator"), Path(folder, "near"))
        far: Any = registry.open_peer(name, lab.host("responder"), Path(folder, "far"))
        said["version"] = near.version
        for case, differs in cases().items():
            sides = differs.pop("sides", V4)
            differs = {"esp": suites([CHILD], Protocol.ESP), **differs}
            try:
                far.start(config(sides[1], sides[0], swap=True, **differs))
                near.start(config(sides[0], sides[1], **differs))
            except Unsupported as reason:
                print(f"{name} {case}: {reason}")
                continue
            near.initiate()
            established(near), established(far)
            if name.startswith("libreswan"):
                view = until(lambda: near.view().sas, "a view")
                near._whack("--name", "ikelab", "--rekey-ike")
                until(lambda old=view[0].spis: near.view().sa(old) is None, "rekeyed", 20)
            said[case] = {
                who: {"listed": peer.listed(), "log": essence(peer.log(), kept)}
                for who, peer in (("initiator", near), ("responder", far))
            }
            print(f"{name} {case}: recorded")
        near.stop()
        far.stop()
    place = RECORDED / f"{name.partition('@')[0]}-{said['version']}.json"
    place.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    world.enter()
    if not abilities.probe()["esp"] and not guest.inside():
        kernel = guest_kernel.add()
        sys.exit(guest.run(kernel.root, [sys.executable, *sys.argv]))
    for wanted in sys.argv[1:]:
        record(wanted)
