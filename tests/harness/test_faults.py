"""Every case has teeth: for each planted fault the cases that it names FAIL, none ends in ERROR.

And the other way round: every shipped case has an id, and a fault that makes it FAIL.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.peer.path_faults import ON_PATHS
from tests.harness.command import environment

pytestmark = pytest.mark.long

# What shows on a path only is looked for there, by tests/harness/test_networks.py.
HERE = [name for name in FAULTS if name not in ON_PATHS]
PROGRAM = Path(__file__).with_name("fault_matrix.py")
PROCESSES = 2
HONEST = ""
Matrix = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Matrix:
    """The verdicts of every case for each fault, found once for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "faults.json"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            place.write_text(json.dumps(run_all(base)))
    return json.loads(place.read_text())


def run_all(folder: Path) -> Matrix:
    faults = [HONEST, *HERE]
    running = []
    for number in range(PROCESSES):
        part = folder / f"faults{number}.json"
        words = [sys.executable, PROGRAM, part, *faults[number::PROCESSES]]
        process = subprocess.Popen(
            words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        running.append((process, part))
    found: Matrix = {}
    for process, part in running:
        said, _ = process.communicate()
        assert process.returncode == 0, said
        found |= json.loads(part.read_text())
    return found


def test_the_honest_peer_passes_everything(matrix: Matrix) -> None:
    assert [row for row in matrix[HONEST] if row["verdict"] != "PASS"] == []


@pytest.mark.parametrize("name", HERE)
def test_a_fault_makes_its_cases_fail(name: str, matrix: Matrix) -> None:
    failed = {row["case"] for row in matrix[name] if row["verdict"] == "FAIL"}

    assert FAULTS[name].cases, "the fault names no case"
    assert set(FAULTS[name].cases) <= failed
    assert [row for row in matrix[name] if row["verdict"] == "ERROR"] == []


@pytest.mark.parametrize("name", HERE)
def test_every_fail_says_why(name: str, matrix: Matrix) -> None:
    """In a line that a person can read: no Python values, no empty words."""
    for row in matrix[name]:
        if row["verdict"] == "FAIL":
            reason = row["reason"]
            assert reason and "\n" not in reason, row
            assert " object at 0x" not in reason and not reason.startswith("#"), row


def test_every_case_has_an_id(matrix: Matrix) -> None:
    assert sorted({row["test"] for row in matrix[HONEST] if not row["case"]}) == []


def test_every_test_fails_for_a_fault_of_its_case(matrix: Matrix) -> None:
    """A test that no fault trips proves nothing about a peer."""
    tests = {row["test"] for row in matrix[HONEST]}
    tripped = {
        row["test"]
        for name, fault in ((name, FAULTS[name]) for name in HERE)
        for row in matrix[name]
        if row["verdict"] == "FAIL" and row["case"] in fault.cases
    }

    assert sorted(tests - tripped) == []


def test_every_fault_is_about_cases_that_there_are(matrix: Matrix) -> None:
    cases = {row["case"] for row in matrix[HONEST]}
    named = {case for name in HERE for case in FAULTS[name].cases}

    assert sorted(named - cases) == []
