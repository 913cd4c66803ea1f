"""One run of cases: rigs, verdicts, the run folder, and the lines that tell how it goes.

A pytest plugin object; `pytest_plugin` makes it. Knows pytest's items only by their attributes.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ikelab.harness import placing, reason, refusal, resume, routers, verdicts
from ikelab.harness.choice import Choice
from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, IkelabError, LabError
from ikelab.harness.model import Verdict
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.faults import fault
from ikelab.harness.placing import EVERYWHERE, Spot
from ikelab.harness.record import CaseFolder, RunFolder, vacant
from ikelab.harness.rig import REFERENCE, Rig, Settings, check, open_rig, topology_of
from ikelab.harness.transcript import violation_json

EXPECTED = Path(__file__).resolve().parent.parent / "testcases" / "expected"
PEER_FIXTURE = "_ikelab_peer"
"""Every test that has a peer has this fixture, with the peer's name as its parameter."""
ROUND_FIXTURE, ROUND = "_ikelab_round", "round"
"""A test that is repeated has this fixture, with its number, and that number in its id."""


@dataclass
class _Running:
    """What is known of the test that runs."""

    folder: CaseFolder
    rig: Rig | None = None
    worst: Verdict = Verdict.PASS
    reason: str = ""
    details: str = ""
    duration: float = 0.0
    error: BaseException | None = None
    violations: list[dict[str, Any]] = field(default_factory=list)
    plan: str = ""
    observed: str = ""


class Suite:
    """Made once in a process. `config` is pytest's; `place` the folder of a run that is shared."""

    def __init__(self, config: Any, place: Path | None = None) -> None:
        self.config = config
        option = config.getoption
        name = option("--ikelab-fault")
        self.settings = Settings(
            topology=option("--ikelab-topology"),
            seed=option("--ikelab-seed"),
            fault=fault(name) if name else None,
            version=version("ikelab"),
            outside=routers.find(option("--ikelab-peers-file")),
        )
        self.role = option("--ikelab-role")
        kinds = ("case", "rfc", "level")
        self.choice = Choice.parse(*(option(f"--ikelab-{kind}") for kind in kinds))
        self.peers = peers(config)
        for peer in self.peers:
            check(peer, self.settings)
        own = option("--ikelab-expected")
        folder = Path(own) if own else EXPECTED
        if own and not folder.is_dir():
            raise ConfigError(f"no such folder of known deviations: {folder}")
        self._expected = {peer: verdicts.expected(peer, folder) for peer in self.peers}
        self._shared = place is not None
        self.place = place or new_place(config)
        self._again = bool(option("--ikelab-resume"))
        self._before = resume.done(self.place) if self._again else []
        if self._again and not self._shared:
            resume.tidy(self.place, self._before)
        elif not self._shared:
            vacant(self.place)
        self.counts = Counter(Verdict(row["verdict"]) for row in self._before)
        self.errors: list[dict[str, Any]] = [
            row | {"usage": False} for row in self._before if row["verdict"] == Verdict.ERROR
        ]
        self.told: dict[str, dict[str, Any]] = {}
        self.failure: IkelabError | None = None
        self._running: dict[str, _Running] = {}
        self._broken: dict[tuple[str, Spot], BaseException] = {}
        self._interrupted = False

    @cached_property
    def run(self) -> RunFolder:
        """The run folder; made when the first test is about to run."""
        command = self.config.getoption("--ikelab-command")
        facts = {
            "ikelab": self.settings.version,
            "topology": self.settings.topology or "default",
            "seed": self.settings.seed,
            "fault": self.settings.fault.name if self.settings.fault else None,
            "command": shlex.split(command) if command else sys.argv,
        }
        return RunFolder(self.place, facts, shared=self._shared, again=self._again)

    @property
    def made(self) -> bool:
        """Whether there is a run folder: this process made it, or its workers did."""
        return "run" in self.__dict__ or bool(self.counts)

    # -- rigs --------------------------------------------------------------------------------

    def open_rig(self, peer: str, spot: Spot = EVERYWHERE) -> Rig:
        """The rig of a peer; what stopped it once stops every test of that peer and place."""
        usual = topology_of(peer, self.settings)
        place = EVERYWHERE if usual in ("memory", "external") else spot
        if (peer, place) in self._broken:
            raise self._broken[peer, place]
        try:
            made = open_rig(peer, self.settings, place.topology, place.role)
        except Exception as error:
            self._broken[peer, place] = error
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
        try:
            placing.refuse(item, rig.topology)
            rig.peer.needs(role)
        except Unsupported:
            rig.end()  # no test follows that would
            raise

    def end(self, rig: Rig, item: Any) -> None:
        """Write what the test left: conversation, capture, keys, the peer's side."""
        running = self._running[item.nodeid]
        try:
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
        finally:
            rig.end()

    # -- pytest's hooks ------------------------------------------------------------------------

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Keep the tests that were asked for, and of a run that goes on what it has not done."""
        done = {(row["id"], row["peer"]) for row in self._before}
        kept: list[Any] = []
        gone: list[Any] = []
        for item in items:
            wanted = not has_peer(item) or (
                self.role in ("", None, role_of(item))
                and self.choice.takes(item)
                and (item.nodeid, peer_of(item)) not in done
            )
            (kept if wanted else gone).append(item)
        if gone:
            config.hook.pytest_deselected(items=gone)
            items[:] = kept

    def pytest_assertrepr_compare(self, op: str, left: Any, right: Any) -> list[str] | None:
        """Our words for a comparison that does not hold."""
        return reason.compared(op, left, right)

    def phase(
        self,
        item: Any,
        when: str,
        error: BaseException | None,
        verdict: Verdict | None,
        text: str = "",
        duration: float = 0.0,
    ) -> tuple[Verdict, str]:
        """Take note of how setup, call or teardown ended; after the last one, give the verdict.

        `verdict` and `text` are what pytest's own marks (skip, xfail) say, None where they say
        nothing. Returns the verdict so far, known deviations applied, and its reason.
        """
        running = self._running.get(item.nodeid)
        if running is None:
            folder = CaseFolder(self.run, item.nodeid.removeprefix("testcases/"))
            running = self._running[item.nodeid] = _Running(folder)
        found = verdict or verdicts.verdict_of(error, when)
        if when == "call":
            running.duration = duration
            if found is not Verdict.UNSUPPORTED:
                self._there(item, running)
        if found is not Verdict.PASS and running.worst is Verdict.PASS:
            running.worst, running.error = found, error
            running.reason = text or (reason.one_line(error) if error else "")
            running.details = text or (verdicts.details(error) if error else "")
            if found is Verdict.FAIL and running.rig is not None:
                running.reason += refusal.of_a_test(running.rig.sessions(), running.reason)
        if when == "teardown":
            return self._result(item, running)
        deviation = self._deviation(item, running)
        return verdicts.with_expectation(running.worst, deviation), _because(running, deviation)

    def _there(self, item: Any, running: _Running) -> None:
        """LabError where a gateway outside is not there: no verdict is about what nobody heard."""
        missing = getattr(running.rig, "missing", None)
        if missing is not None and (why := missing(role_of(item))):
            self.run.stopped(why)
            raise LabError(
                f"{why}; the run stopped at {_row(item, running)['title']!r}; once that is mended, "
                f"go on with: ikelab run --resume {shlex.quote(str(self.place))}"
            )

    def _result(self, item: Any, running: _Running) -> tuple[Verdict, str]:
        self._running.pop(item.nodeid)
        peer = peer_of(item)
        deviation = self._deviation(item, running)
        verdict = verdicts.with_expectation(running.worst, deviation)
        why = _because(running, deviation)
        if verdict is Verdict.PASS and running.observed:
            why = f"observed: {running.observed}"
        rig = running.rig
        place = rig.topology if rig else topology_of(peer, self.settings)
        row = {"topology": place, **_row(item, running)}
        self.run.result(row | {"verdict": str(verdict), "peer": peer, "reason": why})
        self.told[item.nodeid] = {
            "verdict": str(verdict),
            "peer": peer,
            "case": row["case"] or "",
            "title": row["title"],
            "variant": item.callspec.id.removeprefix(peer).removeprefix("-"),
            "reason": why,
            "usage": isinstance(running.error, ConfigError),
        }
        self.config.hook.pytest_ikelab_result(verdict=verdict, item=item, reason=why, peer=peer)
        return verdict, why

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a verdict, also where a worker of pytest-xdist found it."""
        told = getattr(report, "ikelab", None)
        if told is not None:
            self.counts[Verdict(told["verdict"])] += 1
            if told["verdict"] == Verdict.ERROR:
                self.errors.append(told)

    def _deviation(self, item: Any, running: _Running) -> verdicts.Deviation | None:
        capabilities = running.rig.peer.capabilities if running.rig else ()
        return verdicts.known(self._expected[peer_of(item)], once(item), capabilities)

    def give_up(self, item: Any, error: IkelabError) -> None:
        """The record itself broke: no further test is run."""
        self.failure = error
        item.session.shouldstop = str(error)

    def pytest_sessionfinish(self) -> None:
        """Close the run folder; a run that was interrupted stays without `finished`."""
        if self._again and not self._shared:
            _ = self.run  # there may have been nothing left to do
        if "run" in self.__dict__ and not self._interrupted and self.failure is None:
            self.run.finish()

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run did not come to its end."""
        self._interrupted = True


def _because(running: _Running, deviation: verdicts.Deviation | None) -> str:
    """Why the verdict is what it is: an expected deviation, else what was found."""
    why = running.reason
    if running.worst is Verdict.FAIL and reason.bare(why) and running.violations:
        first = running.violations[0]
        why = "{rule} (RFC {rfc} {section}, {level}): {message}".format(**first)
    if deviation and running.worst is Verdict.FAIL:
        return f"{deviation}: {why}"
    if deviation and running.worst is Verdict.PASS:
        return f"it passes, and was expected to fail: {deviation}"
    return why


def _row(item: Any, running: _Running) -> dict[str, Any]:
    """What results.jsonl says of a test, verdict and peer aside."""
    marker = item.get_closest_marker("case")
    return {
        "id": item.nodeid,
        "case": marker.args[0] if marker else None,
        "title": title(item),
        "doc": " ".join((item.function.__doc__ or "").split()),
        "role": role_of(item),
        "rfc": [{"rfc": m.args[0], "sections": list(m.args[1:])} for m in item.iter_markers("rfc")],
        "level": marker.args[1] if marker else "feature",
        "details": running.details,
        "duration": round(running.duration, 4),
        "violations": running.violations,
        "folder": running.folder.name,
        "plan": running.plan,
        "round": round_of(item),
    }


def peers(config: Any) -> list[str]:
    """The peers under test, each once."""
    return list(dict.fromkeys(config.getoption("--ikelab-peer"))) or [REFERENCE]


def new_place(config: Any) -> Path:
    """Where the run goes: what was asked for, or a name below runs/ that nobody has taken."""
    out = config.getoption("--ikelab-out")
    if out:
        return Path(out)
    place = Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{'+'.join(peers(config))}"
    number = 1
    taken = place
    while taken.exists():
        number += 1
        taken = place.with_name(f"{place.name}-{number}")
    return taken


def has_peer(item: Any) -> bool:
    """Whether a test is one of ours: it has a peer under test."""
    return PEER_FIXTURE in getattr(item, "fixturenames", ())


def peer_of(item: Any) -> str:
    """The name of the peer under test."""
    return str(item.callspec.params[PEER_FIXTURE])


def round_of(item: Any) -> int:
    """Which time it is that a repeated test is run; 1 where it is run once."""
    return int(item.callspec.params.get(ROUND_FIXTURE, 1))


def once(item: Any) -> str:
    """The test's id as it is without rounds, which stand before or behind other parameters."""
    if ROUND_FIXTURE not in item.callspec.params:
        return str(item.nodeid)
    return re.sub(rf"-{ROUND}{round_of(item)}(?=[-\]])", "", item.nodeid, count=1)


def role_of(item: Any) -> str:
    """The role of the peer under test: whoever has our responder must initiate."""
    return "initiator" if "responder" in item.fixturenames else "responder"


def title(item: Any) -> str:
    """A test's name as the sentence that it is."""
    return str(item.function.__name__).removeprefix("test_").replace("_", " ")
