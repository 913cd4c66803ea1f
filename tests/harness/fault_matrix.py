"""Run the shipped cases with planted faults: `python fault_matrix.py OUT.json FAULT...`.

One session of pytest for all faults, because starting and collecting cost more than running. A
fault meets its own cases, and of all other tests every 32nd one, other ones for each fault;
the fault "" is none and meets one variant of every test. OUT.json: {fault: [{"test", "case",
"verdict", "reason"}]}.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from ikelab.harness import frames, pytest_plugin, record
from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.rig import MemoryRig, Settings
from ikelab.harness.runner import Request

OTHERS = 64
OWN_VARIANTS = 8  # of one test
QUIET = ["-p", "no:faulthandler", "--disable-plugin-autoload", "-s"]


class Faults:
    """Runs the collected tests fault by fault and keeps what they say."""

    def __init__(self, faults: list[str]) -> None:
        self.found: dict[str, list[dict[str, str]]] = {fault: [] for fault in faults}
        self.settings = Settings()
        self._now: list[dict[str, str]] = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")
        self.settings = config.pluginmanager.get_plugin(pytest_plugin.PLUGIN).settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        honest = self.settings
        for fault, rows in self.found.items():
            self._now = rows
            self.settings = replace(honest, fault=FAULTS[fault]) if fault else honest
            for item in met(session.items, fault):
                item._initrequest()  # as for any test that is run again
                runtestprotocol(item, log=False, nextitem=Whatever(session))
        return True

    def pytest_ikelab_result(self, verdict: Any, item: Any, reason: str) -> None:
        marker = item.get_closest_marker("case")
        test = item.nodeid.rpartition("/")[2].partition("[")[0]
        case = marker.args[0] if marker else ""
        row = {"test": test, "case": case, "verdict": str(verdict), "reason": reason}
        self._now.append(row)


class Whatever:
    """Stands for the next test: of what was set up, only the session's own stays."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[pytest.Session]:
        return [self.session]


def met(items: list[pytest.Item], fault: str) -> Iterator[Any]:
    """The tests that a fault meets; none that need another network than the one in memory."""
    variants = defaultdict(list)
    for item in (i for i in items if not i.get_closest_marker("topology")):
        variants[item.nodeid.partition("[")[0]].append(item)
    share = sorted(FAULTS).index(fault) if fault else 0
    for number, same in enumerate(variants.values()):
        marker = same[0].get_closest_marker("case")
        if fault and marker and marker.args[0] in FAULTS[fault].cases:
            yield from same[:OWN_VARIANTS]
        elif not fault or (number + share) % OTHERS == 0:
            yield same[0]


def main() -> None:
    out, *faults = sys.argv[1:]
    os.environ.pop("PYTEST_ADDOPTS", None)
    runner = Faults(faults)
    # The peer's fault changes from test to test; evidence nobody reads is not written.
    MemoryRig._settings = property(lambda rig: runner.settings, lambda rig, value: None)
    record.CaseFolder.write = lambda folder, sas: None
    frames.write = lambda path, datagrams, start: None
    with tempfile.TemporaryDirectory() as folder:
        request = Request(out=str(Path(folder, "run")), seed=1)
        pytest.main([*QUIET, *request.options()], plugins=[pytest_plugin, runner])
    Path(out).write_text(json.dumps(runner.found))


if __name__ == "__main__":
    main()
