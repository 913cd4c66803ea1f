"""The run folder: written line by line, shared among processes, never over another run."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.record import CaseFolder, RunFolder, finish_shared, slug


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "results.jsonl").open()]


def facts(path: Path) -> dict:
    return json.loads((path / "run.json").read_text())


def test_a_result_is_on_disk_at_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"topology": "memory"})

    run.result({"id": "one", "reason": "a\nb ü"})

    assert results(run.path) == [{"id": "one", "reason": "a\nb ü"}]
    assert "finished" not in facts(run.path)
    run.finish()
    assert facts(run.path)["finished"] >= facts(run.path)["started"]
    assert facts(run.path)["topology"] == "memory"


def test_a_peer_is_noted_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {})

    for version in ("1", "1"):
        run.add_peer("reference", version, {"view", "child"})

    row = {"name": "reference", "version": "1", "capabilities": ["child", "view"]}
    assert facts(run.path)["peers"] == [row]


@pytest.mark.parametrize("left", ["run.json", "results.jsonl"])
def test_another_run_is_never_written_over(left: str, tmp_path: Path) -> None:
    (tmp_path / left).write_text("{}")

    with pytest.raises(ConfigError, match="holds a run already"):
        RunFolder(tmp_path, {})

    assert (tmp_path / left).read_text() == "{}"


def test_several_processes_write_one_run(tmp_path: Path) -> None:
    """As pytest-xdist's workers do: one folder, whole lines, folders of their own."""
    runs = [RunFolder(tmp_path / "run", {"seed": 1}, shared=True) for _ in range(2)]
    places = [CaseFolder(run, "a::b").path for run in runs]
    for number, run in enumerate(runs):
        run.add_peer("reference", "1", ())
        run.result({"id": str(number)})
        run.finish()

    assert len(set(places)) == 2
    assert [row["id"] for row in results(tmp_path / "run")] == ["0", "1"]
    assert facts(tmp_path / "run")["peers"] == []
    assert "finished" not in facts(tmp_path / "run")
    finish_shared(tmp_path / "run", [*runs[0].facts["peers"], *runs[1].facts["peers"]], whole=True)
    assert [peer["name"] for peer in facts(tmp_path / "run")["peers"]] == ["reference"]
    assert facts(tmp_path / "run")["seed"] == 1 and facts(tmp_path / "run")["finished"]


def test_names_that_look_alike_get_folders_of_their_own(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {})
    names = ["t.py::x[a-+1]", "t.py::x[a--1]", "t.py::x[a/1]", "t.py::x[a:1]", "x" * 300, "x" * 301]

    folders = {CaseFolder(run, name).name for name in names}

    assert len(folders) == len(names)
    assert all((run.path / folder).is_dir() for folder in folders)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a\0b", "ü", "[" * 300, "-x-"])
def test_a_slug_is_one_plain_name(name: str) -> None:
    assert "/" not in slug(name) and "\0" not in slug(name) and len(slug(name)) <= 150
    assert slug(name).isascii()


def test_a_text_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = CaseFolder(RunFolder(tmp_path / "run", {}), "case")
        folder.text("peer.conf", "psk")
        folder.text("peer.conf", "psk2")
    finally:
        os.umask(before)

    assert (folder.path / "peer.conf").read_text() == "psk2"
    assert stat.S_IMODE((folder.path / "peer.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_record_that_breaks_is_the_labs_trouble(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {})
    folder = CaseFolder(run, "case")
    folder.path.rmdir()

    with pytest.raises(LabError, match=r"cannot write to .*case any more \(No such file"):
        folder.text("peer.log", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_by_its_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {})
    (tmp_path / "run/results.jsonl").unlink()
    (tmp_path / "run/results.jsonl").symlink_to("/dev/full")
    (tmp_path / "run/run.json").unlink()

    full = RunFolder(tmp_path / "run", {}, shared=True)

    with pytest.raises(LabError, match="No space left on device"):
        full.result({"id": "one"})
    run.finish()
