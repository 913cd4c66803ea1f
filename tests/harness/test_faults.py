"""Every case has teeth: for each planted fault the cases that it names FAIL, none ends in ERROR.

And the other way round: every shipped case has an id, and a fault that makes it FAIL; what a fault
trips is its own, or is listed beside it (beside.toml). All of its own cases are met here and a part
of the others; tests/whole_fault_matrix.py meets them all.
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
from tests.harness import beside
from tests.harness.command import environment
from tests.harness.fault_matrix import BESIDE, OTHERS, picked

pytestmark = pytest.mark.long

# What shows on a path only is looked for there, by tests/harness/test_networks.py.
HERE = [name for name in FAULTS if name not in ON_PATHS]
ROOT = Path(__file__).resolve().parents[2]
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
    """The honest run first: it tells which tests a fault could change."""
    faults = sorted(FAULTS)
    found: Matrix = {}
    for parts in ([[HONEST]], [faults[number::PROCESSES] for number in range(PROCESSES)]):
        running = [(start(folder, part, number), number) for number, part in enumerate(parts)]
        for process, number in running:
            said, _ = process.communicate()
            assert process.returncode == 0, said
            found |= json.loads((folder / f"faults{number}.json").read_text())
    return found


def start(folder: Path, faults: list[str], number: int) -> subprocess.Popen[str]:
    """A process that runs the cases with these faults."""
    files = [folder / "touch.json", folder / f"faults{number}.json"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.harness.fault_matrix", *files, *faults],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def failed(rows: list[dict[str, str]]) -> set[str]:
    """The cases that FAILed."""
    return {row["case"] for row in rows if row["verdict"] == "FAIL"}


def test_the_honest_peer_passes_everything(matrix: Matrix) -> None:
    assert [row for row in matrix[HONEST] if row["verdict"] != "PASS"] == []


@pytest.mark.parametrize("name", HERE)
def test_a_fault_makes_its_cases_fail(name: str, matrix: Matrix) -> None:
    assert FAULTS[name].cases, "the fault names no case"
    assert set(FAULTS[name].cases) <= failed(matrix[name])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_trips_no_other_cases_than_are_listed(name: str, matrix: Matrix) -> None:
    """Who has looked at what it trips lists it: whole_fault_matrix.py --fault NAME --write."""
    listed = {*FAULTS[name].cases, *beside.listed().get(name, ())}

    assert sorted(failed(matrix[name]) - listed) == []
    assert [row for row in matrix[name] if row["verdict"] == "ERROR"] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_trips_what_is_listed_beside_it(name: str, matrix: Matrix) -> None:
    assert sorted(set(picked(name)) - failed(matrix[name])) == []


def test_the_lists_are_about_faults_and_cases_that_there_are(matrix: Matrix) -> None:
    listed = beside.listed()
    cases = {case for named in listed.values() for case in named}

    assert sorted(set(listed) - set(FAULTS)) == []
    assert sorted(cases - {row["case"] for row in matrix[HONEST]}) == []


def test_a_part_of_the_others_is_met(matrix: Matrix, capfd: pytest.CaptureFixture[str]) -> None:
    met = sum(len(rows) for name, rows in matrix.items() if name != HONEST)
    others = [row for name in FAULTS for row in matrix[name]
              if row["case"] not in (*FAULTS[name].cases, *picked(name))]  # fmt: skip
    said = f"{met} tests with {len(FAULTS)} faults, of each {BESIDE} cases beside its own"
    with capfd.disabled():
        print(
            f"\nfault matrix: {said} and {len(others)} others, one of {OTHERS}; "
            "all: tests/whole_fault_matrix.py",
            file=sys.stderr,
        )
    assert others


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
