"""Daemon against daemon: every pair brought up in both directions, watched and judged.

Two hosts on one wire; in each one a driver of every peer, of which one runs at a time. Nobody of
ours takes part: what is judged is the capture, with the keys that the daemons' logs tell, the
daemons' own words, their kernels', and an echo between the subnets behind them.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from ikelab.harness import bystander, wireshark
from ikelab.harness.errors import LabError
from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.model import Identity, Spis, Suite, Verdict, Violation, suites
from ikelab.harness.peer import registry
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import IkeView, PeerConfig, Unsupported
from ikelab.harness.pki import Certificates, Pki
from ikelab.harness.record import CaseFolder, RunFolder
from ikelab.harness.tested import ESP, ESP_WITHOUT_AEAD, PSK
from ikelab.harness.transcript import violation_json
from ikelab.layers.iana import TransformType
from ikelab.netns.capture import Capture as WireCapture
from ikelab.netns.capture import Tap
from ikelab.netns.lab import Lab

PROOFS = ("psk", "certificates")
IKE = suites(["aes256-sha256-x25519"])  # every log tells the keys of this one whole
HOSTS = ("initiator", "responder")
PATIENCE = 20.0 if "IKELAB_GUEST" in os.environ else 10.0
MOMENT = 0.05
_ECHO, _MARK = 0x696B, b"ikelab: clear text on the wire? "


@dataclass(frozen=True, slots=True)
class Pair:
    """Who begins, who answers, and how both prove themselves."""

    initiator: str
    responder: str
    proof: str

    def __str__(self) -> str:
        return f"{self.initiator} > {self.responder} ({self.proof})"


def pairs(peers: Sequence[str], proofs: Sequence[str] = PROOFS) -> list[Pair]:
    """Every pair in both directions, each peer with itself as well."""
    return [Pair(a, b, proof) for proof in proofs for a in peers for b in peers]


class Arena:
    """Two hosts with a driver of each peer; `with Arena(peers) as arena: arena.meet(pair, ...)`."""

    def __init__(self, peers: Sequence[str]) -> None:
        self._peers = peers
        self._stack = contextlib.ExitStack()
        self._drivers: dict[tuple[str, str], Any] = {}
        self.pki = Pki()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as building:
            self.lab = building.enter_context(Lab("direct"))
            place = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="ikelab-")))
            for peer in self._peers:
                for host in HOSTS:
                    driver = registry.open_peer(peer, self.lab.host(host), place / host / peer)
                    building.callback(driver.stop)
                    self._drivers[host, peer] = driver
            self._stack = building.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def driver(self, host: str, peer: str) -> Any:
        """The driver of a peer in one of the hosts."""
        return self._drivers[host, peer]

    def configs(self, pair: Pair) -> tuple[PeerConfig, PeerConfig]:
        """What the initiator and the responder are told."""
        drivers = self.driver(HOSTS[0], pair.initiator), self.driver(HOSTS[1], pair.responder)
        esp = ESP if all(_has(d, ESP[0]) for d in drivers) else ESP_WITHOUT_AEAD
        near, far = V4
        first = PeerConfig(
            local_address=near.address,
            remote_address=far.address,
            local_id=Identity.parse(near.address),
            remote_id=Identity.parse(far.address),
            psk=PSK,
            ike=IKE,
            esp=esp,
            local_ts=near.subnet,
            remote_ts=far.subnet,
        )
        second = replace(
            first,
            local_address=far.address,
            remote_address=near.address,
            local_id=first.remote_id,
            remote_id=first.local_id,
            local_ts=far.subnet,
            remote_ts=near.subnet,
        )
        if pair.proof == "psk":
            return first, second
        sides = Certificates(self.pki, HOSTS[0])
        return replace(first, **sides.ours()), replace(second, **sides.theirs())

    @contextlib.contextmanager
    def running(self, pair: Pair) -> Iterator[tuple[Any, Any]]:
        """Both daemons with their configurations; neither of them afterwards."""
        near, far = self.driver(HOSTS[0], pair.initiator), self.driver(HOSTS[1], pair.responder)
        for driver in (near, far):
            if "child" not in driver.capabilities:
                why = getattr(driver, "lacks", {}).get("child", "it can have no child here")
                raise Unsupported(f"{driver.name}: {why}")
        first, second = self.configs(pair)
        try:
            far.start(second)
            near.start(first)
            yield near, far
        finally:
            near.stop()
            far.stop()

    def meet(self, pair: Pair, folder: Path) -> bystander.Evidence:
        """Bring a pair up, send an echo through, and collect what everybody says.

        Unsupported where one of them cannot be told so; AssertionError where no child comes up.
        """
        with self.running(pair) as (near, far), self._watched(folder):
            try:
                near.initiate()
                views = _up(near), _up(far)
                echoed = self.lab.host(HOSTS[0]).call(_echo)
                sides = [
                    _side(driver, view) for driver, view in zip((near, far), views, strict=True)
                ]
                _write_keys(folder / "keys", near, far, views[0])
            finally:
                _write_words(folder, near, far)
        wire = inspect_file(folder / "capture.pcapng", [folder / "keys"])
        files = ("capture.pcapng", "capture-responder.pcapng")
        clear: list[str] = []
        for name, side in zip(files, V4, strict=True):
            clear += _clear(folder / name, side.address)
        return bystander.Evidence(sides[0], sides[1], wire, echoed, tuple(clear))

    @contextlib.contextmanager
    def _watched(self, folder: Path) -> Iterator[None]:
        """Write the wire as each of the two hosts sees it."""
        [link] = self.lab.topology.links
        far = self.lab.host(HOSTS[1])
        tap = Tap(HOSTS[1], "the wire as the responder sees it", far.fd, link.b.device, link.mtu)
        with (
            self.lab.capture(folder / "capture.pcapng"),
            WireCapture(folder / "capture-responder.pcapng", [tap]),
        ):
            yield


def _has(driver: Any, suite: Suite) -> bool:
    return all(driver.knows(t, suite.protocol) for t in suite.of(TransformType.ENCR))


def _side(driver: Any, view: IkeView) -> bystander.Side:
    return bystander.Side(
        driver.name,
        view,
        driver.kernel(),
        driver.child_keys(),
        driver.addresses(),
        "nat-d-honest" in driver.capabilities,
    )


def _up(driver: Any) -> IkeView:
    """The driver's SA once it has an installed child."""
    end = time.monotonic() + PATIENCE
    while True:
        for view in driver.view().sas:
            child = view.child
            up = view.state == "ESTABLISHED" and view.suite is not None
            if up and child is not None and child.state == "INSTALLED":
                found: IkeView = view
                return found
        if time.monotonic() > end:
            raise AssertionError(f"{driver.name} had no child within {PATIENCE:.0f} s")
        time.sleep(MOMENT)


# -- an echo ---------------------------------------------------------------------------------------


def _echo() -> bool:
    """In the initiator's host: whether an echo comes back from behind the responder."""
    here, there = (str(side.subnet[0].start + 1) for side in V4)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        icmp.bind((here, 0))
        end = time.monotonic() + PATIENCE / 2
        number = 0
        while time.monotonic() < end:
            number += 1
            icmp.sendto(_request(number), (there, 0))
            if _answered(icmp, there, min(end, time.monotonic() + 1.0)):
                return True
    return False


def _answered(icmp: socket.socket, there: str, until: float) -> bool:
    while (left := until - time.monotonic()) > 0:
        icmp.settimeout(left)
        try:
            data, source = icmp.recvfrom(2048)
        except TimeoutError:
            return False
        inner = data[(data[0] & 15) * 4 :]
        if source[0] == there and inner[:1] == b"\0" and _MARK in inner:
            return True
    return False


def _request(number: int) -> bytes:
    head = struct.pack("!BBHHH", 8, 0, 0, _ECHO, number)
    words = struct.unpack(f"!{(len(head) + len(_MARK)) // 2}H", head + _MARK)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:] + _MARK


def _clear(capture: Path, own: str) -> Iterator[str]:
    """Frames that a host sent and that show what only ESP may carry: inner addresses, the echo.

    What comes in shows twice where a kernel opens it: sealed, and once more as it was inside.
    """
    inner = [side.subnet[0] for side in V4]
    address, sender = int(ip_address(own)), b""
    for record in Capture(capture):
        frame, packet = record.data, record.data[14:]
        if frame[12:14] != b"\x08\x00" or len(packet) < 20:
            continue
        ends = (int.from_bytes(packet[12:16], "big"), int.from_bytes(packet[16:20], "big"))
        if ends[0] == address:
            sender = frame[6:12]
        if frame[6:12] != sender:
            continue
        if _MARK in frame:
            yield f"frame {record.number} of {capture.name} shows the echo's octets"
        elif any(int(ts.start) <= end <= int(ts.end) for ts in inner for end in ends):
            yield f"frame {record.number} of {capture.name} has an inner address outside"


# -- the record ------------------------------------------------------------------------------------


def _write_keys(folder: Path, near: Any, far: Any, view: IkeView) -> None:
    """Wireshark's tables, out of whichever log tells the keys."""
    found: dict[Spis, dict[str, bytes]] = {}
    for driver in (far, near):
        found |= {spis: keys for spis, keys in driver.ike_keys().items() if "SK_ei" in keys}
    ike, esp = [], []
    suite = view.suite
    for spis, keys in found.items():
        if suite is not None and suite.encr is not None:
            ei, er, ai, ar = (keys.get(f"SK_{end}", b"") for end in ("ei", "er", "ai", "ar"))
            ike.append(wireshark.IkeRow(spis, suite.encr, suite.integ, ei, er, ai, ar))
    child = view.child
    told = near.child_keys() or far.child_keys()
    if child is not None and child.suite.encr is not None and len(told) == 1:
        [(encr_i, integ_i, encr_r, integ_r)] = told
        here, there = (side.address for side in V4)
        for src, dst, spi, key, auth in (
            (here, there, child.spi_out, encr_i, integ_i),
            (there, here, child.spi_in, encr_r, integ_r),
        ):
            row = wireshark.EspRow(
                src, dst, spi.hex(), child.suite.encr, child.suite.integ, key, auth
            )
            esp.append(row)
    wireshark.write_profile(folder, ike, esp)


def _write_words(folder: Path, near: Any, far: Any) -> None:
    for role, driver in zip(HOSTS, (near, far), strict=True):
        for kind, text in (("conf", driver.config_text()), ("log", driver.log())):
            path = folder / f"{role}.{kind}"
            path.touch(mode=0o600)
            path.write_text(text, errors="backslashreplace")


Told = Callable[[Pair, Verdict, str], None]


def run(
    peers: Sequence[str], proofs: Sequence[str], folder: RunFolder, told: Told
) -> list[Verdict]:
    """Every meeting into the run folder; the verdicts in order."""
    found = []
    with Arena(peers) as arena:
        for peer in peers:
            driver = arena.driver(HOSTS[1], peer)
            folder.add_peer(peer, driver.version, driver.capabilities)
        for pair in pairs(peers, proofs):
            verdict, reason = _one(arena, pair, folder)
            found.append(verdict)
            told(pair, verdict, reason)
    return found


def _one(arena: Arena, pair: Pair, folder: RunFolder) -> tuple[Verdict, str]:
    start = time.monotonic()
    case = CaseFolder(folder, str(pair))
    verdict, reason, details = Verdict.PASS, "", ""
    violations: list[Violation] = []
    try:
        evidence = arena.meet(pair, case.path)
        problems = bystander.judge(evidence)
        violations = evidence.wire.violations
        case.text("witnesses.json", json.dumps(bystander.summary(evidence), indent=1) + "\n")
        if problems:
            verdict, reason, details = Verdict.FAIL, problems[0], "\n".join(problems)
        else:
            reason = _agreed(evidence)
    except Unsupported as error:
        verdict, reason = Verdict.UNSUPPORTED, str(error)
    except AssertionError as error:
        verdict, reason = Verdict.FAIL, str(error)
    except LabError as error:
        verdict, reason = Verdict.ERROR, str(error)
    folder.result(
        {
            "id": f"matrix::{pair.initiator}[{pair.proof}]",
            "case": None,
            "title": f"{pair.initiator} begins, proof by {pair.proof}",
            "doc": "Both daemons, both kernels and the wire agree, and an echo goes through.",
            "verdict": str(verdict),
            "peer": pair.responder,
            "role": "responder",
            "topology": "direct",
            "rfc": [],
            "level": "feature",
            "reason": reason,
            "details": details,
            "duration": round(time.monotonic() - start, 4),
            "violations": [violation_json(v) for v in violations],
            "folder": case.name,
            "plan": "",
        }
    )
    return verdict, reason


def _agreed(it: bystander.Evidence) -> str:
    """What was found equal, in a line."""
    child, kernels = it.initiator.child, [s for s in (it.initiator, it.responder) if s.kernel]
    spis = f"{child.spi_out.hex()}/{child.spi_in.hex()}"
    where = "wire, both daemons" + (" and both kernels" if len(kernels) == 2 else "")
    return f"observed: {where} have {spis}; an echo went through; {child.suite}"


def table(peers: Sequence[str], proofs: Sequence[str], found: Sequence[Verdict]) -> Iterator[str]:
    """The verdicts as a table: who begins in rows, who answers in columns."""
    verdicts = dict(zip(pairs(peers, proofs), found, strict=True))
    width = max(map(len, (*peers, *Verdict))) + 2
    for proof in proofs:
        yield f"{proof:<{width}}" + "".join(f"{peer:>{width}}" for peer in peers).rstrip()
        for first in peers:
            cells = (str(verdicts[Pair(first, second, proof)]) for second in peers)
            yield f"{first:<{width}}" + "".join(f"{cell:>{width}}" for cell in cells)
