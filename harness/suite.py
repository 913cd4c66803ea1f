"""One run of cases: rigs, verdicts, the run folder, and the lines that tell how it goes.

A pytest plugin object; `pytest_plugin` makes it. Knows pytest's items only by their attributes.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ikelab.harness import verdicts
from ikelab.harness.edits import Plan
from ikelab.harness.model import Verdict
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.faults import fault
from ikelab.harness.record import CaseFolder, RunFolder
from ikelab.harness.rig import Rig, Settings, open_rig
from ikelab.harness.transcript import violation_json

EXPECTED = Path(__file__).resolve().parent.parent / "testcases" / "expected"


@dataclass
class _Running:
    """What is known of the test that runs."""

    folder: CaseFolder
    rig: Rig
    worst: Verdict = Verdict.PASS
    reason: str = ""
    details: str = ""
    duration: float = 0.0
    error: BaseException | None = None
    violations: list[dict[str, Any]] = field(default_factory=list)
    plan: str = ""
    observed: str = ""


class Suite:
    """Made once a session. `config` is pytest's."""

    def __init__(self, config: Any) -> None:
        self.config = config
        option = config.getoption
        name = option("--ikelab-fault")
        self.settings = Settings(
            topology=option("--ikelab-topology"),
            seed=option("--ikelab-seed"),
            fault=fault(name) if name else None,
            version=version("ikelab"),
        )
        self.role = option("--ikelab-role")
        self.peers: list[str] = option("--ikelab-peer") or ["reference"]
        self.run = RunFolder(self._place(option("--ikelab-out")), self._facts())
        self.counts: Counter[Verdict] = Counter()
        self._running: dict[str, _Running] = {}
        self._expected = {peer: verdicts.expected(peer, EXPECTED) for peer in self.peers}
        self._broken: dict[str, BaseException] = {}

    def _place(self, out: str) -> Path:
        if out:
            return Path(out)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        peers = "+".join(self.peers)
        place = Path("runs") / f"{stamp}-{peers}"
        number = 1
        while place.exists():
            number += 1
            place = Path("runs") / f"{stamp}-{peers}-{number}"
        return place

    def _facts(self) -> dict[str, Any]:
        command = self.config.getoption("--ikelab-command")
        return {
            "ikelab": self.settings.version,
            "peers": [],
            "topology": self.settings.topology or "default",
            "seed": self.settings.seed,
            "fault": self.settings.fault.name if self.settings.fault else None,
            "command": shlex.split(command) if command else sys.argv,
        }

    # -- rigs --------------------------------------------------------------------------------

    def open_rig(self, peer: str) -> Rig:
        """The rig of a peer; what stopped it once stops every test of that peer."""
        if peer in self._broken:
            raise self._broken[peer]
        try:
            made = open_rig(peer, self.settings)
        except BaseException as error:
            self._broken[peer] = error
            raise
        return made

    def begin(self, rig: Rig, item: Any) -> None:
        """Start the record of a test; Unsupported where its role was not asked for."""
        folder = CaseFolder(self.run, item.nodeid.removeprefix("testcases/"))
        self._running[item.nodeid] = _Running(folder, rig)
        rig.begin(item.nodeid, folder.path)
        driver = rig.peer.driver
        self.run.add_peer(rig.name, driver.version, driver.capabilities)
        role = role_of(item)
        if role not in rig.peer.capabilities:
            raise Unsupported(f"{rig.name} cannot be {role}")

    def end(self, rig: Rig, item: Any) -> None:
        """Write what the test left: conversation, capture, keys, the peer's side."""
        running = self._running[item.nodeid]
        sessions = rig.sessions()
        running.violations = [
            violation_json(v) for session in sessions for v in session.violations
        ]
        running.plan = str(Plan(tuple(b for s in sessions for b in s.sa.applied)))
        running.observed = "; ".join(rig.peer.observed)
        folder = running.folder
        folder.write([s.sa for s in sessions])
        folder.text("peer.conf", rig.peer.driver.config_text())
        folder.text("peer.log", rig.peer.driver.log())
        rig.end()

    # -- pytest's hooks ------------------------------------------------------------------------

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Keep the tests of the wanted role, peer by peer."""
        if self.role:
            gone = [i for i in items if "peer" in i.fixturenames and role_of(i) != self.role]
            if gone:
                config.hook.pytest_deselected(items=gone)
                items[:] = [i for i in items if i not in gone]

    def phase(self, item: Any, call: Any, report: Any) -> None:
        """Take note of how setup, call or teardown ended; after the last one, give the verdict."""
        running = self._running.get(item.nodeid)
        if running is None:
            folder = CaseFolder(self.run, item.nodeid.removeprefix("testcases/"))
            running = self._running[item.nodeid] = _Running(folder, None)  # type: ignore[arg-type]
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, KeyboardInterrupt):
            return
        verdict = verdicts.verdict_of(error, report.when)
        if report.when == "call":
            running.duration = report.duration
        if error is not None and running.worst is Verdict.PASS:
            running.worst, running.error = verdict, error
            running.reason = verdicts.one_line(error)
            running.details = str(error)
        if report.when == "teardown":
            self._result(item, running)

    def _result(self, item: Any, running: _Running) -> None:
        peer = item.callspec.params["_peer_name"]
        test = item.nodeid
        deviation = verdicts.known(self._expected.get(peer, ()), test)
        verdict = verdicts.with_expectation(running.worst, deviation)
        reason = running.reason
        if deviation and verdict in (Verdict.XFAIL, Verdict.XPASS):
            reason = f"{deviation.reason} {reason}".strip()
        if verdict is Verdict.PASS and running.observed:
            reason = f"observed: {running.observed}"
        marker = item.get_closest_marker("case")
        self.counts[verdict] += 1
        self.run.result(
            {
                "id": test,
                "case": marker.args[0] if marker else None,
                "title": title(item),
                "doc": " ".join((item.function.__doc__ or "").split()),
                "verdict": str(verdict),
                "peer": peer,
                "role": role_of(item),
                "topology": running.rig.topology if running.rig else self.settings.topology,
                "rfc": [
                    {"rfc": m.args[0], "sections": list(m.args[1:])}
                    for m in item.iter_markers("rfc")
                ],
                "level": marker.args[1] if marker else "feature",
                "reason": reason,
                "details": running.details,
                "duration": round(running.duration, 4),
                "violations": running.violations,
                "folder": running.folder.name,
                "plan": running.plan,
            }
        )
        self._running.pop(test, None)
        self.config.hook.pytest_ikelab_result(
            verdict=verdict, item=item, reason=reason, peer=peer
        )

    def pytest_sessionfinish(self) -> None:
        """Close the run folder; a run that was interrupted stays without `finished`."""
        if not self._interrupted:
            self.run.finish()

    _interrupted = False

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run did not come to its end."""
        self._interrupted = True


def role_of(item: Any) -> str:
    """The role of the peer under test: whoever has our responder must initiate."""
    return "initiator" if "responder" in item.fixturenames else "responder"


def title(item: Any) -> str:
    """A test's name as the sentence that it is."""
    return str(item.function.__name__).removeprefix("test_").replace("_", " ")
