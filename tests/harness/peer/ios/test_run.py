"""A run against a router: FakeNOS takes its configuration and shows SAs, IKE is the reference's.

What the simulator has been configured with decides what the reference answers, and what the
reference has negotiated is what the simulator shows, in IOS's own words.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Identity, selectors, suites
from ikelab.harness.peer.base import ChildView, IkeView
from ikelab.harness.peer.reference import Station, _view
from ikelab.harness.peer.serve import UdpStation
from ikelab.layers.iana import Protocol
from tests.harness.ios_router import ENABLE, PASSWORD, USER, Box, router

pytestmark = pytest.mark.long
US, ROUTER = "127.0.0.1", "127.0.0.2"
CASES = ("right_key or echoes_selectors_that or answers_a_child_delete or "
         "answers_an_ike_delete or repeats_its_request_with_the_cookie")  # fmt: skip
ENTRY = f"""
[peers.r1]
kind = "ios"
address = "{ROUTER}"
local_address = "{US}"
ssh = "127.0.0.1:PORT"
username = "{USER}"
password = "{PASSWORD}"
enable_env = "R1_ENABLE"
"""
BEFORE = ["logging buffered 8192", "interface GigabitEthernet1"]
WORDS = {"aes-cbc-256": "aes256", "aes-cbc-128": "aes128", "14": "modp2048", "2": "modp1024"}


def value(config: list[str], start: str) -> str:
    """What follows these words in the configuration."""
    return next((line.strip().removeprefix(start).strip() for line in config
                 if line.strip().startswith(start)), "")  # fmt: skip


class Gateway:
    """IKE by the reference, as the simulator is configured; IOS's words for its SAs."""

    def __init__(self, box: Box, served: UdpStation) -> None:
        self.box, self.served = box, served
        self.station: Station | None = None
        self.configured: list[str] = []
        box.on = {
            "clear crypto ikev2 sa": self.clear,
            "ping ": self.ping,
            "show crypto ikev2 sa detailed": self.show_ike,
            "show crypto ikev2 session detailed": lambda: "",
            "show crypto ipsec sa": self.show_ipsec,
        }

    def clear(self) -> str:
        """No SA is left; from now on it answers as it is configured."""
        config = self.box.config
        if not value(config, "crypto ikev2 profile"):
            return ""
        ike = "-".join(WORDS.get(w, w) for w in (value(config, k) for k in
                                                 ("encryption", "integrity", "group")))  # fmt: skip
        made = IkeConfig(
            local=(ROUTER, 500),
            remote=(US, 500),
            local_id=Identity.parse(ROUTER),
            remote_id=Identity.parse(US),
            psk=value(config, "pre-shared-key local").encode(),
            ike=suites([ike]),
            esp=suites(["aes256-sha256"], Protocol.ESP),
            local_ts=selectors("10.2.0.0/24"),
            remote_ts=selectors("10.1.0.0/24"),
        )
        self.configured = list(config)
        self.station = Station(made, entropy(None))
        self.served.attach(self.station, ROUTER)
        return ""

    def ping(self) -> str:
        assert self.station is not None
        with self.served.guard():
            self.station.initiate(self.served.clock())
        return "Type escape sequence to abort.\n.\nSuccess rate is 0 percent (0/1)"

    def views(self) -> list[IkeView]:
        if self.station is None:
            return []
        with self.served.guard():
            return [_view(sa) for sa in self.station.listener.sas if str(sa.state) != "CLOSED"]

    def show_ike(self) -> str:
        rows = [" IPv4 Crypto IKEv2  SA ", ""]
        for number, sa in enumerate(self.views(), 1):
            mine, theirs = (sa.spis.i, sa.spis.r)[:: 1 if sa.initiator else -1]
            role = "Yes" if sa.initiator else "No"
            rows += [
                "Tunnel-id Local                 Remote                fvrf/ivrf      Status ",
                f"{number}         {ROUTER}/500         {US}/500         none/none      READY  ",
                "      Encr: AES-CBC, keysize: 256, PRF: SHA256, Hash: SHA256, DH Grp:14, "
                "Auth sign: PSK, Auth verify: PSK",
                "      Life/Active Time: 86400/1 sec",
                f"      Local spi: {mine.hex().upper()}       Remote spi: {theirs.hex().upper()}",
                f"      Local id: {sa.local_id}",
                f"      Remote id: {sa.remote_id}",
                "      NAT-T is not detected  ",
                f"      Initiator of SA : {role}",
                "",
            ]
        return "\n".join(rows)

    def show_ipsec(self) -> str:
        children = [child for sa in self.views() for child in sa.children]
        rows = ["", "interface: GigabitEthernet1",
                f"    Crypto map tag: IKELAB, local addr {ROUTER}"]  # fmt: skip
        for child in children:
            rows += [
                "",
                "   protected vrf: (none)",
                f"   local  ident (addr/mask/prot/port): ({ident(child.local_ts)})",
                f"   remote ident (addr/mask/prot/port): ({ident(child.remote_ts)})",
                f"   current_peer {US} port 500",
                "     PERMIT, flags={origin_is_acl,}",
                f"     local crypto endpt.: {ROUTER}, remote crypto endpt.: {US}",
                *half("inbound", child.spi_in, child),
                *half("outbound", child.spi_out, child),
            ]
        return "\n".join(rows)


def half(direction: str, spi: bytes, child: ChildView) -> list[str]:
    number = int.from_bytes(spi)
    return ["", f"     {direction} esp sas:", f"      spi: 0x{number:08X}({number})",
            "        transform: esp-256-aes esp-sha256-hmac ,",
            "        in use settings ={Tunnel, }", "        Status: ACTIVE(ACTIVE)",
            "", f"     {direction} ah sas:", "", f"     {direction} pcp sas:"]  # fmt: skip


def ident(chosen: Any) -> str:
    return f"{chosen[0].start}/255.255.255.0/0/0"


def run_against_it(folder: Path) -> dict[str, Any]:
    """The command in a network of its own, where port 500 is ours to give."""
    box = Box(config=list(BEFORE), answers={"show logging": "Log Buffer (4000000 bytes):"})
    with router(box) as port, UdpStation(socket.socket) as served:
        gateway = Gateway(box, served)
        (folder / "ikelab.toml").write_text(ENTRY.replace("PORT", str(port)))
        command = [sys.executable, "-m", "ikelab.harness.cli", "run", "--peer", "ios:r1",
                   "--out", "run", "-k", CASES]  # fmt: skip
        env = {"R1_ENABLE": ENABLE, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=100, env=env
        )
    said = done.stdout + done.stderr
    return {"status": done.returncode, "out": said, "left": box.config, "broken": box.broken,
            "configured": gateway.configured, "commands": box.commands}  # fmt: skip


@pytest.fixture
def ran(in_world: Callable[..., Any], tmp_path: Path) -> dict[str, Any]:
    return dict(in_world(run_against_it, tmp_path))


def test_a_run_configures_a_router_judges_it_and_leaves_it_as_it_was(
    ran: dict[str, Any], tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (tmp_path / "run/results.jsonl").read_text().splitlines()]
    verdicts = {row["title"]: (row["verdict"], row["reason"]) for row in rows}

    assert ran["broken"] == []
    assert ran["status"] == 0, f"{ran['out']}\n{verdicts}"
    assert {verdict for verdict, _ in verdicts.values()} <= {"PASS", "UNSUPPORTED"}, verdicts
    assert verdicts["echoes selectors that it allows"][0] == "PASS"
    assert verdicts["repeats its request with the cookie"][0] == "PASS"  # as initiator
    assert "no blank" in verdicts["brings the sa up with the right key"][1]
    assert "crypto ikev2 profile IKELAB" in ran["configured"]
    assert ran["left"] == BEFORE
    assert "ping 10.1.0.1 source 10.2.0.1 repeat 1 timeout 1" in ran["commands"]
    about = json.loads((tmp_path / "run/run.json").read_text())
    assert [(p["name"], p["version"]) for p in about["peers"]] == [("ios:r1", "IOS XE 17.3.1")]
    kept = [file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()]
    for secret in (PASSWORD, ENABLE, "ikelab-shared-key"):
        assert not any(secret.encode() in data for data in kept), secret
