"""Run the shipped cases with planted faults: `python fault_matrix.py OUT.json FAULT...`.

All in one process, because starting costs more than running. A fault meets its own cases, and of
all other tests every eighth one, another eighth for each fault; the fault "" is none and meets all.
Of a test with many variants a few are run. OUT.json: {fault: [{"test", "case", "verdict",
"reason"}]}.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from ikelab.harness import frames, pytest_plugin, record
from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.runner import Request

OTHERS = 8
OWN_VARIANTS = 6
QUIET = ["-p", "no:faulthandler", "--disable-plugin-autoload", "-s"]


class Selection:
    """Keeps the tests that a fault meets; says nothing."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.share = sorted(FAULTS).index(fault) if fault else 0

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        variants: Counter[str] = Counter()
        kept = []
        for item in items:
            name = item.nodeid.partition("[")[0]
            variants[name] += 1
            if variants[name] <= self.wanted(item, len(variants)):
                kept.append(item)
        items[:] = kept

    def wanted(self, item: pytest.Item, number: int) -> int:
        """How many variants of the test with this number are run."""
        marker = item.get_closest_marker("case")
        if self.fault and marker and marker.args[0] in FAULTS[self.fault].cases:
            return OWN_VARIANTS
        return int(not self.fault or (number + self.share) % OTHERS == 0)


def verdicts(fault: str, folder: Path) -> list[dict[str, str]]:
    """What the cases say of a peer with this fault."""
    request = Request(fault=fault, out=str(folder), seed=1)
    pytest.main([*QUIET, *request.options()], plugins=[pytest_plugin, Selection(fault)])
    rows = map(json.loads, (folder / "results.jsonl").open())
    return [
        {
            "test": row["id"].rpartition("/")[2].partition("[")[0],
            "case": row["case"] or "",
            "verdict": row["verdict"],
            "reason": row["reason"],
        }
        for row in rows
    ]


def main() -> None:
    out, *faults = sys.argv[1:]
    os.environ.pop("PYTEST_ADDOPTS", None)
    # Verdicts are all that is wanted: the evidence costs a third of the time.
    record.CaseFolder.write = lambda folder, sas: None
    frames.write = lambda path, datagrams, start: None
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, fault in enumerate(faults):
            found[fault] = verdicts(fault, Path(folder, str(number)))
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
