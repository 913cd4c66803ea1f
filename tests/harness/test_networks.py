"""The cases about networks have teeth: PASS for the honest reference peer, FAIL for a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ikelab.harness.peer.faults import FAULTS
from ikelab.harness.peer.path_faults import ON_PATHS
from tests.harness.command import ikelab

NAT, ROUGH = "test_nat_paths", "test_rough_paths"
TRIPPED = [
    ("ignores-nat-detection", "nat-both", "test_meets_us_across_a_nat"),
    ("ignores-nat-detection", "nat-both", "test_reaches_us_across_a_nat"),
    ("sends-no-keepalives", "nat-both", "test_keeps_its_mapping_as_initiator"),
    ("sends-no-keepalives", "nat-both", "test_keeps_its_mapping_as_responder"),
    ("keeps-the-old-mapping", "nat-initiator", "test_follows_a_mapping_that_changed"),
    ("follows-behind-a-nat", "nat-responder", "test_does_not_follow_behind_a_nat"),
    ("knows-one-client-an-address", "two-clients", "test_tells_two_clients_behind_one_nat_apart"),
    ("answers-repeated-requests-anew", "duplicate", "test_gets_along_with_a_rough_path"),
    ("answers-repeated-requests-anew", "duplicate", "test_makes_its_way_over_a_rough_path"),
    ("takes-no-fragments", "drops-fragments", "test_fits_through_where_ip_fragments_do_not"),
    ("takes-no-fragments", "drops-fragments", "test_gets_through_where_ip_fragments_do_not"),
    ("takes-no-fragments", "mtu576", "test_fits_through_a_narrow_link"),
    ("takes-the-responders-keys-first", "4in6", "test_carries_ipv4_inside_ipv6"),
]
"""A fault, a network, and a test that finds the one in the other."""
TESTS = {test for _, _, test in TRIPPED}
PAIRS = sorted({(fault, network) for fault, network, _ in TRIPPED})


def verdicts(folder: Path, network: str, *words: str) -> dict[str, set[str]]:
    """The verdicts of each test function of a run in namespaces."""
    done = ikelab("run", "-q", "--topology", network, "--out", folder, *words, cwd=folder.parent)
    assert done.status in (0, 1), done.err
    found: dict[str, set[str]] = {}
    for line in (folder / "results.jsonl").open():
        row = json.loads(line)
        name = row["id"].rpartition("::")[2].partition("[")[0]
        found.setdefault(name, set()).add(row["verdict"])
    return found


@pytest.mark.long
def test_the_honest_peer_passes(namespaces: None, tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", "direct", "-k", f"{NAT} or {ROUGH}")

    assert found == {name: {"PASS"} for name in TESTS}


@pytest.mark.long
@pytest.mark.parametrize(("fault", "network"), PAIRS)
def test_a_fault_is_found(namespaces: None, tmp_path: Path, fault: str, network: str) -> None:
    tests = {test for one, where, test in TRIPPED if (one, where) == (fault, network)}
    words = " or ".join(sorted(tests))

    found = verdicts(tmp_path / "run", network, "--fault", fault, "-k", words)

    assert set(found) == tests
    assert all("FAIL" in seen and "ERROR" not in seen for seen in found.values()), found


def test_every_fault_of_a_path_is_looked_for() -> None:
    planted = {fault for fault, _ in PAIRS}
    assert planted >= ON_PATHS
    assert set(FAULTS) >= planted


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
