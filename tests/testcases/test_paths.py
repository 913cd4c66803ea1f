"""The cases about networks have teeth: PASS for the honest reference peer, FAIL for a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.peer.path_faults import ON_PATHS
from tests.harness.command import ikelab

NAT, ROUGH = "test_nat_paths", "test_rough_paths"
TRIPPED = {
    "test_meets_us_across_a_nat": "ignores-nat-detection",
    "test_reaches_us_across_a_nat": "ignores-nat-detection",
    "test_keeps_its_mapping_as_initiator": "sends-no-keepalives",
    "test_keeps_its_mapping_as_responder": "sends-no-keepalives",
    "test_follows_a_mapping_that_changed": "keeps-the-old-mapping",
    "test_does_not_follow_behind_a_nat": "follows-behind-a-nat",
    "test_tells_two_clients_behind_one_nat_apart": "knows-one-client-an-address",
    "test_gets_along_with_a_rough_path": "answers-repeated-requests-anew",
    "test_makes_its_way_over_a_rough_path": "repeats-nothing",
    "test_fits_through_where_ip_fragments_do_not": "takes-no-fragments",
    "test_gets_through_where_ip_fragments_do_not": "takes-no-fragments",
    "test_fits_through_a_narrow_link": "takes-no-fragments",
    "test_carries_ipv4_inside_ipv6": "takes-the-responders-keys-first",
}
"""Each test and a fault that it finds."""


def verdicts(folder: Path, *words: str) -> dict[str, set[str]]:
    """The verdicts of each test function of a run in namespaces."""
    done = ikelab("run", "-q", "--topology", "direct", "--out", folder, *words, cwd=folder.parent)
    assert done.status in (0, 1), done.err
    found: dict[str, set[str]] = {}
    for line in (folder / "results.jsonl").open():
        row = json.loads(line)
        name = row["id"].rpartition("::")[2].partition("[")[0]
        found.setdefault(name, set()).add(row["verdict"])
    return found


@pytest.mark.long
def test_the_honest_peer_passes(namespaces: None, tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", "-k", f"{NAT} or {ROUGH}")

    assert found == {name: {"PASS"} for name in TRIPPED}


@pytest.mark.long
@pytest.mark.parametrize("fault", sorted(set(TRIPPED.values())))
def test_a_fault_is_found(namespaces: None, tmp_path: Path, fault: str) -> None:
    tests = {name for name, planted in TRIPPED.items() if planted == fault}

    found = verdicts(tmp_path / "run", "--fault", fault, "-k", " or ".join(sorted(tests)))

    assert set(found) == tests
    assert all("FAIL" in seen and "ERROR" not in seen for seen in found.values()), found


def test_every_fault_of_a_path_is_looked_for() -> None:
    assert set(TRIPPED.values()) >= ON_PATHS
    assert set(FAULTS) >= set(TRIPPED.values())


def test_a_network_runs_its_own_cases_only(namespaces: None, tmp_path: Path) -> None:
    """`--topology two-clients` is the cases about it; in memory they are UNSUPPORTED."""
    own, memory = tmp_path / "own", tmp_path / "memory"

    ikelab("run", "--topology", "two-clients", "--out", own, cwd=tmp_path)
    ikelab("run", "-k", "two_clients or rough_path", "--out", memory, cwd=tmp_path)

    rows = [json.loads(line) for line in (own / "results.jsonl").open()]
    assert {(row["case"], row["topology"], row["verdict"]) for row in rows} == {
        ("NAT-10", "two-clients", "PASS")
    }
    rows = [json.loads(line) for line in (memory / "results.jsonl").open()]
    assert {(row["topology"], row["verdict"]) for row in rows} == {("memory", "UNSUPPORTED")}
    assert all(row["reason"].startswith("needs the network ") for row in rows)
    assert all("--topology direct" in row["reason"] for row in rows)


USERS = """
def test_mine(peer, initiator, path):
    peer.start()
    sa = initiator.establish()
    path.router.rebind(port=46000)
    assert not sa.inform().silent
    assert ("203.0.113.1", 46000) in {packet.src for packet in path.seen("outside")}
"""


def test_a_case_of_the_user_runs_in_the_network_that_he_names(
    namespaces: None, tmp_path: Path
) -> None:
    (tmp_path / "test_own.py").write_text(USERS)
    words = ["test_own.py", "--out", "run"]

    done = ikelab("run", *words, "--topology", "nat-initiator", cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    assert (tmp_path / "run/cases").is_dir()
    [folder] = (tmp_path / "run/cases").iterdir()
    assert (folder / "capture.pcapng").stat().st_size
    assert (folder / "capture-outside.pcapng").stat().st_size
