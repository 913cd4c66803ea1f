"""The shipped cases with planted faults: `python -m tests.harness.fault_matrix TOUCH OUT FAULT...`.

One session of pytest for all faults, because starting and collecting cost more than running. The
fault "" is none: it meets every test, and writes to TOUCH which faults could change each (see
`fault_touch`). Of the tests that it could change a fault meets those of its own cases, of two of
the cases that are listed beside it, and of all others a few, chosen by the names and the text of
the case; with `--whole` every one. OUT is JSON: {fault: [{"id", "test", "case", "verdict",
"reason"}]}.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from _pytest.runner import runtestprotocol

from ikelab.harness import frames, pytest_plugin, record
from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.peer.reference import ReferencePeer
from ikelab.harness.rig import MemoryRig, Settings
from ikelab.harness.runner import Request
from tests.harness import beside, fault_touch

OTHERS = 128  # one of so many tests that a fault could change and that are not its own
BESIDE = 2  # cases that are listed beside a fault
OWN_VARIANTS = 8  # of one test
QUIET = ["-p", "no:faulthandler", "--disable-plugin-autoload", "-s"]
BAD = ("FAIL", "ERROR")
Found = dict[str, list[dict[str, str]]]


class Faults:
    """Runs the collected tests fault by fault and keeps what they say."""

    def __init__(self, words: argparse.Namespace) -> None:
        self.words = words
        self.found: Found = {fault: [] for fault in words.faults}
        self.touch: dict[str, list[str]] = {}
        if words.touch.exists():
            self.touch = json.loads(words.touch.read_text())
        self.settings = Settings()
        self._now: list[dict[str, str]] = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")
        self.settings = config.pluginmanager.get_plugin(pytest_plugin.PLUGIN).settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        honest = self.settings
        # What is about other networks than the one in memory is UNSUPPORTED there.
        items = [i for i in session.items if not i.get_closest_marker("topology")]
        if self.words.case:
            items = [i for i in items if case_of(i) in self.words.case]
        for fault, rows in self.found.items():
            self._now = rows
            self.settings = replace(honest, fault=FAULTS[fault]) if fault else honest
            with nullcontext() if fault else fault_touch.watched():
                for item in self.met(items, fault):
                    self.run(item, session)
            self.words.out.write_text(json.dumps(self.found))
        return True

    def run(self, item: Any, session: pytest.Session) -> None:
        """One test, as if it were the first."""
        fault_touch.NOTES.clear()
        item._initrequest()  # as for any test that is run again
        runtestprotocol(item, log=False, nextitem=Whatever(session))
        if self.settings.fault is None:
            self.touch[item.nodeid] = fault_touch.NOTES.touched()

    def met(self, items: list[Any], fault: str) -> Iterator[Any]:
        """The tests that a fault meets; all of them where there is none."""
        if not fault:
            yield from items
            return
        items = [item for item in items if fault in self.touch[item.nodeid]]
        if self.words.whole:
            yield from self.until_they_fail(items)
            return
        own, chosen = FAULTS[fault].cases, picked(fault)
        variants = defaultdict(list)
        for item in items:
            variants[item.nodeid.partition("[")[0]].append(item)
        for same in variants.values():
            if case_of(same[0]) in own:
                yield from same[:OWN_VARIANTS]
        yield from self.until_they_fail([i for i in items if case_of(i) in chosen])
        yield from (i for i in items if case_of(i) not in (*own, *chosen) and sampled(i, fault))

    def until_they_fail(self, items: list[Any]) -> Iterator[Any]:
        """The tests of a case up to the first one that fails: then it has failed."""
        failed: set[str] = set()
        for item in items:
            if case_of(item) not in failed:
                yield item
                if self._now[-1]["verdict"] in BAD:
                    failed.add(case_of(item))

    def pytest_ikelab_result(self, verdict: Any, item: Any, reason: str) -> None:
        test = item.nodeid.rpartition("/")[2].partition("[")[0]
        row = {"id": item.nodeid, "test": test, "case": case_of(item)}
        self._now.append(row | {"verdict": str(verdict), "reason": reason})


class Whatever:
    """Stands for the next test: of what was set up, only the session's own stays."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[pytest.Session]:
        return [self.session]


def case_of(item: Any) -> str:
    """The catalogue id of a test; empty where it has none."""
    marker = item.get_closest_marker("case")
    return marker.args[0] if marker else ""


@cache
def text_of(path: Path) -> str:
    """The text of a module of cases."""
    return path.read_text(encoding="utf-8")


def sampled(item: Any, fault: str) -> bool:
    """Whether this fault meets a test that is not its own; another share where the text changes."""
    return crc32(f"{fault} {item.nodeid} {text_of(item.path)}".encode()) % OTHERS == 0


def picked(fault: str) -> list[str]:
    """Some of the cases that are listed beside a fault."""
    cases = beside.listed().get(fault, frozenset())
    return sorted(cases, key=lambda case: crc32(f"{fault} {case}".encode()))[:BESIDE]


def read(argv: list[str] | None = None) -> argparse.Namespace:
    """The words of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("touch", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("faults", nargs="*")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--case", action="append", default=[])
    return parser.parse_args(argv)


def main() -> None:
    words = read()
    os.environ.pop("PYTEST_ADDOPTS", None)
    runner = Faults(words)
    # The peer's fault changes from test to test; evidence nobody reads is not written.
    MemoryRig._settings = property(lambda rig: runner.settings, lambda rig, value: None)
    record.CaseFolder.write = lambda folder, sas: None
    record.CaseFolder.text = lambda folder, name, text: None
    ReferencePeer.log = lambda peer: ""
    frames.write = lambda path, datagrams, start: None
    with tempfile.TemporaryDirectory() as folder:
        request = Request(out=str(Path(folder, "run")), seed=1)
        pytest.main([*QUIET, *request.options()], plugins=[pytest_plugin, runner])
    if "" in runner.found:
        words.touch.write_text(json.dumps(runner.touch))


if __name__ == "__main__":
    main()
