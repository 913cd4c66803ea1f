"""The whole way through a real gns3-server, from an entry: our interface, link, start, console,
filters, capture, stop, delete.

With a real ubridge and VPCS where they are, and everywhere with stand-ins for these two programs
(`ubridge.py`, `vpcs.py`), so that our calls are known to end in a wire that carries packets.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.lab.gns3 import Gns3Router
from ikelab.harness.lab.gns3_api import Api
from ikelab.harness.lab.recording import Source
from ikelab.harness.peer import external
from ikelab.harness.peer.ios.console import Console
from ikelab.harness.routers import Open, open_session
from ikelab.netns import world
from tests.conftest import missing
from tests.harness.gns3_server import program, server

pytestmark = pytest.mark.long
OURS = "10.9.0.1"


@pytest.fixture
def in_world() -> Callable[..., Any]:
    """A function runs in a network of its own, where the server and the wire are."""
    if reason := world.available():
        missing(reason)
    return lambda function, *words: world.run(function, *words, timeout=300)


def nudged(console: Console, prompt: str) -> bool:
    """Whether RETURN brings the prompt."""
    console.send("\r")
    return console.wait([re.compile(prompt)], 2) is not None


ENTRY = f"""
[peers.r1]
kind = "ios"
address = "10.9.0.2"
local_address = "{OURS}"
prefix = 24

[peers.r1.gns3]
url = "URL"
kind = "vpcs"
make = "namespace"
device = "ikl0"
interface = "ikl1"
condition = "delay=1ms, loss=0%"
"""


def opened_by(entry: str, folder: Path) -> Open:
    """The router of an entry, as commands open it."""
    (folder / "ikelab.toml").write_text(entry)
    router = external.read(folder / "ikelab.toml")["r1"].router
    assert router is not None
    return open_session(router)


def whole_way(folder: Path, found: Path, path: str, prompt: str, talk: str) -> dict[str, Any]:
    """What was seen on the way; run in a network of its own."""
    seen: dict[str, Any] = {}
    with server(folder, found, path) as url, socket.socket(type=socket.SOCK_DGRAM) as heard:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        heard.bind(("", 500))
        heard.settimeout(60)
        api = Api(url)
        router = opened_by(ENTRY.replace("URL", url), folder).lab
        assert isinstance(router, Gns3Router)
        link = api.call("GET", "link", "show", project=router._project, link=router._link)
        seen["filters"] = link["filters"]
        there = router.console()
        with (
            Source(wire=True).captured(router, str, str) as captured,
            Console.open(there.host, there.port, name="r1") as console,
        ):
            # GNS3 drops what comes while it still negotiates: press RETURN until it is heard.
            assert any(nudged(console, prompt) for _ in range(10)), console.last_words()
            console.send(talk)
            seen["datagram"] = heard.recvfrom(2000) if talk == "send\r" else None
            assert console.wait([re.compile(prompt)], 20)
            assert captured is not None
            seen["capture"] = captured()
        router.stop()
        node = api.call("GET", "nodes", "list", project=router._project)
        seen["status"] = {n["name"]: n["status"] for n in node}
        seen["interfaces"] = [name for _, name in socket.if_nameindex()]
        router.delete()
        seen["interfaces left"] = [name for _, name in socket.if_nameindex()]
        seen["projects"] = api.call("GET", "projects", "list its projects")
    return seen


def test_the_whole_way_with_stand_ins_carries_packets(
    in_world: Callable[..., Any], tmp_path: Path
) -> None:
    found = program()  # before the world, where nothing can be fetched
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("ubridge", "vpcs"):
        (tools / name).symlink_to(Path(__file__).with_name(f"{name}.py"))

    seen = in_world(whole_way, tmp_path, found, str(tools), "r1#", "send\r")

    data, sender = seen["datagram"]
    assert (data, sender) == (b"IKE from the node", ("10.9.0.2", 500))
    assert seen["capture"][:4] == b"\xd4\xc3\xb2\xa1" and b"IKE from the node" in seen["capture"]
    assert seen["filters"] == {"delay": [1, 0]}
    assert seen["status"]["r1"] == "stopped" and seen["projects"] == []
    assert {"ikl0", "ikl1"} <= set(seen["interfaces"]) and seen["interfaces left"] == ["lo"]


def test_the_whole_way_with_a_real_ubridge(in_world: Callable[..., Any], tmp_path: Path) -> None:
    lacking = [name for name in ("ubridge", "vpcs") if shutil.which(name) is None]
    if lacking:  # the one skip that is allowed in CI: no registry of ours has them
        pytest.skip(f"{' and '.join(lacking)} not found: 'ikelab lab doctor' says how to get it")
    found = program()

    seen = in_world(whole_way, tmp_path, found, "", r"PC1>|VPCS>|r1>", f"ping {OURS} -c 1\r")

    assert len(seen["capture"]) > 24 + 16 + 42 and seen["projects"] == []
