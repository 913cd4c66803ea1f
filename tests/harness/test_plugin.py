"""The pytest plugin in other people's sessions: idle unless asked, at home in their projects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.command import TIMEOUT, Done, environment

MINE = '''
import pytest

from ikelab.harness.pytest_plugin import case, rfc


@case("MINE-1")
@rfc(7296, "1.2")
def test_comes_up(peer, initiator):
    """An SA comes up."""
    peer.start()
    sa = initiator.establish()
    assert sa.violations == []


def test_initiates(peer, responder):
    peer.start()
    responder.listen()
    peer.initiate()
    responder.accept()


@pytest.mark.parametrize("n", range(6))
def test_again(peer, initiator, n):
    peer.start()
    initiator.establish()


def test_lacks_something(peer):
    peer.needs("teleportation")


def test_without_a_peer():
    pass
'''

JUDGED = """
import pytest


def test_wrong(peer, initiator):
    peer.start()
    sa = initiator.establish()
    assert len(sa.children) == 2


def test_wrong_words(peer):
    peer.start(ike=["rot13"])


@pytest.mark.xfail(reason="they said so")
def test_marked(peer):
    assert False


@pytest.mark.xfail
def test_marked_and_well(peer):
    pass


@pytest.mark.skip(reason="not today")
def test_skipped(peer):
    pass


def test_given_up(peer):
    pytest.fail("it is too late")
"""

# Another project, in which `peer` is something else.
FOREIGN = """
import pytest


@pytest.fixture
def peer():
    return "a peer of the realm"


def test_theirs(peer):
    assert peer.endswith("realm")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_mine.py").write_text(MINE)
    return tmp_path


def run_pytest(project: Path, *words: str) -> Done:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *words]
    done = subprocess.run(
        argv,
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def only_run(project: Path) -> tuple[dict, list[dict]]:
    """The facts and results of the only run below runs/."""
    (folder,) = (project / "runs").iterdir()
    rows = [json.loads(line) for line in (folder / "results.jsonl").open()]
    for row in rows:
        assert (folder / row["folder"] / "peer.conf").exists() or row["verdict"] != "PASS"
    return json.loads((folder / "run.json").read_text()), rows


@pytest.mark.parametrize(
    "words",
    [[], ["-n", "2"], ["-n", "2", "--ikelab-peer", "reference"]],
    ids=["plain", "xdist", "xdist-asked"],
)
def test_a_project_of_ones_own(words: list[str], project: Path) -> None:
    done = run_pytest(project, *words, "test_mine.py")

    assert done.status == 0, done.out + done.err
    assert "9 passed, 1 skipped" in done.out
    assert "UNSUPPORTED: reference lacks 'teleportation'" in done.out
    assert "ikelab: the run folder is " in done.out
    facts, rows = only_run(project)
    assert [peer["name"] for peer in facts["peers"]] == ["reference"]
    assert facts["finished"] >= facts["started"]
    verdicts = {row["id"]: row["verdict"] for row in rows}
    assert len(rows) == len(verdicts) == 9
    assert verdicts.pop("test_mine.py::test_lacks_something[reference]") == "UNSUPPORTED"
    assert set(verdicts.values()) == {"PASS"}
    assert len({row["folder"] for row in rows}) == 9
    row = next(row for row in rows if row["case"] == "MINE-1")
    assert (row["title"], row["doc"], row["role"]) == ("comes up", "An SA comes up.", "responder")
    assert row["rfc"] == [{"rfc": 7296, "sections": ["1.2"]}]


def test_pytest_and_the_run_folder_agree(project: Path) -> None:
    (project / "test_mine.py").write_text(JUDGED)

    done = run_pytest(project, "--ikelab-peer", "reference")

    assert done.status == 1
    assert "3 failed, 1 skipped, 1 xfailed, 1 xpassed" in done.out, done.out
    _, rows = only_run(project)
    found = {row["title"]: (row["verdict"], row["reason"]) for row in rows}
    assert found["wrong"] == ("FAIL", "got 1, expected 2  [len(sa.children) == 2]")
    assert found["wrong words"][0] == "ERROR"
    assert "test_mine.py:12: unknown word 'rot13' in proposal 'rot13'" in found["wrong words"][1]
    assert found["marked"] == ("XFAIL", "they said so")
    assert found["marked and well"][0] == "XPASS"
    assert found["skipped"] == ("UNSUPPORTED", "not today")
    assert found["given up"] == ("FAIL", "it is too late")


def test_known_deviations_hold_in_pytest_too(project: Path) -> None:
    (project / "known").mkdir()
    (project / "known/reference.toml").write_text(
        "[[deviation]]\nid = 'test_mine.py::test_wrong'\nreason = 'it is known'\n"
        "[[deviation]]\nid = 'test_mine.py::test_marked_and_well'\nreason = 'gone'\n"
    )
    (project / "test_mine.py").write_text(JUDGED.replace("@pytest.mark.xfail\n", ""))

    words = ["--ikelab-expected", "known", "-k", "wrong or well"]
    done = run_pytest(project, "--ikelab-peer", "reference", *words)

    assert "2 failed, 3 deselected, 1 xfailed" in done.out, done.out
    _, rows = only_run(project)
    verdicts = {row["title"]: row["verdict"] for row in rows}
    assert (verdicts["wrong"], verdicts["marked and well"]) == ("XFAIL", "XPASS")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ikelab-peer", "racoon@trixie"], "unknown peer 'racoon@trixie'"),
        (["--ikelab-peer", "reference", "--ikelab-out", "test_mine.py"], "is not a folder"),
    ],
)
def test_a_wrong_option_is_a_line(words: list[str], told: str, project: Path) -> None:
    done = run_pytest(project, *words)

    assert done.status == 4
    assert told in done.err and "Traceback" not in done.err + done.out


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "words", "status", "verdict"),
    [(MINE, [], 0, "PASS"), (JUDGED, ["-n", "2"], 1, "FAIL")],
    ids=["alone", "xdist"],
)
def test_a_network_needs_no_command_of_ours(
    namespaces: None, source: str, words: list[str], status: int, verdict: str, project: Path
) -> None:
    """pytest itself moves into a world of namespaces, with the same exit status and output."""
    (project / "test_mine.py").write_text(source)
    where = ["--ikelab-peer", "reference", "--ikelab-topology", "direct"]

    done = run_pytest(project, *words, *where, "-k", "comes_up or (wrong and not words)")

    assert done.status == status, done.out + done.err
    assert "the run folder is" in done.out
    _, rows = only_run(project)
    assert [(row["verdict"], row["topology"]) for row in rows] == [(verdict, "direct")]


# -- idle --------------------------------------------------------------------------------------


def test_a_session_without_peers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(FOREIGN)

    done = run_pytest(tmp_path, "--strict-markers", "-W", "error")

    assert done.status == 0 and "1 passed" in done.out, done.out
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] in (
        [],
        ["__pycache__"],
    )
    assert "ikelab:" not in done.out


def test_a_session_without_peers_imports_nothing_of_the_engine(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "import sys\n\n\ndef test_x():\n"
        "    heavy = ('scapy', 'cryptography', 'pyroute2', 'click', 'rich', 'ikelab.harness.rig')\n"
        "    assert [name for name in heavy if name in sys.modules] == []\n"
    )

    done = run_pytest(tmp_path)

    assert done.status == 0, done.out
