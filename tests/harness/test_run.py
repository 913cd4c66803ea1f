"""`ikelab run` as a user sees it: what it prints, what it leaves, on every network it knows."""

from __future__ import annotations

import json
import os
import re
import resource
import stat
from pathlib import Path

import pytest

from tests.harness.command import Terminal, ikelab

# The algorithms need time and no network; and a few cases of each kind, for more ways to run.
FEW = "walk_through or right_key or cookie or float or port_4500 or as_original_initiator"
LIMIT = 90.0  # seconds of CPU: twenty are the aim on an idle machine, this catches what is far off


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").open()]


def facts(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def spent() -> float:
    """Seconds that processors gave to commands: the memory network waits for nothing else."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few cases, made with an open umask."""
    place = tmp_path_factory.mktemp("made")
    done = ikelab("run", "-k", FEW, "--out", "run", cwd=place, umask=0)
    assert done.status == 0, done.out + done.err
    return place / "run"


# -- an honest run -----------------------------------------------------------------------------


@pytest.mark.long
def test_an_ordinary_user_runs_everything_in_memory(nobody: tuple[list[str], Path]) -> None:
    """No root, no namespaces, under 20 s, all PASS but for what needs a network of its own."""
    become, home = nobody
    out = home / "run"

    start = spent()
    done = ikelab("run", "--out", out, cwd=home, under=become)

    assert (done.status, done.err) == (0, ""), done.out + done.err
    assert spent() - start < LIMIT
    every = rows(out)
    results = [row for row in every if row["verdict"] != "UNSUPPORTED"]
    assert {row["verdict"] for row in results} == {"PASS"}
    reasons = {row["reason"] for row in every if row not in results}
    assert all(reason.startswith("needs the network ") for reason in reasons)
    assert {row["role"] for row in results} == {"initiator", "responder"}
    assert f"run folder: {out}" in done.out
    assert done.out.count("\nPASS ") + 1 == len(results)
    assert {"schema", "kernel", "started", "finished", "peers", "command"} <= set(facts(out))


@pytest.mark.parametrize(
    ("topology", "expression"),
    [("direct", FEW), pytest.param("direct6", FEW, marks=pytest.mark.long)],
    ids=["direct", "direct6"],
)
def test_the_networks_are_green(
    namespaces: None, topology: str, expression: str, tmp_path: Path
) -> None:
    words = ["--topology", topology, "-k", expression]
    done = ikelab("run", *words, "--out", "run", cwd=tmp_path)

    assert (done.status, done.err) == (0, ""), done.out + done.err
    results = rows(tmp_path / "run")
    assert {(row["verdict"], row["topology"]) for row in results} == {("PASS", topology)}


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user already")
@pytest.mark.parametrize(
    ("topology", "expression"),
    [("direct", FEW), pytest.param("direct6", FEW, marks=pytest.mark.long)],
    ids=["direct", "direct6"],
)
def test_the_networks_are_green_for_an_ordinary_user(
    namespaces: None, topology: str, expression: str, nobody: tuple[list[str], Path]
) -> None:
    become, home = nobody
    words = ["--topology", topology, "-k", expression]
    out = home / "run"

    done = ikelab("run", *words, "--out", out, cwd=home, under=become)

    assert (done.status, done.err) == (0, ""), done.out + done.err
    assert {(row["verdict"], row["topology"]) for row in rows(out)} == {("PASS", topology)}


def test_two_peers_make_one_matrix(trixie: str, tmp_path: Path) -> None:
    words = ["--peer", "reference", "--peer", trixie, "--peer", "reference", "-k", "right_key"]

    done = ikelab("run", *words, "--out", "run", cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    results = rows(tmp_path / "run")
    assert sorted((row["peer"], row["topology"]) for row in results) == [
        ("reference", "memory"),
        (trixie, "direct"),
    ]
    assert [peer["name"] for peer in facts(tmp_path / "run")["peers"]] == ["reference", trixie]
    report = ikelab("report", "run", "--html", "page.html", cwd=tmp_path)
    assert report.status == 0, report.err
    page = (tmp_path / "page.html").read_text()
    assert trixie in page and "reference" in page


@pytest.mark.long
def test_a_seed_repeats_a_run_to_the_octet(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        seed = "8" if name == "other" else "7"
        words = ["-k", "right_key or cookie", "--seed", seed, "--out", name]
        assert ikelab("run", *words, cwd=tmp_path).status == 0

    one, two, other = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.pcapng")}
        for n in ("one", "two", "other")
    )
    assert one and one == two
    assert one != other
    assert facts(tmp_path / "one")["seed"] == 7


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_one_role_alone(role: str, tmp_path: Path) -> None:
    done = ikelab("run", "--role", role, "-k", "liveness", "--out", "run", cwd=tmp_path)

    assert done.status == 0, done.out + done.err
    assert {row["role"] for row in rows(tmp_path / "run")} == {role}


def test_the_folder_of_a_run_has_a_name_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        assert ikelab("run", "-k", "right_key", cwd=tmp_path).status == 0

    names = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-reference(-2)?", name) for name in names)


# -- verdicts ----------------------------------------------------------------------------------


def test_a_fault_makes_a_fail_that_says_what_was_wrong(tmp_path: Path) -> None:
    words = ["-k", "repeated_ike_sa or supported_suite", "--fault", "sends-a-short-nonce"]

    done = ikelab("run", *words, "--out", "run", cwd=tmp_path)

    assert (done.status, done.err) == (1, "")
    results = {row["title"]: row for row in rows(tmp_path / "run")}
    row = results["accepts a supported suite"]
    assert row["verdict"] == "FAIL"
    assert row["reason"] == "nonce-is-long-enough (RFC 7296 2.10, MUST): the nonce has 8 octets"
    assert row["violations"][0]["rule"] == "nonce-is-long-enough"
    assert facts(tmp_path / "run")["fault"] == "sends-a-short-nonce"


def test_known_deviations_are_expected_and_their_end_is_not(tmp_path: Path) -> None:
    """XFAIL while the deviation lasts, and XPASS, which is unexpected, when it is gone."""
    (tmp_path / "known").mkdir()
    (tmp_path / "known/reference.toml").write_text(
        "[[deviation]]\n"
        'id = "test_ike_auth.py::test_refuses_a_wrong_key"\n'
        'reason = "it believes everybody"\n'
        'link = "https://example.org/1"\n'
    )
    words = ["-k", "right_key or wrong_key", "--expected", "known"]

    faulty = ikelab("run", *words, "--fault", "accepts-any-key", "--out", "one", cwd=tmp_path)
    honest = ikelab("run", *words, "--out", "two", cwd=tmp_path)

    assert faulty.status == 0, faulty.out + faulty.err
    row = next(r for r in rows(tmp_path / "one") if r["verdict"] != "PASS")
    assert row["verdict"] == "XFAIL"
    believed = "it believes everybody (https://example.org/1): the response authenticates the peer"
    assert row["reason"].startswith(believed)
    assert honest.status == 1
    row = next(r for r in rows(tmp_path / "two") if r["verdict"] != "PASS")
    assert row["verdict"] == "XPASS" and "it believes everybody" in row["reason"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("[[deviation]\n", "reference.toml: "), ("[[deviation]]\nid = 'x'\n", "an id and a reason")],
)
def test_a_broken_list_of_deviations(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known/reference.toml").write_text(text)

    ikelab("run", "--expected", "known", cwd=tmp_path).refused(2, told)


def test_a_peer_that_lacks_something_is_unsupported(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_x(peer):\n    peer.needs('teleportation')\n")

    done = ikelab("run", "test_mine.py", "--out", "run", cwd=tmp_path)

    assert (done.status, done.err) == (0, "")
    (row,) = rows(tmp_path / "run")
    assert (row["verdict"], row["id"]) == ("UNSUPPORTED", "test_mine.py::test_x[reference]")
    assert row["reason"] == "reference lacks 'teleportation'"


# -- what is printed ---------------------------------------------------------------------------


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    done = ikelab("run", "-k", "right_key", "--out", "run", cwd=tmp_path)

    assert done.out.splitlines()[0] == (
        "PASS        reference  AUT-01   brings the sa up with the right key"
    )
    assert "\x1b" not in done.out + done.err


def test_quiet_prints_only_what_is_wrong(tmp_path: Path) -> None:
    words = ["-q", "-k", "right_key or wrong_key", "--fault", "accepts-any-key", "--out", "run"]

    done = ikelab("run", *words, cwd=tmp_path)

    assert "PASS     " not in done.out.partition("peer  ")[0]
    assert "FAIL        reference  AUT-01   refuses a wrong key" in done.out


def test_a_terminal_sees_a_bar_that_moves(tmp_path: Path) -> None:
    terminal = Terminal("run", "-k", FEW, "--out", "run", cwd=tmp_path)

    assert terminal.end() == 0, terminal.text
    total = len(rows(tmp_path / "run"))
    assert f"0/{total}" in terminal.text and f"{total}/{total}" in terminal.text
    assert "━" in terminal.text
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.text).splitlines()[-1]
    assert last == "run folder: run"


# -- what is left ------------------------------------------------------------------------------


def test_each_case_has_its_own_folder(made: Path) -> None:
    results = rows(made)

    assert len({row["folder"] for row in results}) == len(results)
    for row in results:
        names = {path.name for path in (made / row["folder"]).iterdir()}
        assert {"transcript.jsonl", "capture.pcapng", "peer.conf", "peer.log", "keys"} <= names
    assert sorted(p.name for p in made.iterdir()) == ["cases", "results.jsonl", "run.json"]


def test_secrets_are_for_their_owner_alone(made: Path) -> None:
    """Whatever the umask: keys, the peer's configuration (it holds the key) and its log."""
    for row in rows(made):
        folder = made / row["folder"]
        assert mode(folder) == 0o700
        assert mode(folder / "keys") == 0o700
        secret = [*(folder / "keys").iterdir(), folder / "peer.conf", folder / "peer.log"]
        assert len(secret) > 4
        assert {path.name: oct(mode(path)) for path in secret if mode(path) != 0o600} == {}


def test_the_ids_are_those_of_the_shipped_cases(made: Path) -> None:
    pattern = re.compile(r"testcases/[\w/]+/test_\w+\.py::test_\w+\[reference[^]]*\]")

    assert [row["id"] for row in rows(made) if not pattern.fullmatch(row["id"])] == []


def test_nobody_elses_pytest_settings_count(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not asked for')\n")

    env = {"PYTEST_ADDOPTS": "--nonsense"}
    done = ikelab("run", "-k", "right_key", "--out", "run", cwd=tmp_path, env=env)

    assert done.status == 0, done.err
